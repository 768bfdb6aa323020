"""Erasing rows for good: on every branch, at every commit, and in the file. The hashes stay, and stay verifiable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from holdfast.core.points import Point
from holdfast.core.schema import Table
from holdfast.core.types import Stored, encode
from holdfast.engine.contract import Reader, Writer
from holdfast.errors import InvalidValue, NotFound
from holdfast.versions.results import Erased

Subject = Mapping[str, Mapping[str, object] | Iterable[object]]
"""What to erase: for each table either keys, or the values of some columns.

`{"users": [7], "steps": [("run-1", 3)], "messages": {"user_id": 7}}`: a key is a tuple of the primary key's values, or
its one value; the rows with these values in these columns are those that had them in any version, on any branch.
"""


def erase(writer: Writer, subject: Subject, *, texts: bool = False) -> Erased:
    """Remove all versions of the rows that a subject names.

    Args:
        texts: whether the messages and metadata of the commits that made or ended them go, too.

    Raises:
        NotFound: no such table or column.
        InvalidValue: the subject is none, or a column cannot hold its value.
    """
    wanted = _searches(writer, subject)
    rows = versions = 0
    commits: set[Point] = set()
    for table, searches in wanted:
        found: dict[int, None] = {}
        for columns, values in searches:
            found.update(dict.fromkeys(writer.handles_like(table, columns, values)))
        handles = list(found)
        if not handles:
            continue
        commits |= writer.commits_of(table, handles)
        rows += writer.identities(table, handles)
        versions += writer.squash(table, handles, writer.kept_by_merges(table), erase=True).rows
    if texts:
        writer.erase_texts(commits)
    return Erased(rows, versions, len(commits))


_Search = tuple[tuple[str, ...], list[Stored]]


def _searches(reader: Reader, subject: object) -> list[tuple[Table, list[_Search]]]:
    if not isinstance(subject, Mapping) or not subject:
        raise InvalidValue(
            "a subject is a dict of tables, each with keys or with values of columns:"
            f" {{'users': [7], 'messages': {{'user_id': 7}}}}; not {subject!r}"
        )
    ever = {table.name.lower(): table for table in reader.tables_ever()}
    ever.update({table.name.lower(): table for table in reader.catalogue().tables})
    found: list[tuple[Table, list[_Search]]] = []
    for name, what in cast("Mapping[object, object]", subject).items():
        table = ever.get(str(name).lower())
        if table is None:
            raise NotFound(f"no table {name!r}")
        if isinstance(what, Mapping):
            found.append((table, [_by_columns(table, cast("Mapping[str, object]", what))]))
        elif isinstance(what, Iterable) and not isinstance(what, (str, bytes)):
            found.append((table, [_by_key(table, key) for key in cast("Iterable[object]", what)]))
        else:
            raise InvalidValue(f"{table.name}: give a list of keys, or a dict of columns, not {what!r}")
    return found


def _by_columns(table: Table, values: Mapping[str, object]) -> _Search:
    if not values:
        raise InvalidValue(f"{table.name}: a dict without columns would be every row; name a column")
    stored: list[Stored] = []
    for name, value in values.items():
        at = table.position(name)
        if at is None:
            raise NotFound(f"table {table.name!r} has no column {name!r}")
        stored.append(encode(value, table.columns[at].type, f"{table.name}.{name}"))
    return tuple(values), stored


def _by_key(table: Table, key: object) -> _Search:
    if not table.primary_key:
        raise InvalidValue(f"{table.name} has no primary key; give a dict of columns")
    parts = cast("tuple[object, ...]", key) if isinstance(key, tuple) else (key,)
    if len(parts) != len(table.primary_key):
        raise InvalidValue(f"the key of {table.name} has {len(table.primary_key)} parts, not {len(parts)}: {key!r}")
    return _by_columns(table, dict(zip(table.primary_key, parts, strict=True)))
