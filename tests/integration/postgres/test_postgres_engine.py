"""Goal: a store in PostgreSQL opens, refuses and recovers as it says. Method: a real server, and connections cut."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

import holdfast
from holdfast.engine.postgres import PostgresEngine
from holdfast.engine.postgres.driver import PostgresDriver
from holdfast.engine.postgres.layout import FUNCTIONS, SYSTEM_TABLES
from tests.crash.sweep import PROCESSES, say
from tests.postgresql import fresh_url, server

MAKERS = 20


def make_and_write(url: str, name: str, log: Path) -> None:
    """Make the store unless it is there, and do a run in it; in a process of its own."""
    with holdfast.connect(url) as db, db.run(name) as run:
        run.state["by"] = name
        run.step("one", str, name)
    say(log, "done")


@pytest.fixture
def url() -> str:
    return fresh_url()


@pytest.mark.slow
def test_many_processes_may_make_and_write_a_store_at_once(url: str, tmp_path: Path) -> None:
    names = [f"p{at}" for at in range(MAKERS)]
    makers = [PROCESSES.Process(target=make_and_write, args=(url, name, tmp_path / name)) for name in names]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(120)
    assert {maker.exitcode for maker in makers} == {0}
    with holdfast.connect(url) as db:
        assert {info.run_id: info.status for info in db.runs()} == dict.fromkeys(names, "complete")
        assert {db.run(name).state["by"] for name in names} == set(names)
        assert db.verify().commits
        assert [branch.name for branch in db.branches()] == ["main"]


def test_threads_write_for_each_other(url: str) -> None:
    with holdfast.connect(url) as db:
        db.state["n"] = 0
        db.state.commit()

        def work(at: int) -> Any:
            with db.run(f"r{at}") as run:
                return run.step("one", int, at)

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(work, range(32))) == list(range(32))
        assert db.verify().commits


def test_workspaces_have_nothing_in_common(url: str) -> None:
    with holdfast.connect(url) as one, holdfast.connect(fresh_url()) as other:
        one.state["x"] = 1
        one.state.commit()
        assert "x" not in other.state
        assert [branch.name for branch in other.branches()] == ["main"]


@pytest.mark.parametrize("workspace", ["", "Acme", "a-b", 'a"; DROP SCHEMA public; --', "a" * 49, "ä"])
def test_odd_workspaces_are_refused(workspace: str) -> None:
    with pytest.raises(holdfast.InvalidValue, match="a workspace has 1 to 48 of a-z, 0-9 and _"):
        holdfast.connect(f"{server()}&workspace={workspace}")


def test_the_url_is_shown_without_its_password() -> None:
    host = server().partition("?")[2]
    shown = f"postgresql://postgres@/postgres?{host}&workspace=shown"
    for url in (shown.replace("@", ":geheim@"), f"{shown}&password=geheim&sslpassword=geheim"):
        with holdfast.connect(url) as db:
            assert db.url == shown


def test_the_client_gets_what_the_url_has_for_it(url: str) -> None:
    """To PostgreSQL's client %20 is a space, and + is itself."""
    given = f"{url}&options=-c%20work_mem%3D2345kB%20-c%20geqo%3Doff&password=a+b%20c%2B"
    with holdfast.connect(given) as db:
        assert db.url == given.partition("&password")[0]
    engine = PostgresEngine.open(given)
    shown = "SELECT current_setting('work_mem'), current_setting('geqo')"
    assert PostgresDriver(engine._options).rows(shown) == [("2345kB", "off")]
    assert conninfo_to_dict(engine._ear._conninfo)["password"] == "a+b c+"
    engine.close()


def test_nothing_is_made_where_nothing_is_to_be_made(url: str) -> None:
    with pytest.raises(holdfast.NotFound, match="there is no store in postgresql://"):
        holdfast.connect(url, read_only=True)
    with psycopg.connect(server()) as raw:
        schema = f"holdfast_{url.rpartition('=')[2]}"
        assert not raw.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchall()


def test_a_store_of_a_newer_format_or_with_unknown_features_is_refused_untouched(url: str) -> None:
    holdfast.connect(url).close()
    schema = f"holdfast_{url.rpartition('=')[2]}"
    with psycopg.connect(server(), autocommit=True) as raw:
        raw.execute(f"UPDATE {schema}.hf_meta SET value = '99' WHERE key = 'format'")
        with pytest.raises(holdfast.Unsupported, match="a store of format 99; this knows 2: update it"):
            holdfast.connect(url)
        raw.execute(f"UPDATE {schema}.hf_meta SET value = '2' WHERE key = 'format'")
        raw.execute(f"""UPDATE {schema}.hf_meta SET value = '["x"]' WHERE key = 'features'""")
        with pytest.raises(holdfast.Unsupported, match=r"needs features this Holdfast does not know: {'x'}"):
            holdfast.connect(url)


def test_the_page_has_the_tables_that_are_made(root: Path) -> None:
    (page,) = re.findall(r"```postgresql\n(.*?)```", (root / "docs" / "postgresql.md").read_text("utf-8"), re.DOTALL)
    told = [" ".join(statement.split()) for statement in page.split(";") if statement.strip()]
    assert told == [" ".join(statement.split()) for statement in SYSTEM_TABLES]


def test_options_of_files_are_refused(url: str) -> None:
    with pytest.raises(holdfast.InvalidValue, match="size_limit is for files"):
        holdfast.connect(url, size_limit=1_000_000)


def test_a_read_only_store_reads_and_writes_nothing(url: str) -> None:
    with holdfast.connect(url) as db:
        db.state["x"] = 1
        db.state.commit()
    with holdfast.connect(url, read_only=True) as db:
        assert db.state["x"] == 1
        with pytest.raises(holdfast.ReadOnly):
            db.branch("b")


def test_a_store_of_format_1_is_brought_up_to_date_when_it_is_opened(url: str) -> None:
    """It had no functions, and no statement could be run in it."""
    holdfast.connect(url).close()
    schema = f"holdfast_{url.rpartition('=')[2]}"
    with psycopg.connect(server(), autocommit=True) as raw:
        raw.execute(f"DROP AGGREGATE {schema}.hf_sum (bigint)")
        for statement in FUNCTIONS:
            if statement.startswith("CREATE OPERATOR"):
                raw.execute(f"DROP OPERATOR {schema}.{statement.split()[2]} (real[], real[])")
        for kind in ("smallint", "integer", "numeric", "real", "double precision", "interval"):
            raw.execute(f"DROP AGGREGATE {schema}.hf_sum ({kind})")
        functions = raw.execute(
            "SELECT p.oid::regprocedure::text FROM pg_proc AS p WHERE pronamespace = %s::regnamespace", (schema,)
        ).fetchall()
        for (name,) in functions:
            raw.execute(f"DROP FUNCTION {name}")
        raw.execute(f"UPDATE {schema}.hf_meta SET value = '1' WHERE key = 'format'")
    with holdfast.connect(url) as db:
        db.execute("CREATE TABLE t (n INT)")
        db.execute("INSERT INTO t VALUES (1), (2)")
        assert db.execute("SELECT sum(n) AS n FROM t").fetchall() == [{"n": 3}]


@pytest.mark.parametrize("asked", [False, True], ids=["at once", "between"])
def test_savepoints_stand_in_each_other(url: str, asked: bool) -> None:
    """What was released inside goes with what is around it, whether or not the server has heard of the release."""
    engine = PostgresEngine.open(url)
    session = engine.session()

    def put(writer: Any, key: str) -> None:
        writer.put_entry("register", key, b"value")
        if asked:
            assert writer.entry("register", key) == b"value"

    with session.write() as writer:
        put(writer, "a")
        with suppress(LookupError), writer.savepoint():
            put(writer, "b")
            with writer.savepoint():
                put(writer, "c")
            with writer.savepoint():
                put(writer, "d")
            raise LookupError
        with writer.savepoint():
            put(writer, "e")
    with session.read() as reader:
        assert [key for key, _ in reader.entries("register")] == ["a", "e"]
    engine.close()


LONG = "".join(chr(0x100 + at * 7919 % 50_000) for at in range(5_000))
"""Too long for an index, which the server says when it gets the row."""


def test_a_write_that_the_server_refuses_is_the_failure_of_its_own_statement(url: str) -> None:
    with holdfast.connect(url) as db:
        db.execute("CREATE TABLE t (id TEXT PRIMARY KEY, n INT)")
        with db.transaction():
            with pytest.raises(holdfast.ValueTooLarge):
                db.execute("INSERT INTO t VALUES (%s, 1)", [LONG])
            with pytest.raises(holdfast.ValueTooLarge), db.transaction():
                db.execute("INSERT INTO t VALUES (%s, 2)", [LONG])
            db.execute("INSERT INTO t VALUES ('ok', 3)")
        assert db.execute("SELECT * FROM t").fetchall() == [{"id": "ok", "n": 3}]
        assert db.verify().commits


def test_a_write_that_the_server_refuses_takes_no_other_of_its_group_with_it(url: str) -> None:
    """Nobody is told that what was refused is there, and who comes next is not refused for it (G1)."""
    with holdfast.connect(url) as db:
        db.execute("CREATE TABLE t (id TEXT PRIMARY KEY, n INT)")
        stores = [db.branch(name) for name in ("lead", "long", "short")]
        with ThreadPoolExecutor(3) as pool:
            with db.transaction():
                db.execute("INSERT INTO t VALUES ('held', 1)")
                done = []
                for at, (store, id_) in enumerate(zip(stores, ("lead", LONG, "short"), strict=True), 1):
                    done.append(pool.submit(store.execute, "INSERT INTO t VALUES (%s, 1)", [id_]))
                    deadline = time.monotonic() + 60
                    while len(db._engine._queue._line) < at:  # type: ignore[attr-defined]
                        assert time.monotonic() < deadline
            outcomes = [each.exception() for each in done]
        assert outcomes[0] is None
        assert isinstance(outcomes[1], holdfast.ValueTooLarge)
        assert outcomes[2] is None
        found = [[row["id"] for row in store.execute("SELECT id FROM t").fetchall()] for store in stores]
        assert found == [["lead"], [], ["short"]]
        assert db.verify().commits


def test_names_in_the_queries_of_an_upsert_mean_what_stands_there(url: str) -> None:
    with holdfast.connect(url) as db:
        for name in "ab":
            db.execute(f"CREATE TABLE {name} (id INT PRIMARY KEY, n INT)")
        db.execute("INSERT INTO a VALUES (1, 1)")
        db.execute("INSERT INTO b VALUES (1, 50), (2, 060)")
        sql = "INSERT INTO a VALUES (1, 9) ON CONFLICT (id) DO UPDATE SET n = (SELECT b.n FROM b WHERE id = 2)"
        db.execute(sql)
        assert db.execute("SELECT n FROM a").fetchall() == [{"n": 60}]


def test_a_field_of_extract_is_a_word(url: str) -> None:
    with holdfast.connect(url) as db:
        with pytest.raises(holdfast.HoldfastError):
            db.execute(
                """SELECT EXTRACT("year FROM now()) + (SELECT count(*) FROM hf_meta) + EXTRACT(year" FROM now())"""
            )
        assert db.execute("SELECT EXTRACT(year FROM DATE '2024-02-03') AS y").fetchall() == [{"y": 2024}]


def test_c4_a_writer_that_waits_for_too_long_is_told(url: str) -> None:
    with holdfast.connect(url) as one, holdfast.connect(url, timeout=0.2) as other:
        with one.transaction("slow"):
            one.state["x"] = 1
            one.state.commit()
            other.state["y"] = 1
            with pytest.raises(holdfast.Timeout, match=r"others wrote to postgresql://.* for 0\.2 s"):
                other.state.commit()
        other.state.commit()
        assert other.state["y"] == 1


@pytest.mark.parametrize("at", ["before", "within"])
def test_cut_connections_are_made_again(url: str, at: str) -> None:
    """Before a transaction nobody notices; within one it is lost, which is told, and can be done again."""
    with holdfast.connect(url) as db:
        db.state["x"] = 1
        db.state.commit()
        if at == "within":
            with pytest.raises(holdfast.StoreUnavailable, match="look, and do it again"), db.transaction("lost"):
                cut()
                db.state["x"] = 2
                db.state.commit()
            db.state.discard()
        else:
            cut()
            db.branch("goes-on")
        db.state["x"] = 3
        db.state.commit()
        assert db.state["x"] == 3
        assert db.verify().commits


def cut(whose: str = "holdfast") -> None:
    """End all connections of an application but this one; they have ended when this returns."""
    with psycopg.connect(server(), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name LIKE %s"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
            (whose,),
        )


def test_a_failure_that_somebody_swallows_is_no_commit(url: str) -> None:
    """PostgreSQL answers COMMIT as if all were well, and has taken all of it back."""
    engine = PostgresEngine.open(url)
    session = engine.session()
    with pytest.raises(holdfast.StoreError, match="all of its transaction with it"), session.write() as writer:
        writer.put_entry("register", "key", b"value")
        with suppress(holdfast.StoreError, holdfast.InvalidValue):
            writer._db.rows("SELECT 1 / 0")
    with session.read() as reader:
        assert reader.entry("register", "key") is None
    with session.write() as writer, suppress(ZeroDivisionError), writer.savepoint():
        writer._db.rows("SELECT 1")
        raise ZeroDivisionError
    engine.close()


def test_a_key_that_is_too_long_for_an_index_costs_nothing_else(url: str) -> None:
    with holdfast.connect(url) as db:
        long = "".join(chr(0x100 + at * 7919 % 50_000) for at in range(3_000))
        with db.transaction("several"):
            db.state["x"] = 1
            db.state.commit()
            db.state["y"] = {long: [1]}
            with pytest.raises(holdfast.HoldfastError):
                db.state.commit()
            db.state.discard()
        assert db.verify().commits


def test_a_waiter_hears_of_commits_of_others_and_waits_for_nothing(url: str) -> None:
    one, other = PostgresEngine.open(url), PostgresEngine.open(url)
    try:
        deadline = time.monotonic() + 60
        while one.pulse() == 0:  # it begins to listen
            assert time.monotonic() < deadline
        before = one.pulse()
        with other.session().write() as writer:
            writer.put_entry("register", "key", b"value")
        while one.pulse() == before:
            assert time.monotonic() < deadline
        before = one.pulse()
        cut("%")
        while one.pulse() == before:  # what was missed meanwhile nobody knows: look
            assert time.monotonic() < deadline
    finally:
        one.close()
        other.close()


def test_sessions_that_nobody_has_give_their_connections_back(url: str, tmp_path: Path) -> None:
    engine = PostgresEngine.open(url)
    for _ in range(300):  # more than a server has
        engine.session()
    engine.close()
