"""`make bench`, or `make bench ARGS=decisions`, or `ARGS=search`."""

from __future__ import annotations

import sys

from bench import collect, decisions, search, store

BENCHES = {"store": store.main, "search": search.main, "collect": collect.main, "decisions": decisions.main}

for name in sys.argv[1:] or ["store"]:
    BENCHES[name]()
