"""pyarrow: tables, batches and arrays as the bytes of Arrow's own stream format. pyarrow is imported if one is met."""

from __future__ import annotations

import sys
from typing import Any

from holdfast.core.codec.arrays import library
from holdfast.core.codec.lifting import Lift, Lifting
from holdfast.core.codec.lowering import Beyond, Lowering, Way

_COLUMN = "value"


def way_of(kind: type) -> Way | None:
    """Return how values of a class of pyarrow are lowered, if they can be."""
    if kind.__name__ in ("Table", "RecordBatch", "ChunkedArray"):
        return {"Table": _table, "RecordBatch": _batch, "ChunkedArray": _chunked}[kind.__name__]
    return _array if any(base.__name__ == "Array" for base in kind.__mro__) else None


def _table(at: Lowering, value: Any) -> Any:
    return {"$arrow": ["table", _stream(at, value.schema, value.to_batches())]}


def _batch(at: Lowering, value: Any) -> Any:
    return {"$arrow": ["batch", _stream(at, value.schema, [value])]}


def _chunked(at: Lowering, value: Any) -> Any:
    table = sys.modules["pyarrow"].table({_COLUMN: value})
    return {"$arrow": ["chunked", _stream(at, table.schema, table.to_batches())]}


def _array(at: Lowering, value: Any) -> Any:
    batch = sys.modules["pyarrow"].record_batch({_COLUMN: value})
    return {"$arrow": ["array", _stream(at, batch.schema, [batch])]}


def _stream(at: Lowering, schema: Any, batches: list[Any]) -> int | str:
    pyarrow: Any = sys.modules["pyarrow"]
    if any(isinstance(field.type, pyarrow.BaseExtensionType) for field in schema):
        raise Beyond  # reading it back would run code of the type
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return at.reference(memoryview(sink.getvalue()))


def _lift(at: Lifting, node: Any) -> Any:
    kind, reference = node
    pyarrow = library(at, "pyarrow")
    library(at, "pyarrow.ipc")
    data = bytes(at.reference(reference))  # a copy: Arrow keeps what it reads
    with pyarrow.ipc.open_stream(pyarrow.py_buffer(data)) as reader:
        batches = list(reader)
        schema = reader.schema
    for batch in batches:
        batch.validate(full=True)
    table = pyarrow.Table.from_batches(batches, schema)
    if kind == "table":
        return table
    if kind == "chunked":
        return table.column(_COLUMN)
    (batch,) = batches
    return {"batch": lambda: batch, "array": lambda: batch.column(_COLUMN)}[kind]()


LIFTS: dict[str, Lift] = {"$arrow": _lift}
