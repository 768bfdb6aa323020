"""CAST and `::`: from a typed expression to one of another type."""

from __future__ import annotations

from holdfast.core.types import ColumnType, Kind, encode
from holdfast.engine.sql import nodes
from holdfast.engine.sql.translate.operators import as_text
from holdfast.engine.sql.translate.typed import CONVERTED, Place, Typed, adapt, constant, written
from holdfast.engine.sql.type_names import TYPES
from holdfast.errors import InvalidValue, Unsupported

_SIZED = (Kind.TEXT, Kind.NUMERIC, Kind.VECTOR)
_PLAIN_NUMBERS = (Kind.INTEGER, Kind.REAL)


def column_type(name: nodes.TypeName) -> ColumnType:
    """Return the type of that name. Raises Unsupported if there is none."""
    kind = TYPES.get(name.name)
    if kind is None or kind is Kind.ANY or name.many:
        shown = f"{name.name.upper()}{'[]' * name.many}"
        raise Unsupported(f"the type {shown} is not supported{'; arrays are JSONB here' * name.many}")
    sizes = name.sizes[:2] if kind in _SIZED else ()
    return ColumnType(kind, *sizes)


def cast(operand: Typed, name: nodes.TypeName, places: list[Place]) -> Typed:
    """Return a value as another type, as PostgreSQL converts it.

    Raises:
        Unsupported: there is no such type.
        InvalidValue: a literal that is no value of it.
    """
    if isinstance(operand.node, nodes.Parameter) and name.many:
        return operand  # = ANY(%s::text[])
    to = column_type(name)
    node = operand.node
    if isinstance(node, nodes.Null):
        return Typed("NULL", to, node)
    if isinstance(node, nodes.Text):
        return _literal(node, to, places)
    if isinstance(node, nodes.Parameter) and to.kind in CONVERTED:
        return adapt(operand, to, places, f"CAST(... AS {to})")
    if operand.kind is to.kind and to.size is None:
        return operand
    return Typed(_converted(operand, to), to)


def _literal(node: nodes.Text, to: ColumnType, places: list[Place]) -> Typed:
    if to.kind is Kind.TEXT:
        value = node.value if to.size is None else node.value[: to.size]
        return constant(value, to, nodes.Cast(node, nodes.TypeName("text")))
    if to.kind is Kind.BLOB and node.value.startswith("\\x"):
        return constant(_bytes_of(node.value), to)
    if to.kind in CONVERTED:
        return constant(encode(node.value, to, f"CAST({written(node)} AS {to})"), to)
    found = adapt(Typed("", None, node), to, places, f"CAST(... AS {to})")
    return found if found.sql else Typed(f"hf_number({constant(node.value, to).sql}, '{to.kind.value}')", to)


def _bytes_of(text: str) -> bytes:
    try:
        return bytes.fromhex(text[2:])
    except ValueError as error:
        raise InvalidValue(f"{text[:40]!r} is no bytea: write it as '\\x00ff'") from error


def _converted(operand: Typed, to: ColumnType) -> str:
    kind, sql = operand.kind, operand.sql
    if to.kind is Kind.TEXT:
        text = f"CAST({as_text(operand)} AS TEXT)"
        return text if to.size is None else f"substr({text}, 1, {to.size})"
    if to.kind is Kind.INTEGER and kind is Kind.BOOLEAN:
        return sql
    if to.kind is Kind.REAL and kind is Kind.INTEGER:
        return f"CAST({sql} AS REAL)"
    if to.kind in _PLAIN_NUMBERS:
        return f"hf_number({sql}, '{to.kind.value}')"
    if to.kind is Kind.BLOB:
        return f"CAST({sql} AS BLOB)"
    if to.kind is Kind.DATE and kind is Kind.TIMESTAMP:
        return f"substr({sql}, 1, 10)"
    if to.kind is Kind.TIMESTAMP and kind is Kind.DATE:
        return f"({sql} || ' 00:00:00.000000')"
    size, scale = ("NULL" if part is None else str(part) for part in (to.size, to.scale))
    if to.kind is Kind.NUMERIC and to.size is not None and to.scale is None:
        scale = "0"
    return f"hf_as({sql}, '{to.kind.value}', {size}, {scale}, 'CAST')"
