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
from collections.abc import Callable
from typing import NamedTuple

import numpy
from numpy.typing import NDArray

from holdfast.engine.kept import Kept, Lengths, Shown, Vids, both, isin, sorted_pairs, together, without
from holdfast.engine.words import All, Not, Phrase, Query

K1 = 1.2
B = 0.75
IDF_MIN = 1e-6

Scores = NDArray[numpy.float64]


class Hits(NamedTuple):
    """Where a phrase stands: versions, and how often in each."""

    vids: Vids
    frequencies: NDArray[numpy.int64]


def hits(shown: Vids, rows: list[tuple[int, int]]) -> Hits:
    """Return what an index found for a phrase, of the versions that are shown."""
    found = sorted_pairs(numpy.array(rows, numpy.int64).reshape(-1, 2))
    seen = found[isin(found[:, 0], shown)]
    return Hits(seen[:, 0], seen[:, 1])


def lengths(
    kept: Kept, key: object, shown: Shown, uncommitted: Vids, read: Callable[[Vids], list[tuple[int, bytes]]]
) -> Vids:
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
    query: Query | None,
    find: Callable[[str], Hits],
    shown: Vids,
    lengths: Vids,
    with_text: Callable[[Vids], Vids],
) -> tuple[Vids, Scores]:
    """Return the versions that match, and their scores: larger is better.

    Args:
        find: returns where a phrase, in the language of FTS5, stands in what is shown.
        lengths: of `shown`, in its order.
        with_text: leaves the versions whose text is not NULL; what is NULL neither matches nor fails to.
    """
    if query is None:
        return shown[:0], numpy.empty(0)
    search_ = _Search(find, shown)
    matched = search_.matched(query)
    wordless = both(matched, shown[lengths == 0])
    if len(wordless):  # only a "not" finds them
        matched = without(matched, without(wordless, with_text(wordless)))
    average = float(lengths.sum()) / len(shown) if len(shown) else 0.0
    scores = numpy.zeros(len(matched))
    for phrase in search_.asked_for(query):
        vids, frequencies = search_.hits(phrase)
        here = isin(vids, matched)
        f = frequencies[here].astype(numpy.float64)
        length = lengths[numpy.searchsorted(shown, vids[here])]
        idf = math.log((len(shown) - len(vids) + 0.5) / (len(vids) + 0.5))
        idf = idf if idf > 0.0 else IDF_MIN
        at = numpy.searchsorted(matched, vids[here])
        if len(at):
            scores[at] += idf * (f * (K1 + 1.0) / (f + K1 * (1.0 - B + B * length / average)))
    return matched, scores


def best(vids: Vids, scores: Scores, k: int | None) -> tuple[Vids, Scores]:
    """Return the `k` best, and those as good as the last of them; all of them for None."""
    if k is None or len(vids) <= k:
        return vids, scores
    last = -numpy.partition(-scores, k - 1)[k - 1] if k else numpy.inf
    return vids[scores >= last], scores[scores >= last]


class _Search:
    def __init__(self, find: Callable[[str], Hits], shown: Vids) -> None:
        self._find = find
        self._shown = shown
        self._hits: dict[Phrase, Hits] = {}

    def hits(self, phrase: Phrase) -> Hits:
        found = self._hits.get(phrase)
        if found is None:
            found = self._hits[phrase] = self._find(phrase.quoted)
        return found

    def matched(self, query: Query) -> Vids:
        if isinstance(query, Phrase):
            return self.hits(query).vids
        if isinstance(query, Not):
            return without(self._shown, self.matched(query.part))
        first, *others = (self.matched(part) for part in query.parts)
        for other in others:
            first = both(first, other) if isinstance(query, All) else together(first, other)
        return first

    def asked_for(self, query: Query) -> list[Phrase]:
        """Return the phrases that count, each as often as it was written."""
        if isinstance(query, Phrase):
            return [query]
        if isinstance(query, Not):
            return []
        return [phrase for part in query.parts for phrase in self.asked_for(part)]
