"""Which suites ran on which engines, and what docs/engines.md promises of it.

A test tells its engine by the id of its parameter, as in `test_runs.py::test_x[postgres]`; all those of a file that is
named `test_postgres_…`, or `test_valkey_…`, run there. What tells no engine does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tests.postgresql import PROGRAMS, VERSION

PAGE = Path("docs", "engines.md")
POSTGRES = f"PostgreSQL {VERSION}"
"""What is called postgres runs there."""

IDS = {
    "file": "SQLite",
    "sqlite": "SQLite",
    "postgres": POSTGRES,
    **{f"postgres{mark}{version}": f"PostgreSQL {version}" for version in PROGRAMS for mark in "-_"},
    "memory": "Memory",
    "disk": "Disk",
    "folder": "Disk",
    "cached_disk": "Cache",
    "valkey": "Valkey 9",
}
ENGINES = ("SQLite", "PostgreSQL 18", "PostgreSQL 16", "Memory", "Disk", "Cache", "Valkey 9")

Ran = dict[str, set[str]]
"""The engines of each suite, which is a file of tests."""

_NODE = re.compile(r"tests/(?P<suite>(?:[^:]*/)?test_(?P<name>[^:/]*)\.py)::[^\[]*(?:\[(?P<id>.*)\])?", re.DOTALL)
_PARTS = re.compile(r"-(?!\d\d\b)")
_ROW = re.compile(r"\| `(\S+\.py)` \|(.*)\|")
_TABLE = re.compile(r"(?<=\n\n)\| suite .*?(?=\n\n|\Z)", re.DOTALL)


def ran_on(node: str) -> tuple[str, str] | None:
    """Return the suite and the engine of a test, or None if it tells none."""
    found = _NODE.fullmatch(node)
    if found is None:
        return None
    named = [IDS[part] for part in _PARTS.split(found["id"] or "") if part in IDS]
    for engine in ("postgres", "valkey"):
        if not named and found["name"].startswith(engine):
            named = [IDS[engine]]
    return (found["suite"], named[0]) if named else None


def promised(text: str) -> Ran:
    """Return what a page says ran where."""
    rows: Ran = {}
    for suite, cells in _ROW.findall(text):
        marks = [cell.strip() for cell in cells.split("|")]
        rows[suite] = {engine for engine, mark in zip(ENGINES, marks, strict=True) if mark == "yes"}
    return rows


def lacking(text: str, ran: Ran) -> list[str]:
    """Return what a page promises that did not run, or that ran and did not pass."""
    return [
        f"{suite}: nothing passed on {engine}"
        for suite, engines in promised(text).items()
        for engine in ENGINES
        if engine in engines - ran.get(suite, set())
    ]


def written(text: str, ran: Ran) -> str:
    """Return a page with the rows of the suites that ran on more than one engine, or on PostgreSQL, as they ran."""
    rows = promised(text) | {suite: engines for suite, engines in ran.items() if engines != {"SQLite"}}
    lines = [_line("suite", ENGINES), _line("---", ["---"] * len(ENGINES))]
    lines += [_line(f"`{suite}`", _marks(engines)) for suite, engines in sorted(rows.items())]
    return _TABLE.sub(lambda _: "\n".join(lines), text)


def _marks(engines: set[str]) -> list[str]:
    return ["yes" if engine in engines else "" for engine in ENGINES]


def _line(first: str, others: Iterable[str]) -> str:
    return f"| {' | '.join([first, *others])} |"
