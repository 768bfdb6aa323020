"""The keys of the tree: docs/format-kv.md is the normative description.

All of a store is one ordered map. The first byte of a key says what it is of, and entries that are read or written
together stand together: a commit, the rows it touched and the head of its line; the versions of a row and their ends.

Values of rows in keys are written so that their bytes sort as `core.schema.key_order` sorts them, and so that no
value's bytes begin another's. What is longer than `ENCODED_MAX` is cut there and told apart by a hash.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

from holdfast.core.points import Point, Rid
from holdfast.core.schema import Table

META = b"M"
BRANCH, TAG, PIN, SCHEMA = b"B", b"T", b"P", b"S"
LINE, HASH, MERGE, TRUNK = b"L", b"H", b"G", b"X"
ROW, UNIQUE = b"R", b"U"
ENTRY = b"E"

COMMIT, TOUCH, LEAF = b"\x00", b"\x01", b"\x02"
"""What of a commit a key is of."""
BORN, ENDED = b"\x00", b"\x01"
"""What a commit did with a version; and at the end of a row's key, whether it is a version or the end of one."""

POINT_BYTES = 24
ENCODED_MAX = 256
_CUT_BYTES = 24
_HEAD = b"\xff" * 8

_pack_double = struct.Struct(">d").pack
_pack_rest = struct.Struct(">h").pack


def line_bytes(uid: str) -> bytes:
    """Return a line's uid as 16 bytes."""
    return bytes.fromhex(uid)


def point_bytes(point: Point) -> bytes:
    """Return a point as 24 bytes: uid, n."""
    return bytes.fromhex(point.line) + point.n.to_bytes(8)


def point_of(raw: bytes) -> Point:
    """Return the point of 24 bytes."""
    return Point(raw[:16].hex(), int.from_bytes(raw[16:24]))


def head_key(uid: str) -> bytes:
    """Return the key of a line itself: behind those of its commits, beside the newest one."""
    return LINE + bytes.fromhex(uid) + _HEAD


def commit_key(point: Point) -> bytes:
    """Return the key of a commit."""
    return LINE + point_bytes(point) + COMMIT


def commits_prefix(uid: str) -> bytes:
    """Return what the keys of a line and of its commits begin with."""
    return LINE + bytes.fromhex(uid)


def touches_prefix(point: Point, table: Table | None = None) -> bytes:
    """Return what the keys of the versions begin with that a commit made or ended, in a table or in all."""
    return LINE + point_bytes(point) + TOUCH + (b"" if table is None else table_bytes(table))


def leaf_key(point: Point, table_id: int, rid: bytes) -> bytes:
    """Return the key of what is kept of a change."""
    return LINE + point_bytes(point) + LEAF + table_id.to_bytes(4) + rid


def table_bytes(table: Table) -> bytes:
    """Return a table's id as 4 bytes."""
    return table.id.to_bytes(4)


def rows_prefix(table: Table) -> bytes:
    """Return what the keys of all versions of a table's rows begin with."""
    return ROW + table.id.to_bytes(4)


def unique_prefix(table: Table, columns: Sequence[int]) -> bytes:
    """Return what the keys of a UNIQUE of these columns (their ids) begin with."""
    ids = b"".join(column.to_bytes(4) for column in columns)
    return UNIQUE + table.id.to_bytes(4) + len(columns).to_bytes(1) + ids


def entry_key(register: str, key: str) -> bytes:
    """Return the key of an entry of a register, or what such keys begin with."""
    return ENTRY + register.encode() + b"\x00" + key.encode()


# Values


def encoded(values: Sequence[object]) -> bytes:
    """Return values so that their bytes sort as the values do, cut where they are long."""
    whole = b"".join(map(_encoded, values))
    if len(whole) <= ENCODED_MAX:
        return whole
    return whole[:ENCODED_MAX] + hashlib.blake2b(whole, digest_size=_CUT_BYTES).digest()


def encoded_prefix(values: Sequence[object]) -> bytes:
    """Return what the bytes of all lists of values begin with that begin with these, as far as they are not cut."""
    return b"".join(map(_encoded, values))[:ENCODED_MAX]


def is_cut(encoded_values: bytes) -> bool:
    """Tell whether values were too long, so that their bytes do not sort as they do."""
    return len(encoded_values) > ENCODED_MAX


def _encoded(value: object) -> bytes:
    if value is None:
        return b"\x00"
    if isinstance(value, str):
        return b"\x02" + value.encode().replace(b"\x00", b"\x00\xff") + b"\x00\x01"
    if isinstance(value, bytes):
        return b"\x03" + value.replace(b"\x00", b"\x00\xff") + b"\x00\x01"
    assert isinstance(value, (int, float)), f"{value!r} has no stored form"
    return b"\x01" + _number(value)


def _number(value: float) -> bytes:
    """A double that sorts as bytes, and what a whole number is beyond it: 1 and 1.0 are one key, as in SQL."""
    near = float(value)
    raw = int.from_bytes(_pack_double(near + 0.0))
    ordered = raw ^ (0xFFFF_FFFF_FFFF_FFFF if raw >> 63 else 1 << 63)
    rest = value - int(near) if isinstance(value, int) else 0
    return ordered.to_bytes(8) + (rest + 0x8000).to_bytes(2)


def key_bytes(table: Table, values: Sequence[object], rid: Rid) -> bytes:
    """Return the bytes of a row's key: of its primary key, or of its row id in a table without one."""
    if not table.primary_key:
        return rid_key_bytes(rid.line, rid.n, rid.ordinal)
    return encoded([values[at] for at in table.positions(table.primary_key)])


def rid_key_bytes(line: str, n: int, ordinal: int) -> bytes:
    """Return the bytes of the key of a row in a table without a primary key."""
    return bytes.fromhex(line) + n.to_bytes(8) + ordinal.to_bytes(8)


# Versions and their ends


def version_key(table: Table, key: bytes, born: Point) -> bytes:
    """Return the key of a version. All that is about a version begins with all of it but its last byte."""
    return ROW + table.id.to_bytes(4) + key + point_bytes(born) + BORN


def end_key(version: bytes, end: Point) -> bytes:
    """Return the key of the end of a version."""
    return version[:-1] + point_bytes(end) + ENDED


def born_of(version: bytes) -> Point:
    """Return where a version was made, by its key."""
    return point_of(version[-1 - POINT_BYTES : -1])


def end_of(end: bytes) -> tuple[bytes, Point]:
    """Return the version that an end is of, and where it ended, by the key of the end."""
    return end[: -1 - POINT_BYTES] + BORN, point_of(end[-1 - POINT_BYTES : -1])


def key_part(version: bytes) -> bytes:
    """Return the bytes of the row's key, by the key of a version."""
    return version[5 : -1 - POINT_BYTES]


def row_and_born(version: bytes) -> bytes:
    """Return the bytes of the row's key and of where the version was made, by the key of the version."""
    return version[5:-1]


def touch_key(point: Point, kind: bytes, version: bytes) -> bytes:
    """Return the key that says that a commit made, or ended, a version."""
    told = version[5 : -1 - POINT_BYTES] if kind == BORN else row_and_born(version)
    return LINE + point_bytes(point) + TOUCH + version[1:5] + kind + told


def touched_version(touch: bytes) -> tuple[bytes, bytes]:
    """Return what a commit did with which version, by the key that says so."""
    at = 1 + POINT_BYTES + 1
    kind, told = touch[at + 4 : at + 5], touch[at + 5 :]
    place = ROW + touch[at : at + 4] + told
    return kind, place + (touch[1 : 1 + POINT_BYTES] if kind == BORN else b"") + BORN


# Handles: a version's key as a number, so that nothing has to be remembered


def handle_of(version: bytes) -> int:
    """Return the number by which others know a version."""
    return int.from_bytes(version)


def version_of(handle: int) -> bytes:
    """Return the key of the version with this number."""
    return handle.to_bytes((handle.bit_length() + 7) // 8)
