"""`make bench`, or `make bench ARGS=decisions`, or `ARGS=writers`."""

from __future__ import annotations

import sys

from bench import decisions, store, writers

BENCHES = {"store": store.main, "decisions": decisions.main, "writers": writers.main}

for name in sys.argv[1:] or ["store"]:
    BENCHES[name]()
