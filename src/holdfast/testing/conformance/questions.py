"""What logs, diffs, hashes and verification say."""

# pyright: basic
# (a store under test is whatever has the methods)

from __future__ import annotations

from itertools import pairwise

from holdfast.core import hashing
from holdfast.core.points import Point, Rid
from holdfast.core.schema import Catalogue
from holdfast.core.types import Stored
from holdfast.testing.conformance.stores import (
    OpenStore,
    equal,
    filled,
    holds,
    opened,
    part,
    step,
    user,
)
from holdfast.testing.schemas import USERS
from holdfast.testing.stand_ins import FakeClock, SeededIds
from holdfast.versions.edits import Delete


def check_log_follows_first_parents(open_store: OpenStore) -> None:
    """The log goes from the head to the first commit along first parents, newest first, and can be cut."""
    with filled(open_store) as versions:
        part(versions, [user(2, None, 2)], [user(3, None, 3)])
        versions.merge("a", "main", message="both")
        log = versions.log("main")
        messages = ["CREATE TABLE steps", "CREATE TABLE users", "CREATE TABLE journal", "first rows", "", "both"]
        equal(["store created", *messages], [commit.message for commit in reversed(log)], "the messages")
        for commit, parent in pairwise(log):
            equal(parent.hash, commit.parents[0], "a first parent")
        equal([commit.hash for commit in log[:2]], [commit.hash for commit in versions.log("main", 2)], "two of it")
        equal(versions.head("main"), log[0].hash, "the newest")


def check_diff_is_by_key(open_store: OpenStore) -> None:
    """A diff has the rows that differ, in Python values, by table and key; equal rows are no difference."""
    with filled(open_store) as versions:
        versions.branch("a")
        versions.commit("a", [user(1, "ann", 31), user(2, None, 2), Delete("steps", ("r", 1)), step(2, "x", [1])])
        versions.commit("main", [user(2, None, 2)])
        found = [(change.table, change.key, change.before, change.after) for change in versions.diff("main", "a")]
        start = {"run_id": "r", "step": 1, "note": "start", "state": {"n": 1}}
        ann = {"id": 1, "email": "ann", "age": 30}
        expected = [
            ("steps", ("r", 1), start, None),
            ("steps", ("r", 2), None, {"run_id": "r", "step": 2, "note": "x", "state": [1]}),
            ("users", (1,), ann, {**ann, "age": 31}),
        ]
        equal(expected, found, "the diff")
        backwards = [(change.table, change.key, change.after, change.before) for change in versions.diff("a", "main")]
        equal(expected, backwards, "the diff backwards")
        equal([], versions.diff("a", versions.head("a")), "no difference")


def check_equal_histories_have_equal_hashes(open_store: OpenStore) -> None:
    """The same operations with the same clock and ids give the same hashes; another value, another hash."""

    def history(age: int) -> list[str]:
        with filled(open_store) as versions:
            part(versions, [user(1, "ann", age)], [user(1, "ann", 32), user(2, None, 2)])
            versions.merge("a", "main", policy="theirs")
            return [commit.hash for commit in versions.log("main")]

    equal(history(31), history(31), "the hashes of the same history")
    for one, other in zip(history(31)[:2], history(33)[:2], strict=True):
        holds(one != other, "another value, and all after it, must have another hash")


def check_hashes_can_be_computed_again(open_store: OpenStore) -> None:
    """A commit's hash follows from the format: its place, parents, time, salted texts, schema and salted changes."""
    twin, at_us = SeededIds(), FakeClock().now_us()
    line, salts = twin.line_uid(), [twin.salt() for _ in range(4)]
    with opened(open_store) as versions:
        versions.create_table("main", USERS)
        versions.commit("main", [user(1, "ann", 30), user(2, "bob", 20)], "two users")
        versions.commit("main", [user(2, "bob", 21), Delete("users", (1,))])
        log = list(reversed(versions.log("main")))
    schema = Catalogue().with_table(USERS)
    rids = [hashing.rid_bytes(Rid(line, 2, ordinal)) for ordinal in (1, 2)]

    def after(salt: bytes, rid: bytes, values: tuple[Stored, ...]) -> hashing.Leaf:
        return hashing.Leaf(1, rid, hashing.after_mark(hashing.derive_salt(salt, 1, rid), values))

    ann, bob = after(salts[2], rids[0], (1, "ann", 30)), after(salts[2], rids[1], (2, "bob", 20))
    gone, older = hashing.Leaf(1, rids[0], hashing.DELETED), after(salts[3], rids[1], (2, "bob", 21))
    parents: tuple[bytes, ...] = ()
    for n, (message, catalogue, leaves) in enumerate(
        [
            ("store created", Catalogue(), []),
            ("CREATE TABLE users", schema, []),
            ("two users", schema, [ann, bob]),
            ("", schema, [gone, older]),
        ]
    ):
        texts = hashing.texts_digest(hashing.texts_salt(salts[n]), message, None)
        changes = hashing.changes_digest(leaves)
        header = hashing.CommitHeader(Point(line, n), parents, at_us, texts, catalogue.digest(), changes)
        equal(header.hash().hex(), log[n].hash, f"the hash of commit {n}, {message!r}")
        parents = (header.hash(),)


def check_verify_finds_nothing_wrong(open_store: OpenStore) -> None:
    """A store that only Holdfast touched is sound, after merges, resets and deletes of branches too."""
    with filled(open_store) as versions:
        part(versions, [user(1, "ann", 31), user(2, "x", 1)], [user(1, "ann", 32), user(2, "x", 1)])
        versions.merge("a", "main", policy="ours")
        versions.reset("a", versions.log("a")[-1].hash)
        versions.merge("main", "a")
        versions.branch("b")
        versions.delete_branch("b")
        versions.verify()
