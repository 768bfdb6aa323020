"""What names a point: branches, tags and hashes."""

# pyright: basic
# (a store under test is whatever has the methods)

from __future__ import annotations

from collections.abc import Sequence

from holdfast.core import hashing
from holdfast.core.points import Point
from holdfast.core.schema import Catalogue
from holdfast.errors import (
    AlreadyExists,
    InvalidValue,
    NotFound,
    ReadOnly,
)
from holdfast.testing.conformance.stores import (
    ANN,
    OpenStore,
    equal,
    filled,
    raises,
    user,
    users,
)
from holdfast.testing.schemas import TEXT, USERS, table
from holdfast.testing.stand_ins import FakeClock, SeededIds


def check_refs_are_looked_up_in_order(open_store: OpenStore) -> None:
    """A ref is a branch, else a tag, else the beginning of a hash with at least 7 digits."""
    with filled(open_store) as versions:
        old = versions.head("main")
        versions.tag("x", old)
        new = versions.commit("main", [user(2, None, 2)])
        equal(old, versions.head("x"), "a tag")
        versions.branch(old[:9], new)
        equal(new, versions.head(old[:9]), "a branch that looks like a hash")
        for length in (7, 8, 40, 64):
            equal(old, versions.head(old[:length]), f"{length} digits of a hash")
        versions.tag(old[:8], new)
        equal(new, versions.head(old[:8]), "a tag that looks like a hash")


def check_unknown_refs_are_not_found(open_store: OpenStore) -> None:
    """What names nothing is NotFound, in every operation, and changes nothing."""
    with filled(open_store) as versions:
        before = [(branch.name, branch.head) for branch in versions.branches()]
        head = versions.head("main")
        for ref in ("nothing", "", head[:6], "f" * 64, "MAIN"):
            for call in (
                lambda ref=ref: versions.head(ref),
                lambda ref=ref: versions.snapshot(ref),
                lambda ref=ref: versions.log(ref),
                lambda ref=ref: versions.diff("main", ref),
                lambda ref=ref: versions.branch("new", ref),
                lambda ref=ref: versions.tag("new", ref),
                lambda ref=ref: versions.reset("main", ref),
                lambda ref=ref: versions.merge(ref, "main"),
                lambda ref=ref: versions.merge("main", ref),
                lambda ref=ref: versions.commit(ref, []),
                lambda ref=ref: versions.delete_branch(ref),
                lambda ref=ref: versions.delete_tag(ref),
            ):
                raises(NotFound, call)
        equal(before, [(branch.name, branch.head) for branch in versions.branches()], "the branches")


def check_ambiguous_prefixes_are_refused(open_store: OpenStore) -> None:
    """The common beginning of two hashes names neither: InvalidValue, and more digits help."""
    clock, ids, twin = FakeClock(), SeededIds(), SeededIds()
    store = open_store(clock, ids)
    try:
        versions = store.versions()
        genesis = versions.head("main")
        twin.line_uid()  # those of the first line and commit are gone
        twin.salt()
        lines = {name: twin.line_uid() for name in ("a", "b")}
        salts = twin.salt(), twin.salt()
        moments = _colliding_moments(genesis, list(lines.values()), salts, clock.now_us())
        hashes: list[str] = []
        for name in lines:
            versions.branch(name)
        for name, at_us in zip(lines, moments, strict=True):
            clock.set(at_us)
            hashes.append(versions.create_table(name, table(name, {"id": TEXT})))
        equal(hashes[0][:7], hashes[1][:7], "the beginnings of two hashes that were sought to collide")
        raises(InvalidValue, lambda: versions.head(hashes[0][:7]))
        for commit in hashes:
            equal(commit, versions.head(commit[:20]), "a longer beginning")
    finally:
        store.close()


def _colliding_moments(genesis: str, lines: Sequence[str], salts: Sequence[bytes], start_us: int) -> tuple[int, int]:
    """Return when to create the tables `a` and `b`, so that the hashes of both commits begin with the same 7 digits."""
    first = Catalogue().with_table(table("a", {"id": TEXT}))
    schemas = first, first.with_table(table("b", {"id": TEXT}))
    seen: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for at_us in range(start_us, start_us + 10_000_000):
        for side, other in ((0, 1), (1, 0)):
            salt = hashing.texts_salt(salts[side])
            texts = hashing.texts_digest(salt, f"CREATE TABLE {'ab'[side]}", None)
            point = Point(lines[side], 1)
            parents = (bytes.fromhex(genesis),)
            digest = schemas[side].digest()
            header = hashing.CommitHeader(point, parents, at_us, texts, digest, hashing.changes_digest([]))
            prefix = header.hash().hex()[:7]
            seen[side][prefix] = at_us
            if prefix in seen[other]:
                return seen[0][prefix], seen[1][prefix]
    raise AssertionError("no two hashes begin alike")


def check_taken_names_are_refused(open_store: OpenStore) -> None:
    """A name that a branch or a tag has is AlreadyExists, one that cannot be a name InvalidValue."""
    with filled(open_store) as versions:
        versions.branch("a")
        versions.tag("t", "main")
        equal(versions.head("main"), versions.tag("t", "main"), "a tag that is set to what it names")
        versions.commit("main", [user(2, None, 1)])
        raises(AlreadyExists, lambda: versions.branch("a"))
        raises(AlreadyExists, lambda: versions.branch("main"))
        raises(AlreadyExists, lambda: versions.tag("t", "main"))
        raises(AlreadyExists, lambda: versions.create_table("main", USERS))
        raises(AlreadyExists, lambda: versions.branch("t"))
        raises(AlreadyExists, lambda: versions.tag("a", "a"))
        raises(NotFound, lambda: versions.delete_tag("a"))
        raises(NotFound, lambda: versions.delete_branch("t"))
        for name in ("", "a b", "/a", "a/", "a//b", "x" * 256, "a\n"):
            raises(InvalidValue, lambda name=name: versions.branch(name))  # type: ignore[misc]
            raises(InvalidValue, lambda name=name: versions.tag(name, "main"))  # type: ignore[misc]


def check_main_stays(open_store: OpenStore) -> None:
    """`main` cannot be deleted, and no branch can be merged into itself."""
    with filled(open_store) as versions:
        raises(InvalidValue, lambda: versions.delete_branch("main"))
        raises(InvalidValue, lambda: versions.merge("main", "main"))
        equal(ANN, users(versions, "main"), "main")


def check_only_branches_are_merged_into(open_store: OpenStore) -> None:
    """Merging into a tag or a commit is ReadOnly."""
    with filled(open_store) as versions:
        old = versions.tag("t", "main")
        versions.commit("main", [user(2, None, 1)])
        raises(ReadOnly, lambda: versions.merge("main", "t"))
        raises(ReadOnly, lambda: versions.merge("main", old))


def check_deleted_name_begins_afresh(open_store: OpenStore) -> None:
    """A branch made again under a deleted name has nothing of the old one, whose commits stay."""
    with filled(open_store) as versions:
        versions.branch("a")
        old = versions.commit("a", [user(2, "bob", 1)])
        versions.delete_branch("a")
        raises(NotFound, lambda: versions.head("a"))
        versions.branch("a")
        equal(ANN, users(versions, "a"), "the new a")
        versions.commit("a", [user(3, "eve", 1)])
        equal({1, 3}, {key[0] for key in users(versions, "a")}, "the new a, after a commit")
        equal({1, 2}, {key[0] for key in users(versions, old)}, "the commit of the old a")


def check_resets_never_move_a_line_back(open_store: OpenStore) -> None:
    """However often a branch is reset, every commit it ever had stays as it was, and so do branches made of them."""
    with filled(open_store) as versions:
        base = versions.head("main")
        expected: dict[str, object] = {}
        for number in range(2, 7):
            equal(base, versions.reset("main", base), "the head after the reset")
            commit = versions.commit("main", [user(number, None, number)], "again")
            versions.branch(f"b{number}")
            expected[commit] = versions.snapshot("main")
            equal({1, number}, {key[0] for key in users(versions, "main")}, "main after a reset and a commit")
        equal(5, len(expected), "different commits")
        for number, (commit, snapshot) in enumerate(expected.items(), 2):
            equal(snapshot, versions.snapshot(commit), "a commit that main left behind")
            equal(snapshot, versions.snapshot(f"b{number}"), "a branch made there")
        for commit in expected:
            versions.merge(commit, "main")
        equal(set(range(1, 7)), {key[0] for key in users(versions, "main")}, "main, all left behind merged again")
