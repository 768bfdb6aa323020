"""Operators between two typed expressions."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.core.types import ColumnType, Kind
from holdfast.engine.sql import nodes
from holdfast.engine.sql.layout import literal
from holdfast.engine.sql.translate.typed import (
    BOOLEAN,
    DATE,
    INTEGER,
    INTERVAL,
    JSON,
    MOMENTS,
    NUMBERS,
    NUMERIC,
    REAL,
    TEXT,
    TIMESTAMP,
    VECTOR,
    Place,
    Typed,
    adapt,
    common_type,
    compared,
    plain,
    refuse_order_of_json,
    written,
)
from holdfast.errors import InvalidValue, SqlError, Unsupported

COMPARISONS = ("=", "<>", "<", ">", "<=", ">=")
_ORDERED = ("<", ">", "<=", ">=")
_ARITHMETIC = ("+", "-", "*", "/", "%")


def binary(operator: str, left: Typed, right: Typed, places: list[Place]) -> Typed:
    """Return `left operator right`.

    Raises:
        Unsupported: there is no such operator between these types; the message names them.
    """
    if operator in COMPARISONS or operator.startswith("is "):
        return compare(operator, left, right, places)
    if operator in _ARITHMETIC:
        return _arithmetic(operator, left, right, places)
    return _OTHERS[operator](operator, left, right, places)


def compare(operator: str, left: Typed, right: Typed, places: list[Place]) -> Typed:
    """Return a comparison, with both sides in one form."""
    for part, other in ((left, right), (right, left)):
        if operator in _ORDERED:
            refuse_order_of_json(part)
        _refuse_strange(part, other)
    _refuse_unlike(operator, left, right)
    to = JSON if Kind.JSON in (left.kind, right.kind) else common_type((left, right))
    for part, other in ((left, right), (right, left)):
        if isinstance(part.node, nodes.Parameter) and other.kind is Kind.TEXT and _is_computed(other):
            places[part.node.number - 1] = Place(None, written(other.node), no_number=True)
    mine = adapt(left, to, places, written(right.node))
    other = adapt(right, to, places, written(left.node))
    word = {"is distinct from": "IS NOT", "is not distinct from": "IS"}.get(operator, operator)
    return Typed(f"({compared(mine)} {word} {other.sql})", BOOLEAN)


_ALIKE = (
    {Kind.INTEGER, Kind.REAL, Kind.NUMERIC, Kind.BOOLEAN},
    {Kind.TIMESTAMP, Kind.DATE},
    {Kind.TEXT, Kind.UUID, Kind.INTEGER, Kind.REAL, Kind.NUMERIC},  # a column makes a number beside it text
)


def _refuse_unlike(operator: str, left: Typed, right: Typed) -> None:
    kinds = {left.kind, right.kind}
    if left.is_open or right.is_open or len(kinds) == 1 or not kinds.isdisjoint((None, Kind.ANY, Kind.JSON)):
        return
    if not any(kinds <= alike for alike in _ALIKE):
        raise SqlError(
            f"{written(left.node)} {operator} {written(right.node)}: {left.kind} is not compared with {right.kind};"
            " CAST one of them"
        )


def _is_computed(part: Typed) -> bool:
    """Whether text has no affinity of a column, which would make a number beside it text."""
    return not part.is_column and not part.is_open


def _refuse_strange(part: Typed, other: Typed) -> None:
    if part.kind is Kind.TEXT and _is_computed(part) and other.kind in NUMBERS and not other.is_column:
        raise Unsupported(
            f"{written(part.node)} gives text, which is not compared with the number {written(other.node)}: write"
            f" CAST({written(part.node)} AS INTEGER), or compare with a string"
        )
    if part.kind is Kind.JSON and isinstance(other.node, nodes.Truth):
        raise Unsupported(
            f"{written(part.node)} is JSON, which is not compared with a word of truth: use"
            " CAST(... ->> ... AS BOOLEAN)"
        )
    plain_value = other.is_open or isinstance(other.node, nodes.Number)
    if part.kind is Kind.JSON and other.kind not in (None, Kind.JSON) and not plain_value:
        raise Unsupported(
            f"{written(part.node)} is JSON, which is not compared with {other.kind}: use"
            f" CAST(... ->> ... AS {other.kind})"
        )


# Arithmetic


def _arithmetic(operator: str, left: Typed, right: Typed, places: list[Place]) -> Typed:
    kinds = (left.kind, right.kind)
    if Kind.INTERVAL in kinds or any(kind in MOMENTS for kind in kinds):
        return _of_moments(operator, left, right, places)
    if Kind.JSON in kinds:
        return _of_json(operator, left, right)
    for part in (left, right):
        if part.kind is Kind.TEXT and not part.is_open:
            raise SqlError(f"{written(part.node)} is text, which is not computed with: write CAST(... AS INTEGER)")
    to = common_type((left, right))
    mine, other = adapt(left, to, places, written(right.node)), adapt(right, to, places, written(left.node))
    for part in (mine, other):
        if isinstance(part.node, nodes.Text):
            raise InvalidValue(f"{written(part.node)} is no number")
    if to is not None and to.kind is Kind.NUMERIC:
        return Typed(f"hf_numeric('{operator}', {mine.sql}, {other.sql})", NUMERIC)
    divisor = other.sql
    if operator in ("/", "%") and not _is_never_zero(other):
        divisor = f"hf_divisor({other.sql})"
    type_ = to if to is not None and to.kind in NUMBERS else None
    if operator == "%" and type_ is REAL:
        return Typed(f"mod({mine.sql}, {divisor})", REAL)
    return Typed(f"({mine.sql} {operator} {divisor})", type_)


def _is_never_zero(part: Typed) -> bool:
    return isinstance(part.node, nodes.Number) and any(digit in "123456789" for digit in part.node.text)


def _of_moments(operator: str, left: Typed, right: Typed, places: list[Place]) -> Typed:
    """Return the sum or difference of a moment and an interval or a number of days, or of two moments."""
    left, right = _assumed(operator, left, right, places)
    shape = (left.kind, operator, right.kind)
    found = _MOMENT_OPERATORS.get(shape)
    if found is None:
        raise Unsupported(
            f"{written(left.node)} {operator} {written(right.node)}: there is no {left.kind or 'value'} {operator}"
            f" {right.kind or 'value'}; moments take INTERVAL '1 day', and their difference is an interval"
        )
    template, type_ = found
    if "{months}" in template:
        months = sum(part.node.months for part in (left, right) if isinstance(part.node, nodes.Interval))
        sign = -1 if operator == "-" else 1
        return Typed(template.format(a=left.sql, b=right.sql, months=months * sign), type_)
    for part in (left, right):
        if isinstance(part.node, nodes.Interval) and part.node.months:
            raise Unsupported("a month has no fixed length: add it to a moment, or count in days")
    return Typed(template.format(a=left.sql, b=right.sql), type_)


def _assumed(operator: str, left: Typed, right: Typed, places: list[Place]) -> tuple[Typed, Typed]:
    """Give a string or a parameter beside a moment or a length a type."""

    def assume(part: Typed, other: Typed) -> Typed:
        if not part.is_open or part.type not in (None, TEXT):
            return part
        if other.kind is not Kind.INTERVAL:  # a string may be a moment, too; a parameter is a length
            to = plain(other.type) if isinstance(part.node, nodes.Text) and operator == "-" else INTERVAL
        elif operator in ("+", "-"):
            to = TIMESTAMP if part is left else INTERVAL
        else:
            to = REAL
        return adapt(part, to, places, written(other.node))

    return assume(left, right), assume(right, left)


_MOMENT = (Kind.TIMESTAMP, Kind.DATE)
_MOMENT_OPERATORS: dict[tuple[Kind | None, str, Kind | None], tuple[str, ColumnType]] = {
    **{(kind, "+", Kind.INTERVAL): ("hf_shift({a}, {months}, {b})", TIMESTAMP) for kind in _MOMENT},
    **{(kind, "-", Kind.INTERVAL): ("hf_shift({a}, {months}, -({b}))", TIMESTAMP) for kind in _MOMENT},
    **{(Kind.INTERVAL, "+", kind): ("hf_shift({b}, {months}, {a})", TIMESTAMP) for kind in _MOMENT},
    **{(a, "-", b): ("hf_between({a}, {b})", INTERVAL) for a in _MOMENT for b in _MOMENT},
    (Kind.DATE, "-", Kind.DATE): ("(hf_between({a}, {b}) / 86400000000)", INTEGER),
    (Kind.DATE, "+", Kind.INTEGER): ("substr(hf_shift({a}, 0, {b} * 86400000000), 1, 10)", DATE),
    (Kind.DATE, "-", Kind.INTEGER): ("substr(hf_shift({a}, 0, -({b}) * 86400000000), 1, 10)", DATE),
    (Kind.INTEGER, "+", Kind.DATE): ("substr(hf_shift({b}, 0, {a} * 86400000000), 1, 10)", DATE),
    (Kind.INTERVAL, "+", Kind.INTERVAL): ("({a} + {b})", INTERVAL),
    (Kind.INTERVAL, "-", Kind.INTERVAL): ("({a} - {b})", INTERVAL),
    (Kind.INTEGER, "-", Kind.INTERVAL): ("({a} - {b})", INTERVAL),
    **{
        (Kind.INTERVAL, operator, kind): (f"CAST(round({{a}} {operator} {divisor}) AS INTEGER)", INTERVAL)
        for operator, divisor in (("*", "{b}"), ("/", "hf_divisor({b} * 1.0)"))
        for kind in (Kind.INTEGER, Kind.REAL, None)
    },
    **{
        (kind, "*", Kind.INTERVAL): ("CAST(round({a} * {b}) AS INTEGER)", INTERVAL)
        for kind in (Kind.INTEGER, Kind.REAL, None)
    },
}


# JSON


def _of_json(operator: str, left: Typed, right: Typed) -> Typed:
    if operator == "-" and left.kind is Kind.JSON and right.kind is Kind.JSON:
        return Typed(f"hf_json_without_all({left.sql}, {right.sql})", JSON)
    if operator == "-" and left.kind is Kind.JSON:
        return Typed(f"hf_json_without({left.sql}, {right.sql})", JSON)
    raise Unsupported(
        f"{written(left.node)} {operator} {written(right.node)}: JSON is no number; use CAST(... ->> ... AS INTEGER)"
    )


def _arrow(operator: str, left: Typed, right: Typed, _places: list[Place]) -> Typed:
    found = f"({left.sql} -> {json_key(right)})"
    return Typed(found, JSON) if operator == "->" else Typed(f"hf_text({found})", TEXT)


def json_key(key: Typed) -> str:
    """Return the right operand of an arrow so that a text is a key, whatever is in it.

    SQLite takes '$ref' and '[0]' for paths, and does not find a key with a quote in it.
    """
    node = key.node
    if isinstance(node, nodes.Text):
        if node.value[:2] in ("$.", "$[", "$") or node.value.startswith("["):
            raise Unsupported(
                f"the path {node.value[:40]!r} after -> is not supported: use -> once for each level, with a key or a"
                " number"
            )
        is_plain = node.value.replace("_", "a").isalnum()
        return literal(node.value) if is_plain else f"('$.' || json_quote({literal(node.value)}))"
    if key.kind is Kind.INTEGER:
        return key.sql
    return f"iif(typeof({key.sql}) = 'text', '$.' || json_quote({key.sql}), {key.sql})"


def _path(operator: str, left: Typed, right: Typed, _places: list[Place]) -> Typed:
    """`#>` and `#>>` with a path such as '{a,0,b}'."""
    found = left.sql
    if not isinstance(right.node, nodes.Text) or not right.node.value.startswith("{"):
        raise Unsupported(f"{operator} takes a path as a string, such as '{{a,0}}'; use -> once for each level")
    keys = [part.strip().strip('"') for part in right.node.value[1:-1].split(",")]
    if any(key.removeprefix("-").isdigit() for key in keys):
        # In a path a number may be a place or a key; which one the value itself says.
        found = f"hf_json_at({', '.join([found, *map(literal, keys)])})"
    else:
        for key in keys:
            found = f"({found} -> {json_key(Typed('', TEXT, nodes.Text(key)))})"
    return Typed(found, JSON) if operator == "#>" else Typed(f"hf_text({found})", TEXT)


def _contains(operator: str, left: Typed, right: Typed, places: list[Place]) -> Typed:
    if operator == "<@":
        left, right = right, left
    inner, outer = adapt(right, JSON, places, written(left.node)), adapt(left, JSON, places, written(right.node))
    if Kind.JSON not in (outer.kind, inner.kind):
        raise Unsupported(f"{operator} is between JSON values only")
    return Typed(f"hf_json_contains({outer.sql}, {inner.sql})", BOOLEAN)


def _has_key(_operator: str, left: Typed, right: Typed, _places: list[Place]) -> Typed:
    if left.kind is not Kind.JSON:
        raise Unsupported("'?' is not supported here: use %s for a parameter")
    return Typed(f"hf_json_has({left.sql}, {right.sql})", BOOLEAN)


# Text


def _concatenated(_operator: str, left: Typed, right: Typed, places: list[Place]) -> Typed:
    if Kind.JSON in (left.kind, right.kind):
        a, b = adapt(left, JSON, places, "||"), adapt(right, JSON, places, "||")
        return Typed(f"hf_json_joined({a.sql}, {b.sql})", JSON)
    return Typed(f"({as_text(left)} || {as_text(right)})", TEXT, not_null=left.not_null and right.not_null)


def as_text(part: Typed) -> str:
    """Return a value as the text that PostgreSQL shows for it."""
    if part.is_open or part.kind in (None, Kind.TEXT, Kind.INTEGER, Kind.NUMERIC, Kind.UUID, Kind.DATE, Kind.ANY):
        return part.sql
    assert part.kind is not None
    return f"hf_shown({part.sql}, '{part.kind.value}')"


def _regular(operator: str, left: Typed, right: Typed, _places: list[Place]) -> Typed:
    flags = "i" if operator.endswith("*") else ""
    word = "NOT " if operator.startswith("!") else ""
    return Typed(f"({word}hf_regexp({left.sql}, {right.sql}, '{flags}'))", BOOLEAN)


def _distance(operator: str, left: Typed, right: Typed, places: list[Place]) -> Typed:
    mine, other = adapt(left, VECTOR, places, written(right.node)), adapt(right, VECTOR, places, written(left.node))
    return Typed(f"hf_distance('{operator}', {mine.sql}, {other.sql})", REAL)


def _bits(operator: str, left: Typed, right: Typed, _places: list[Place]) -> Typed:
    if operator == "#":
        return Typed(f"(({left.sql} | {right.sql}) - ({left.sql} & {right.sql}))", INTEGER)
    return Typed(f"({left.sql} {operator} {right.sql})", INTEGER)


def _power(_operator: str, left: Typed, right: Typed, _places: list[Place]) -> Typed:
    return Typed(f"power({left.sql}, {right.sql})", REAL)


_OTHERS: dict[str, Callable[[str, Typed, Typed, list[Place]], Typed]] = {
    "->": _arrow,
    "->>": _arrow,
    "#>": _path,
    "#>>": _path,
    "@>": _contains,
    "<@": _contains,
    "?": _has_key,
    "||": _concatenated,
    "~": _regular,
    "~*": _regular,
    "!~": _regular,
    "!~*": _regular,
    "<->": _distance,
    "<=>": _distance,
    "<#>": _distance,
    "&": _bits,
    "|": _bits,
    "#": _bits,
    "<<": _bits,
    ">>": _bits,
    "^": _power,
}
