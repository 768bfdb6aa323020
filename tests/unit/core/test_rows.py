"""Goal: groups of a merge are decided by the rules. Method: one case a rule; random ones are in tests/property."""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.core.points import Point, Rid
from holdfast.core.rows import Group, Resolution, Row, Touch, groups_of, settle
from holdfast.core.schema import Column, Key, Table
from holdfast.core.types import ColumnType, Kind, Stored
from holdfast.errors import Conflict

INT = ColumnType(Kind.INTEGER)
TABLE = Table(1, "t", (Column(1, "k", INT), Column(2, "a", INT), Column(3, "b", INT)), ("k",))


def row(key: int, a: Stored, b: Stored, *, born: tuple[str, int], rid: int = 1) -> Row:
    return Row(Rid("m", 1, rid), Point(*born), (key, a, b))


BASE = row(1, 0, 0, born=("m", 1))
OURS = row(1, 1, 0, born=("m", 2))
THEIRS = row(1, 0, 2, born=("s", 1))


def side(*rows: Row) -> dict[Key, Row]:
    return {(r.values[0],): r for r in rows}


def decided(
    base: Mapping[Key, Row] | None, ours: Mapping[Key, Row], theirs: Mapping[Key, Row], union: tuple[Row, ...]
) -> tuple[Resolution, list[Conflict]]:
    keys = frozenset([*(base or {}), *ours, *theirs])
    resolution, _, left = settle(TABLE, Group(keys, base, (), ours, theirs, union), lambda _: NotImplemented)
    return resolution, left


def test_rows_are_grouped_by_key_and_by_identity() -> None:
    moved = row(2, 1, 0, born=("m", 2))
    ours = [Touch(BASE, ended=True), Touch(moved, ended=False)]
    theirs = [Touch(BASE, ended=True), Touch(THEIRS, ended=False)]
    assert groups_of(TABLE, ours, theirs) == [frozenset({(1,), (2,)})]
    other = row(9, 0, 0, born=("s", 1), rid=9)
    assert groups_of(TABLE, [Touch(OURS, ended=False)], [Touch(other, ended=False)]) == []


def test_cells_that_one_side_changed_are_taken_and_a_mark_is_left() -> None:
    resolution, left = decided(side(BASE), side(OURS), side(THEIRS), (OURS, THEIRS))
    assert left == []
    assert resolution == Resolution([OURS, THEIRS], [(BASE.rid, (1, 1, 2))])


def test_a_side_that_came_back_to_the_base_gives_way_with_a_mark() -> None:
    back = row(1, 0, 0, born=("m", 3))
    resolution, left = decided(side(BASE), side(back), {}, (back,))
    assert (resolution, left) == (Resolution([back], []), [])


def test_equal_outcomes_keep_the_smallest_version() -> None:
    twin = row(1, 1, 0, born=("a", 7))
    resolution, left = decided(side(BASE), side(OURS), side(twin), (OURS, twin))
    assert (resolution, left) == (Resolution([OURS], []), [])


def test_both_removed_needs_nothing() -> None:
    assert decided(side(BASE), {}, {}, ()) == (Resolution(), [])


def test_the_same_key_with_another_identity_is_not_merged_by_cell() -> None:
    again = row(1, 5, 5, born=("m", 2), rid=2)
    _, left = decided(side(BASE), side(again), side(THEIRS), (again, THEIRS))
    assert [(conflict.key, conflict.column) for conflict in left] == [((1,), None)]


def test_renamed_against_updated_is_a_conflict() -> None:
    moved = row(2, 0, 0, born=("m", 2))
    _, left = decided(side(BASE), side(moved), side(THEIRS), (moved, THEIRS))
    assert [(conflict.key, conflict.column) for conflict in left] == [((1,), None), ((2,), None)]


def test_what_nobody_decided_stays_ours() -> None:
    theirs = row(1, 7, 2, born=("s", 1))
    resolution, left = decided(side(BASE), side(OURS), side(theirs), (OURS, theirs))
    assert [conflict.column for conflict in left] == ["a"]
    assert resolution == Resolution([OURS, theirs], [(BASE.rid, (1, 1, 2))])
    resolution, left = decided(None, {}, side(theirs), (theirs,))
    assert len(left) == 1
    assert resolution == Resolution([theirs], [])


def test_a_copy_decides_what_theirs_touched_alone() -> None:
    ours = [Touch(row(5, 0, 0, born=("m", 2), rid=5), ended=False)]
    theirs = [Touch(THEIRS, ended=False)]
    assert groups_of(TABLE, ours, theirs) == []
    assert groups_of(TABLE, ours, theirs, copied=True) == [frozenset({(1,)})]


def test_several_resolutions_write_their_rows_in_the_order_of_keys() -> None:
    """New rows are numbered in it: docs/format.md."""
    one = Resolution([OURS], [(None, (1, 0, 0)), (None, (9, 0, 0))])
    other = Resolution([THEIRS], [(None, (5, 0, 0))])
    whole = Resolution.of(TABLE, [one, other])
    assert whole.ended == [OURS, THEIRS]
    assert [values[0] for _, values in whole.fresh] == [1, 5, 9]


def test_one_and_one_point_zero_are_not_the_same() -> None:
    real = row(1, 1.0, 0, born=("s", 1))
    _, left = decided(side(BASE), side(OURS), side(real), (OURS, real))
    assert [conflict.column for conflict in left] == ["a"]
