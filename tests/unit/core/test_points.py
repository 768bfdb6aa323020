"""Goal: version vectors form a lattice. Method: its laws on arbitrary vectors."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.points import Point, beyond, covers, join, meet, sees

vectors = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 5))


@given(vectors, vectors, vectors)
def test_join_and_meet_are_a_lattice(a: dict[str, int], b: dict[str, int], c: dict[str, int]) -> None:
    assert join(a, b) == join(b, a)
    assert meet(a, b) == meet(b, a)
    assert join(a, join(b, c)) == join(join(a, b), c)
    assert meet(a, meet(b, c)) == meet(meet(a, b), c)
    assert join(a, meet(a, b)) == a
    assert meet(a, join(a, b)) == a


@given(vectors, vectors)
def test_covering_is_the_order_of_the_lattice(a: dict[str, int], b: dict[str, int]) -> None:
    assert covers(a, b) == (join(a, b) == a) == (meet(a, b) == b)


@given(vectors, vectors)
def test_beyond_is_what_one_sees_and_the_other_does_not(a: dict[str, int], b: dict[str, int]) -> None:
    seen = {Point(line, n) for line in "abcd" for n in range(1, 6) if sees(a, Point(line, n))}
    not_seen = {point for point in seen if not sees(b, point)}
    assert not_seen == {Point(line, n) for line, (low, high) in beyond(a, b).items() for n in range(low + 1, high + 1)}
