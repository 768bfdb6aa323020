"""The names of branches and tags on disk, and a sum over them.

No commit's hash covers a name: it may be moved and forgotten. So that a name that was damaged, or lost with a page,
does not pass for one that was never given, `hf_meta` keeps the sum of the digests of all of them. A sum can be kept
up to date at the cost of one name, however many there are; a hash over the list could not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

SUM = "refs"
"""Where in `hf_meta` the sum stands; a store may spread it over several rows whose keys begin so and with a slash."""

_ROWS = "SELECT r.kind, r.name, l.uid, r.n FROM hf_ref AS r LEFT JOIN hf_line AS l ON l.id = r.line"
_ONE = " WHERE r.kind = ? AND r.name = ?"
_PUT_REF = (
    "INSERT INTO hf_ref VALUES (?, ?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET line = excluded.line, n = excluded.n"
)
_PUT_SUM = "INSERT INTO hf_meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_MODULUS = 1 << 256

_encoder = msgspec.msgpack.Encoder()


class Database(Protocol):
    """What is needed of a driver."""

    def rows(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        ...


def put_ref(database: Database, kind: str, name: str, line: tuple[int, str], n: int | None, summed: str = SUM) -> None:
    """Let a name stand for a line (id, uid), or for its commit `n`, whatever it stood for before.

    Args:
        summed: which sum it counts in, always the same for a name.
    """
    before = database.rows(_ROWS + _ONE, (kind, name))
    line_id, uid = line
    database.rows(_PUT_REF, (kind, name, line_id, n))
    _note(database, summed, before, [(kind, name, uid, n)])


def remove_ref(database: Database, kind: str, name: str, summed: str = SUM) -> None:
    """Forget a name, if there is one."""
    before = database.rows(_ROWS + _ONE, (kind, name))
    database.rows("DELETE FROM hf_ref WHERE kind = ? AND name = ?", (kind, name))
    _note(database, summed, before, [])


def damage_of_refs(database: Database) -> Iterator[str]:
    """Yield what is wrong with the names."""
    noted = database.rows(f"SELECT value FROM hf_meta WHERE key = '{SUM}' OR key LIKE '{SUM}/%'")
    if noted and sum(int(value, 16) for (value,) in noted) % _MODULUS != _sum(database.rows(_ROWS)):
        yield "the branches and tags are not those that were made: a name, or what it names, was changed or lost"


def _note(database: Database, summed: str, before: list[tuple[Any, ...]], after: list[tuple[Any, ...]]) -> None:
    found = database.rows("SELECT value FROM hf_meta WHERE key = ?", (summed,))
    if found or summed != SUM:
        noted = int(found[0][0], 16) if found else 0
        total = (noted - _sum(before) + _sum(after)) % _MODULUS
    else:
        total = _sum(database.rows(_ROWS))  # of a store made before there was a sum
    database.rows(_PUT_SUM, (summed, f"{total:064x}"))


def _sum(rows: list[tuple[Any, ...]]) -> int:
    return sum(int.from_bytes(hashlib.sha256(_encoder.encode(row)).digest()) for row in rows) % _MODULUS
