"""`make bench`, or `make bench ARGS=search` for one of its parts."""

from __future__ import annotations

import sys

from bench import collect, decisions, search, store, writers

BENCHES = {
    "store": store.main,
    "writers": writers.main,
    "search": search.main,
    "collect": collect.main,
    "decisions": decisions.main,
}

for name in sys.argv[1:] or ["store"]:
    BENCHES[name]()
