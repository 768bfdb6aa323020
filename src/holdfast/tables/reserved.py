"""Names that a statement cannot use: the engine's own."""

from __future__ import annotations

import re

from holdfast.core.schema import Table
from holdfast.errors import Unsupported

_OURS = re.compile(
    r"hf_(?:runs|steps|calls|events|state|entry|meta|line|ref|commit|merge|schema|leaf|vector|found|[a-z]\d+\w*|(?:rows|insert|update|delete|upsert)_\w+)"
    r"|hf:.*|sqlite_\w+|pragma_\w+|dbstat",
    re.DOTALL,
)


def check_table_name(name: str) -> None:
    """Raise Unsupported if a table of that name is the engine's own."""
    if _OURS.fullmatch(name.lower()):
        raise Unsupported(f"{name!r} is Holdfast's own and cannot be used in statements; use the methods of the store")


def check_unowned(table: Table, done: str) -> Table:
    """Return the table, if it is a user's. Raises Unsupported if Holdfast's own code keeps its rows in order."""
    if table.owned:
        raise Unsupported(
            f"{table.name!r} is kept by Holdfast and only read in SQL; it cannot be {done}: use db.state or run()"
        )
    return table
