"""`holdfast import` takes traces in: whole files, each trajectory once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast import connect
from tests.integration.cli.conftest import Holdfast

pytestmark = pytest.mark.slow


def conversation(task: int, *words: str) -> str:
    messages = [{"role": "user", "content": word} for word in words]
    return json.dumps({"task_id": task, "trial": 0, "reward": 1, "traj": messages}) + "\n"


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    path = tmp_path / "chat.jsonl"
    path.write_text(conversation(1, "a", "b") + conversation(2, "c"))
    return path


def test_each_trajectory_is_a_commit_and_each_step_a_row(holdfast: Holdfast, chat: Path) -> None:
    imported = holdfast("import", chat, "--json").json

    assert (imported["runs_added"], imported["steps_added"], imported["runs_present"]) == (2, 3, 0)
    assert holdfast("sql", "SELECT run_id, step, observation FROM iterations ORDER BY run_id, step", "--json").json == [
        {"run_id": "chat/task-1/trial-0", "step": 1, "observation": "a"},
        {"run_id": "chat/task-1/trial-0", "step": 2, "observation": "b"},
        {"run_id": "chat/task-2/trial-0", "step": 1, "observation": "c"},
    ]
    assert [commit["message"] for commit in holdfast("log", "-n", "2", "--json").json] == [
        "import chat/task-2/trial-0: 1 step from chat.jsonl",
        "import chat/task-1/trial-0: 2 steps from chat.jsonl",
    ]


def test_importing_again_adds_nothing_and_says_so(holdfast: Holdfast, chat: Path) -> None:
    holdfast("import", chat)
    history = holdfast("log", "--json").json

    again = holdfast("import", chat)

    assert (again.code, again.err) == (0, "")
    assert again.out.splitlines()[-1] == "nothing to import: 2 runs already there"
    assert holdfast("log", "--json").json == history


def test_an_import_that_was_cut_off_goes_on(holdfast: Holdfast, chat: Path) -> None:
    """What a killed import leaves is its first trajectories; the file has grown since, too."""
    holdfast("import", chat)
    chat.write_text(chat.read_text() + conversation(3, "d"))

    imported = holdfast("import", chat, "--json").json

    assert (imported["runs_added"], imported["steps_added"], imported["runs_present"]) == (1, 1, 2)


def test_a_killed_import_leaves_whole_runs_and_goes_on(holdfast: Holdfast, tmp_path: Path) -> None:
    many = tmp_path / "many.jsonl"
    many.write_text("".join(conversation(task, "a", "b", "c") for task in range(2000)))
    with connect(tmp_path / "holdfast.db") as db:
        command = [sys.executable, "-m", "holdfast.cli", "import", str(many)]
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as importing:
            while importing.poll() is None and len(db.log(limit=50)) < 50:
                pass
            importing.kill()
        left = db.execute("SELECT run_id, count(*) AS steps FROM iterations GROUP BY run_id").fetchall()

    assert 0 < len(left) < 2000
    assert {row["steps"] for row in left} == {3}
    again = holdfast("import", many, "--json").json
    assert (again["runs_present"], again["runs_added"]) == (len(left), 2000 - len(left))


def test_two_imports_at_once_share_the_work(tmp_path: Path) -> None:
    many = tmp_path / "many.jsonl"
    many.write_text("".join(conversation(task, "a", "b") for task in range(200)))
    command = [sys.executable, "-m", "holdfast.cli", "import", str(many), "--json"]

    importing = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    reports = [json.loads(process.communicate()[0]) for process in importing]

    assert [process.returncode for process in importing] == [0, 0]
    assert sum(report["runs_added"] for report in reports) == 200
    assert sum(report["runs_present"] for report in reports) == 200


def test_a_malformed_line_keeps_the_whole_file_out(holdfast: Holdfast, tmp_path: Path, chat: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text(conversation(7, "x") + '{"traj": [{"role": "user", "content": "a\\u0000b"}]}\n')

    refused = holdfast("import", bad, chat)

    assert refused.code == 1
    assert refused.err.startswith(f"holdfast: {bad}:2: ")
    assert "NUL" in refused.err
    assert "imported 2 runs with 3 steps" in refused.out
    assert holdfast("sql", "SELECT DISTINCT source FROM trajectories", "--json").json == [{"source": "chat.jsonl"}]


@pytest.mark.parametrize("text", ["", "nonsense", '{"traj": NaN}', '{"dialog": []}'])
def test_when_nothing_could_be_imported_no_store_is_made(holdfast: Holdfast, tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text)

    assert holdfast("import", path, "--json").error["code"] == "invalid_value"
    assert [found.name for found in tmp_path.iterdir()] == ["bad.jsonl"]


def test_a_missing_trace_is_not_found(holdfast: Holdfast) -> None:
    assert holdfast("import", "absent.traj", "--json").error["code"] == "not_found"


def test_the_same_run_with_other_content_is_refused_unless_prefixed(holdfast: Holdfast, chat: Path) -> None:
    holdfast("import", chat)
    chat.write_text(conversation(1, "a", "changed") + conversation(9, "new"))
    history = holdfast("log", "--json").json

    refused = holdfast("import", chat, "--json").error

    assert refused["code"] == "already_exists"
    assert refused["message"].startswith(f"{chat}:1: a run 'chat/task-1/trial-0' is there already with other content")
    assert holdfast("log", "--json").json == history
    assert holdfast("import", chat, "--prefix", "monday", "--json").json["runs_added"] == 2
    assert holdfast("sql", "SELECT count(*) AS n FROM trajectories WHERE run_id LIKE 'monday/%'", "--json").json == [
        {"n": 2}
    ]


def test_a_run_that_was_not_imported_is_not_overwritten(holdfast: Holdfast, chat: Path) -> None:
    holdfast("import", chat)
    holdfast("sql", "DELETE FROM trajectories")

    refused = holdfast("import", chat, "--json").error

    assert refused["code"] == "already_exists"
    assert "was not imported" in refused["message"]


def test_an_import_goes_to_the_branch_that_is_named(holdfast: Holdfast, chat: Path) -> None:
    holdfast("sql", "CREATE TABLE t (a INT)")
    holdfast("branch", "traces")

    holdfast("import", chat, "--branch", "traces")

    assert holdfast("sql", "SELECT count(*) AS n FROM iterations", "--branch", "traces", "--json").json == [{"n": 3}]
    assert holdfast("sql", "SELECT count(*) AS n FROM iterations", "--json").json == [{"n": 0}]


def test_real_traces_are_imported_whole(holdfast: Holdfast, traces: Path) -> None:
    files = sorted([*traces.glob("*.traj"), *traces.glob("*.jsonl")])

    first = holdfast("import", *files, "--json").json
    again = holdfast("import", *files, "--json").json

    assert (first["runs_added"], first["steps_added"]) == (102, 12 + 13 + 2658)
    assert (again["runs_added"], again["runs_present"]) == (0, 102)
    folders = "SELECT state_snapshot ->> 'working_dir' AS folder FROM iterations WHERE kind = 'action' AND step = 3"
    assert holdfast("sql", folders, "--json").json == [{"folder": "/testbed"}, {"folder": "/pydicom__pydicom"}]
    assert holdfast("verify", "--json").json["changes"] == 2683 + 102
