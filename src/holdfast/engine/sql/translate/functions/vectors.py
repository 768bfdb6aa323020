"""Functions of vectors."""

from __future__ import annotations

from holdfast.engine.sql.translate.functions.templates import Arguments, Translation, one
from holdfast.engine.sql.translate.typed import INTEGER, REAL, VECTOR, Place, Typed, adapt


def _distance(operator: str) -> Translation:
    def translation(arguments: Arguments, places: list[Place]) -> Typed:
        a, b = (adapt(part, VECTOR, places, "a distance") for part in arguments)
        sign = "-" if operator == "-<#>" else ""
        return Typed(f"({sign}hf_distance('{operator.removeprefix('-')}', {a.sql}, {b.sql}))", REAL)

    return translation


VECTOR_FUNCTIONS: dict[str, Translation] = {
    "l2_distance": _distance("<->"),
    "cosine_distance": _distance("<=>"),
    "inner_product": _distance("-<#>"),
    "vector_dims": one("vector_dims({a})", INTEGER),
    **dict.fromkeys(("vector_norm", "l2_norm"), one("vector_norm({a})", REAL)),
}
