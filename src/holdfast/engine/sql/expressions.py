"""Expressions of the dialect, in SQLite's own words."""

from __future__ import annotations

from holdfast.core.types import ColumnType, Kind
from holdfast.engine.sql.tokens import Token, TokenKind, closing, joined, raw, tokenize
from holdfast.errors import SqlError, Unsupported

_WORDS = {"current_timestamp": "now()", "localtimestamp": "now()", "current_date": "substr(now(), 1, 10)"}
_REFUSED_WORDS = {
    "ilike": "use lower(a) LIKE lower(b)",
    "interval": "compute the moment in Python and pass it as a parameter",
    "similar": "use LIKE",
}
_CALLS = {"in", "values", "and", "or", "not", "on", "from", "select", "where", "by", "then", "else", "when", "as", "is"}

_COMPUTED = {
    Kind.BOOLEAN, Kind.NUMERIC, Kind.JSON, Kind.TIMESTAMP, Kind.DATE, Kind.UUID, Kind.VECTOR,
}  # fmt: skip


def rewritten(tokens: list[Token]) -> str:
    """Return an expression (or any other stretch of a statement) in SQLite's words.

    `->>` becomes a function over `->`, because SQLite's own gives numbers where PostgreSQL gives text. The rest that
    differs is refused by name.
    """
    out: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.is_symbol("->>"):
            start = operand_before(out)
            end = operand_after(tokens, index + 1)
            left, right = joined(out[start:]), rewritten(tokens[index + 1 : end])
            out[start:] = [raw(f"hf_text({left} -> {right.strip()})")]
            index = end
            continue
        out.append(_one(tokens, index))
        index += 1
    return joined(out)


def translated(expression: str) -> str:
    """Return an expression of the catalogue in SQLite's words."""
    return rewritten(tokenize(expression))


def _one(tokens: list[Token], index: int) -> Token:
    token = tokens[index]
    if token.kind is not TokenKind.WORD:
        return token
    if token.value in _REFUSED_WORDS and not _is_called_or_qualified(tokens, index):
        raise Unsupported(f"{token.text.upper()} is not supported: {_REFUSED_WORDS[token.value]}")
    if token.value in _WORDS and not _is_called_or_qualified(tokens, index):
        return raw(_WORDS[token.value])
    if token.value == "e" and index + 1 < len(tokens) and tokens[index + 1].kind is TokenKind.STRING:
        raise Unsupported("strings with escapes (E'...') are not supported; pass the text as a parameter")
    return token


def _is_called_or_qualified(tokens: list[Token], index: int) -> bool:
    return index > 0 and tokens[index - 1].is_symbol(".")


def operand_before(tokens: list[Token]) -> int:
    """Return where the operand that ends `tokens` starts: a name, a literal, a parenthesis, a call, a chain of `->`."""
    end = len(tokens)
    start = _primary_before(tokens, end)
    while True:
        before = _skip_space_back(tokens, start)
        if before == 0 or not tokens[before - 1].is_symbol("->"):
            return start
        start = _primary_before(tokens, before - 1)


def _primary_before(tokens: list[Token], end: int) -> int:
    at = _skip_space_back(tokens, end) - 1
    if at < 0:
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
    return f"hf_as('{to.kind.value}', {size}, {scale}, '{place}', {expression})"
