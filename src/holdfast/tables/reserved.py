"""Names that a statement cannot use: the engine's own, and strings where SQLite would take them for names.

Whatever a statement reads is looked up before it runs: its words and double-quoted names are compared with the tables.
SQLite also takes `FROM 'runs'` for the table, which would pass unseen and read a view of an older state; in PostgreSQL
it is an error. `DATE '2026-01-31'`, and a string after a value, would silently be the alias of a column.
"""

from __future__ import annotations

import re

from holdfast.engine.sql.tokens import Token, TokenKind
from holdfast.errors import Unsupported

_OURS = re.compile(
    r"hf_(?:meta|line|ref|commit|merge|schema|leaf|vector|[vk]\d+|(?:rows|insert|update|delete)_\d+)"
    r"|hf:.*|sqlite_\w+|pragma_\w+|dbstat",
    re.DOTALL,
)
_OUR_CALLS = re.compile(
    r"hf_(?:as|text|count|ordinal|check|left)|sqlite_\w+|last_insert_rowid|(?:total_)?changes|load_extension"
)
_BEFORE_NAMES = ("from", "join", "into", "update", "table", "in", "as", "date", "time", "timestamp", "timestamptz")
_VALUES = (TokenKind.STRING, TokenKind.QUOTED, TokenKind.NUMBER, TokenKind.BLOB, TokenKind.PARAMETER)
_AFTER_FROM = (
    "where", "group", "order", "having", "limit", "on", "using", "select", "set", "union", "intersect", "except",
    "values", "window",
)  # fmt: skip
_NOTHING = Token(TokenKind.SPACE, "", "")


def check_names(tokens: list[Token]) -> None:
    """Look at the names of a statement.

    Raises:
        Unsupported: one is the engine's own, or a string stands where a name is expected.
    """
    seen = [token for token in tokens if token.kind is not TokenKind.SPACE]
    lists = [False]  # per open parenthesis: whether tables are listed
    for at, token in enumerate(seen):
        before = seen[at - 1] if at else _NOTHING
        after = seen[at + 1] if at + 1 < len(seen) else _NOTHING
        distinct_from = before.is_word("from") and seen[at - 2].is_word("distinct")
        _follow(lists, before, token)
        if token.is_name:
            _check_name(token, called=after.is_symbol("("))
        elif token.kind is TokenKind.STRING and not distinct_from:
            _check_string(token, before, after, tables_listed=lists[-1])


def _follow(lists: list[bool], before: Token, token: Token) -> None:
    if token.is_symbol("("):
        lists.append(lists[-1] and (before.is_word("from", "join") or before.is_symbol(",", "(")))
    elif token.is_symbol(")") and len(lists) > 1:
        lists.pop()
    elif token.is_word("from", "join"):
        lists[-1] = not before.is_word("distinct")
    elif token.is_word(*_AFTER_FROM):
        lists[-1] = False


def _check_name(token: Token, *, called: bool) -> None:
    name = token.value.lower()
    if _OURS.fullmatch(name) or (called and _OUR_CALLS.fullmatch(name)):
        raise Unsupported(
            f"{token.name!r} is Holdfast's own and cannot be used in statements; use the methods of the store"
        )


def _check_string(token: Token, before: Token, after: Token, *, tables_listed: bool) -> None:
    if (
        before.is_word(*_BEFORE_NAMES)
        or before.kind in _VALUES
        or before.is_symbol(".", ")")
        or after.is_symbol(".")
        or (tables_listed and before.is_symbol(",", "("))
    ):
        raise Unsupported(
            f"the string {token.text[:40]} after {before.text[:40]!r} stands where a name is expected: put names into"
            " double quotes, and write a date or a time as a string alone"
        )
