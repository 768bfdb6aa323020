"""Goal: docs/engines.md promises what the tests keep. Method: pages and runs made up; conftest.py compares the real."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import engines

SUITE = "integration/test_runs.py"
PAGE = "Words.\n\n| suite | SQLite |\n| --- | --- |\n\nMore words."


@pytest.mark.parametrize(
    ("node", "engine"),
    [
        (f"tests/{SUITE}::test_a[file]", "SQLite"),
        (f"tests/{SUITE}::test_a[cut-memory]", "Memory"),
        (f"tests/{SUITE}::TestB::test_a[postgres-16]", "PostgreSQL 16"),
        (f"tests/{SUITE}::test_a[cached_disk-with a::b]", "Cache"),
        (f"tests/{SUITE}::test_a[postgres]", engines.POSTGRES),
        (f"tests/{SUITE}::test_a[files]", None),
        (f"tests/{SUITE}::test_a", None),
    ],
    ids=range(7),
)
def test_a_test_tells_its_engine_by_the_id_of_its_parameter(node: str, engine: str | None) -> None:
    assert engines.ran_on(node) == (None if engine is None else (SUITE, engine))


def test_what_is_promised_and_did_not_pass_is_told() -> None:
    page = engines.written(PAGE, {SUITE: {"SQLite", "Cache"}, "unit/test_a.py": {"SQLite"}})
    assert engines.promised(page) == {SUITE: {"SQLite", "Cache"}}
    assert engines.written(page, {}) == page
    assert engines.lacking(page, {SUITE: {"SQLite", "Cache", "Disk"}}) == []
    assert engines.lacking(page, {SUITE: {"SQLite"}}) == [f"{SUITE}: nothing passed on Cache"]
    assert engines.lacking(page, {}) == [f"{SUITE}: nothing passed on {engine}" for engine in ("SQLite", "Cache")]


def test_the_page_promises_suites_that_are_there(root: Path) -> None:
    promised = engines.promised((root / engines.PAGE).read_text("utf-8"))
    assert [suite for suite in promised if not (root / "tests" / suite).is_file()] == []
    assert promised["contract/test_conformance.py"] == set(engines.ENGINES)
