"""Goal: what people allowed is done once, whatever is killed: never again in silence, and never what was not allowed.

Method: processes that kill themselves in a tool two agents deep, before or after its effect; a log outside that has a
line for each real effect; all stores that processes can share (A1, A5, A9, A15; G3, G7).
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import Happened
from tests import valkey_server
from tests.llm_server import Answer, Model, calls, playing, says
from tests.postgresql import fresh_url

TOOLS = ("once", "again", "free")


def script(request: dict[str, Any]) -> Answer:
    """The outer agent calls the inner one, which calls all of its tools at once."""
    messages = request["messages"]
    answers = [message["content"] for message in messages if message["role"] == "tool"]
    if answers:
        return says(" ".join(answers))
    if messages[0]["content"] == "outer":
        return calls(("inner", {"prompt": "do it"}))
    return calls(*[(tool, {}) for tool in TOOLS])


class Rig:
    """A store, a model, a log of effects, and processes that work on one run."""

    def __init__(self, url: str, model: Model, log: Path) -> None:
        self.url = url
        self._model = model
        self._log = log

    def begin(self, where: str = "nowhere", doomed: str = "") -> subprocess.Popen[str]:
        """Start a process."""
        command = [sys.executable, "-m", "tests.crash.approval_worker"]
        given = [self.url, self._model.url, str(self._log), where, doomed]
        return subprocess.Popen([*command, *given], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def work(self, where: str = "nowhere", doomed: str = "") -> str:
        """Let a process work to its end; return what it says, or "killed"."""
        process = self.begin(where, doomed)
        said, error = process.communicate()
        if process.returncode == -signal.SIGKILL:
            return "killed"
        assert process.returncode == 0, error
        return said.strip()

    @property
    def effects(self) -> Counter[str]:
        """How often each tool had its effect."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        keys = [line.split(" ", 1) for line in lines]
        assert len({tuple(one) for one in keys}) == len({tool for tool, _ in keys}), "a tool's key is always the same"
        return Counter(tool for tool, _ in keys)

    def decide(self, verdict: bool, *tools: str) -> None:
        """Allow, or refuse, what waits of these tools."""
        with holdfast.connect(self.url) as db:
            for call in db.inbox(run_id="r"):
                if call.name in tools and call.state == "pending":
                    _ = call.approve(by="ann") if verdict else call.reject("no", by="ann")

    def waiting(self) -> dict[str, str]:
        """Return the states of the calls that wait, by their tools."""
        with holdfast.connect(self.url) as db:
            return {call.name: call.state for call in db.inbox()}


@pytest.fixture(params=["file", "postgres", "valkey"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    urls = {"file": lambda: str(tmp_path / "s.db"), "postgres": fresh_url, "valkey": valkey_server.fresh_url}
    with playing(script) as model:
        yield Rig(urls[request.param](), model, tmp_path / "effects")


def begun(rig: Rig) -> None:
    """Begin the run, which does what nobody is asked about, and waits for the rest."""
    assert rig.work() == "waits"
    assert rig.effects == {"free": 1}
    assert rig.waiting() == {"once": "pending", "again": "pending"}


@pytest.mark.slow
@pytest.mark.parametrize("where", ["before", "after"])
def test_a9_what_may_happen_once_is_in_doubt_and_its_siblings_are_not(rig: Rig, where: str) -> None:
    begun(rig)
    rig.decide(True, "once")
    assert rig.work(where, "once") == "killed"
    happened = where == "after"
    assert rig.effects == {"free": 1, **({"once": 1} if happened else {})}
    assert rig.work() == "waits"
    assert rig.waiting() == {"once": "in_doubt", "again": "pending"}
    assert rig.effects["once"] == int(happened), "never again in silence"
    with holdfast.connect(rig.url) as db:
        [call] = [call for call in db.inbox() if call.state == "in_doubt"]
        call.answer(Happened("did once") if happened else None, by="ann")
    rig.decide(False, "again")
    assert rig.work() == "done"
    assert rig.effects == {"free": 1, "once": 1}
    with holdfast.connect(rig.url) as db:
        told = "did once error: this call was rejected, and not made: no did free"
        assert db.run("r").result == told


@pytest.mark.slow
@pytest.mark.parametrize("where", ["before", "after"])
def test_a5_what_may_be_done_again_is_with_the_same_key_and_asked_about_once(rig: Rig, where: str) -> None:
    begun(rig)
    rig.decide(True, "again", "once")
    assert rig.work(where, "again") == "killed"
    state = rig.work()
    if state == "waits":  # the other had begun, too
        with holdfast.connect(rig.url) as db:
            [call] = db.inbox()
            assert (call.name, call.state) == ("once", "in_doubt")
            call.answer(Happened("did once") if rig.effects["once"] else None, by="ann")
        state = rig.work()
    assert state == "done"
    assert rig.effects["once"] == 1
    assert rig.effects["again"] == (1 if where == "before" else 2)


@pytest.mark.slow
def test_a15_of_processes_that_go_on_at_the_same_time_one_does_it(rig: Rig) -> None:
    begun(rig)
    rig.decide(True, "once", "again")
    processes = [rig.begin() for _ in range(4)]
    said = sorted(process.communicate()[0].strip() for process in processes)
    assert set(said) <= {"busy", "done"}
    assert "done" in said
    assert rig.effects == {"free": 1, "once": 1, "again": 1}


@pytest.mark.slow
def test_g7_a_decision_that_was_acknowledged_outlives_who_made_it(rig: Rig) -> None:
    """The decider kills itself as soon as it is told."""
    begun(rig)
    code = (
        "import holdfast, os, signal, sys\n"
        "db = holdfast.connect(sys.argv[1])\n"
        "[call] = [call for call in db.inbox() if call.name == 'once']\n"
        "call.approve(by='ann')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, rig.url], check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL
    assert rig.waiting() == {"again": "pending"}
    rig.decide(False, "again")
    assert rig.work() == "done"
    assert rig.effects == {"free": 1, "once": 1}
