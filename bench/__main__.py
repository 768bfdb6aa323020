"""`make bench`: the performance budget. `make bench ARGS=search` and the like: what stands behind its rows."""

from __future__ import annotations

import sys

from bench import (
    budget,
    cache,
    collect,
    continuations,
    decisions,
    follow,
    postgres,
    runs,
    search,
    state,
    tree,
    valkey,
    writers,
)

DETAILS = {
    "writers": writers.main,
    "search": search.main,
    "state": state.main,
    "cache": cache.main,
    "runs": runs.main,
    "postgres": postgres.main,
    "valkey": valkey.main,
    "continuations": continuations.main,
    "follow": follow.main,
    "collect": collect.main,
    "decisions": decisions.main,
    "tree": tree.main,
}

names = [argument for argument in sys.argv[1:] if argument in DETAILS]
for name in names:
    DETAILS[name]()
if not names:
    budget.main(sys.argv[1:])
