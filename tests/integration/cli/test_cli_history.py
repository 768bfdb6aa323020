"""`holdfast log | show | diff | branch | merge | verify`."""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from holdfast import connect
from tests.integration.cli.conftest import Holdfast

pytestmark = pytest.mark.slow


@pytest.fixture
def conflicting(notes: Holdfast, tmp_path: Path) -> Holdfast:
    """Return the function, where `other` and main changed the same cell of row 1, and `other` one of row 2."""
    with connect(tmp_path / "holdfast.db") as db:
        other = db.branch("other")
        other.execute("UPDATE notes SET body = 'one of other' WHERE id = 1")
        other.execute("UPDATE notes SET stars = 4 WHERE id = 2")
        db.execute("UPDATE notes SET body = 'one of main' WHERE id = 1")
    return notes


def test_log_lists_the_newest_first_with_its_branches(notes: Holdfast) -> None:
    notes("branch", "other")

    commits = notes("log", "--json").json
    lines = notes("log").out.splitlines()

    assert lines[0].split() == ["commit", "at", "(UTC)", "message"]
    assert lines[2].startswith(commits[0]["hash"][:10])
    assert "[main, other]" in lines[2]
    assert [line[:10] for line in lines[2:]] == [commit["hash"][:10] for commit in commits]
    assert commits[0]["parents"] == [commits[1]["hash"]]
    assert datetime.fromisoformat(commits[0]["at"]).tzinfo == UTC


def test_log_shows_what_a_ref_sees_and_no_more_than_asked(notes: Holdfast) -> None:
    commits = notes("log", "--json").json

    assert notes("log", commits[1]["hash"], "--json").json == commits[1:]
    assert notes("log", "-n", "1", "--json").json == commits[:1]


def test_a_long_log_says_that_there_is_more(notes: Holdfast, tmp_path: Path) -> None:
    with connect(tmp_path / "holdfast.db") as db:
        for stars in range(26):
            db.execute("UPDATE notes SET stars = %s WHERE id = 2", [stars])

    lines = notes("log").out.splitlines()

    assert len(lines) == 2 + 25 + 1
    assert lines[-1] == "(the newest 25; --limit N or --json show more)"
    assert len(notes("log", "--json").json) > 26


def test_show_is_a_commit_with_the_rows_it_changed(notes: Holdfast) -> None:
    notes("sql", "UPDATE notes SET body = 'uno' WHERE id = 1")
    [commit, parent, *_] = notes("log", "--json").json

    shown = notes("show", commit["hash"][:8], "--json").json
    out = notes("show", "main").out

    assert shown == commit | {
        "changes": [
            {
                "table": "notes",
                "key": [1],
                "before": {"id": 1, "body": "one", "stars": 5},
                "after": {"id": 1, "body": "uno", "stars": 5},
                "key_columns": ["id"],
            }
        ]
    }
    assert f"commit {commit['hash']}\nparent {parent['hash']}\n" in out
    assert "names  main" in out
    assert "notes: 1 changed\n ~ 1\n     body: one → uno\n" in out


def test_show_knows_the_first_commit(notes: Holdfast) -> None:
    first = notes("log", "--json").json[-1]

    assert notes("show", first["hash"], "--json").json == first | {"changes": []}
    assert "no row changed" in notes("show", first["hash"]).out


def test_diff_marks_what_was_added_changed_and_removed(notes: Holdfast) -> None:
    before = notes("log", "--json").json[0]["hash"]
    notes("sql", "INSERT INTO notes VALUES (3, 'three', 3)")
    notes("sql", "UPDATE notes SET stars = 1, body = NULL WHERE id = 1")
    notes("sql", "DELETE FROM notes WHERE id = 2")

    lines = [line.rstrip() for line in notes("diff", before, "main").out.splitlines()]
    changes = notes("diff", before, "main", "--json").json

    assert lines[0] == "notes: 1 added, 1 changed, 1 removed"
    assert sorted(lines[1:]) == sorted(
        [" ~ 1", "     body: one → NULL", "     stars: 5 → 1", " - 2  body two", " + 3  body three  stars 3"]
    )
    assert {(tuple(change["key"]), change["before"] is None, change["after"] is None) for change in changes} == {
        ((1,), False, False),
        ((2,), False, True),
        ((3,), True, False),
    }


def test_a_diff_of_long_texts_shows_where_they_differ(notes: Holdfast) -> None:
    notes("sql", "UPDATE notes SET body = '" + "x" * 300 + " old end' WHERE id = 1")
    before = notes("log", "--json").json[0]["hash"]
    notes("sql", "UPDATE notes SET body = '" + "x" * 300 + " new end' WHERE id = 1")

    lines = notes("diff", before, "main", columns=80).out.splitlines()

    assert "old end → …" in lines[2]
    assert lines[2].endswith("new end")
    assert len(lines[2]) <= 80


def test_equal_refs_do_not_differ(notes: Holdfast) -> None:
    assert notes("diff", "main", "main").out == "no difference\n"
    assert notes("diff", "main", "main", "--json").json == []


def test_branches_are_made_listed_and_deleted(notes: Holdfast) -> None:
    commits = notes("log", "--json").json

    made = notes("branch", "run-42/approach-a", "--at", commits[1]["hash"])
    listed = notes("branch", "--json").json

    assert made.out == f"made run-42/approach-a at {commits[1]['hash'][:10]}\n"
    assert {branch["name"]: branch["head"] for branch in listed} == {
        "main": commits[0]["hash"],
        "run-42/approach-a": commits[1]["hash"],
    }
    assert [line.split()[0] for line in notes("branch").out.splitlines()[2:]] == ["main", "run-42/approach-a"]
    assert notes("branch", "run-42/approach-a", "--delete").out == "deleted run-42/approach-a\n"
    assert [branch["name"] for branch in notes("branch", "--json").json] == ["main"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["branch", "main"], "already_exists"),
        (["branch", "a b"], "invalid_value"),
        (["branch", "new", "--at", "absent"], "not_found"),
        (["branch", "absent", "--delete"], "not_found"),
        (["log", "absent"], "not_found"),
        (["show", "absent"], "not_found"),
        (["diff", "main", "absent"], "not_found"),
        (["merge", "absent"], "not_found"),
        (["merge", "main", "--into", "absent"], "not_found"),
    ],
    ids=str,
)
def test_a_name_that_cannot_be_is_refused(notes: Holdfast, arguments: list[str], code: str) -> None:
    assert notes(*arguments, "--json").error["code"] == code
    assert len(notes("branch", "--json").json) == 1


@pytest.mark.parametrize("arguments", [["--delete"], ["--at", "main"], ["x", "--delete", "--at", "main"]], ids=" ".join)
def test_half_a_branch_command_is_a_usage_error(notes: Holdfast, arguments: list[str]) -> None:
    assert notes("branch", *arguments).code == 2


def test_a_merge_brings_the_rows(notes: Holdfast) -> None:
    notes("branch", "other")
    notes("sql", "INSERT INTO notes VALUES (3, 'three', 3)", "--branch", "other")

    merged = notes("merge", "other")

    assert re.fullmatch(r"merged other into main: 1 row changed; commit [0-9a-f]{10}\n", merged.out)
    assert notes("sql", "SELECT count(*) AS n FROM notes", "--json").json == [{"n": 3}]
    assert notes("merge", "other").out == "main has all of other: nothing to merge\n"
    assert notes("merge", "other", "--json").json["changed"] is False


def test_a_merge_goes_into_the_branch_that_is_named(notes: Holdfast) -> None:
    notes("branch", "other")
    notes("sql", "INSERT INTO notes VALUES (3, 'three', 3)")

    assert notes("merge", "main", "--into", "other", "--json").json["rows_changed"] == 1
    assert notes("sql", "SELECT count(*) AS n FROM notes", "--branch", "other", "--json").json == [{"n": 3}]


def test_a_conflict_is_shown_side_by_side_with_what_to_do(conflicting: Holdfast) -> None:
    history = conflicting("log", "--json").json

    refused = conflicting("merge", "other")

    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("holdfast: 1 conflict: nothing was merged\n")
    assert "ours (main) or theirs (other)" in refused.err
    [row] = [line for line in refused.err.splitlines() if line.startswith("1 ")]
    assert re.split(r"\s{2,}", row.strip()) == ["1", "body", "one", "one of main", "one of other"]
    assert "holdfast merge other --into main --policy theirs" in refused.err
    assert conflicting("log", "--json").json == history
    narrow = conflicting("merge", "other", columns=40).err.splitlines()
    assert narrow == [line.rstrip() for line in narrow]


def test_a_conflict_tells_programs_both_sides(conflicting: Holdfast) -> None:
    error = conflicting("merge", "other", "--json").error

    assert error["code"] == "merge_conflict"
    assert error["message"] == "1 conflict; nothing was merged; use --policy ours or theirs, or change one side"
    [conflict] = error["conflicts"]
    assert {name: conflict[name] for name in ("table", "key", "column", "base", "ours", "theirs")} == {
        "table": "notes",
        "key": [1],
        "column": "body",
        "base": "one",
        "ours": "one of main",
        "theirs": "one of other",
    }


@pytest.mark.parametrize(("policy", "kept"), [("ours", "one of main"), ("theirs", "one of other")])
def test_a_policy_settles_the_conflict_and_names_it(conflicting: Holdfast, policy: str, kept: str) -> None:
    out = conflicting("merge", "other", "--policy", policy).out

    assert f"1 conflict resolved by taking {policy}:" in out
    assert "one of main" in out
    assert conflicting("sql", "SELECT body, stars FROM notes ORDER BY id", "--json").json == [
        {"body": kept, "stars": 5},
        {"body": "two", "stars": 4},
    ]


def test_a_deleted_row_against_a_changed_one_is_shown_as_no_row(notes: Holdfast) -> None:
    notes("branch", "other")
    notes("sql", "DELETE FROM notes WHERE id = 1", "--branch", "other")
    notes("sql", "UPDATE notes SET stars = 1 WHERE id = 1")

    refused = notes("merge", "other")

    assert refused.code == 1
    assert "(no row)" in refused.err


def test_verify_counts_what_is_sound(notes: Holdfast) -> None:
    assert " are sound" in notes("verify").out
    assert notes("verify", "--json").json["changes"] == 2


def test_verify_fails_on_a_row_that_was_tampered_with(notes: Holdfast, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "holdfast.db") as raw:
        tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns = [row[1] for row in raw.execute(f'PRAGMA table_info("{table}")')]
            for column in columns:
                raw.execute(f'UPDATE "{table}" SET "{column}" = \'forged\' WHERE "{column}" = \'one\'')
        assert raw.total_changes > 0
    raw.close()

    assert notes("verify", "--json").error["code"] == "store_corrupt"
