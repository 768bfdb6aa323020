"""PostgreSQL: a step against a bare durable insert on the same server, runs beside each other, and reads on a branch.

The server is that of the tests, with fsync. Beside it DBOS and LangGraph's PostgresSaver do their steps on it, too.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg

import holdfast
from bench.beside import BESIDE, beside
from bench.measure import Budget, Row, compared, in_turns, print_table
from bench.peers import Peer
from bench.runs import Loop, answer
from bench.workload import exchange
from tests.postgresql import DURABLE, Server

STEPS = 200
ROWS = 100_000
BRANCHES = 50
INSERT = "INSERT INTO public.bare VALUES ('run', %s, %s)"
LAST = "SELECT step, note FROM {} WHERE run = %s ORDER BY step DESC LIMIT 1"


class Bare:
    """A connection that inserts what a step holds, and commits it."""

    numbers = itertools.count()

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS public.bare (run TEXT, n BIGINT, body TEXT, PRIMARY KEY (run, n))"
        )

    def close(self) -> None:
        self.connection.close()

    def step(self, _: int) -> None:
        number = next(self.numbers)
        text = msgspec.json.encode([exchange(number), answer(number), {"at": number}]).decode()
        self.connection.execute(INSERT, (number, text))


def steps(url: str, folder: Path, times: int) -> Row:
    """Compare a step with a bare insert of what it holds."""
    bare, loop = Bare(url), Loop(holdfast.connect(f"{url}&workspace=steps"))
    bare.connection.execute("CREATE DATABASE dbos")
    at_dbos = url.replace("postgresql://postgres@/postgres", "postgresql+psycopg://postgres@/dbos")
    peers = [Peer("dbos", folder / "dbos", times, at_dbos), Peer("langgraph_postgres", folder / "langgraph", url)]
    asked = {peer.name: contestant for peer in peers for contestant in peer.asked("step").values()}
    found = in_turns({"ours": loop.step, "bare": bare.step, **asked}, times)
    loop.close()
    for peer in peers:
        peer.close()
    return compared(
        "a step of a run on PostgreSQL", found["ours"], "bare insert", found["bare"], Budget(most=1.5),
        {name: found[name] for name in asked},
    )  # fmt: skip


def reads(url: str, rows: int, times: int) -> Iterator[Row]:
    """Compare reads on the last of many branches with those of a plain table of the same rows."""
    with holdfast.connect(f"{url}&workspace=reads") as db, psycopg.connect(url, autocommit=True) as plain:
        db.execute("CREATE TABLE t (run TEXT, step INT, note TEXT, tokens INT, PRIMARY KEY (run, step))")
        made = [[f"run-{at % 100}", at // 100, "a note " * 8, at % 977] for at in range(rows)]
        for at in range(0, rows, 20_000):
            db.executemany("INSERT INTO t VALUES (%s, %s, %s, %s)", made[at : at + 20_000])
        branches = [db.branch(f"b{at}") for at in range(BRANCHES)]
        for at, branch in enumerate(branches):
            branch.execute("INSERT INTO t VALUES (%s, 1000000, 'own', 1)", [f"run-{at}"])
        here = branches[-1]
        plain.execute("CREATE TABLE t (run TEXT, step BIGINT, note TEXT, tokens BIGINT, PRIMARY KEY (run, step))")
        with plain.cursor().copy("COPY t FROM STDIN") as copy:
            for row in made:
                copy.write_row(row)
        plain.execute("ANALYZE t")
        plain.execute("ANALYZE holdfast_reads.hf_v1")
        found = in_turns(
            {
                "ours": lambda at: here.execute(LAST.format("t"), [f"run-{at % 100}"]).fetchall(),
                "plain": lambda at: plain.execute(LAST.format("t"), [f"run-{at % 100}"]).fetchall(),
            },
            times,
        )
        yield compared("last step of a branch", found["ours"], "plain table", found["plain"], Budget(most=2), {})
        scan = "SELECT sum(tokens) AS n, count(*) AS c FROM t"
        found = in_turns(
            {"ours": lambda _: here.execute(scan).fetchall(), "plain": lambda _: plain.execute(scan).fetchall()}, 15
        )
        yield compared("scan of a branch", found["ours"], "plain table", found["plain"], Budget(most=2), {})


def measure(folder: Path, *, quick: bool = False) -> Iterator[Row]:
    """Yield the rows of PostgreSQL."""
    server = Server({**DURABLE, "shared_buffers": "256MB", "max_connections": "300"})
    try:
        server.start()
        yield steps(server.url, folder, 40 if quick else STEPS)
        for number in BESIDE:
            yield beside(f"{server.url}&workspace=beside{number}", lambda: Bare(server.url), number, quick=quick)
        yield from reads(server.url, ROWS // 10 if quick else ROWS, 40 if quick else STEPS)
    finally:
        server.close()


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        print_table("PostgreSQL", list(measure(Path(folder))))
