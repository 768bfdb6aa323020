"""One worker of the soak: random operations on branches of its own and of all, each announced and reported.

Its rows name the operation that wrote them and how many there are of it, so that half an operation, or one done twice,
can be seen. Most operations also count themselves, in a row of their worker and branch and in one that all share.
"""

from __future__ import annotations

import contextlib
import random
import time
from pathlib import Path

import holdfast
from tests.crash.ledger import Entry, Fate, Ledger

SHARED = ("main", "shared")
TIMEOUT_SECONDS = 30.0
HALF = "SELECT op FROM effects GROUP BY op, parts HAVING count(*) <> parts"


def prepare(path: Path, workers: int) -> None:
    """Make the store and the branches of a soak."""
    with holdfast.connect(path) as db:
        db.execute("CREATE TABLE effects (op TEXT, part INT, parts INT)")  # no key: what is doubled can be seen
        db.execute("CREATE TABLE counters (worker INT, branch TEXT, n INT, PRIMARY KEY (worker, branch))")
        db.execute("CREATE TABLE looks (op TEXT)")
        branches = [*SHARED, *(f"own/{worker}" for worker in range(1, workers + 1))]
        rows = [[worker, branch] for worker in range(workers + 1) for branch in branches]
        db.executemany("INSERT INTO counters VALUES (%s, %s, 0)", rows)
        for branch in branches[1:]:
            db.branch(branch).close()


class _Undo(Exception):
    """Leaves a savepoint."""


class Worker:
    """Does one operation after the other, until it is killed or a file says stop."""

    def __init__(self, number: int, folder: Path, seed: int) -> None:
        self._number = number
        self._own = f"own/{number}"
        self._stop = folder / "stop"
        self._ledger = Ledger(folder / f"worker-{number}.log")
        self._choose = random.Random(seed)
        durability = "full" if number % 2 else "process"
        self._db = holdfast.connect(folder / "store.db", durability=durability, timeout=TIMEOUT_SECONDS)
        self._kinds = [
            *[self.insert] * 6, *[self.many] * 3, *[self.undo] * 2, *[self.remove] * 2, *[self.tag] * 1,
            *[self.merge] * 2, *[self.refork] * 1, *[self.sync] * 1, *[self.look] * 2,
        ]  # fmt: skip

    def work(self) -> None:
        """Find out what came of the last life, then go on."""
        if self._ledger.doubtful:
            self._ledger.settle(Fate.FOUND if found(self._db, self._ledger) else Fate.ABSENT)
        if self._own not in {branch.name for branch in self._db.branches()}:
            self._db.branch(self._own, at="main").close()
        while not self._stop.exists():
            self._choose.choice(self._kinds)()
        self._db.close()

    def _entry(self, kind: str, branch: str, parts: int = 0, target: str = "") -> Entry:
        return Entry(f"{self._number}-{len(self._ledger.entries) + 1}", kind, branch, parts, target)

    def _do(self, entry: Entry, act: str = "") -> None:
        self._ledger.intend(entry)
        start = time.monotonic()
        try:
            getattr(self, f"_{act or entry.kind}")(entry)
        except holdfast.HoldfastError as error:
            self._ledger.settle(Fate.FAILED, time.monotonic() - start, repr(error))
        else:
            self._ledger.settle(Fate.ACKNOWLEDGED, time.monotonic() - start)

    def _write(self, db: holdfast.Store, entry: Entry, suffix: str = "") -> None:
        rows = [[entry.name + suffix, part, entry.parts] for part in range(1, entry.parts + 1)]
        db.executemany("INSERT INTO effects VALUES (%s, %s, %s)", rows)

    def _count(self, db: holdfast.Store, entry: Entry) -> None:
        workers = [self._number] if entry.branch == self._own else [self._number, 0]
        for worker in workers:
            db.execute("UPDATE counters SET n = n + 1 WHERE worker = %s AND branch = %s", [worker, entry.branch])

    def _any_branch(self) -> str:
        return self._choose.choice([*SHARED, self._own])

    def insert(self) -> None:
        """Insert rows in a transaction, and count."""
        self._do(self._entry("insert", self._any_branch(), self._choose.randint(1, 4)))

    def _insert(self, entry: Entry) -> None:
        with self._db.checkout(entry.branch) as db, db.transaction(entry.name):
            self._write(db, entry)
            self._count(db, entry)

    def many(self) -> None:
        """Insert rows by executemany."""
        self._do(self._entry("many", self._any_branch(), self._choose.randint(2, 30)))

    def _many(self, entry: Entry) -> None:
        with self._db.checkout(entry.branch) as db:
            self._write(db, entry)

    def undo(self) -> None:
        """Insert rows in a transaction, and others in a savepoint that is taken back."""
        self._do(self._entry("undo", self._any_branch(), 2))

    def _undo(self, entry: Entry) -> None:
        with self._db.checkout(entry.branch) as db, db.transaction(entry.name):
            self._write(db, entry)
            with contextlib.suppress(_Undo), db.transaction():
                self._write(db, entry, "-undone")
                raise _Undo
            self._count(db, entry)

    def remove(self) -> None:
        """Delete what an earlier operation of this worker inserted, and say so in a row."""
        branch = self._choose.choice(SHARED)
        known = [entry for entry in self._ledger.rows_of(branch) if entry.kind != "remove"]
        if known:
            self._do(self._entry("remove", branch, 1, self._choose.choice(known).name))

    def _remove(self, entry: Entry) -> None:
        with self._db.checkout(entry.branch) as db, db.transaction(entry.name):
            db.execute("DELETE FROM effects WHERE op = %s", [entry.target])
            self._write(db, entry)

    def tag(self) -> None:
        """Name the head of the own branch."""
        name = f"t/{self._number}-{len(self._ledger.entries) + 1}"
        self._do(self._entry("tag", self._own, target=name))

    def _tag(self, entry: Entry) -> None:
        self._db.tag(entry.target, at=entry.branch)

    def merge(self) -> None:
        """Bring what is new on the own branch to all."""
        if self._ledger.since("merge", self._ledger.rows_of(self._own)):
            self._do(self._entry("merge", self._own))

    def _merge(self, entry: Entry) -> None:
        self._db.merge(entry.branch, into="main")

    def sync(self) -> None:
        """Bring one branch that all share to the other."""
        self._do(self._entry("sync", "shared"), "merge")

    def refork(self) -> None:
        """Begin the own branch anew where all are, if nothing of it would be lost."""
        if not self._ledger.since("merge", self._ledger.rows_of(self._own)):
            self._do(self._entry("refork", self._own))

    def _refork(self, entry: Entry) -> None:
        self._db.delete_branch(entry.branch)
        self._db.branch(entry.branch, at="main").close()

    def look(self) -> None:
        """See no operation by half, whatever the others are doing."""
        self._do(self._entry("look", self._any_branch()))

    def _look(self, entry: Entry) -> None:
        with self._db.checkout(entry.branch) as db:
            half = db.execute(HALF).fetchall()
        assert half == [], f"half an operation is seen on {entry.branch}: {half}"


def found(db: holdfast.Store, ledger: Ledger) -> bool:
    """Return whether the operation in doubt is there. From now on that stays so.

    A commit whose process died in COMMIT may lie in the log unseen, until the next writer writes over it. So whoever
    wants to be sure that it is absent writes first.
    """
    db.execute("INSERT INTO looks VALUES ('look')")
    entry = ledger.doubtful
    assert entry
    if entry.kind in ("merge", "sync"):
        since = ledger.since(entry.kind, ledger.rows_of(entry.branch))
        seen = [rows_there(db, "main", new) for new in since]
        if entry.kind == "merge":  # what others share may have been brought by them
            assert len(set(seen)) <= 1, f"half a merge is there: {since}, {seen}"
        return bool(seen) and all(seen)
    if entry.kind == "tag":
        return entry.target in {tag.name for tag in db.tags()}
    return bool(entry.parts) and rows_there(db, entry.branch, entry)


def rows_there(db: holdfast.Store, branch: str, entry: Entry) -> bool:
    """Return whether the rows of an operation are on a branch: all of them, or none."""
    with db.checkout(branch) as at:
        rows = at.execute("SELECT part FROM effects WHERE op = %s ORDER BY part", [entry.name]).fetchall()
    parts = [row["part"] for row in rows]
    assert parts in ([], list(range(1, entry.parts + 1))), f"{entry} is half there, or twice: {parts}"
    return bool(parts)


def work(number: int, folder: Path, seed: int, log: Path) -> None:
    """Be a worker, in a process of its own."""
    try:
        Worker(number, folder, seed).work()
    except BaseException as error:
        with log.open("a") as file:
            file.write(f"worker {number}: {error!r}\n")
        raise
