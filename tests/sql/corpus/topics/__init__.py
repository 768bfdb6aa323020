"""The statements of the corpus, a file per topic."""

from __future__ import annotations

from tests.sql.corpus.statement import Statement, of_topic
from tests.sql.corpus.topics import (
    applications,
    arrays,
    conditions,
    ctes,
    deletes,
    fulltext,
    grouping,
    inserts,
    joins,
    jsonb,
    moments,
    names,
    numbers,
    ordering,
    sets,
    subqueries,
    texts,
    updates,
    upserts,
    vectors,
    windows,
)

TOPICS = (
    joins, subqueries, ctes, windows, grouping, sets, conditions, ordering, names, texts, numbers, moments, jsonb, arrays,
    vectors, fulltext, inserts, upserts, updates, deletes, applications,
)  # fmt: skip

CORPUS: list[Statement] = [
    statement for module in TOPICS for statement in of_topic(module.__name__.rpartition(".")[2], module.STATEMENTS)
]
