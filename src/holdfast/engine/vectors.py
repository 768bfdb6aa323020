"""The distances of vectors, and the nearest of many: exact, at the speed of a product of float32.

A product in float32 is quick and slightly wrong, by no more than a bound that depends on the dimensions and the norms.
So it only chooses who may be among the nearest: all whose distance, less the bound, is not beyond the k-th best of what
is known. Those few are computed again in float64, each by itself, so that equal vectors have equal distances wherever
they stand. `distance` computes the same number for one pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy
from numpy.typing import NDArray

from holdfast.core.types import ColumnType, Kind, encode
from holdfast.engine.contract import Metric
from holdfast.engine.kept import NOTHING, OTHER, UNKNOWN, Kept, Places, Shown, Vids, isin
from holdfast.errors import InvalidValue

BLOCK_BYTES = 64 * 1024 * 1024
"""The unit in which vectors are kept. A product for each costs a wait for all threads: on a busy machine, the most."""

READ_BYTES = 16 * 1024 * 1024
"""The unit in which vectors are read, and computed if they are not kept."""

GATHER_ONE_IN = 6
"""If fewer than one in so many rows of a block are asked for, they are copied out first; measured: quicker then."""

_EXACT_ELEMENTS = 64 * 1024  # as many float64 as stay in a processor's cache
_ANY_VECTOR = ColumnType(Kind.VECTOR)
_UNIT = 2.0**-24  # the rounding of one float32 operation
_TINY = 2.0**-125  # what may be lost where float32 has no smaller numbers

Vectors = NDArray[numpy.float32]
Numbers = NDArray[numpy.float64]
Read = Callable[[Vids], list[tuple[int, bytes | None]]]
"""Returns the (vid, stored vector) of the versions that it is given."""


def parsed(stored: object, where: str = "vector") -> Vectors:
    """Return a stored vector, or one written as `[1, 2]`, as an array. Raises InvalidValue if it is none."""
    if isinstance(stored, str):
        stored = encode(stored, _ANY_VECTOR, where)
    if not isinstance(stored, bytes) or not stored or len(stored) % 4:
        raise InvalidValue(f"{where}: {stored!r:.60} is no stored vector; pass a list or an array of numbers")
    vector = numpy.frombuffer(stored, "<f4")
    if not numpy.isfinite(vector).all():
        raise InvalidValue(f"{where}: a vector has only finite numbers; this one has an infinite one or NaN")
    return vector


def distance(metric: str, a: bytes | None, b: bytes | None) -> float | None:
    """hf_distance: return how far two stored vectors are from each other; None if one is NULL.

    Raises:
        InvalidValue: one of them is no vector, their dimensions differ, or there is no such metric.
    """
    if a is None or b is None:
        return None
    if metric not in list(Metric):
        raise InvalidValue(f"hf_distance: {metric!r} is no metric; there are {', '.join(Metric)}")
    x, y = parsed(a), parsed(b)
    check_dimensions(len(x), len(y))
    return float(distances(Metric(metric), x[numpy.newaxis], y.astype(numpy.float64))[0])


def dimensions(stored: bytes | None) -> int | None:
    """vector_dims: return how many dimensions a stored vector has; None for NULL. Raises InvalidValue."""
    return None if stored is None else len(parsed(stored))


def norm(stored: bytes | None) -> float | None:
    """vector_norm: return the Euclidean length of a stored vector; None for NULL. Raises InvalidValue."""
    return None if stored is None else float(norms(parsed(stored)[numpy.newaxis])[0])


def check_dimensions(x: int, y: int) -> None:
    """Raise InvalidValue unless vectors of these dimensions can be compared."""
    if x != y:
        raise InvalidValue(f"vectors of {x} and {y} dimensions cannot be compared")


def distances(metric: Metric, rows: Vectors, query: Numbers) -> Numbers:
    """Return the exact distance of each row from `query`."""
    step = max(1, _EXACT_ELEMENTS // query.size)
    parts = [_distances(metric, rows[at : at + step].astype(numpy.float64), query) for at in range(0, len(rows), step)]
    return numpy.concatenate(parts) if parts else numpy.empty(0)


def _distances(metric: Metric, rows: Numbers, query: Numbers) -> Numbers:
    if metric is Metric.L2:
        rows -= query
        return _norms(rows)
    products: Numbers = numpy.einsum("ij,j->i", rows, query)
    if metric is Metric.INNER:
        products *= -1.0
        return products + 0.0  # no negative zero
    lengths = _norms(rows) * _norms(query[numpy.newaxis])
    with numpy.errstate(invalid="ignore", divide="ignore"):
        cosines = numpy.clip(products / lengths, -1.0, 1.0)
    return numpy.where(lengths == 0.0, numpy.inf, 1.0 - cosines)


def _norms(rows: Numbers) -> Numbers:
    squares: Numbers = numpy.einsum("ij,ij->i", rows, rows)
    return numpy.sqrt(squares)


def norms(rows: Vectors) -> Numbers:
    """Return the Euclidean length of each row."""
    origin: Numbers = numpy.zeros(int(rows.shape[1]))
    return distances(Metric.L2, rows, origin)


class Nearest:
    """The `k` nearest of what was offered so far, with all that are as near as the last of them."""

    def __init__(self, metric: Metric, query: Vectors, k: int) -> None:
        self._metric = metric
        self._query = query
        self._exact_query = query.astype(numpy.float64)
        self._norm = float(_norms(self._exact_query[numpy.newaxis])[0])
        self._k = k
        self._limit = numpy.inf
        self.vids: Vids = numpy.empty(0, numpy.int64)
        self.scores: Numbers = numpy.empty(0)

    def offer(self, vids: Vids, rows: Vectors, lengths: Numbers, picked: Vids | None = None) -> None:
        """Consider rows, or those at the places `picked`; `vids` and `lengths` are of those considered."""
        if not len(vids) or not self._k:
            return
        chosen = numpy.flatnonzero(self._possible(self._products(rows, picked), lengths))
        at = chosen if picked is None else picked[chosen]
        scores = numpy.concatenate([self.scores, distances(self._metric, rows[at], self._exact_query)])
        self.vids = numpy.concatenate([self.vids, vids[chosen]])
        self.scores = scores
        if len(scores) >= self._k:
            last = numpy.partition(scores, self._k - 1)[self._k - 1]
            stays = scores <= last
            self.vids, self.scores = self.vids[stays], scores[stays]
            self._limit = float(last)

    def _products(self, rows: Vectors, picked: Vids | None) -> Numbers:
        with numpy.errstate(all="ignore"):  # what overflows is computed again
            if picked is None:
                products = rows @ self._query
            elif len(picked) * GATHER_ONE_IN > len(rows):
                products = (rows @ self._query)[picked]
            else:
                products = rows[picked] @ self._query
        return products.astype(numpy.float64)

    def _possible(self, products: Numbers, lengths: Numbers) -> NDArray[numpy.bool_]:
        """Tell which rows may belong to the nearest, by products that are slightly wrong."""
        with numpy.errstate(all="ignore"):
            keys, slack = self._keys(products, lengths)
            upper, lower = keys + slack, keys - slack
            wild = ~numpy.isfinite(upper + lower)
            upper[wild], lower[wild] = numpy.inf, -numpy.inf
        limit = self._limit**2 if self._metric is Metric.L2 else self._limit
        limit += 1e-12 * abs(limit) + 1e-12 * (self._metric is Metric.COSINE) if numpy.isfinite(limit) else 0.0
        if len(keys) > self._k:
            limit = min(limit, float(numpy.partition(upper, self._k - 1)[self._k - 1]))
        return numpy.less_equal(lower, limit)

    def _keys(self, products: Numbers, lengths: Numbers) -> tuple[Numbers, Numbers]:
        """Return numbers that order rows as their distances do, and how wrong each of them may be at most."""
        unit = (len(self._query) + 2) * _UNIT
        wrong = unit / (1.0 - unit) * self._norm * lengths + len(self._query) * _TINY
        if self._metric is Metric.INNER:
            return -products, wrong + 1e-12 * numpy.abs(products)
        if self._metric is Metric.COSINE:
            scale = self._norm * lengths
            return 1.0 - products / scale, wrong / scale + 1e-12
        squares = lengths * lengths + self._norm**2
        return squares - 2.0 * products, 2.0 * wrong + 1e-12 * squares


class VectorColumn:
    """The vectors of one column, of as many versions as were asked for, and their norms."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.places = Places()
        self._rows_per_block = max(1, BLOCK_BYTES // (4 * width))
        self._blocks: list[Vectors] = []
        self._norms: list[Numbers] = []
        self._count = 0

    @property
    def size_bytes(self) -> int:
        """The memory that it takes."""
        return self.places.size_bytes + self._count * (4 * self.width + 8)

    def add(self, vids: Vids, stored: list[bytes | None]) -> None:
        """Keep the vectors of versions that were unknown."""
        places = numpy.array([_place(vector, self.width) for vector in stored], numpy.int64)
        fit = [vector for vector in stored if vector is not None and len(vector) == 4 * self.width]
        places[places >= 0] = numpy.arange(self._count, self._count + len(fit))
        vectors = numpy.frombuffer(b"".join(fit), "<f4").reshape(-1, self.width)
        while len(vectors):
            number, at = divmod(self._count, self._rows_per_block)
            if number == len(self._blocks):  # memory that is not written to yet is not taken yet
                self._blocks.append(numpy.empty((self._rows_per_block, self.width), numpy.float32))
                self._norms.append(numpy.empty(self._rows_per_block))
            part, vectors = vectors[: self._rows_per_block - at], vectors[self._rows_per_block - at :]
            self._blocks[number][at : at + len(part)] = part
            self._norms[number][at : at + len(part)] = norms(part)
            self._count += len(part)
        self.places.add(vids, places)

    def offer(self, best: Nearest, vids: Vids, places: Vids) -> None:
        """Offer versions that are kept, by their places."""
        numbers, within = numpy.divmod(places, self._rows_per_block)
        for number, (block, lengths) in enumerate(zip(self._blocks, self._norms, strict=True)):
            here = numpy.flatnonzero(numbers == number)
            if len(here):
                picked = within[here]
                filled = int(picked.max()) + 1
                best.offer(vids[here], block[:filled], lengths[picked], picked)


def _place(vector: bytes | None, width: int) -> int:
    if vector is None:
        return NOTHING
    return 0 if len(vector) == 4 * width else OTHER


def search(
    kept: Kept, key: object, best: Nearest, width: int, shown: Shown, uncommitted: Vids, read: Read
) -> tuple[Vids, Numbers]:
    """Return the vids and distances of the nearest among the versions shown.

    Args:
        key: names the column in `kept`.
        width: the dimensions of the query.
        uncommitted: versions that must not be kept.
    """
    with kept.lock:
        column = kept.get((key, width), VectorColumn) or VectorColumn(width)
        places = shown.places_in(column.places)
        missing = shown.vids[(places == UNKNOWN) & ~isin(shown.vids, uncommitted)]
        if len(missing) and kept.make_room(len(missing) * (4 * width + 24)):
            for vids, stored in _parts(missing, width, read):
                column.add(vids, stored)
            places = shown.places_in(column.places)
        if len(missing):
            kept.put((key, width), column)
    if (places == OTHER).any():
        _refuse_dimensions(shown.vids[places == OTHER][:1], width, read)
    there = places >= 0
    column.offer(best, shown.vids[there], places[there])
    for vids, stored in _parts(shown.vids[places == UNKNOWN], width, read):
        _offer_read(best, vids, stored, width)
    return best.vids, best.scores


def _parts(vids: Vids, width: int, read: Read) -> Iterator[tuple[Vids, list[bytes | None]]]:
    """Read versions, as many at once as is good for the memory."""
    step = max(1, READ_BYTES // (4 * width))
    for at in range(0, len(vids), step):
        found = read(vids[at : at + step])
        if found:
            known, stored = zip(*sorted(found, key=lambda row: row[0]), strict=True)
            yield numpy.array(known, numpy.int64), list(stored)


def _offer_read(best: Nearest, vids: Vids, stored: list[bytes | None], width: int) -> None:
    fit = numpy.array([_place(vector, width) for vector in stored], numpy.int64)
    for vector, place in zip(stored, fit, strict=True):
        if place == OTHER and vector is not None:
            check_dimensions(len(vector) // 4, width)
    rows = numpy.frombuffer(b"".join(vector for vector in stored if vector is not None), "<f4").reshape(-1, width)
    best.offer(vids[fit >= 0], rows, norms(rows))


def _refuse_dimensions(vids: Vids, width: int, read: Read) -> None:
    for _, stored in read(vids):
        check_dimensions(len(stored or b"") // 4, width)
