"""`holdfast cherry-pick | revert`, and `--dry-run` of these and of `merge`."""

from __future__ import annotations

import re

import pytest

from tests.integration.cli.conftest import Holdfast

pytestmark = pytest.mark.slow


@pytest.fixture
def parted(notes: Holdfast) -> Holdfast:
    """Return the function, where a branch `other` has two commits, the newer at odds with main."""
    notes("branch", "other")
    notes("sql", "INSERT INTO notes VALUES (3, 'three', 3)", "--branch", "other")
    notes("sql", "UPDATE notes SET stars = 4 WHERE id = 1", "--branch", "other")
    notes("sql", "UPDATE notes SET stars = 1 WHERE id = 1")
    return notes


def test_a_commit_is_picked_once(parted: Holdfast) -> None:
    added = parted("log", "other", "--json").json[1]["hash"][:10]

    picked = parted("cherry-pick", added)

    assert re.fullmatch(rf"cherry-picked {added} onto main: 1 row changed; commit [0-9a-f]{{10}}\n", picked.out)
    assert parted("sql", "SELECT id FROM notes ORDER BY id", "--json").json == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert parted("cherry-pick", added).out == f"main has all that {added} did: nothing to cherry-pick\n"
    assert parted("cherry-pick", "main", "--branch", "other", "--json").json["changed"] is False


def test_a_commit_is_taken_back_with_a_message(parted: Holdfast) -> None:
    parted("sql", "DELETE FROM notes")

    reverted = parted("revert", "main", "--message", "too much", "--json").json

    assert (reverted["changed"], reverted["rows_changed"], reverted["conflicts"]) == (True, 2, [])
    newest, mistake, *_ = parted("log", "--json").json
    assert (newest["hash"], newest["message"]) == (reverted["commit"], "too much")
    assert parted("revert", mistake["hash"]).out.endswith(": nothing to revert\n")


@pytest.mark.parametrize("command", ["cherry-pick", "revert"])
def test_a_refusal_says_what_to_type(parted: Holdfast, command: str) -> None:
    ref = "other" if command == "cherry-pick" else parted("log", "--json").json[0]["hash"]
    if command == "revert":
        parted("sql", "UPDATE notes SET stars = 2 WHERE id = 1")
    head = parted("log", "--json").json[0]

    refused = parted(command, ref)

    assert (refused.code, refused.out) == (1, "")
    assert f"nothing was {'cherry-picked' if command == 'cherry-pick' else 'reverted'}\n" in refused.err
    assert f"  holdfast {command} {ref} --branch main --policy theirs\n" in refused.err
    assert "on both branches" not in refused.err
    assert parted("log", "--json").json[0] == head
    error = parted(command, ref, "--json").error
    assert error["message"].endswith("use --policy ours or theirs, or change one side")
    assert parted(command, ref, "--policy", "ours").out.startswith("nothing to write: main stays as it is\n1 conflict")
    assert parted(command, ref, "--policy", "theirs").out.startswith(command)


def test_a_dry_run_shows_what_would_change_and_what_would_conflict(parted: Holdfast) -> None:
    history = parted("log", "--json").json

    left = parted("merge", "other", "--dry-run")
    resolved = parted("merge", "other", "--dry-run", "--policy", "theirs")

    assert (left.code, left.err) == (0, "")
    assert left.out.startswith("dry run: merging other into main would be refused for 1 conflict:\nnotes\nkey ")
    assert left.out.endswith(
        "\nwith ours (main) there, it would change 1 row:\nnotes: 1 added\n + 3  body three  stars 3\n"
    )
    assert resolved.out.startswith(
        "dry run: merging other into main would change 2 rows:\nnotes: 1 added, 1 changed\n ~ 1\n     stars: 1 → 4\n"
    )
    assert "1 conflict resolved by taking theirs:" in resolved.out
    assert parted("log", "--json").json == history
    parted("merge", "other", "--policy", "theirs")
    assert parted("merge", "other", "--dry-run").out == "main has all of other: nothing to merge\n"


def test_a_dry_run_tells_programs_the_rows(parted: Holdfast) -> None:
    head = parted("log", "--json").json[0]["hash"]

    told = parted("cherry-pick", "other", "--dry-run", "--policy", "theirs", "--json").json

    assert told | {"conflicts": len(told["conflicts"])} == {
        "commit": head,
        "changed": True,
        "rows_changed": 1,
        "conflicts": 1,
        "dry_run": True,
        "left": [],
        "changes": [
            {
                "table": "notes",
                "key": [1],
                "before": {"id": 1, "body": "one", "stars": 1},
                "after": {"id": 1, "body": "one", "stars": 4},
                "key_columns": ["id"],
            }
        ],
    }
    assert [conflict["key"] for conflict in parted("merge", "other", "--dry-run", "--json").json["left"]] == [[1]]
    assert "dry_run" not in parted("revert", "main", "--json").json
