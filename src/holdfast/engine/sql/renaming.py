"""Columns that get another name, in the expressions of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Mapping

from holdfast.engine.sql.layout import quoted
from holdfast.engine.sql.tokens import Token, TokenKind, joined, tokenize

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_NOTHING = Token(TokenKind.SPACE, "", "")


def columns_in(expression: str, names: Mapping[str, object]) -> list[str]:
    """Return those of some column names (case is ignored) that an expression reads, each once, in their order."""
    tokens = tokenize(expression)
    folded = {name.lower(): name for name in names}
    found = (folded[tokens[at].name.lower()] for at in _columns(tokens, folded))
    return list(dict.fromkeys(found))


def renamed(expression: str, names: Mapping[str, str]) -> str:
    """Return an expression with columns (case is ignored) under their new names."""
    tokens = tokenize(expression)
    folded = {name.lower(): new for name, new in names.items() if name != new}
    for at in _columns(tokens, folded):
        new = folded[tokens[at].name.lower()]
        plain = tokens[at].kind is TokenKind.WORD and _PLAIN.fullmatch(new)
        tokens[at] = Token(TokenKind.WORD if plain else TokenKind.QUOTED, new if plain else quoted(new), new)
    return joined(tokens)


def _columns(tokens: list[Token], names: Mapping[str, object]) -> list[int]:
    """Return where columns of these names (in lower case) stand: not functions, types or collations of that name."""
    found: list[int] = []
    for at, token in enumerate(tokens):
        if token.is_name and token.name.lower() in names:
            before, after = _next(tokens, at, -1), _next(tokens, at, 1)
            type_or_collation = before.is_word("as", "collate") or before.is_symbol("::")
            if not (type_or_collation or after.is_symbol("(") or after.kind is TokenKind.STRING):
                found.append(at)
    return found


def _next(tokens: list[Token], at: int, step: int) -> Token:
    at += step
    while 0 <= at < len(tokens) and tokens[at].kind is TokenKind.SPACE:
        at += step
    return tokens[at] if 0 <= at < len(tokens) else _NOTHING
