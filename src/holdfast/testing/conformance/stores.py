"""How checks open stores, fill them, and say what they expect."""

# pyright: basic
# (a store under test is whatever has the methods)

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from holdfast.core.clock import Clock, Ids
from holdfast.core.schema import Key
from holdfast.core.types import Stored
from holdfast.errors import (
    HoldfastError,
)
from holdfast.testing.schemas import JOURNAL, STEPS, USERS
from holdfast.testing.stand_ins import FakeClock, SeededIds
from holdfast.versions.edits import Put


class StoreUnderTest(Protocol):
    """A store as the checks use it."""

    def versions(self) -> Any:  # noqa: ANN401 - Versions, or whatever has its methods
        """Open another connection to the store."""
        ...

    def close(self) -> None:
        """Be rid of the store."""
        ...


_Error = TypeVar("_Error", bound=HoldfastError)
OpenStore = Callable[[Clock, Ids], StoreUnderTest]


def equal(expected: object, actual: object, what: str) -> None:
    """Raise AssertionError unless both are equal."""
    if expected != actual:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def holds(condition: object, what: str) -> None:
    """Raise AssertionError unless the condition holds."""
    if not condition:
        raise AssertionError(what)


def raises(error: type[_Error], call: Callable[[], object]) -> _Error:
    """Return the error that a call raises; it must be of this kind."""
    try:
        outcome = call()
    except error as raised:
        return raised
    raise AssertionError(f"expected {error.__name__}, got {outcome!r}")


@contextmanager
def opened(open_store: OpenStore) -> Generator[Any]:
    """Open a new store, close it at the end, and hand out a connection."""
    store = open_store(FakeClock(), SeededIds())
    try:
        yield store.versions()
    finally:
        store.close()


@contextmanager
def opened_twice(open_store: OpenStore) -> Generator[tuple[Any, Any]]:
    """Open a new store and hand out two connections to it, with tables and one user."""
    store = open_store(FakeClock(), SeededIds())
    try:
        first, second = store.versions(), store.versions()
        fill(first)
        yield first, second
    finally:
        store.close()


@contextmanager
def filled(open_store: OpenStore) -> Generator[Any]:
    """Open a store with tables, one user and one step on `main`."""
    with opened(open_store) as versions:
        fill(versions)
        yield versions


def fill(versions: Any) -> None:  # noqa: ANN401
    """Make the tables, and one user and one step on `main`."""
    for definition in (STEPS, USERS, JOURNAL):
        versions.create_table("main", definition)
    versions.commit("main", [user(1, "ann", 30), step(1, "start", {"n": 1})], "first rows")


def user(id_: int, email: str | None, age: int) -> Put:
    """Return the edit that puts a user."""
    return Put("users", {"id": id_, "email": email, "age": age})


def step(step: int, note: str, state: object) -> Put:
    """Return the edit that puts a step of the run `r`."""
    return Put("steps", {"run_id": "r", "step": step, "note": note, "state": state})


def users(versions: Any, ref: str) -> Mapping[Key, tuple[Stored, ...]]:  # noqa: ANN401
    """Return the users that a ref shows."""
    shown: Mapping[str, Mapping[Key, tuple[Stored, ...]]] = versions.snapshot(ref)
    return shown["users"]


def part(versions: Any, ours: Sequence[object], theirs: Sequence[object]) -> None:  # noqa: ANN401
    """Make the branch `a`, and let it and `main` go apart."""
    versions.branch("a")
    versions.commit("a", theirs)
    versions.commit("main", ours)


ANN: Mapping[Key, tuple[Stored, ...]] = {(1,): (1, "ann", 30)}
"""The users of a store that was just filled."""
