"""Functions that pick one of their arguments."""

from __future__ import annotations

from holdfast.engine.sql.translate.functions.templates import Arguments, Translation, template
from holdfast.engine.sql.translate.operators import compare
from holdfast.engine.sql.translate.typed import INTEGER, Place, Typed, common_type, plain, sql_list, united, written


def _picked(sql: str) -> Translation:
    """Return a translation whose arguments and value have one type."""

    def translation(arguments: Arguments, places: list[Place]) -> Typed:
        to = common_type(arguments)
        adapted = [united(part, to, places, written(arguments[0].node)) for part in arguments]
        if not adapted:
            raise ValueError
        kind = f"'{to.kind.value}'" if to is not None else "NULL"
        not_null = any(part.not_null for part in adapted)
        return Typed(sql.format(all=sql_list(adapted), kind=kind), to, not_null=not_null)

    return translation


def _nullif(arguments: Arguments, places: list[Place]) -> Typed:
    first, second = arguments
    return Typed(f"iif({compare('=', first, second, places).sql}, NULL, {first.sql})", plain(first.type))


CHOICES: dict[str, Translation] = {
    "coalesce": _picked("coalesce({all})"),
    "ifnull": _picked("coalesce({all})"),
    "greatest": _picked("hf_extreme(1, {kind}, {all})"),
    "least": _picked("hf_extreme(0, {kind}, {all})"),
    "nullif": _nullif,
    "num_nulls": template("hf_nulls({all})", INTEGER),
}
