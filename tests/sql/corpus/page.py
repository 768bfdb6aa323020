"""docs/dialect.md: its tables, an example in each line, and what is said of it.

The last column is written by `python -m tests.sql.corpus --write`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import holdfast
from tests.sql.corpus.places import Built, Place
from tests.sql.corpus.statement import Statement
from tests.sql.corpus.trial import Outcome, Verdict

PAGE = Path(__file__).parents[3] / "docs" / "dialect.md"
TABLES = ("runs", "steps", "notes")

_LINE = re.compile(
    r"^\| (?P<feature>.+?) \| `(?P<sql>.+?)`(?: with `(?P<parameters>.+?)`)? \| (?P<said>yes|refused|differs).* \|$",
    re.MULTILINE,
)
_SETUP = re.compile(r"```sql\n(.*?)```", re.DOTALL)
_WORDS = {Verdict.EQUAL: "yes", Verdict.REFUSED: "refused"}


def lines() -> list[tuple[Statement, str]]:
    """Return the example of each line, and what is said of it: yes, refused or differs."""
    return [(_statement(line), line["said"]) for line in _LINE.finditer(PAGE.read_text("utf-8"))]


def setup() -> list[str]:
    """Return the statements that make the tables of the examples."""
    (block,) = _SETUP.findall(PAGE.read_text("utf-8"))
    return [statement for statement in block.split(";\n") if statement.strip()]


def said(outcome: Outcome) -> str:
    """Return what the page has to say of an outcome."""
    return _WORDS.get(outcome.verdict, "differs")


@contextmanager
def prepared(path: Path) -> Iterator[Place]:
    """Make a store with the tables of the examples, and yield a branch of it."""

    def build(db: holdfast.Store) -> Built:
        for statement in setup():
            db.execute(statement)
        db.branch("page").close()
        return "page", True

    place = Place("a branch", path, build, TABLES)
    try:
        yield place
    finally:
        place.close()


def write(outcomes: Mapping[str, Outcome]) -> None:
    """Write the last column anew, with the outcome of each line by its name."""

    def line(found: re.Match[str]) -> str:
        outcome = outcomes[_statement(found).name]
        reason = "" if outcome.verdict is Verdict.EQUAL else f": {outcome.detail.removeprefix('Unsupported: ')}"
        example = found[0][: found.start("said") - found.start()]
        text = " ".join(reason.split()).replace("|", "\\|")
        return f"{example}{said(outcome)}{text} |"

    PAGE.write_text(_LINE.sub(line, PAGE.read_text("utf-8")), "utf-8")


def _statement(line: re.Match[str]) -> Statement:
    sql = line["sql"].replace("\\|", "|")
    parameters: Any = ast.literal_eval(line["parameters"].replace("\\|", "|")) if line["parameters"] else None
    writes = re.search(r"\b(INSERT|UPDATE \w+|DELETE|TRUNCATE|MERGE)\b", sql) is not None and "FOR UPDATE" not in sql
    return Statement("dialect", line["feature"].replace("\\|", "|"), sql, parameters, writes=writes)
