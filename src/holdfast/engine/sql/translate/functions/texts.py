"""Functions of texts."""

from __future__ import annotations

from holdfast.core.types import ColumnType, Kind
from holdfast.engine.sql.translate.functions.templates import Arguments, Translation, one, template, two
from holdfast.engine.sql.translate.operators import as_text
from holdfast.engine.sql.translate.typed import BLOB, BOOLEAN, INTEGER, TEXT, Place, Typed


def _texts(name: str, type_: ColumnType | None = TEXT) -> Translation:
    """Return a translation to a function of ours that takes texts, so that other values are shown as such."""

    def translation(arguments: Arguments, _places: list[Place]) -> Typed:
        return Typed(f"{name}({', '.join(map(as_text, arguments))})", type_)

    return translation


def _joined(name: str) -> Translation:
    """The same of a function that shows a truth by its first letter, as PostgreSQL's concat() does."""

    def translation(arguments: Arguments, _places: list[Place]) -> Typed:
        parts = [f"iif({p.sql}, 't', 'f')" if p.kind is Kind.BOOLEAN else as_text(p) for p in arguments]
        return Typed(f"{name}({', '.join(parts)})", TEXT)

    return translation


TEXT_FUNCTIONS: dict[str, Translation] = {
    **dict.fromkeys(("char_length", "character_length"), one("length({a})", INTEGER)),
    "octet_length": one("octet_length({a})", INTEGER),
    "substr": template("hf_substr({all})", TEXT, at_least=2, at_most=3),
    "left": two("hf_left({a}, {b})", TEXT),
    "right": two("hf_right({a}, {b})", TEXT),
    "strpos": two("instr({a}, {b})", INTEGER),
    "lpad": _texts("hf_lpad"),
    "rpad": _texts("hf_rpad"),
    **dict.fromkeys(("btrim", "trim"), template("trim({all})", TEXT, at_least=1, at_most=2)),
    "ltrim": template("ltrim({all})", TEXT, at_least=1, at_most=2),
    "rtrim": template("rtrim({all})", TEXT, at_least=1, at_most=2),
    "initcap": one("hf_initcap({a})", TEXT),
    "reverse": one("hf_reverse({a})", TEXT),
    "repeat": two("hf_repeat({a}, {b})", TEXT),
    "split_part": template("hf_split_part({all})", TEXT, at_least=3, at_most=3),
    "translate": template("hf_translate({all})", TEXT, at_least=3, at_most=3),
    "starts_with": two("(substr({a}, 1, length({b})) = {b})", BOOLEAN),
    "concat": _joined("hf_concat"),
    "concat_ws": _joined("hf_concat_ws"),
    "format": _joined("hf_format"),
    "encode": two("hf_encode({a}, {b})", TEXT),
    "decode": two("hf_decode({a}, {b})", BLOB),
    "ascii": one("unicode({a})", INTEGER),
    "chr": one("char({a})", TEXT),
    "md5": _texts("hf_md5"),
    "to_hex": one("lower(printf('%x', {a}))", TEXT),
    "regexp_replace": template("hf_regexp_replace({all})", TEXT, at_least=3, at_most=4),
    "regexp_substr": two("hf_regexp_substr({a}, {b})", TEXT),
    "regexp_count": two("hf_regexp_count({a}, {b})", INTEGER),
    "regexp_like": template("hf_regexp({all})", BOOLEAN, at_least=2, at_most=3),
    "quote_literal": one("quote({a})", TEXT),
    "gen_random_uuid": template("hf_uuid()", ColumnType(Kind.UUID), at_most=0),
}
