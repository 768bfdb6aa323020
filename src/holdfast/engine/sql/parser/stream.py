"""Reading the tokens of a statement from left to right, passing over space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from holdfast.engine.sql.tokens import Token, TokenKind, joined
from holdfast.errors import SqlError

RESERVED = frozenset(
    (
        *("all", "and", "any", "as", "between", "case", "collate", "conflict", "cross", "default", "distinct", "do"),
        *("else", "end", "escape", "except", "false", "fetch", "filter", "for", "from", "full", "glob", "group"),
        *("having", "ilike", "in", "inner", "intersect", "into", "is", "isnull", "join", "lateral", "left", "like"),
        *("limit", "natural", "not", "notnull", "null", "offset", "on", "or", "order", "over", "returning", "right"),
        *("select", "set", "some", "tablesample", "then", "true", "union", "using", "values", "when", "where"),
        *("window", "with"),
    )
)
"""Words that cannot name a column or be an alias without quotes."""

_CLAUSES = ("from", "where", "group", "having", "window", "order", "limit", "offset", "returning", "set", "values")
_NOTHING = Token(TokenKind.SPACE, "", "")

T = TypeVar("T")


class TokenStream:
    """The tokens of a statement, and how far they have been read."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.written = list(tokens)
        self._places = [at for at, token in enumerate(tokens) if token.kind is not TokenKind.SPACE]
        self.tokens = [tokens[at] for at in self._places]
        self.at: int = 0
        self.closings = self._parentheses()

    def _parentheses(self) -> dict[int, int]:
        """Return where each parenthesis closes, by where it opens. Raises SqlError for one without the other."""
        found: dict[int, int] = {}
        opened: list[int] = []
        for at, token in enumerate(self.tokens):
            if token.is_symbol("("):
                opened.append(at)
            elif token.is_symbol(")"):
                if not opened:
                    self.at = at
                    raise SqlError(f"a parenthesis is closed that was not opened: {joined(self.rest())[:40]}")
                found[opened.pop()] = at
        if opened:
            self.at = opened[-1]
            raise SqlError(f"a parenthesis is not closed: {joined(self.rest())[:40]}")
        return found

    def peek(self, ahead: int = 0) -> Token:
        """Return the next token, or one further on; space at the end."""
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else _NOTHING

    def next(self) -> Token:
        """Return the next token and pass it."""
        token = self.peek()
        self.at += 1
        return token

    def take(self, *words: str) -> bool:
        """Pass these keywords if they come next, all of them; tell whether they did."""
        if all(self.peek(ahead).is_word(word) for ahead, word in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def symbol(self, text: str) -> bool:
        """Pass this symbol if it comes next; tell whether it did."""
        found = self.peek().is_symbol(text)
        self.at += found
        return found

    def expect(self, text: str) -> None:
        """Pass a symbol or a keyword. Raises SqlError if something else comes next."""
        if not (self.symbol(text) or self.take(text)):
            raise self.unexpected(f"{text.upper()!r} is expected")

    def unexpected(self, what: str) -> SqlError:
        """Return the error for what comes next."""
        passed = self.text_since(max(self.at - 4, 0))[-30:] if 0 < self.at <= len(self.tokens) else ""
        after = f", after {passed!r}" if passed else ""
        if self.at >= len(self.tokens):
            return SqlError(f"the statement is incomplete: {what} at the end{after}")
        hint = "; a name is put into double quotes" if self.peek().kind is TokenKind.STRING else ""
        return SqlError(f"{what} before {joined(self.rest())[:40]!r}{after}{hint}")

    def rest(self) -> list[Token]:
        """Return what was not passed yet, with its spaces."""
        return self.written[self._places[self.at] :] if self.at < len(self.tokens) else []

    def space_before(self) -> str:
        """Return what stands between the token that was passed last and the next."""
        return joined(self.written[self._places[self.at - 1] + 1 : self._places[self.at]])

    def text_since(self, start: int) -> str:
        """Return what was passed since `start`, as written; a parameter as `%s`."""
        passed = self.written[self._places[start] : self._places[self.at - 1] + 1]
        return "".join("%s" if token.kind is TokenKind.PARAMETER else token.text for token in passed)

    def finish(self) -> None:
        """Raise SqlError unless all was read."""
        if self.peek().is_word(*_CLAUSES):
            clause, rest = self.peek().text.upper(), joined(self.rest())[:40]
            raise SqlError(f"{clause} is there twice, or at the wrong place: {rest!r}")
        if self.at < len(self.tokens):
            raise self.unexpected("nothing more is expected")

    def name(self, what: str) -> str:
        """Pass a name and return it. Raises SqlError if something else comes next, or a reserved word."""
        if self.peek().is_word(*RESERVED):
            raise self.unexpected(f"{what} is expected")
        return self.any_name(what).name

    def any_name(self, what: str) -> Token:
        """Pass a name, which may be a reserved word, and return it. Raises SqlError if something else comes next."""
        if not self.peek().is_name:
            raise self.unexpected(f"{what} is expected")
        return self.next()

    def names(self, what: str) -> tuple[str, ...]:
        """Pass names in parentheses and return them."""
        return self.parenthesised(lambda: tuple(self.listed(lambda: self.name(what))))

    def listed(self, read: Callable[[], T]) -> list[T]:
        """Read what stands between commas."""
        found = [read()]
        while self.symbol(","):
            found.append(read())
        return found

    def parenthesised(self, read: Callable[[], T]) -> T:
        """Read what stands in parentheses."""
        self.expect("(")
        found = read()
        self.expect(")")
        return found
