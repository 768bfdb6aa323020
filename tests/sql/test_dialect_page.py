"""Goal: docs/dialect.md tells the truth, line by line.

Method: each line of its tables has an example, which runs on PostgreSQL and on a branch. `python -m tests.sql.corpus
--write` writes what is said of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.sql.corpus import page
from tests.sql.corpus.places import Place
from tests.sql.corpus.statement import Statement
from tests.sql.corpus.trial import told, tried

if TYPE_CHECKING:
    from tests.sql.corpus.plain import Plain

LINES = page.lines()


@pytest.fixture(scope="module")
def plain(postgresql: str) -> Iterator[Plain]:
    from tests.sql.corpus.plain import made  # noqa: PLC0415 - where no server is installed, its client is not

    with made(postgresql, page.setup(), page.TABLES) as database:
        yield database


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with page.prepared(tmp_path_factory.mktemp("dialect") / "page.db") as prepared:
        yield prepared


def test_every_line_of_the_tables_is_an_example() -> None:
    """A line that is written otherwise would not be run."""
    rows = [line for line in page.PAGE.read_text("utf-8").splitlines() if re.match(r"\| (?!feature )", line)]
    assert len(LINES) == len(rows)
    assert len({statement.name for statement, _ in LINES}) == len(rows)


@pytest.mark.parametrize(("statement", "said"), LINES, ids=[statement.name for statement, _ in LINES])
def test_a_line_of_the_page_is_true(statement: Statement, said: str, plain: Plain, place: Place) -> None:
    outcome = tried(statement, plain.answer(statement), [place])
    assert page.said(outcome) == said, told(outcome)
