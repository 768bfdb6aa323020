"""Goal: the chat of examples/ loses no message to other processes or to kills, on a file and on Valkey (C1 to C3)."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from holdfast import Versioned
from tests import valkey_server

TALKER = """
import importlib.util, os, signal, sys
from holdfast import Versioned

_, root, source, who, times, at = sys.argv
spec = importlib.util.spec_from_file_location("chat_sessions", root + "/examples/chat_sessions.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with Versioned(source) as state:
    chat = module.Chat(state)
    chat.begin("s", user="ann")
    for number in range(int(times)):
        if number == int(at):
            os.kill(os.getpid(), signal.SIGKILL)
        chat.say("s", who, f"{who} {number}")
"""
TIMES = 15


def example(root: Path) -> ModuleType:
    import importlib.util  # noqa: PLC0415

    spec = importlib.util.spec_from_file_location("chat_sessions", root / "examples" / "chat_sessions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["file", "valkey"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return valkey_server.fresh_url() if request.param == "valkey" else str(tmp_path / "s.db")


@pytest.mark.slow
def test_c1_c7_messages_of_several_processes_are_all_there_each_in_its_order(root: Path, source: str) -> None:
    with Versioned(source) as state:
        example(root).Chat(state).begin("s", user="ann")

    def talker(who: str, at: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", TALKER, str(root), source, who, str(TIMES), str(at)]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    talkers = {who: talker(who, at) for who, at in {"a": -1, "b": -1, "killed": 7}.items()}
    for who, process in talkers.items():
        said = process.communicate()[1]
        assert process.returncode == (-signal.SIGKILL if who == "killed" else 0), said
    with Versioned(source) as state:
        chat = example(root).Chat(state)
        messages: list[Any] = chat.context("s", last=1_000)
        for who, number in {"a": TIMES, "b": TIMES, "killed": 7}.items():
            assert [one["content"] for one in messages if one["role"] == who] == [f"{who} {at}" for at in range(number)]
        assert chat.metadata("s")["messages"] == len(messages) == 2 * TIMES + 7
        assert chat.metadata("s")["user"] == "ann"


def test_a_session_is_listed_ended_and_looked_at_afterwards(root: Path, source: str) -> None:
    with Versioned(source) as state:
        chat = example(root).Chat(state)
        chat.begin("one", user="ann")
        then = chat.say("one", "user", "hello")
        chat.begin("other", user="ben")
        assert chat.sessions() == ["one", "other"]
        chat.end("one")
        assert chat.sessions() == ["other"]
        with state.checkout(then) as past:
            assert example(root).Chat(past).context("one") == [{"role": "user", "content": "hello"}]
