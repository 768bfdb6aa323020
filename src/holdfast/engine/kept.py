"""What is kept in memory of the versions of rows, for all sessions of a process: see `Kept`.

A version that was committed never changes, and what a commit shows of a table never changes either. So the numbers of
a version, found by its vid, serve every branch, and a branch needs no more than the list of the vids that it shows.

Two things would break this, and must be kept out. What a transaction has not committed yet may still change, and after
a rollback its vids are given to other versions: callers keep only what was committed before their transaction. And gc
removes versions, so that the last vids may be given again: it counts itself in hf_meta, and each count has a memory of
its own.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy
from numpy.typing import NDArray

Vids = NDArray[numpy.int64]
"""Vids in ascending order, each once."""

KEPT_BYTES_MAX = 512 * 1024 * 1024
"""What a process keeps in memory for one store. What does not fit is read anew by each search."""

UNKNOWN, NOTHING, OTHER = -1, -2, -3
"""Places of vids that have none: not kept yet; kept, but without a value; kept, but of another dimension."""

_ITEM_BYTES = 4096
"""What an item costs beside its arrays, by a generous guess: it bounds how many small ones there are."""


class Item(Protocol):
    """Something that is kept."""

    @property
    def size_bytes(self) -> int:
        """The memory that it takes."""
        ...


_Item = TypeVar("_Item", bound=Item)


class Kept:
    """The memory of one store: items by key, of which those not used for longest go when it is full.

    Attributes:
        lock: held by whoever looks into it or adds to an item. What was found may be read after it was released:
            arrays are only ever added to.
        collected: how often gc had run when this began to be kept.
    """

    def __init__(self, bytes_max: int = KEPT_BYTES_MAX) -> None:
        self.bytes_max = bytes_max
        self.lock = threading.RLock()
        self.collected = 0
        self._items: OrderedDict[Hashable, Any] = OrderedDict()

    def of(self, collected: int, *, committed: bool) -> Kept:
        """Return the memory of a count of collections: this one, emptied if it was of an earlier one, or a new one.

        Args:
            committed: whether the count is; that of a transaction that may be rolled back moves nothing.
        """
        with self.lock:
            if committed and collected > self.collected:
                self._items.clear()
                self.collected = collected
            return self if collected == self.collected else Kept(self.bytes_max)

    def get(self, key: Hashable, kind: type[_Item]) -> _Item | None:
        """Return what is kept under a key, if anything is."""
        found = self._items.get(key)
        if found is None:
            return None
        self._items.move_to_end(key)
        assert isinstance(found, kind)
        return found

    def put(self, key: Hashable, item: Item) -> None:
        """Keep an item, unless it is larger than all that may be kept."""
        self._items[key] = item
        self._items.move_to_end(key)
        self.make_room(0)

    def shown(self, table_id: int, line: str, n: int) -> Shown | None:
        """Return what is kept of what commit `n` of a line shows of a table."""
        return self.get(("shown", table_id, line, n), Shown)

    def newest_shown(self, table_id: int, line: str, epoch: int) -> tuple[int, Shown] | None:
        """Return the newest commit of a line in this epoch of which it is kept what it shows, and what it shows."""
        newest = self.get(("newest", table_id, line, epoch), _Newest)
        shown = self.shown(table_id, line, newest.n) if newest else None
        return (newest.n, shown) if newest and shown else None

    def keep_shown(self, table_id: int, line: str, n: int, shown: Shown, epoch: int | None) -> None:
        """Keep what a commit shows, as the newest of a line's epoch if it is; what that showed before is forgotten."""
        if epoch is not None:
            key = ("newest", table_id, line, epoch)
            newest = self.get(key, _Newest)
            if newest is None or newest.n < n:
                if newest is not None:
                    self._items.pop(("shown", table_id, line, newest.n), None)
                self.put(key, _Newest(n))
        self.put(("shown", table_id, line, n), shown)

    def make_room(self, more: int) -> bool:
        """Forget what was not used for longest until `more` bytes fit; tell whether they do."""
        used: int = sum(item.size_bytes + _ITEM_BYTES for item in self._items.values())
        while self._items and used + more > self.bytes_max:
            _, gone = self._items.popitem(last=False)
            used -= gone.size_bytes + _ITEM_BYTES
        return used + more <= self.bytes_max


@dataclass(frozen=True, slots=True)
class _Newest:
    n: int
    size_bytes: int = 0


class Shown:
    """The versions that some point shows of a table."""

    def __init__(self, vids: Vids) -> None:
        self.vids = vids
        self._places: weakref.WeakKeyDictionary[Places, Vids] = weakref.WeakKeyDictionary()

    @property
    def size_bytes(self) -> int:
        """The memory that it takes, with what is remembered of its vids for one column."""
        return 2 * self.vids.nbytes

    def places_in(self, places: Places) -> Vids:
        """Return `places.of(vids)`, remembered once all of them are known: a vid never moves."""
        found = self._places.get(places)
        if found is None:
            found = places.of(self.vids)
            if not (found == UNKNOWN).any():
                self._places[places] = found
        return found


class Places:
    """Where the value of each vid stands in some array."""

    def __init__(self) -> None:
        self._vids = numpy.empty(0, numpy.int64)
        self._places = numpy.empty(0, numpy.int64)

    @property
    def size_bytes(self) -> int:
        """The memory that it takes."""
        return self._vids.nbytes + self._places.nbytes

    def of(self, vids: Vids) -> Vids:
        """Return the place of each vid, or `UNKNOWN`."""
        if not len(self._vids):
            return numpy.full(len(vids), UNKNOWN, numpy.int64)
        at = numpy.searchsorted(self._vids, vids)
        at[at == len(self._vids)] = 0
        return numpy.where(self._vids[at] == vids, self._places[at], UNKNOWN)

    def add(self, vids: Vids, places: Vids) -> None:
        """Note the places of vids that were unknown."""
        at = numpy.searchsorted(self._vids, vids)  # usually the end: new rows have new vids
        self._vids = numpy.insert(self._vids, at, vids)
        self._places = numpy.insert(self._places, at, places)


class Lengths:
    """A whole number for each vid, such as how many words a text has."""

    def __init__(self) -> None:
        self.places = Places()
        self._lengths = numpy.empty(0, numpy.int64)
        self._shown: weakref.WeakKeyDictionary[Shown, Measured] = weakref.WeakKeyDictionary()

    @property
    def size_bytes(self) -> int:
        """The memory that it takes."""
        return self.places.size_bytes + self._lengths.nbytes

    def of(self, shown: Shown, uncommitted: Vids, read: Callable[[Vids], list[tuple[int, int]]]) -> Measured:
        """Return the lengths of the versions shown; those not known yet are read, and kept if they are committed.

        Args:
            read: returns the (vid, length) of the versions that it is given.
        """
        known = self._shown.get(shown)
        if known is None:
            known = Measured(self._read(shown, uncommitted, read))
            if not isin(uncommitted, shown.vids).any():
                self._shown[shown] = known
        return known

    def _read(self, shown: Shown, uncommitted: Vids, read: Callable[[Vids], list[tuple[int, int]]]) -> Vids:
        places = shown.places_in(self.places)
        missing = shown.vids[places == UNKNOWN]
        lengths = numpy.zeros(len(shown.vids), numpy.int64)
        if len(missing):
            fresh = sorted_pairs(numpy.array(read(missing), numpy.int64).reshape(-1, 2))
            lengths[numpy.searchsorted(shown.vids, fresh[:, 0])] = fresh[:, 1]
            stays = fresh[~isin(fresh[:, 0], uncommitted)]
            self.places.add(stays[:, 0], numpy.arange(len(stays)) + len(self._lengths))
            self._lengths = numpy.concatenate([self._lengths, stays[:, 1]])
        known = places >= 0
        lengths[known] = self._lengths[places[known]]
        return lengths


class Measured:
    """The lengths of some versions, in their order, and the sum of them."""

    def __init__(self, lengths: Vids) -> None:
        self.lengths = lengths
        self.total = int(lengths.sum())


def vids_of(rows: list[tuple[Any, ...]]) -> Vids:
    """Return the vids in the first column of some rows; NULL is none."""
    return numpy.unique(numpy.array([row[0] for row in rows if row[0] is not None], numpy.int64))


def sorted_pairs(pairs: NDArray[numpy.int64]) -> NDArray[numpy.int64]:
    """Return (vid, number) in the order of the vids."""
    return pairs[numpy.argsort(pairs[:, 0], kind="stable")]


def isin(vids: Vids, others: Vids) -> NDArray[numpy.bool_]:
    """Tell of each vid whether it is among others; both ascend."""
    if not len(others):
        return numpy.zeros(len(vids), numpy.bool_)
    at = numpy.searchsorted(others, vids)
    at[at == len(others)] = 0
    return numpy.equal(others[at], vids)


def both(vids: Vids, others: Vids) -> Vids:
    """Return the vids that are in both."""
    return vids[isin(vids, others)]


def without(vids: Vids, others: Vids) -> Vids:
    """Return the vids that are not among others."""
    return vids[~isin(vids, others)] if len(others) else vids


def together(vids: Vids, others: Vids) -> Vids:
    """Return the vids that are in one or the other."""
    if not len(others):
        return vids
    return numpy.union1d(vids, others) if len(vids) else others
