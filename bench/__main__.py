"""`make bench`, or `make bench ARGS=decisions`."""

from __future__ import annotations

import sys

from bench import collect, decisions, store

BENCHES = {"store": store.main, "collect": collect.main, "decisions": decisions.main}

for name in sys.argv[1:] or ["store"]:
    BENCHES[name]()
