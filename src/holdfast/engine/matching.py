"""Which texts match a search for words, and how well: BM25 over the rows that are seen.

    score(row) = sum over the phrases p of the search, those under a "not" left out, of
                 idf(p) * f * (k1 + 1) / (f + k1 * (1 - b + b * length / average))
    idf(p)     = ln((N - n + 1/2) / (n + 1/2)), or 1e-6 if that is not positive

f is how often p stands in the row, n how many rows have p, N how many rows there are, `length` and `average` are in
words: all of them of what is seen, whatever other branches and older versions have. These are the numbers of bm25() of
FTS5, so that a branch ranks as a plain FTS5 table with just its rows does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy
from numpy.typing import NDArray

from holdfast.engine.kept import Kept, Lengths, Measured, Shown, Vids, both, isin, sorted_pairs, together, without
from holdfast.engine.words import All, Not, Phrase, Query

K1 = 1.2
B = 0.75
IDF_MIN = 1e-6

Scores = NDArray[numpy.float64]


class Hits(NamedTuple):
    """Where a phrase stands: versions, and how often in each."""

    vids: Vids
    frequencies: NDArray[numpy.int64]


class Index(Protocol):
    """What is asked of a text index. Phrases are in the language of FTS5; only versions that are shown are returned."""

    def find(self, phrase: str) -> Vids:
        """Return where a phrase stands."""
        ...

    def count(self, phrase: str, among: Vids | None) -> Hits:
        """Return where a phrase stands and how often, among some versions or all."""
        ...


def hits(shown: Vids, rows: list[tuple[int, int]]) -> Hits:
    """Return what an index counted of a phrase, of the versions that are shown."""
    found = sorted_pairs(numpy.array(rows, numpy.int64).reshape(-1, 2))
    seen = found[isin(found[:, 0], shown)]
    return Hits(seen[:, 0], seen[:, 1])


def lengths(
    kept: Kept, key: object, shown: Shown, uncommitted: Vids, read: Callable[[Vids], list[tuple[int, bytes]]]
) -> Measured:
    """Return the length in words of the text of each version shown, as the index has it."""
    with kept.lock:
        found = kept.get(key, Lengths) or Lengths()
        known = found.of(shown, uncommitted, lambda vids: [(vid, _number(size)) for vid, size in read(vids)])
        kept.put(key, found)
    return known


def _number(size: bytes) -> int:
    """Return a number as FTS5 writes it: seven bits a byte, the highest first; all but the last with the eighth set."""
    number = 0
    for byte in size:
        number = number << 7 | byte & 0x7F
    return number


def search(
    query: Query | None, index: Index, shown: Vids, measured: Measured, with_text: Callable[[Vids], Vids]
) -> tuple[Vids, Scores]:
    """Return the versions that match, and their scores: larger is better.

    Args:
        measured: the lengths of `shown`.
        with_text: leaves the versions whose text is not NULL; what is NULL neither matches nor fails to.
    """
    if query is None:
        return shown[:0], numpy.empty(0)
    search_ = _Search(index, shown)
    matched = search_.matched(query)
    lengths = measured.lengths[numpy.searchsorted(shown, matched)]
    wordless = matched[lengths == 0]
    if len(wordless):  # only a "not" finds them
        stays = ~isin(matched, without(wordless, with_text(wordless)))
        matched, lengths = matched[stays], lengths[stays]
    average = measured.total / max(1, len(shown))
    scores = numpy.zeros(len(matched))
    for phrase, times in Counter(_asked_for(query)).items():
        vids, frequencies = search_.hits(phrase, matched)
        if len(vids):
            at = numpy.searchsorted(matched, vids)
            f = frequencies.astype(numpy.float64)
            weight = f * (K1 + 1.0) / (f + K1 * (1.0 - B + B * lengths[at] / average))
            scores[at] += times * _idf(len(shown), len(search_.found(phrase))) * weight
    return matched, scores


def _idf(rows: int, with_phrase: int) -> float:
    idf = math.log((rows - with_phrase + 0.5) / (with_phrase + 0.5))
    return idf if idf > 0.0 else IDF_MIN


def best(vids: Vids, scores: Scores, k: int | None) -> tuple[Vids, Scores]:
    """Return the `k` best, and those as good as the last of them; all of them for None."""
    if k is None or len(vids) <= k:
        return vids, scores
    last = -numpy.partition(-scores, k - 1)[k - 1] if k else numpy.inf
    return vids[scores >= last], scores[scores >= last]


class _Search:
    """What the index says of the phrases of one search. Counting is dear: it waits for what is left to be counted."""

    def __init__(self, index: Index, shown: Vids) -> None:
        self._index = index
        self._shown = shown
        self._found: dict[Phrase, Vids] = {}
        self._whole: Hits | None = None

    def found(self, phrase: Phrase) -> Vids:
        vids = self._found.get(phrase)
        if vids is None:
            vids = self._found[phrase] = self._index.find(phrase.quoted)
        return vids

    def hits(self, phrase: Phrase, matched: Vids) -> Hits:
        if self._whole is not None:
            return self._whole
        here = both(self.found(phrase), matched)
        return self._index.count(phrase.quoted, here) if len(here) else Hits(here, here)

    def matched(self, query: Query) -> Vids:
        if isinstance(query, Phrase):  # the whole of it: all that is found is counted
            self._whole = self._index.count(query.quoted, None)
            self._found[query] = self._whole.vids
        return self._matched(query)

    def _matched(self, query: Query) -> Vids:
        if isinstance(query, Phrase):
            return self.found(query)
        if isinstance(query, Not):
            return without(self._shown, self._matched(query.part))
        first, *others = (self._matched(part) for part in query.parts)
        for other in others:
            first = both(first, other) if isinstance(query, All) else together(first, other)
        return first


def _asked_for(query: Query) -> list[Phrase]:
    """Return the phrases that count, each as often as it was written."""
    if isinstance(query, Phrase):
        return [query]
    if isinstance(query, Not):
        return []
    return [phrase for part in query.parts for phrase in _asked_for(part)]
