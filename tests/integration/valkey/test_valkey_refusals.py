"""Goal: what is wrong with a URL, a server or its settings is an error that says what to do, and loses nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import valkey

import holdfast
from holdfast.engine.kv.valkey import Valkey
from holdfast.engine.kv.valkey.address import Address
from holdfast.engine.kv.valkey.settings import check_version
from tests import valkey_server
from tests.valkey_server import DURABLE, Server, running, until


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as made:
        yield made


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("valkey://h?workspace={x}", "braces"),
        ("valkey://h?workspace=", "workspace=''"),
        ("valkey://h?workspace=a%20b", "workspace='a b'"),
        ("valkey://h?settings=none", "settings="),
        ("valkey://h?replicas=-1", "replicas="),
        ("valkey://h?replicas=many", "replicas="),
        ("valkey://h?nonsense=1", "nonsense"),
        ("valkey://h:99999", "cannot be read"),
        ("valkey://[::1", "cannot be read"),
        ("valkey://h?protocol=x", "protocol"),
        ("valkey://h?decode_responses=true", "decode_responses"),
        ("valkey://h?db=x", "db|cannot be taken"),
    ],
)
def test_a_bad_url_says_what_is_wrong_with_it(url: str, reason: str) -> None:
    with pytest.raises((holdfast.InvalidValue, holdfast.StoreUnavailable), match=reason):
        holdfast.connect(url, timeout=1)


def test_options_of_other_engines_are_refused() -> None:
    with pytest.raises(holdfast.InvalidValue, match="maxmemory"):
        holdfast.connect("valkey://h", size_limit=1000)
    with pytest.raises(holdfast.InvalidValue, match="SQL"):
        holdfast.connect("valkey://h", statement_timeout=1)


@pytest.mark.parametrize(
    ("given", "client"),
    [
        ("valkey://u:p@h:1/2?workspace=w&socket_keepalive=True", "valkey://u:p@h:1/2?socket_keepalive=True"),
        ("rediss://h", "valkeys://h"),
        ("valkey+unix:///tmp/s?db=1", "unix:///tmp/s?db=1"),
    ],
)
def test_a_url_is_what_the_client_takes(given: str, client: str) -> None:
    assert Address.of(given).client == client


def test_no_server_is_told_at_once() -> None:
    port = valkey_server.free_port()
    with pytest.raises(holdfast.StoreUnavailable, match="cannot be reached"):
        holdfast.connect(f"valkey://127.0.0.1:{port}")


def test_a_password_is_asked_for_and_never_shown(server: Server) -> None:
    server.stop()
    server.start(requirepass="quite secret")
    for wrong in ("", ":another%20secret@"):
        with pytest.raises(holdfast.StoreUnavailable, match="password") as told:
            holdfast.connect(f"valkey://{wrong}127.0.0.1:{server.port}")
        assert "another" not in str(told.value)
    with holdfast.connect(f"valkey://:quite%20secret@127.0.0.1:{server.port}") as db:
        db.state["x"] = 1
        db.state.commit()
        assert "secret" not in repr(db) + db.url


@pytest.mark.parametrize(
    ("settings", "durability", "mended"),
    [
        ({"appendonly": "no"}, "full", "CONFIG SET appendonly yes"),
        ({"appendonly": "no"}, "process", "CONFIG SET appendonly yes"),
        ({"appendonly": "yes", "appendfsync": "everysec"}, "full", "CONFIG SET appendfsync always"),
        ({"appendonly": "yes", "appendfsync": "no"}, "process", "CONFIG SET appendfsync everysec"),
        ({**DURABLE, "no-appendfsync-on-rewrite": "yes"}, "full", "no-appendfsync-on-rewrite no"),
        ({**DURABLE, "maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}, "full", "maxmemory-policy noeviction"),
    ],
)
def test_d9_t7_settings_that_would_lose_commits_are_refused_with_what_mends_them(
    settings: dict[str, str], durability: str, mended: str
) -> None:
    """The command of the message is all that is needed."""
    with running(settings) as server:
        with pytest.raises(holdfast.Unsupported, match=mended) as told:
            holdfast.connect(server.url, durability=durability)
        with holdfast.connect(f"{server.url}?settings=unchecked", durability=durability) as db:
            db.state["x"] = 1
            db.state.commit()
        said = str(told.value)
        with valkey.Valkey(port=server.port) as client:
            while "CONFIG SET" in said:
                name, value = said.partition("CONFIG SET ")[2].partition(",")[0].split()
                client.config_set(name, value)
                try:
                    holdfast.connect(server.url, durability=durability).close()
                    break
                except holdfast.Unsupported as error:
                    said = str(error)
        with holdfast.connect(server.url, durability=durability) as db:
            assert db.state["x"] == 1


def test_everysec_is_enough_for_process() -> None:
    with running({"appendonly": "yes", "appendfsync": "everysec"}) as server:
        holdfast.connect(server.url, durability="process").close()


def test_a_user_without_rights_is_told_which(server: Server) -> None:
    with valkey.Valkey(port=server.port) as client:
        client.acl_setuser("agent", enabled=True, passwords=["+p"], keys=["{acme}*"], categories=["+@all"])
        few = ["+@read", "+@connection"]
        client.acl_setuser("reader", enabled=True, passwords=["+p"], keys=["{acme}*"], categories=few)
    where = f"127.0.0.1:{server.port}"
    with pytest.raises(holdfast.StoreUnavailable, match="lacks a right"):
        holdfast.connect(f"valkey://reader:p@{where}?workspace=acme")
    with pytest.raises(holdfast.StoreUnavailable, match="lacks a right"):
        holdfast.connect(f"valkey://agent:p@{where}?workspace=other")
    holdfast.connect(f"valkey://agent:p@{where}?workspace=acme").close()


def test_the_rights_of_the_page_are_enough_and_no_more(server: Server, root: Path) -> None:
    page = (root / "docs" / "valkey.md").read_text()
    rule = next(line for line in page.splitlines() if line.startswith("ACL SETUSER acme"))
    with valkey.Valkey(port=server.port) as client:
        client.execute_command(*rule.replace("SETUSER acme", "SETUSER agent").split())
        client.set("{other}key", "theirs")
    with holdfast.connect(f"valkey://agent:password@127.0.0.1:{server.port}?workspace=acme") as db:
        db.state["x"] = 1
        db.state.commit()
        assert db.verify().commits
        db.gc()
    with valkey.Valkey(port=server.port, username="agent", password="password") as client:
        for refused in (["FLUSHALL"], ["FLUSHDB"], ["FUNCTION", "FLUSH"], ["GET", "{other}key"], ["KEYS", "*"]):
            with pytest.raises(valkey.exceptions.NoPermissionError):
                client.execute_command(*refused)


@pytest.mark.parametrize(
    "url",
    [
        "valkey://me:s3cret/x@127.0.0.1:1",
        "valkey://me:s3cret?x@127.0.0.1:1",
        "valkey://me:s3cret#x@127.0.0.1:1",
        "valkey://me:s3cret\u2100@127.0.0.1:1",
        "http://me:s3cret@127.0.0.1:1",
        "valkey://me:s3cret@127.0.0.1:1?nonsense=s3cret",
        "valkey://me:s3cret@127.0.0.1:1",
    ],
    ids=range(7),
)
def test_a_secret_is_in_no_message(url: str) -> None:
    with pytest.raises((holdfast.InvalidValue, holdfast.StoreUnavailable)) as told:
        Valkey(url, timeout=1)
    assert "s3cret" not in str(told.value)
    assert "s3cret" not in repr(Address.of("valkey://me:s3cret@h"))


def test_no_value_is_in_the_message_of_a_full_server() -> None:
    full = {**DURABLE, "maxmemory": "6mb", "maxmemory-policy": "noeviction"}
    with running(full) as server:
        holdfast.connect(server.url).close()
        db = holdfast.connect(f"{server.url}?replicas=1", timeout=1)
        told = ""
        for number in range(100):
            db.state[f"k{number}"] = "canary" * 40_000 + os.urandom(100_000).hex()
            try:
                db.state.commit()
            except holdfast.StoreFull as error:
                told = str(error)
                break
            except holdfast.StoreUnavailable:  # there is no replica
                db.state.discard()
        assert told
        assert "canary" not in told
        assert len(told) < 1_000
        db.state.discard()
        db.close()


def test_collecting_works_on_a_full_server() -> None:
    with (
        running({**DURABLE, "maxmemory": "8mb", "maxmemory-policy": "noeviction"}) as server,
        holdfast.connect(server.url) as db,
    ):
        number = 0
        with pytest.raises(holdfast.StoreFull):
            while number < 100:
                db.state["x"] = os.urandom(200_000)
                db.state[f"k{number}"] = number
                db.state.commit()
                number += 1
        db.state.discard()
        db._engine.session().sweep()
        assert db.verify().commits


def test_who_waits_for_nobody_is_answered(server: Server) -> None:
    with holdfast.connect(server.url, timeout=0) as db:
        db.state["x"] = 1
        db.state.commit()
        assert db.state["x"] == 1


def test_a_replica_is_read_and_says_that_it_cannot_be_written(server: Server) -> None:
    with holdfast.connect(server.url) as db:
        db.state["x"] = 1
        db.state.commit()
    with running({**DURABLE, "replicaof": f"127.0.0.1 {server.port}"}) as replica:
        with valkey.Valkey(port=replica.port) as client:
            until(lambda: client.info("replication")["master_link_status"] == "up")
        with holdfast.connect(replica.url, timeout=5) as db:
            assert db.state["x"] == 1
            db.state["x"] = 2
            with pytest.raises(holdfast.ReadOnly, match="connect to its primary"):
                db.state.commit()
            db.state.discard()
        with holdfast.connect(replica.url, read_only=True) as db:
            assert db.state["x"] == 1
        with pytest.raises(holdfast.ReadOnly):
            holdfast.connect(f"{replica.url}?workspace=new")


def test_k5_a_full_server_is_store_full_and_still_read() -> None:
    with running({**DURABLE, "maxmemory": "6mb", "maxmemory-policy": "noeviction"}) as server:
        with holdfast.connect(server.url) as db:
            kept = 0
            with pytest.raises(holdfast.StoreFull, match="raise maxmemory"):
                for number in range(100):
                    db.state[f"k{number}"] = os.urandom(200_000)
                    db.state.commit()
                    kept += 1
            db.state.discard()
            assert kept > 1
            assert len(db.state[f"k{kept - 1}"]) == 200_000
            assert db.verify().commits
        with holdfast.connect(server.url) as db:
            assert len(db.state) == kept
            with valkey.Valkey(port=server.port) as client:
                client.config_set("maxmemory", "60mb")
            db.state["more"] = os.urandom(200_000)
            db.state.commit()


def test_c14_a_server_that_does_not_answer_is_given_up(server: Server) -> None:
    import signal  # noqa: PLC0415

    with holdfast.connect(server.url, timeout=0.5) as db:
        db.state["x"] = 1
        db.state.commit()
        os.kill(server.process, signal.SIGSTOP)
        try:
            db.state["x"] = 2
            with pytest.raises(holdfast.StoreUnavailable, match=r"did not answer within 0\.5 s"):
                db.state.commit()
        finally:
            os.kill(server.process, signal.SIGCONT)
        db.state.commit()
        assert db.state["x"] == 2
    with holdfast.connect(server.url) as db:
        assert db.state["x"] == 2
        assert db.verify().commits


@pytest.mark.parametrize(
    ("said", "enough"),
    [
        ({"server_name": "valkey", "valkey_version": "8.0.1", "redis_version": "7.2.4"}, True),
        ({"server_name": "valkey", "valkey_version": "7.2.5", "redis_version": "7.2.4"}, False),
        ({"redis_version": "7.0.15"}, True),
        ({"redis_version": "6.2.14"}, False),
    ],
)
def test_old_servers_are_refused(said: dict[str, object], enough: bool) -> None:
    if enough:
        check_version(said, "valkey://h")
    else:
        with pytest.raises(holdfast.Unsupported, match="Valkey 8, or Redis 7"):
            check_version(said, "valkey://h")


def test_sql_is_refused_by_name() -> None:
    with holdfast.connect(valkey_server.fresh_url()) as db, pytest.raises(holdfast.Unsupported, match="no SQL"):
        db.execute("SELECT 1")
