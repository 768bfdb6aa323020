"""`holdfast tag | tables`."""

from __future__ import annotations

import re

import pytest

from tests.integration.cli.conftest import Holdfast

pytestmark = pytest.mark.slow


def test_tags_are_made_listed_and_deleted(notes: Holdfast) -> None:
    commits = notes("log", "--json").json

    made = notes("tag", "v1")
    notes("sql", "DELETE FROM notes")
    notes("tag", "v0", "--at", commits[1]["hash"][:12])
    listed = notes("tag", "--json").json

    assert made.out == f"tagged {commits[0]['hash'][:10]} as v1\n"
    assert {tag["name"]: tag["head"] for tag in listed} == {"v0": commits[1]["hash"], "v1": commits[0]["hash"]}
    assert [line.split()[0] for line in notes("tag").out.splitlines()[2:]] == ["v0", "v1"]
    assert notes("sql", "SELECT count(*) AS n FROM notes", "--at", "v1", "--json").json == [{"n": 2}]
    assert notes("tag", "v1", "--delete").out == "deleted v1\n"
    assert [tag["name"] for tag in notes("tag", "--json").json] == ["v0"]
    assert notes("tag", "v2", "--json").json["name"] == "v2"
    assert notes("tag", "v2", "--at", "v0", "--json").error["code"] == "already_exists"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["tag", "a b"], "invalid_value"),
        (["tag", "v1", "--at", "absent"], "not_found"),
        (["tag", "absent", "--delete"], "not_found"),
        (["tables", "absent"], "not_found"),
    ],
    ids=str,
)
def test_a_name_that_cannot_be_is_refused(notes: Holdfast, arguments: list[str], code: str) -> None:
    assert notes(*arguments, "--json").error["code"] == code
    assert notes("tag", "--json").json == []


@pytest.mark.parametrize("arguments", [["--delete"], ["--at", "main"], ["x", "--delete", "--at", "main"]], ids=" ".join)
def test_half_a_tag_command_is_a_usage_error(notes: Holdfast, arguments: list[str]) -> None:
    assert notes("tag", *arguments).code == 2


def test_tables_are_counted_at_any_ref(notes: Holdfast) -> None:
    before = notes("log", "--json").json[0]["hash"]
    notes("sql", 'CREATE TABLE "Order" (a INT)')
    notes("sql", "DELETE FROM notes WHERE id = 1")

    assert notes("tables", "--json").json == [{"table": "notes", "rows": 1}, {"table": "Order", "rows": 0}]
    assert notes("tables", before, "--json").json == [{"table": "notes", "rows": 2}]
    assert [re.split(r" {2,}", line) for line in notes("tables").out.splitlines() if "─" not in line] == [
        ["table", "rows"],
        ["notes", "1"],
        ["Order", "0"],
    ]


def test_a_store_without_tables_says_so(notes: Holdfast) -> None:
    first = notes("log", "--json").json[-1]["hash"]

    assert notes("tables", first).out == "no tables\n"
    assert notes("tables", first, "--json").json == []
