"""Goal: a search answers as if every row had been looked at. Method: random histories, two sessions, brute force.

Branches, merges, transactions that are taken back wholly or in part, changes in place, and collections that give vids
again: after each operation each session searches its branch, or a point of the past, and so does a plain loop in numpy
over the rows; texts are ranked by a plain FTS5 table that has just these rows.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import numpy
import pytest

import holdfast
from holdfast import Store
from holdfast.engine.contract import Metric, WordSyntax
from tests.searching import create_text_index, matching, nearest

STEPS, SEEDS, SOAK_SEEDS = 60, 12, 1_000
WORDS = ["storm", "storms", "fjord", "falls", "ship", "harbour", "the", "rain"]
METRICS = list(Metric)


def brute(metric: Metric, rows: dict[int, Any], query: Any) -> dict[int, float]:
    """Return the distance of each row by its key, the plain way."""
    scores = {}
    q = query.astype(numpy.float64)
    for key, vector in rows.items():
        v = vector.astype(numpy.float64)
        if metric is Metric.L2:
            scores[key] = float(numpy.linalg.norm(v - q))
        elif metric is Metric.INNER:
            scores[key] = -float(v @ q)
        else:
            size = numpy.linalg.norm(v) * numpy.linalg.norm(q)
            scores[key] = float(1 - v @ q / size) if size else math.inf
    return scores


class History:
    """A store with two sessions, each on a branch, which may be the same."""

    def __init__(self, path: Path, seed: int) -> None:
        self.choose = random.Random(seed)
        self.random = numpy.random.default_rng(seed)
        self.db = holdfast.connect(path, durability="process")
        self.db.execute("CREATE TABLE t (k INT PRIMARY KEY, v VECTOR(4), body TEXT, n INT)")
        create_text_index(self.db)
        self.sessions = [self.db, self.db.checkout("main")]
        self.names = ["main"]
        self.tags: list[str] = []
        self.searches: Counter[str] = Counter()

    def vector(self) -> list[float] | None:
        kind = self.choose.random()
        if kind < 0.1:
            return None
        if kind < 0.2:
            return [0.0] * 4
        if kind < 0.4:  # equal ones, and multiples
            return [float(self.choose.choice([1, 2])) * part for part in (1.0, 0.0, 1.0, 0.0)]
        scale = self.choose.choice([1.0, 1.0, 1e-30, 1e30])
        return [float(part) for part in self.random.standard_normal(4) * scale]

    def text(self) -> str | None:
        return None if self.choose.random() < 0.1 else " ".join(self.choose.choices(WORDS, k=self.choose.randint(0, 6)))

    def step(self, number: int) -> str:
        acts: list[Callable[[Store, int], None]] = [
            self.insert, self.insert, self.update, self.update, self.delete, self.shift, self.fork, self.merge,
            self.move, self.tag, self.collect,
        ]  # fmt: skip
        act = self.choose.choice(acts)
        at = self.choose.randrange(2)
        with suppress(holdfast.ConstraintFailed, holdfast.MergeConflict):
            act(self.sessions[at], number)
        for db in self.sessions:
            self.check(db)
        return act.__name__

    def insert(self, db: Store, number: int) -> None:
        for _ in range(self.choose.choice([1, 3])):
            key = self.choose.randint(0, 40)
            db.execute("INSERT INTO t VALUES (%s, %s, %s, %s)", [key, self.vector(), self.text(), number])

    def update(self, db: Store, number: int) -> None:
        low = self.choose.randint(0, 40)
        change = self.choose.choice(["v = %(v)s", "body = %(body)s", "n = n + 1", "v = %(v)s, body = %(body)s"])
        values = {"v": self.vector(), "body": self.text(), "low": low, "high": low + self.choose.choice([0, 8])}
        asked = {name: value for name, value in values.items() if f"%({name})s" in change or name in ("low", "high")}
        db.execute(f"UPDATE t SET {change} WHERE k BETWEEN %(low)s AND %(high)s", asked)

    def delete(self, db: Store, _: int) -> None:
        low = self.choose.randint(0, 40)
        db.execute("DELETE FROM t WHERE k BETWEEN %s AND %s", [low, low + self.choose.choice([0, 4])])

    def shift(self, db: Store, number: int) -> None:
        """Several statements with searches between them, some or all of them taken back."""
        try:
            with db.transaction("shift"):
                for _ in range(self.choose.randint(1, 4)):
                    try:
                        with db.transaction("part"):
                            self.choose.choice([self.insert, self.update, self.delete])(db, number)
                            self.check(db)
                            if self.choose.random() < 0.3:
                                raise KeyError  # noqa: TRY301 - the block has to be left by it
                    except (KeyError, holdfast.ConstraintFailed):
                        pass
                    self.check(db)
                if self.choose.random() < 0.4:
                    raise IndexError  # noqa: TRY301
        except IndexError:
            pass

    def fork(self, db: Store, number: int) -> None:
        if len(self.names) < 5:
            db.branch(f"b{number}").close()
            self.names.append(f"b{number}")

    def merge(self, db: Store, _: int) -> None:
        source, into = self.choose.choice(self.names), self.choose.choice(self.names)
        if source != into:
            db.merge(source, into=into, policy=self.choose.choice(["ours", "theirs"]))

    def move(self, db: Store, _: int) -> None:
        self.sessions[self.sessions.index(db)] = self.db.checkout(self.choose.choice(self.names))

    def tag(self, db: Store, number: int) -> None:
        db.tag(f"t{number}")
        self.tags.append(f"t{number}")

    def collect(self, db: Store, _: int) -> None:
        """What gc may do: the newest versions go, of a line that nobody sees, and their vids are given again."""
        name = f"gone{self.choose.random()}"
        with db.branch(name) as gone:
            self.insert(gone, 0)
            self.check(gone)
            with gone._session.read() as reader:
                (line_id,) = reader.query("SELECT line FROM hf_ref WHERE name = ?", (name,))[0]  # type: ignore[attr-defined]
        db.delete_branch(name)
        with db._session.write() as writer:
            table = writer.catalogue().find("t")
            assert table is not None
            writer._count_collection()  # type: ignore[attr-defined]
            for rows in (f"hf_v{table.id}", f"hf_k{table.id}", "hf_commit", "hf_merge"):
                writer.query(f"DELETE FROM {rows} WHERE line = ?", (line_id,))  # type: ignore[attr-defined]
            writer.query("DELETE FROM hf_line WHERE id = ?", (line_id,))  # type: ignore[attr-defined]
        for session in self.sessions:
            session._session._driver.names.forget()  # type: ignore[attr-defined]  # what gc sees to

    def check(self, db: Store) -> None:
        self.check_vectors(db)
        self.check_texts(db)
        if self.tags and db._writer is None and self.choose.random() < 0.3:
            with self.db.checkout(self.choose.choice(self.tags)) as past:
                self.check_vectors(past)
                self.check_texts(past)

    def check_vectors(self, db: Store) -> None:
        shown = db.execute("SELECT k, v, n FROM t").fetchall()
        metric, k = self.choose.choice(METRICS), self.choose.choice([0, 1, 3, 1000])
        query = numpy.array(self.vector() or [1, 0, 1, 0], "<f4")
        parity = self.choose.choice([None, 0, 1])
        among = None if parity is None else ('SELECT "hf:vid" FROM hf_seen WHERE n % 2 = ?', (parity,))
        rows = {row["k"]: row["v"] for row in shown if row["v"] is not None and parity in (None, row["n"] % 2)}
        expected = brute(metric, rows, query)
        found = nearest(db, metric, query.tobytes(), k, among=among)
        scale = max((abs(score) for score in expected.values() if numpy.isfinite(score)), default=1.0)
        assert {row.key: row.score for row in found} == pytest.approx(
            {key: expected[key] for key in (row.key for row in found)}, rel=1e-9, abs=1e-12 * scale
        )
        assert [row.score for row in found] == sorted(row.score for row in found)
        assert len(found) >= min(k, len(expected))
        if found and len(found) < len(expected):
            last = found[-1].score
            left = [score for key, score in expected.items() if key not in {row.key for row in found}]
            assert min(left) >= last - 1e-9 * abs(last) - 1e-12 * scale
        if found:  # the same number for one pair
            sql = f"SELECT v {metric.value} %s AS d FROM t WHERE k = %s"
            assert db.execute(sql, [query.tolist(), found[0].key]).fetchone() == {"d": found[0].score}
        self.searches[metric] += bool(found)

    def check_texts(self, db: Store) -> None:
        rows = [(row["k"], row["body"]) for row in db.execute("SELECT k, body FROM t")]
        plain = apsw.Connection(":memory:")
        plain.execute("CREATE VIRTUAL TABLE f USING fts5(body, tokenize = 'porter unicode61')")
        plain.executemany("INSERT INTO f (rowid, body) VALUES (?, ?)", rows)
        a, b = self.choose.sample(WORDS[:-2], 2)
        asked, fts = self.choose.choice(
            [
                (a, a),
                (f"{a} & {b}", f"{a} AND {b}"),
                (f"{a} | {b}", f"{a} OR {b}"),
                (f"{a} & !{b}", f"{a} NOT {b}"),
                (f"{a} <-> {b}", f'"{a} {b}"'),
                (f"{a[:3]}:*", f"{a[:3]}*"),
            ]
        )
        ranked: Any = plain.execute("SELECT rowid, -bm25(f) FROM f WHERE f MATCH ?", (fts,)).fetchall()
        expected = dict(ranked)
        found = matching(db, asked, WordSyntax.QUERY)
        assert {row.key: row.score for row in found} == pytest.approx(expected, rel=1e-9)
        if len(found) > 2:
            best = matching(db, asked, WordSyntax.QUERY, k=2)
            assert best == found[: len(best)]
            assert len(best) == 2 or best[1].score == best[-1].score
        self.searches[asked.translate(str.maketrans("", "", a + b))] += bool(found)


@pytest.mark.slow
def test_a_search_answers_as_if_every_row_had_been_looked_at(tmp_path: Path, soak: bool) -> None:
    done: Counter[str] = Counter()
    searches: Counter[str] = Counter()
    for seed in range(SOAK_SEEDS if soak else SEEDS):
        history = History(tmp_path / f"{seed}.db", seed)
        for number in range(STEPS):
            done[history.step(number)] += 1
        history.db.close()
        searches += history.searches
    assert set(done) == {"insert", "update", "delete", "shift", "fork", "merge", "move", "tag", "collect"}
    assert set(METRICS) <= set(searches)
