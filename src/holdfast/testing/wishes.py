"""What the state machine wishes for: few names, keys and values, so that operations meet, and policies of each kind."""

# pyright: basic
# (strategies are built from functions without types)

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from holdfast.errors import Conflict
from holdfast.versions.edits import Put
from holdfast.versions.policies import Policy

BRANCHES = ("main", "a", "b", "runs/c")
TAGS = ("v1", "v2", "a")
"""One tag has the name of a branch: whichever comes second is refused."""

pick = st.integers(0, 2**16)
branches = st.sampled_from(BRANCHES)
connections = st.integers(0, 1)
kinds_of_ref = st.sampled_from(["branch", "tag", "commit"])
states: st.SearchStrategy[Any] = st.sampled_from([None, {"x": 1, "a": [1]}, {"a": [1], "x": 1}, {"x": 2}, []])
steps = st.builds(
    lambda run, step, note, state: Put("steps", {"run_id": run, "step": step, "note": note, "state": state}),
    st.sampled_from(["r1", "r2"]), st.integers(0, 1), st.sampled_from(["p", "q", None]), states,
)  # fmt: skip
emails = st.sampled_from(["x", "y", None])
users = st.builds(
    lambda id_, email, age: Put("users", {"id": id_, "email": email, "age": age}),
    st.integers(1, 3), emails, st.integers(0, 2),
)  # fmt: skip
ages = st.builds(lambda id_, age: Put("users", {"id": id_, "age": age}), st.integers(1, 3), st.integers(0, 2))
lines = st.builds(lambda line: Put("journal", {"line": line, "size": 1}), st.sampled_from(["hello", "world"]))


@dataclass(frozen=True)
class PickedDelete:
    """The delete of whichever row stands at this place when it comes to it."""

    table: str
    place: int


@dataclass(frozen=True)
class PickedUpdate:
    """An update, by SQL, of whichever row stands at this place; it may get a new key."""

    place: int
    to: Put


Wish = Put | PickedDelete | PickedUpdate
deletes = st.builds(PickedDelete, st.sampled_from(["steps", "users", "journal"]), pick)
updates = st.builds(PickedUpdate, pick, steps | users)
wishes = st.lists(steps | users | ages | lines | deletes | updates, min_size=1, max_size=4)


def mixed(conflict: Conflict) -> object:
    """Take a side by the place of the conflict: a policy that decides neighbours differently."""
    place = repr((conflict.table, conflict.key, conflict.column))
    return (conflict.ours, conflict.theirs, conflict.base)[zlib.crc32(place.encode()) % 3]


def composed(conflict: Conflict) -> object:
    """Answer with a value that neither side has, where there is an obvious one."""
    ours, theirs = conflict.ours, conflict.theirs
    if isinstance(ours, int) and isinstance(theirs, int):
        return ours + theirs + 10
    if isinstance(ours, dict) and isinstance(theirs, dict) and conflict.column is None:
        return {**ours, "age" if "age" in ours else "note": None}
    return ours if theirs is None else theirs


def hesitant(conflict: Conflict) -> object:
    """Decide about cells only."""
    return conflict.theirs if conflict.column else NotImplemented


BY_KEY: Policy = {"users": {1: "theirs", (2,): composed, ...: "ours"}, "steps": {("r1", 0): "theirs"}, ...: "fail"}

policies: st.SearchStrategy[Policy] = st.sampled_from(
    ["fail", "fail", "ours", "theirs", mixed, composed, hesitant, BY_KEY]
)
