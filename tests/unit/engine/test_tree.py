"""Goal: the tree is an ordered map whose root follows from its contents. Method: random changes, against a dict."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.engine.kv import Memory
from holdfast.engine.tree.draft import Draft
from holdfast.engine.tree.editing import Edit, edited, set_apart
from holdfast.engine.tree.node import NODE_BYTES_MAX, Node, alone, digest_of, packed
from holdfast.engine.tree.nodes import Nodes, node_key, value_key
from holdfast.engine.tree.sweep import has_node, has_value
from holdfast.engine.tree.tree import Tree, beyond
from holdfast.errors import StoreCorrupt
from tests.kv_stores import Counting

Changes = dict[bytes, bytes | None]


def applied(tree: Tree, changes: Changes) -> tuple[Tree, Edit]:
    """Return the changed tree; its nodes are stored, and those that it has not any more are deleted."""
    apart, values = set_apart(sorted(changes.items()))
    edit = edited(tree, apart)
    store = tree.nodes.store
    store.set_many(**{node_key(digest): packed(contents) for digest, contents in edit.nodes.items()})
    store.set_many(**{value_key(digest): packed(contents) for digest, contents in values.items()})
    store.delete(*map(node_key, edit.old_nodes), *map(value_key, edit.old_values))
    return Tree(tree.nodes, edit.root), edit


def empty(kept: int = 10**7) -> Tree:
    return Tree(Nodes(Memory(), bytes_max=kept), None)


def contents(tree: Tree) -> dict[bytes, bytes]:
    return dict(tree.load_many(tree.range(b"", None)))


keys = st.integers(0, 400).map(lambda n: b"%d" % n) | st.binary(max_size=6)
values = st.none() | st.integers(0, 1_500).map(lambda size: bytes([size % 251]) * size)
batches = st.lists(st.dictionaries(keys, values, max_size=60), min_size=1, max_size=6)


@given(batches=batches, low=keys, high=keys)
def test_a_tree_is_a_dict_whatever_led_to_it(batches: list[Changes], low: bytes, high: bytes) -> None:
    """Equal contents are equal roots, and no node is left that the tree has not, nor is one missing."""
    tree, model = empty(kept=0), dict[bytes, bytes]()
    for changes in batches:
        tree, _ = applied(tree, changes)
        model.update({key: value for key, value in changes.items() if value is not None})
        model = {key: value for key, value in model.items() if changes.get(key, b"") is not None}
        assert contents(tree) == model
    assert list(contents(tree)) == sorted(model)
    assert [key for key, _ in tree.range(low, high)] == sorted(key for key in model if low <= key < high)
    assert [key for key, _ in tree.prefix(low)] == sorted(key for key in model if key.startswith(low))
    assert tree.last(low, beyond(low)) == max((key for key in model if key.startswith(low)), default=None)
    assert tree.last(low, high) == max((key for key in model if low <= key < high), default=None)
    assert {key: tree.get(key) for batch in batches for key in batch} == {
        key: model.get(key) for batch in batches for key in batch
    }
    at_once, _ = applied(empty(), dict(model))
    assert at_once.root == tree.root
    assert dict(at_once.nodes.store.items()) == dict(tree.nodes.store.items())


@given(batches=batches, low=keys, high=keys, back=st.integers(0, 6))
def test_a_draft_is_a_dict_and_goes_back_to_its_marks(
    batches: list[Changes], low: bytes, high: bytes, back: int
) -> None:
    base, _ = applied(empty(), {key: value for key, value in batches[0].items() if value is not None})
    draft, model, marks = Draft(base), contents(base), list[tuple[int, dict[bytes, bytes]]]()
    for changes in batches[1:]:
        marks.append((draft.mark(), dict(model)))
        for key, value in changes.items():
            if value is None:
                draft.remove(key)
                model.pop(key, None)
            else:
                draft.put(key, value)
                model[key] = value
    if marks and back < len(marks):
        mark, model = marks[back]
        draft.undo(mark)
    assert contents(draft) == model
    assert list(contents(draft)) == sorted(model)
    assert [key for key, _ in draft.range(low, high)] == sorted(key for key in model if low <= key < high)
    assert draft.last(low, beyond(low)) == max((key for key in model if key.startswith(low)), default=None)
    assert draft.last(low, high) == max((key for key in model if low <= key < high), default=None)
    assert {key: draft.get(key) for batch in batches for key in batch} == {
        key: model.get(key) for batch in batches for key in batch
    }
    assert edited(base, set_apart(draft.changes())[0]).root == applied(empty(), dict(model))[0].root


def test_large_drafts_stay_in_order() -> None:
    draft, randomness = Draft(empty()), random.Random(7)
    numbers = list(range(5_000))
    randomness.shuffle(numbers)
    for number in numbers:
        draft.put(b"%05d" % number, b"v")
    for number in numbers[:2_500]:
        draft.remove(b"%05d" % number)
    assert [key for key, _ in draft.range(b"", None)] == sorted(b"%05d" % number for number in numbers[2_500:])
    draft.undo(5_000)
    assert [key for key, _ in draft.range(b"", None)] == [b"%05d" % number for number in range(5_000)]


@pytest.mark.parametrize("entries", [100, 3_000, 30_000])
def test_w2_a_change_costs_what_it_touches_whatever_there_is(entries: int) -> None:
    tree, _ = applied(
        Tree(Nodes(Counting()), None), {b"key-%06d" % number: b"value %d" % number for number in range(entries)}
    )
    counts = []
    for number in range(0, entries, entries // 50):
        tree, edit = applied(tree, {b"key-%06d" % number: b"changed"})
        counts.append((len(edit.nodes), sum(map(len, edit.nodes.values()))))
    assert max(nodes for nodes, _ in counts) <= 12
    assert sum(size for _, size in counts) / len(counts) <= 8_000


def test_nodes_are_bounded_and_not_too_small() -> None:
    """Also where all values are as large as a leaf takes them, and where keys are long."""
    for size in (0, 20, 1_024, 5_000):
        tree, edit = applied(empty(), {b"k%06d" % number * 8: b"v" * size for number in range(2_000)})
        sizes = [len(part) for part in edit.nodes.values()]
        assert max(sizes) <= NODE_BYTES_MAX + 2_000
        assert sum(sizes) / len(sizes) >= 700
        assert tree.root is not None


def test_a_node_is_found_where_it_is_and_nowhere_else() -> None:
    """What is written again under the name that it had before is not superseded any more."""
    before, _ = applied(empty(), {b"%05d" % number: b"v" for number in range(3_000)})
    after, edit = applied(before, {b"01500": b"changed", b"big": b"x" * 5_000})
    again, _ = applied(after, {b"01500": b"v"})
    assert edit.old_nodes
    for digest, (level, first) in edit.old_nodes.items():
        assert not has_node(after, digest, level, first)
    leaves = [(digest, where) for digest, where in edit.old_nodes.items() if where[0] == 0 and where[1] < b"016"]
    assert any(has_node(again, digest, *where) for digest, where in leaves)
    digest = digest_of(alone(b"big", b"x" * 5_000))
    assert has_value(after, digest, b"big")
    assert not has_value(before, digest, b"big")


@pytest.mark.parametrize("harm", ["missing", "emptied", "changed", "cut", "another"])
def test_d8_damage_is_never_absence(harm: str) -> None:
    tree, edit = applied(empty(kept=0), {b"%05d" % number: b"v" * 300 for number in range(500)})
    store = tree.nodes.store
    one, other = list(edit.nodes)[:2]
    stored = store.get(node_key(one)) or b""
    if harm == "missing":
        store.delete(node_key(one))
    else:
        harmed = {
            "emptied": b"",
            "changed": stored[:40] + bytes([stored[40] ^ 1]) + stored[41:],
            "cut": stored[:-1],
            "another": store.get(node_key(other)) or b"",
        }
        store.set(node_key(one), harmed[harm])
    with pytest.raises(StoreCorrupt, match=one.hex()):
        contents(tree)


def test_d8_a_value_that_stands_by_itself_is_checked_too() -> None:
    tree, _ = applied(empty(kept=0), {b"a": b"x" * 3_000, b"b": b"y" * 3_000})
    one, other = (value_key(digest_of(alone(key, value))) for key, value in contents(tree).items())
    store = tree.nodes.store
    store.set(one, store.get(other) or b"")
    with pytest.raises(StoreCorrupt, match=one):
        contents(tree)
    store.delete(one)
    with pytest.raises(StoreCorrupt, match="missing"):
        contents(tree)


def test_what_is_no_node_is_refused() -> None:
    for raw in (b"", b"\x93", b"\x01", b"\x94\x00\xc4\x00\x05\x90", b"\xff" * 10):
        with pytest.raises(Exception, match="no node"):
            Node.decoded(raw)


def test_the_first_key_after_a_prefix() -> None:
    assert beyond(b"a") == b"b"
    assert beyond(b"a\xff\xff") == b"b"
    assert beyond(b"\xff") is None
    assert beyond(b"") is None
