"""How most functions are translated: their arguments are put into a template."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.core.types import ColumnType
from holdfast.engine.sql.translate.typed import Place, Typed, sql_list

Arguments = list[Typed]
Translation = Callable[[Arguments, list[Place]], Typed]


def template(sql: str, type_: ColumnType | None, *, at_least: int = 0, at_most: int = 99) -> Translation:
    """Return a translation that puts the arguments into a template: {a}, {b}, {c}, or {all}."""

    def translation(arguments: Arguments, _places: list[Place]) -> Typed:
        if not at_least <= len(arguments) <= at_most:
            raise ValueError
        named = dict(zip("abcd", (part.sql for part in arguments), strict=False))
        not_null = bool(arguments) and all(part.not_null for part in arguments)
        return Typed(sql.format(all=sql_list(arguments), **named), type_, not_null=not_null)

    return translation


def one(sql: str, type_: ColumnType | None) -> Translation:
    """Return the same for one argument."""
    return template(sql, type_, at_least=1, at_most=1)


def two(sql: str, type_: ColumnType | None) -> Translation:
    """Return the same for two arguments."""
    return template(sql, type_, at_least=2, at_most=2)
