"""`make bench`, or `make bench ARGS=decisions`, or `ARGS=search`."""

from __future__ import annotations

import sys

from bench import decisions, search, store

BENCHES = {"store": store.main, "decisions": decisions.main, "search": search.main}

for name in sys.argv[1:] or ["store"]:
    BENCHES[name]()
