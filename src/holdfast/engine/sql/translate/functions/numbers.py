"""Functions of numbers."""

from __future__ import annotations

from holdfast.core.types import Kind
from holdfast.engine.sql.translate.functions.templates import Arguments, Translation, one, template, two
from holdfast.engine.sql.translate.typed import INTEGER, NUMERIC, REAL, Place, Typed, plain, sql_list


def _number(name: str) -> Translation:
    """Return a translation of a function that gives a number of its argument's type; of decimals, a decimal."""

    def translation(arguments: Arguments, _places: list[Place]) -> Typed:
        if not 1 <= len(arguments) <= 2:
            raise ValueError
        first = arguments[0]
        if first.kind is Kind.NUMERIC:
            return Typed(f"hf_numeric_{name}({sql_list(arguments)})", NUMERIC)
        if first.kind is Kind.INTEGER and len(arguments) == 1:
            return Typed(first.sql if name != "abs" else f"abs({first.sql})", INTEGER, not_null=first.not_null)
        if name == "round" and first.kind is Kind.REAL and len(arguments) == 1:
            return Typed(f"hf_round({first.sql})", REAL)
        if name == "trunc" and len(arguments) > 1:
            return Typed(f"hf_truncated({sql_list(arguments)})", REAL)
        type_ = plain(first.type) if name == "abs" else REAL
        return Typed(f"{name}({sql_list(arguments)})", type_)

    return translation


NUMBER_FUNCTIONS: dict[str, Translation] = {
    **{name: _number(name) for name in ("abs", "round", "floor", "trunc")},
    **dict.fromkeys(("ceil", "ceiling"), _number("ceil")),
    "sign": one("(sign({a}) * 1.0)", REAL),
    **dict.fromkeys(("power", "pow"), two("power({a}, {b})", REAL)),
    "mod": two("({a} % hf_divisor({b}))", INTEGER),
    "div": two("({a} / hf_divisor({b}))", INTEGER),
    "random": template("hf_random()", REAL, at_most=0),
}
