"""Goal: what SQL does on a branch is what it does to a dict. Method: random statements on branches, both ways.

The state machine drives engines by key; this drives the Store by SQL: statements over many rows, transactions that are
taken back, branches that go on from each other. After each operation the branch shows what its model does.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

import holdfast

STEPS, SEEDS, SOAK_SEEDS, BRANCHES_MAX = 80, 60, 5_000, 5


@dataclass
class Model:
    """What a branch should show: rows by key, and the lines of a table without a key."""

    rows: dict[int, tuple[str | None, float]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


class History:
    """A store and a model of each of its branches."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.db = holdfast.connect(":memory:")
        self.db.execute("CREATE TABLE t (k INT PRIMARY KEY, a TEXT, n REAL)")
        self.db.execute("CREATE TABLE log (line TEXT)")
        self.stores = {"main": self.db}
        self.models = {"main": Model()}

    def step(self, number: int) -> str:
        """Do something on some branch, to both; return what."""
        name = self.choose.choice(list(self.models))
        act = self.choose.choice([self.insert, self.update, self.delete, self.append, self.shift, self.fork])
        act(name, number)
        store, model = self.stores[name], self.models[name]
        shown = {row["k"]: (row["a"], row["n"]) for row in store.execute("SELECT k, a, n FROM t")}
        assert shown == model.rows
        assert sorted(row["line"] for row in store.execute("SELECT line FROM log")) == sorted(model.lines)
        return act.__name__

    def insert(self, name: str, number: int) -> None:
        key, text = self.choose.randint(0, 8), self.choose.choice(["a", None, str(number)])
        try:
            self.stores[name].execute("INSERT INTO t VALUES (%s, %s, %s)", [key, text, key / 2])
        except holdfast.ConstraintFailed:
            assert key in self.models[name].rows
        else:
            assert key not in self.models[name].rows
            self.models[name].rows[key] = (text, key / 2)

    def update(self, name: str, number: int) -> None:
        low = self.choose.randint(0, 8)
        rows = self.models[name].rows
        touched = [key for key in rows if key >= low]
        done = self.stores[name].execute("UPDATE t SET a = 'u' || %s, n = n * 2 WHERE k >= %s", [number, low])
        assert done.rowcount == len(touched)
        rows.update({key: (f"u{number}", rows[key][1] * 2) for key in touched})

    def delete(self, name: str, _: int) -> None:
        low = self.choose.randint(3, 9)
        rows = self.models[name].rows
        touched = [key for key in rows if key >= low]
        assert self.stores[name].execute("DELETE FROM t WHERE k >= %s", [low]).rowcount == len(touched)
        for key in touched:
            del rows[key]

    def append(self, name: str, number: int) -> None:
        self.stores[name].execute("INSERT INTO log SELECT %s UNION ALL SELECT 'again'", [str(number)])
        self.models[name].lines += [str(number), "again"]

    def shift(self, name: str, _: int) -> None:
        """Several statements at once, some of them taken back, wholly or by a savepoint."""
        model, before = self.models[name], copy.deepcopy(self.models[name])
        all_back, some_back = self.choose.random() < 0.4, self.choose.random() < 0.4
        try:
            with self.stores[name].transaction("shift") as store:
                store.execute("UPDATE t SET n = n + 1")
                model.rows = {key: (text, number + 1) for key, (text, number) in model.rows.items()}
                self._clear(store, model, back=some_back)
                if all_back:
                    raise KeyError  # noqa: TRY301 - the block has to be left by it
        except KeyError:
            self.models[name] = before

    def _clear(self, store: holdfast.Store, model: Model, *, back: bool) -> None:
        try:
            with store.transaction("clear"):
                store.execute("DELETE FROM log")
                store.execute("DELETE FROM t WHERE k = 1")
                if back:
                    raise IndexError  # noqa: TRY301
        except IndexError:
            return
        model.lines, _ = [], model.rows.pop(1, None)

    def fork(self, name: str, number: int) -> None:
        if len(self.models) < BRANCHES_MAX:
            self.stores[f"b{number}"] = self.stores[name].branch(f"b{number}")
            self.models[f"b{number}"] = copy.deepcopy(self.models[name])


@pytest.mark.slow
def test_sql_on_branches_does_what_it_does_to_a_dict(soak: bool) -> None:
    done: Counter[str] = Counter()
    for seed in range(SOAK_SEEDS if soak else SEEDS):
        history = History(seed)
        for number in range(STEPS):
            done[history.step(number)] += 1
        history.db.verify()
        history.db.close()
    assert set(done) == {"insert", "update", "delete", "append", "shift", "fork"}
