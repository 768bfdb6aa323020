"""Goal: keys of the tree sort as rows do, and are told apart. Method: compare with the order of the house."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.points import Point, Rid
from holdfast.core.schema import Column, key_order
from holdfast.core.types import ColumnType, Kind
from holdfast.engine.cells import held, literal_value
from holdfast.engine.tree import keys, node
from holdfast.engine.tree.lease import TURN_KEY
from holdfast.engine.tree.nodes import NODE_PREFIX, VALUE_PREFIX
from holdfast.engine.tree.publish import LIST_PREFIX, OWNER_KEY
from holdfast.engine.tree.recent import BYTES_MAX, CHANGES_PREFIX, STATES_MAX
from holdfast.engine.tree.records import values_of, version_parts, version_record
from holdfast.engine.tree.root import FORMAT, ROOT_KEY, Root, Run, root_bytes, root_of, states_of
from holdfast.engine.tree.sweep import GRACE_SECONDS
from holdfast.errors import InvalidValue, StoreCorrupt, Unsupported
from holdfast.testing.schemas import INTEGER, JOURNAL, STEPS, TEXT, table

numbers = (
    st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.sampled_from(
        [2**53, 2**53 + 1, 2.0**53, -(2**53) - 1, 0, -1, 1, 1.0, 0.5, 2**63 - 1, -(2**63), 2.0**63, float("inf")]
    )
)
texts = st.text(max_size=5) | st.sampled_from(["", "a", "a\0", "a\0b", "ab", "a" * 300, "a" * 299 + "b"])
blobs = st.binary(max_size=5) | st.sampled_from([b"", b"\0", b"\0\0", b"\0\xff", b"\xff"])
values = st.none() | numbers | texts | blobs
rows = st.lists(values, min_size=2, max_size=2).map(tuple)


@given(one=rows, other=rows)
def test_bytes_sort_as_keys_do(one: Any, other: Any) -> None:
    a, b = keys.encoded(one), keys.encoded(other)
    if keys.is_cut(a) or keys.is_cut(b):
        assert (a == b) == (key_order(one) == key_order(other))
        return
    assert (a < b) == (key_order(one) < key_order(other))
    assert (a == b) == (key_order(one) == key_order(other))
    assert a == b or not (a.startswith(b) or b.startswith(a)), "no key's bytes begin another's"


@given(row=rows)
def test_bytes_begin_as_keys_do(row: Any) -> None:
    for parts in (0, 1, 2):
        assert keys.encoded(row).startswith(keys.encoded_prefix(row[:parts]))


points = st.builds(Point, st.binary(min_size=16, max_size=16).map(bytes.hex), st.integers(1, 2**63 - 2))


@given(key=st.binary(max_size=40), born=points, end=points)
def test_a_version_is_found_from_all_that_tells_of_it(key: bytes, born: Point, end: Point) -> None:
    version = keys.version_key(STEPS, key, born)
    assert keys.born_of(version) == born
    assert keys.key_part(version) == key
    assert keys.end_of(keys.end_key(version, end)) == (version, end)
    assert keys.version_of(keys.handle_of(version)) == version
    assert keys.touched_version(keys.touch_key(born, keys.BORN, version)) == (keys.BORN, version)
    assert keys.touched_version(keys.touch_key(end, keys.ENDED, version)) == (keys.ENDED, version)
    assert min(keys.end_key(version, end), version) == version, "the ends of a version follow it"


LINE = "ab" * 16


@given(rid=st.builds(Rid, st.sampled_from([LINE, "cd" * 16]), st.integers(1, 9), st.integers(1, 9)))
def test_a_version_comes_back_as_it_was(rid: Rid) -> None:
    born = Point(LINE, 4)
    values = ("text", 2**62)
    raw = version_record(JOURNAL, rid, born, values)
    version = keys.version_key(JOURNAL, keys.key_bytes(JOURNAL, values, rid), born)
    found, by_id = version_parts(version, raw)
    assert (found, values_of(JOURNAL, by_id)) == (rid, values)
    with_more = JOURNAL.with_column(Column(0, "more", INTEGER, fill="7"))
    assert values_of(with_more, by_id) == (*values, 7)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Kind.INTEGER, "7", 7),
        (Kind.INTEGER, " 7.0 ", 7),
        (Kind.INTEGER, 7.0, 7),
        (Kind.INTEGER, 7.5, InvalidValue),
        (Kind.INTEGER, "x", InvalidValue),
        (Kind.INTEGER, 2**63, InvalidValue),
        (Kind.INTEGER, b"7", InvalidValue),
        (Kind.REAL, 7, 7.0),
        (Kind.REAL, "7.5", 7.5),
        (Kind.REAL, "x", InvalidValue),
        (Kind.TEXT, 7, "7"),
        (Kind.TEXT, 7.0, "7.0"),
        (Kind.TEXT, 0.1, "0.1"),
        (Kind.TEXT, b"x", InvalidValue),
        (Kind.BLOB, b"x", b"x"),
        (Kind.BLOB, "x", InvalidValue),
        (Kind.ANY, b"x", b"x"),
        (Kind.ANY, 1.0, 1.0),
        (Kind.TEXT, None, None),
    ],
)
def test_a_cell_holds_what_sqlite_would_make_of_it(kind: Kind, value: Any, expected: Any) -> None:
    column = Column(1, "c", ColumnType(kind))
    if expected is InvalidValue:
        with pytest.raises(InvalidValue, match="cannot store"):
            held(value, column, "t.c")
    else:
        found = held(value, column, "t.c")
        assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    ("literal", "kind", "expected"),
    [
        (None, Kind.TEXT, None),
        ("NULL", Kind.TEXT, None),
        ("'it''s'", Kind.TEXT, "it's"),
        ("-7", Kind.INTEGER, -7),
        ("1.5", Kind.REAL, 1.5),
        ("X'00ff'", Kind.BLOB, b"\x00\xff"),
    ],
)
def test_literals_are_read(literal: str | None, kind: Kind, expected: Any) -> None:
    assert literal_value(literal, Column(1, "c", ColumnType(kind))) == expected


def test_what_is_no_literal_is_refused() -> None:
    with pytest.raises(InvalidValue, match="no literal"):
        literal_value("now()", Column(1, "c", TEXT))


def test_a_root_comes_back_and_its_states_are_told_in_runs() -> None:
    root = Root(0, None)
    for writer in ("a", "a", "b", "a", "a"):
        root = root.folded(b"t" * 24, writer, 0, listed=True)
    assert root.pending == (Run("a", 1, 2), Run("b", 3, 3), Run("a", 4, 5))
    assert root_of(root_bytes(root)) == root
    assert root.folded(None, "a", 1, listed=True).pending == (Run("a", 2, 2), Run("b", 3, 3), Run("a", 4, 6))
    assert root.folded(None, "a", 3, listed=True).pending == (Run("a", 4, 6),)
    assert root.folded(None, "a", 3, listed=False).pending == (Run("a", 4, 5),)
    assert root.folded(None, "a", 5, listed=True).pending == (Run("a", 6, 6),)
    for writer in ("a", "a", "b"):
        root = root.appended(writer, b"d" * 24, 3)
    assert root == Root(8, b"t" * 24, (Run("a", 4, 5),), (Run("a", 6, 7), Run("b", 8, 8)), b"d" * 24)
    assert root_of(root_bytes(root)) == root
    assert list(states_of(root.recent)) == [(6, "a"), (7, "a"), (8, "b")]
    assert root.folded(None, "b", 5, listed=True) == Root(9, None, (Run("b", 9, 9),))


def test_s9_a_newer_root_is_refused_before_it_is_understood() -> None:
    raw = root_bytes(Root(1, None))
    with pytest.raises(Unsupported, match=f"format {FORMAT + 1}"):
        root_of(raw[:8] + (FORMAT + 1).to_bytes(2) + b"whatever comes then")
    for harmed in (b"", b"something else", raw[:-1], raw[:12] + b"?" + raw[13:]):
        with pytest.raises(StoreCorrupt):
            root_of(harmed)


def test_ids_of_columns_part_the_entries_of_uniques() -> None:
    one = table("t", {"a": TEXT, "b": TEXT}, uniques=(("a",), ("a", "b")))
    prefixes = [keys.unique_prefix(one, one.ids(names)) for names in one.uniques]
    assert not prefixes[1].startswith(prefixes[0])


def test_the_page_on_the_format_says_what_the_code_does(root: Path) -> None:
    """docs/format-kv.md is normative: its numbers are those that are used."""
    page = (root / "docs" / "format-kv.md").read_text("utf-8")
    for said in (
        f"normative for format {FORMAT} of the tree",
        f"BLAKE2b with {node.DIGEST_BYTES} bytes and the person `holdfast-tree`",
        f"more than {node.INLINE_BYTES_MAX:,} bytes stands by itself",
        f"the sum is at least {node.NODE_BYTES_MIN} and",
        f"at least {node.NODE_BYTES_MAX:,} or XXH3-64(key, seed = level) · {node.NODE_BYTES:,} <",
        f"older than {GRACE_SECONDS} seconds",
        f"more than {STATES_MAX} states or {BYTES_MAX:,} bytes of changes",
        f"more than {keys.ENCODED_MAX}",
        *(f"| `{key}`" for key in (ROOT_KEY, OWNER_KEY, TURN_KEY)),
        *(f"| `{prefix}<" for prefix in (NODE_PREFIX, VALUE_PREFIX, LIST_PREFIX, CHANGES_PREFIX)),
        *(f"| `{chr(kind[0])}" for kind in (keys.META, keys.BRANCH, keys.TAG, keys.PIN, keys.SCHEMA, keys.LINE)),
        *(f"| `{chr(kind[0])}" for kind in (keys.HASH, keys.MERGE, keys.TRUNK, keys.ROW, keys.UNIQUE, keys.ENTRY)),
    ):
        assert said.lower() in " ".join(page.split()).lower(), said
