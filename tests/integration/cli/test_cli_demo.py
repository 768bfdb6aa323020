"""`holdfast demo` kills a run again and again, and every claim it makes is checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Holdfast

pytestmark = pytest.mark.slow


def test_every_check_holds(holdfast: Holdfast) -> None:
    facts = holdfast("demo", "--json").json

    assert [check["claim"] for check in facts["checks"] if not check["held"]] == []
    assert len(facts["checks"]) >= 10
    assert len(facts["kills"]) == 8
    assert set(facts["steps_repeated"]) <= {kill["step"] for kill in facts["kills"] if kill["committed"] < kill["step"]}
    assert facts["conflicts_of_the_other"] > 0


def test_its_store_can_be_looked_at(holdfast: Holdfast) -> None:
    holdfast("demo", "--store", "here.db")

    rows = holdfast("sql", "SELECT step FROM iterations ORDER BY step", "--store", "here.db", "--json").json

    assert [row["step"] for row in rows] == list(range(1, 16))
    assert {branch["name"] for branch in holdfast("branch", "--store", "here.db", "--json").json} == {
        "main",
        "run-42/approach-a",
        "run-42/approach-b",
    }


def test_it_can_be_played_again_in_the_same_store(holdfast: Holdfast) -> None:
    first = holdfast("demo", "--store", "here.db", "--json").json
    second = holdfast("demo", "--store", "here.db", "--json").json

    assert (first["run_id"], second["run_id"]) == ("run-42", "run-43")


@pytest.mark.parametrize(
    "name", ["pydicom__pydicom-1458.traj", "marshmallow-code__marshmallow-1867.traj", "tau-airline.jsonl"]
)
def test_a_real_trace_can_be_played(holdfast: Holdfast, traces: Path, name: str) -> None:
    facts = holdfast("demo", traces / name, "--json").json

    assert [check["claim"] for check in facts["checks"] if not check["held"]] == []
    assert facts["trace"] == name


@pytest.mark.parametrize("words", [["hi"], ["hi", "there"], ["x" * 5000] * 3])
def test_a_trace_of_few_steps_can_be_played(holdfast: Holdfast, tmp_path: Path, words: list[str]) -> None:
    trace = tmp_path / "tiny.jsonl"
    trace.write_text(json.dumps({"messages": [{"role": "user", "content": word} for word in words]}))

    facts = holdfast("demo", trace, "--json").json

    assert (facts["steps"], len(facts["kills"])) == (len(words), len(words))
    assert all(check["held"] for check in facts["checks"])


def test_people_see_what_happens(holdfast: Holdfast) -> None:
    shown = holdfast("demo", "--seed", "7", columns=80)

    assert (shown.code, shown.err) == (0, "")
    assert shown.out.count("✗ step") == 8
    assert 'JOIN "iterations@run-42/approach-b" b' in shown.out
    assert "checks held" in shown.out
    assert "FAILED" not in shown.out


@pytest.mark.parametrize(("text", "code"), [("nonsense", "invalid_value"), ('{"trajectory": []}', "invalid_value")])
def test_a_trace_that_cannot_be_played_is_refused(holdfast: Holdfast, tmp_path: Path, text: str, code: str) -> None:
    trace = tmp_path / "bad.traj"
    trace.write_text(text)

    assert holdfast("demo", trace, "--json").error["code"] == code
    assert [found.name for found in tmp_path.iterdir()] == ["bad.traj"]
