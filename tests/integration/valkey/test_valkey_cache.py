"""Goal: a store keeps the record, and a Valkey that many share the answers of tools: `connect(…, cache=…)`."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import holdfast
from holdfast import Memory, aio
from tests import valkey_server

CALLS: list[str] = []
PATIENCE = 60.0


def ask(city: str) -> dict[str, str]:
    CALLS.append(city)
    return {"city": city}


@pytest.fixture(autouse=True)
def _none_asked() -> None:
    CALLS.clear()


def test_stores_that_share_a_cache_ask_once(tmp_path: Path) -> None:
    url = valkey_server.fresh_url()
    for name in ("one.db", "other.db"):
        with holdfast.connect(tmp_path / name, cache=url) as db:
            assert db.cache.options(ttl="1h").call(ask, "Paris") == {"city": "Paris"}
            assert db.branch("side").cache.options(ttl="1h").call(ask, "Paris") == {"city": "Paris"}
            db.state["x"] = 1
            db.state.commit()
    assert CALLS == ["Paris"]
    with holdfast.connect(tmp_path / "one.db") as alone:
        assert alone.state["x"] == 1
        assert alone.cache.find(ask, "Paris") is None
    with holdfast.connect(url) as kept:
        assert [use.tool for use in kept.cache.stats()] == [f"{__name__}.ask"]


@holdfast.tool(cache="1h")
def tool_of_all(city: str) -> str:
    CALLS.append(city)
    return city.upper()


def test_tools_in_steps_share_it_too(tmp_path: Path) -> None:
    url = valkey_server.fresh_url()
    for name in ("one.db", "other.db"):
        with holdfast.connect(tmp_path / name, cache=url) as db, db.run("r") as run:
            assert run.step("ask", tool_of_all, "Paris") == "PARIS"
    assert CALLS == ["Paris"]


def test_a_cache_is_made_or_only_read_as_its_store_is(tmp_path: Path) -> None:
    url = valkey_server.fresh_url()
    holdfast.connect(tmp_path / "s.db").close()
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(holdfast.NotFound):
            holdfast.connect(tmp_path / "s.db", cache=url, **options)  # type: ignore[arg-type]
    with holdfast.connect(tmp_path / "s.db", cache=url) as db:
        db.cache.options(ttl="1h").call(ask, "Paris")
    with holdfast.connect(tmp_path / "s.db", cache=url, read_only=True) as db:
        hit = db.cache.find(ask, "Paris")
        assert hit is not None
        assert hit.value == {"city": "Paris"}


def test_s2_who_asks_at_the_same_time_in_another_store_waits(tmp_path: Path) -> None:
    url, asked = valkey_server.fresh_url(), threading.Barrier(2)

    def slow(city: str) -> str:
        CALLS.append(city)
        threading.Event().wait(0.2)
        return city.upper()

    def call(name: str) -> str:
        with holdfast.connect(tmp_path / name, cache=url) as db:
            asked.wait(PATIENCE)
            return db.cache.options(ttl="1h", name="slow").call(slow, "Paris")

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(call, ["one.db", "other.db"])) == ["PARIS", "PARIS"]
    assert CALLS == ["Paris"]


def test_processes_share_it_too(tmp_path: Path) -> None:
    url = valkey_server.fresh_url()
    code = (
        "import sys, holdfast\n"
        "with holdfast.connect(sys.argv[1], cache=sys.argv[2]) as db:\n"
        "    print(db.cache.options(ttl='1h', name='n', version='1').call(lambda: print('asked') or 7))\n"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / name), url], capture_output=True, text=True, check=True
        ).stdout
        for name in ("one.db", "other.db")
    ]
    assert said == ["asked\n7\n", "7\n"]


def test_a_cache_that_is_gone_says_so_and_the_record_goes_on(tmp_path: Path) -> None:
    with valkey_server.running() as server, holdfast.connect(tmp_path / "s.db", cache=server.url, timeout=1) as db:
        db.cache.options(ttl="1h").call(ask, "Paris")
        server.stop()
        with pytest.raises(holdfast.StoreUnavailable, match="cannot be reached"):
            db.cache.options(ttl="1h").call(ask, "Paris")
        db.state["x"] = 1
        db.state.commit()
        server.start()
        assert db.cache.options(ttl="1h").call(ask, "Paris") == {"city": "Paris"}
    assert CALLS == ["Paris"]


def test_a_cache_that_cannot_be_opened_leaves_nothing_open(tmp_path: Path) -> None:
    with pytest.raises(holdfast.StoreUnavailable):
        holdfast.connect(tmp_path / "s.db", cache=f"valkey://127.0.0.1:{valkey_server.free_port()}")
    with pytest.raises(holdfast.InvalidValue):
        holdfast.connect(tmp_path / "s.db", cache=5)  # type: ignore[arg-type]
    holdfast.connect(tmp_path / "s.db").close()


def test_any_store_may_be_the_cache(tmp_path: Path) -> None:
    memory = Memory()
    for name in ("one.db", "other.db"):
        with holdfast.connect(tmp_path / name, cache=memory) as db:
            db.cache.options(ttl="1h").call(ask, "Paris")
    assert CALLS == ["Paris"]


async def _asked(path: Path, url: str) -> dict[str, str]:
    async with aio.connect(path, cache=url) as db:
        answer: dict[str, str] = await db.cache.options(ttl="1h").call(ask, "Paris")
        return answer


def test_loops_share_it_too(tmp_path: Path) -> None:
    import asyncio  # noqa: PLC0415

    url = valkey_server.fresh_url()
    for name in ("one.db", "other.db"):
        assert asyncio.run(_asked(tmp_path / name, url)) == {"city": "Paris"}
    assert CALLS == ["Paris"]


STEPS_OF_ANOTHER = """
import sys, holdfast
with holdfast.connect(sys.argv[1], cache=sys.argv[2]) as db, db.run("r") as run:
    print("begun", flush=True)
    for number in sys.stdin:
        run.step("say", int, number)
"""


@pytest.fixture
def told_by_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the record's own store tell nobody of commits, and nobody look by himself."""
    from holdfast.engine.sqlite.engine import SqliteEngine  # noqa: PLC0415
    from holdfast.runs import views  # noqa: PLC0415

    monkeypatch.setattr(SqliteEngine, "pulse", lambda _: None)
    monkeypatch.setattr(views, "FOLLOW_SECONDS", 10 * PATIENCE)


@pytest.mark.usefixtures("told_by_nothing_else")
def test_who_follows_a_run_is_told_by_the_cache(tmp_path: Path) -> None:
    """Seen to fail (by hanging to the limit of the test) if a commit does not ring."""
    url = valkey_server.fresh_url()
    with holdfast.connect(tmp_path / "s.db", cache=url) as db:
        code = [sys.executable, "-c", STEPS_OF_ANOTHER, str(tmp_path / "s.db"), url]
        with subprocess.Popen(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as another:
            assert another.stdin is not None
            assert another.stdout is not None
            assert another.stdout.readline() == "begun\n"
            followed = db.events("r", follow=True, kind="step.done")
            with ThreadPoolExecutor(1) as pool:
                for number in (7, 8):
                    seen = pool.submit(next, followed)
                    another.stdin.write(f"{number}\n")
                    another.stdin.flush()
                    assert seen.result(PATIENCE).data["result"] == number
            another.stdin.close()


def test_a_commit_waits_for_no_cache_that_is_gone(tmp_path: Path) -> None:
    """The record's commits ring a bell at a server that does not answer, and none of them fails or waits for it."""
    with valkey_server.running() as server, holdfast.connect(tmp_path / "s.db", cache=server.url, timeout=1) as db:
        server.stop()
        with db.run("r") as run:
            assert [run.step("say", int, number) for number in range(3)] == [0, 1, 2]
        assert db.run("r").status == "complete"
