"""Expressions of the dialect, in SQLite's own words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from holdfast.core.types import ColumnType, Kind
from holdfast.engine.sql.tokens import Token, TokenKind, closing, joined, raw, stripped, tokenize
from holdfast.errors import SqlError, Unsupported

_WORDS = {"current_timestamp": "now()", "localtimestamp": "now()", "current_date": "substr(now(), 1, 10)"}
_REFUSED_WORDS = {
    "ilike": "use lower(a) LIKE lower(b)",
    "interval": "compute the moment in Python and pass it as a parameter",
    "similar": "use LIKE",
}
_COMPARISONS = ("=", "==", "<", ">", "<=", ">=", "<>", "!=")
NESTED_MAX = 50
"""How deep `->>` may stand in the right operand of another."""
_CALLS = {
    "in", "values", "and", "or", "not", "on", "from", "select", "where", "by", "then", "else", "when", "as", "is",
    "having", "case", "between", "like", "escape", "distinct", "all", "set", "join", "limit", "offset",
}  # fmt: skip
"""Words before a parenthesis that do not make it a call."""

_COMPUTED = {
    Kind.BOOLEAN, Kind.NUMERIC, Kind.JSON, Kind.TIMESTAMP, Kind.DATE, Kind.UUID, Kind.VECTOR,
}  # fmt: skip


def rewritten(tokens: list[Token], depth: int = 0) -> str:
    """Return an expression (or any other stretch of a statement) in SQLite's words.

    `->>` becomes a function over `->`, because SQLite's own gives numbers where PostgreSQL gives text. The rest that
    differs is refused by name.
    """
    if depth > NESTED_MAX:
        raise SqlError(f"->> stands in the right operand of another more than {NESTED_MAX} deep")
    out: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.is_symbol("->>", "->"):
            end = operand_after(tokens, index + 1)
            key = _as_key(stripped(tokens[index + 1 : end]), depth)
            if token.text == "->":
                out += [token, raw(f" {key}")]
            else:
                start = operand_before(out)
                _refuse_numbers(out, start, tokens, end)
                out[start:] = [raw(f"hf_text({joined(out[start:])} -> {key})")]
            index = end
            continue
        out.append(_one(tokens, index))
        index += 1
    return joined(out)


def _as_key(operand: list[Token], depth: int) -> str:
    """Return the right operand of an arrow so that a text is a key, whatever is in it.

    SQLite takes '$ref' and '[0]' for paths, and does not find a key with a quote in it.

    Raises:
        Unsupported: it is written like a path, which it would not be in PostgreSQL.
    """
    first, text = operand[0], rewritten(operand, depth + 1)
    if first.kind is TokenKind.STRING:
        if _PATH.match(first.text):
            raise Unsupported(
                f"the path {first.text[:40]} after -> is not supported: use -> once for each level, with a key or a"
                " number"
            )
        return text if _PLAIN_KEY.fullmatch(first.text) else f"('$.' || json_quote({text}))"
    if first.kind is TokenKind.PARAMETER or (first.is_name and not operand[-1].is_symbol(")")):
        return f"iif(typeof({text}) = 'text', '$.' || json_quote({text}), {text})"
    return text


_PATH = re.compile(r"'(?:\$[.\[]|\$'|\[)")
_PLAIN_KEY = re.compile(r"'\w+'")


def _refuse_numbers(before: list[Token], start: int, tokens: list[Token], end: int) -> None:
    """Refuse to compare what `->>` gives with a number: no text equals one, and every text is greater."""
    left, right = _significant(before, start - 1, -1), _significant(tokens, end, 1)
    token, following = next(left, _NOTHING), next(right, _NOTHING)
    while token.is_symbol("(") and following.is_symbol(")"):
        token, following = next(left, _NOTHING), next(right, _NOTHING)
        if token.is_name and token.value not in _CALLS:
            return  # the argument of a function
    sides = [next(left, _NOTHING)] if token.is_symbol(*_COMPARISONS) else []
    if following.is_symbol(*_COMPARISONS):
        other = next(right, _NOTHING)
        sides.append(next(right, _NOTHING) if other.is_symbol("-", "+") else other)
    for side in sides:
        if side.kind is TokenKind.NUMBER:
            raise Unsupported(
                f"->> gives text, which is not compared with the number {side.text}: write CAST(... ->> ... AS"
                " INTEGER), or compare with a string"
            )


_NOTHING = Token(TokenKind.SPACE, "", "")


def _significant(tokens: list[Token], at: int, step: int) -> Iterator[Token]:
    """Yield the tokens from `at` on in one direction, without space."""
    while 0 <= at < len(tokens):
        if tokens[at].kind is not TokenKind.SPACE:
            yield tokens[at]
        at += step


def translated(expression: str) -> str:
    """Return an expression of the catalogue in SQLite's words."""
    return rewritten(tokenize(expression))


def _one(tokens: list[Token], index: int) -> Token:
    token = tokens[index]
    if token.kind is not TokenKind.WORD:
        return token
    if token.value in _REFUSED_WORDS and _is_meant(tokens, index):
        raise Unsupported(f"{token.text.upper()} is not supported: {_REFUSED_WORDS[token.value]}")
    if token.value in _WORDS and not _is_called_or_qualified(tokens, index):
        return raw(_WORDS[token.value])
    if token.value == "e" and index + 1 < len(tokens) and tokens[index + 1].kind is TokenKind.STRING:
        raise Unsupported("strings with escapes (E'...') are not supported; pass the text as a parameter")
    return token


def _is_meant(tokens: list[Token], index: int) -> bool:
    """Tell whether a word is the operator and not a column: INTERVAL '1 day', SIMILAR TO."""
    following = next((token for token in tokens[index + 1 :] if token.kind is not TokenKind.SPACE), None)
    if tokens[index].value == "interval":
        return following is not None and following.kind in (TokenKind.STRING, TokenKind.PARAMETER)
    if tokens[index].value == "similar":
        return following is not None and following.is_word("to")
    return not _is_called_or_qualified(tokens, index)


def _is_called_or_qualified(tokens: list[Token], index: int) -> bool:
    return index > 0 and tokens[index - 1].is_symbol(".")


def is_operand_end(token: Token) -> bool:
    """Tell whether an operand may end with this token: a name, a value or a closed parenthesis."""
    if token.kind in (TokenKind.SYMBOL, TokenKind.SPACE):
        return token.is_symbol(")")
    return not token.is_word(*_CALLS)


def operand_before(tokens: list[Token]) -> int:
    """Return where the operand that ends `tokens` starts: a name, a literal, a parenthesis, a call, a chain of `->`."""
    end = len(tokens)
    start = _primary_before(tokens, end)
    while True:
        before = _skip_space_back(tokens, start)
        if before > 1 and tokens[before - 1].is_symbol("-", "+"):  # -> -1
            signed = _skip_space_back(tokens, before - 1)
            before = signed if signed and tokens[signed - 1].is_symbol("->") else before
        if before == 0 or not tokens[before - 1].is_symbol("->"):
            return start
        start = _primary_before(tokens, before - 1)


def _primary_before(tokens: list[Token], end: int) -> int:
    at = _skip_space_back(tokens, end) - 1
    if at < 0 or not is_operand_end(tokens[at]):
        raise SqlError("an operator has nothing on its left")
    if tokens[at].is_symbol(")"):
        at = _opening(tokens, at)
        before = _skip_space_back(tokens, at) - 1
        if before >= 0 and tokens[before].is_name and tokens[before].value not in _CALLS:
            at = before  # a call
    while at >= 2 and tokens[at].is_name and tokens[at - 1].is_symbol("."):
        at -= 2
    return at


def _opening(tokens: list[Token], at: int) -> int:
    depth = 0
    for index in range(at, -1, -1):
        depth += tokens[index].is_symbol(")") - tokens[index].is_symbol("(")
        if depth == 0:
            return index
    raise SqlError("a parenthesis is closed that was not opened")


def _skip_space_back(tokens: list[Token], end: int) -> int:
    while end > 0 and tokens[end - 1].kind is TokenKind.SPACE:
        end -= 1
    return end


def operand_after(tokens: list[Token], at: int) -> int:
    """Return where the operand that starts at `at` ends."""
    while at < len(tokens) and tokens[at].kind is TokenKind.SPACE:
        at += 1
    if at < len(tokens) and tokens[at].is_symbol("-", "+"):
        at += 1
    if at >= len(tokens):
        raise SqlError("an operator has nothing on its right")
    if tokens[at].is_symbol("("):
        return closing(tokens, at) + 1
    at += 1
    while at + 1 < len(tokens) and tokens[at].is_symbol("."):
        at += 2
    if at < len(tokens) and tokens[at].is_symbol("(") and tokens[at - 1].is_name:
        return closing(tokens, at) + 1
    return at


def needs_conversion(to: ColumnType) -> bool:
    """Tell whether a value that SQL computed has to be brought into the column's stored form."""
    return to.kind in _COMPUTED or (to.kind is Kind.TEXT and to.size is not None)


def converted(expression: str, to: ColumnType, where: str) -> str:
    """Return the expression that brings a computed value into the stored form of a column."""
    if not needs_conversion(to):
        return expression
    size, scale = ("NULL" if part is None else str(part) for part in (to.size, to.scale))
    place = where.replace("'", "''")
    return f"hf_as({expression}, '{to.kind.value}', {size}, {scale}, '{place}')"
