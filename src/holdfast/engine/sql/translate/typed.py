"""An expression in SQLite's words together with its type, and how two of them find a common one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from holdfast.core.types import ColumnType, Kind, Stored, encode
from holdfast.engine.sql import nodes
from holdfast.engine.sql.layout import DECIMAL_COLLATION, literal
from holdfast.engine.sql.nodes import Node
from holdfast.errors import Unsupported

INTEGER = ColumnType(Kind.INTEGER)
REAL = ColumnType(Kind.REAL)
TEXT = ColumnType(Kind.TEXT)
BLOB = ColumnType(Kind.BLOB)
BOOLEAN = ColumnType(Kind.BOOLEAN)
NUMERIC = ColumnType(Kind.NUMERIC)
JSON = ColumnType(Kind.JSON)
TIMESTAMP = ColumnType(Kind.TIMESTAMP)
DATE = ColumnType(Kind.DATE)
INTERVAL = ColumnType(Kind.INTERVAL)
VECTOR = ColumnType(Kind.VECTOR)

CONVERTED = frozenset(
    (Kind.TIMESTAMP, Kind.DATE, Kind.UUID, Kind.BOOLEAN, Kind.NUMERIC, Kind.JSON, Kind.INTERVAL, Kind.VECTOR, Kind.BLOB)
)
"""Kinds whose stored form is not simply the value: literals and parameters beside them are brought into it."""

NUMBERS = frozenset((Kind.INTEGER, Kind.REAL, Kind.NUMERIC))
MOMENTS = frozenset((Kind.TIMESTAMP, Kind.DATE))


class Place(msgspec.Struct, frozen=True):
    """Where a parameter goes: into a column of this type, beside one, or (None) anywhere in an expression.

    `no_number`: beside text that was computed: a number would never be equal to it. `many`: a list of such values.
    """

    type: ColumnType | None = None
    where: str = ""
    no_number: bool = False
    many: bool = False


class Typed(msgspec.Struct, frozen=True):
    """An expression. `type` None: not known; `node` is what it was translated from."""

    sql: str
    type: ColumnType | None = None
    node: Node | None = None
    not_null: bool = False

    @property
    def kind(self) -> Kind | None:
        """The kind of its type, or None."""
        return self.type.kind if self.type is not None else None

    @property
    def is_open(self) -> bool:
        """Whether it takes its type from what stands beside it: a string, a parameter or NULL."""
        return isinstance(self.node, (nodes.Text, nodes.Parameter, nodes.Null))

    @property
    def is_column(self) -> bool:
        """Whether it is plainly a column, so that SQLite knows its affinity."""
        return isinstance(self.node, nodes.Name)


def plain(type_: ColumnType | None) -> ColumnType | None:
    """Return a type without its sizes: what is compared or computed need not fit the column; None for ANY."""
    if type_ is None or type_.kind is Kind.ANY:
        return None
    return type_ if type_.size is None else ColumnType(type_.kind)


def common_type(parts: Iterable[Typed]) -> ColumnType | None:
    """Return the type that all parts can be brought into, or None if that is not known."""
    found: ColumnType | None = None
    texts = False
    for part in parts:
        if part.is_open:
            texts = texts or isinstance(part.node, nodes.Text)
            continue
        type_ = plain(part.type)
        found = type_ if found is None or type_ is None else _wider(found, type_)
        if found is None:
            return None
    return TEXT if found is None and texts else found


_WIDENING: dict[frozenset[Kind], ColumnType] = {
    frozenset((Kind.INTEGER, Kind.REAL)): REAL,
    frozenset((Kind.INTEGER, Kind.NUMERIC)): NUMERIC,
    frozenset((Kind.REAL, Kind.NUMERIC)): NUMERIC,
    frozenset((Kind.DATE, Kind.TIMESTAMP)): TIMESTAMP,
    frozenset((Kind.TEXT, Kind.UUID)): TEXT,
}


def _wider(a: ColumnType, b: ColumnType) -> ColumnType | None:
    return a if a.kind is b.kind else _WIDENING.get(frozenset((a.kind, b.kind)))


def written(node: Node | None, levels: int = 4) -> str:
    """Return an expression for a message, shortened: no more than some levels of what stands in each other."""
    inner = levels - 1
    match node if levels else None:
        case nodes.Name(name, table):
            return f"{table}.{name}" if table else name
        case nodes.Text(value):
            return literal(value[:30])
        case nodes.Number(text):
            return text
        case nodes.Parameter():
            return "%s"
        case nodes.Binary(operator, left, right):
            return f"{written(left, inner)} {operator} {written(right, inner)}"[:80]
        case nodes.Call(name, arguments):
            return f"{name}({', '.join(written(part, inner) for part in arguments[:9])})"[:80]
        case nodes.Cast(operand, type_):
            return f"CAST({written(operand, inner)} AS {type_.name.upper()})"[:80]
        case _:
            return "the expression" if levels else "..."


def constant(value: Stored, type_: ColumnType, node: Node | None = None) -> Typed:
    """Return a stored value as a literal."""
    if value is None:
        return Typed("NULL", type_, nodes.Null())
    if isinstance(value, bytes):
        return Typed(f"x'{value.hex()}'", type_, node)
    return Typed(literal(value) if isinstance(value, str) else repr(value), type_, node, not_null=True)


def adapt(part: Typed, to: ColumnType | None, places: list[Place], where: str) -> Typed:
    """Return `part` in the stored form of a type, if that is not what it is already.

    Raises:
        InvalidValue: a literal that is no value of the type.
    """
    to = plain(to)
    node = part.node
    if to is None:
        return part
    if isinstance(node, nodes.Parameter):
        return _parameter(part, node, to, places, where)
    if part.kind is to.kind or isinstance(node, nodes.Null):
        return part
    if isinstance(node, nodes.Text):
        if to.kind in CONVERTED:
            return constant(encode(node.value, to, where), to, None)
        return _number_of(part, node, to)
    if to.kind is Kind.NUMERIC and isinstance(node, nodes.Number):
        return constant(encode(node.text, to, where), to)
    if to.kind is Kind.JSON and isinstance(node, nodes.Number):
        return constant(node.text, to)
    return _converted(part, to)


def _parameter(part: Typed, node: nodes.Parameter, to: ColumnType, places: list[Place], where: str) -> Typed:
    at = node.number - 1
    if to.kind in CONVERTED and places[at].type is None:
        places[at] = msgspec.structs.replace(places[at], type=to, where=where)
    return Typed(part.sql, to, node)


def _number_of(part: Typed, node: nodes.Text, to: ColumnType) -> Typed:
    """A string beside a number is that number, if it is one; else the engine says what it says."""
    if to.kind not in (Kind.INTEGER, Kind.REAL):
        return Typed(part.sql, to, node, not_null=True)
    try:
        value = int(node.value) if to.kind is Kind.INTEGER else float(node.value)
    except ValueError:
        return part
    return constant(value, to)


def _converted(part: Typed, to: ColumnType) -> Typed:
    if to.kind is Kind.NUMERIC and part.kind in NUMBERS:
        return Typed(f"hf_as({part.sql}, 'NUMERIC', NULL, NULL, 'a number')", NUMERIC)
    if to.kind is Kind.TIMESTAMP and part.kind is Kind.DATE:
        return Typed(f"({part.sql} || ' 00:00:00.000000')", TIMESTAMP)
    return part


def united(part: Typed, to: ColumnType | None, places: list[Place], where: str) -> Typed:
    """Return `part` as one of several that make one value: an integer among floats is a float, too."""
    if to is not None and to.kind is Kind.REAL and part.kind is Kind.INTEGER:
        number = isinstance(part.node, nodes.Number)
        return Typed(
            f"{part.sql.rstrip(')')}.0{')' * part.sql.endswith(')')}" if number else f"CAST({part.sql} AS REAL)", REAL
        )
    return adapt(part, to, places, where)


def compared(part: Typed) -> str:
    """Return an operand of a comparison: decimals compare as the numbers they are."""
    return f"{part.sql} COLLATE {DECIMAL_COLLATION}" if part.kind is Kind.NUMERIC else part.sql


def refuse_order_of_json(part: Typed) -> None:
    """Raise Unsupported for JSON, whose text has another order than its values."""
    if part.kind is Kind.JSON:
        raise Unsupported(
            f"{written(part.node)}: the parts of JSON have no order here: use CAST(... ->> ... AS INTEGER), REAL or"
            " TEXT"
        )


def sql_list(parts: Sequence[Typed]) -> str:
    """Return expressions between commas."""
    return ", ".join(part.sql for part in parts)
