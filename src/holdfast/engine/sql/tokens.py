"""Splits SQL into tokens. Joined again they are the text they came from.

A general SQL parser was measured and left out: sqlglot takes 200-400 us a statement and 98 ms to import, and turns
`<=>` into `IS`.
"""

from __future__ import annotations

import re
import sys
from enum import Enum, auto

import msgspec

from holdfast.errors import SqlError, Unsupported


class TokenKind(Enum):
    """What a token is."""

    SPACE = auto()
    WORD = auto()
    QUOTED = auto()
    STRING = auto()
    NUMBER = auto()
    BLOB = auto()
    PARAMETER = auto()
    SYMBOL = auto()


class Token(msgspec.Struct, frozen=True):
    """A piece of SQL. `value` is the name without its quotes, the parameter's name, or the text in lower case."""

    kind: TokenKind
    text: str
    value: str

    def is_word(self, *words: str) -> bool:
        """Tell whether this is one of these keywords (lower case)."""
        return self.kind is TokenKind.WORD and self.value in words

    def is_symbol(self, *symbols: str) -> bool:
        """Tell whether this is one of these symbols."""
        return self.kind is TokenKind.SYMBOL and self.text in symbols

    @property
    def is_name(self) -> bool:
        """Whether this can be a name of a table or a column."""
        return self.kind in (TokenKind.WORD, TokenKind.QUOTED)

    @property
    def name(self) -> str:
        """The name as written, without quotes."""
        return self.value if self.kind is TokenKind.QUOTED else self.text


_PATTERN = re.compile(
    r"""
    (?P<SPACE>\s+|--[^\n]*|/\*(?:[^/*]|\*(?!/)|/(?!\*)|/\*(?:[^*]|\*(?!/))*\*/)*\*/)
  | (?P<BLOB>[xX]'[0-9A-Fa-f]*')
  | (?P<ESCAPED>[eE]'(?:[^'\\]|\\.|'')*')
  | (?P<STRING>'(?:[^']|'')*')
  | (?P<QUOTED>"(?:[^"]|"")*")
  | (?P<PARAMETER>%s(?!\w)|%\(\w+\)s)
  | (?P<NUMBER>0[xX][0-9A-Fa-f]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<WORD>[^\W\d][\w$]*)
  | (?P<SYMBOL>->>|->|\#-|<\+>|\?\||\?&|&&|<->|<=>|<\#>|\#>>|\#>|@>|<@|@@
      |!~~\*|~~\*|!~~|~~|!~\*|!~|~\*|::|=>|\|\||<=|>=|<>|!=|==|<<|>>|%%|.)
    """,
    re.VERBOSE | re.DOTALL,
)

_REFUSED = {
    ":": "use %(name)s for a named parameter",
    "$": "use %s for a parameter",
    "@": 'only "table"@ref inside double quotes is known: "table@ref"',
    "`": 'use double quotes: "name"',
    "?|": "use ? for each key, with OR",
    "?&": "use ? for each key, with AND",
    "&&": "arrays are JSONB here: compare with @> for each item",
    "#-": "use - once for each level, or jsonb_set()",
    "<+>": "of the distances there are <->, <=> and <#>",
}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-7]{1,3})|(.))", re.DOTALL)
_UNCLOSED = {"'": "a string", '"': "a name", "/": "a comment"}


def tokenize(sql: str) -> list[Token]:
    """Return the tokens of `sql`.

    Raises:
        SqlError: a string, name or comment is not closed, or there is a NUL or half of a surrogate pair.
        Unsupported: an operator or a parameter style that is not translated; the message says what to use.
    """
    _check_text(sql)
    return [_token(found, sql) for found in _PATTERN.finditer(sql)]


def _check_text(sql: str) -> None:
    """Look at the whole text, strings and comments included: SQLite would stop reading at a NUL."""
    if "\0" in sql:
        at = sql.index("\0")
        raise SqlError(f"the statement has a NUL character after: {sql[max(at - 40, 0) : at]}")
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise SqlError(
            f"the statement has half of a surrogate pair, {error.object[error.start]!a}, which is no text; pass"
            " bytes as a parameter"
        ) from error


def _token(found: re.Match[str], sql: str) -> Token:
    if found.lastgroup == "ESCAPED":
        return _unescaped(found[0])
    kind, text = TokenKind[found.lastgroup or "SYMBOL"], found[0]
    if kind is TokenKind.SYMBOL:
        _refuse(text, sql, found.start())
        return Token(kind, "%" if text == "%%" else text, text)
    if kind is TokenKind.QUOTED:
        return Token(kind, text, text[1:-1].replace('""', '"'))
    if kind is TokenKind.PARAMETER:
        return Token(kind, text, text[2:-2])
    return Token(kind, text, text.lower())


def _unescaped(text: str) -> Token:
    """Return E'...' as the plain string that it means."""

    def character(found: re.Match[str]) -> str:
        hexadecimal = found[1] or found[2] or found[3]
        if hexadecimal or found[4]:
            number = int(hexadecimal, 16) if hexadecimal else int(found[4], 8)
            if number > sys.maxunicode:
                raise SqlError(f"{found[0]} in {text[:40]} is no character")
            return chr(number)
        return _ESCAPES.get(found[5], found[5])

    value = _ESCAPE.sub(character, text[2:-1].replace("''", "'"))
    _check_text(value)
    plain = "'" + value.replace("'", "''") + "'"
    return Token(TokenKind.STRING, plain, plain.lower())


def _refuse(symbol: str, sql: str, at: int) -> None:
    rest = sql[at : at + 40]
    if symbol in ("'", '"') or rest.startswith("/*"):
        raise SqlError(f"{_UNCLOSED[symbol]} is not closed: {rest}")
    if symbol in _REFUSED:
        raise Unsupported(f"{symbol!r} is not supported here: {_REFUSED[symbol]}; at: {rest}")


def joined(tokens: list[Token]) -> str:
    """Return the text of tokens."""
    return "".join(token.text for token in tokens)


def stripped(tokens: list[Token]) -> list[Token]:
    """Return tokens without space at either end."""
    start, end = 0, len(tokens)
    while start < end and tokens[start].kind is TokenKind.SPACE:
        start += 1
    while end > start and tokens[end - 1].kind is TokenKind.SPACE:
        end -= 1
    return tokens[start:end]


def closing(tokens: list[Token], at: int) -> int:
    """Return where the parenthesis that opens at `at` closes. Raises SqlError if it does not."""
    depth = 0
    for index in range(at, len(tokens)):
        depth += tokens[index].is_symbol("(") - tokens[index].is_symbol(")")
        if depth == 0:
            return index
    raise SqlError(f"a parenthesis is not closed: {joined(tokens[at:])[:40]}")


def top_level(tokens: list[Token]) -> list[int]:
    """Return the positions outside all parentheses, those of the outermost parentheses included."""
    positions: list[int] = []
    depth = 0
    for index, token in enumerate(tokens):
        if token.is_symbol(")"):
            depth -= 1
        if depth == 0:
            positions.append(index)
        if token.is_symbol("("):
            depth += 1
        if depth < 0:
            raise SqlError(f"a parenthesis is closed that was not opened: {joined(tokens[index:])[:40]}")
    if depth:
        raise SqlError("a parenthesis is not closed")
    return positions


def split_at(tokens: list[Token], symbol: str = ",") -> list[list[Token]]:
    """Return the parts between a symbol outside parentheses, each without space at its ends."""
    parts: list[list[Token]] = []
    start = 0
    for index in top_level(tokens):
        if tokens[index].is_symbol(symbol):
            parts.append(stripped(tokens[start:index]))
            start = index + 1
    return [*parts, stripped(tokens[start:])]


class Reader:
    """Reads tokens from left to right, passing over space."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self) -> Token | None:
        """Return the next token, or None at the end."""
        while self.at < len(self.tokens) and self.tokens[self.at].kind is TokenKind.SPACE:
            self.at += 1
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def next(self) -> Token | None:
        """Return the next token and pass it."""
        token = self.peek()
        self.at += token is not None
        return token

    def take(self, *words: str) -> bool:
        """Pass these keywords if they come next, all of them in this order; tell whether they did."""
        start = self.at
        for word in words:
            token = self.next()
            if token is None or not token.is_word(word):
                self.at = start
                return False
        return True

    def name(self, what: str) -> str:
        """Pass a name and return it. Raises SqlError if something else comes next."""
        token = self.next()
        if token is None or not token.is_name:
            raise SqlError(f"{what} is expected {_before(token)}")
        return token.name

    def parenthesised(self, what: str) -> list[Token]:
        """Pass a parenthesis and return what is in it. Raises SqlError if something else comes next."""
        token = self.peek()
        if token is None or not token.is_symbol("("):
            raise SqlError(f"{what} in parentheses is expected {_before(token)}")
        end = closing(self.tokens, self.at)
        inner = self.tokens[self.at + 1 : end]
        self.at = end + 1
        return inner

    def rest(self) -> list[Token]:
        """Return what was not passed yet, without space at its ends."""
        return stripped(self.tokens[self.at :])


def _before(token: Token | None) -> str:
    hint = "; a name is put into double quotes" if token is not None and token.kind is TokenKind.STRING else ""
    return "at the end" if token is None else f"before {token.text!r}{hint}"
