"""Workers that are killed and stopped at random, and the judgement over what they said and what is there."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

import holdfast
from tests.crash import worker
from tests.crash.ledger import KEPT, Entry, Fate, Ledger
from tests.crash.sweep import PROCESSES

WORKERS = 4
PAUSE_SECONDS_MAX = 0.12
STOP_SECONDS_MAX = 0.25
END_SECONDS_MAX = 120.0


@dataclass(slots=True)
class Report:
    """What happened in a soak."""

    seconds: float = 0.0
    kills: int = 0
    kills_while_stopped: int = 0
    stops: int = 0
    fates: Counter[Fate] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)
    by_worker: dict[int, int] = field(default_factory=dict)
    seconds_max: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)
    verified: str = ""

    def __str__(self) -> str:
        """Show it on some lines."""
        lines = [
            f"{self.kills} kills ({self.kills_while_stopped} of stopped processes), {self.stops} stops",
            f"{WORKERS} processes, {self.seconds:.0f} s",
            f"{sum(self.fates.values())} operations: "
            + ", ".join(f"{count} {fate.value}" for fate, count in sorted(self.fates.items())),
            "by kind: " + ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items())),
            "in doubt: " + ", ".join(f"{count} {what}" for what, count in sorted(self.doubts.items())),
            "acknowledged by worker: " + ", ".join(f"{number}: {count}" for number, count in self.by_worker.items()),
            f"longest operation: {self.seconds_max:.2f} s",
            f"errors: {dict(self.errors) or 'none'}",
            f"verify: {self.verified}",
        ]
        return "\n".join(lines)


class Soak:
    """Runs workers on one store and does them harm.

    Args:
        folder: where the store and the ledgers are.
        kills: how many are killed before the end.
        seed: of whom, and when.
        deadline_seconds: after which it is a failure.
    """

    def __init__(self, folder: Path, kills: int, seed: int, deadline_seconds: float) -> None:
        self._folder = folder
        self._kills = kills
        self._choose = random.Random(seed)
        self._end = time.monotonic() + deadline_seconds
        self._workers: dict[int, BaseProcess] = {}
        self._lives = 0
        self.report = Report()

    def run(self) -> Report:
        """Do it, and judge."""
        start = time.monotonic()
        worker.prepare(self._folder / "store.db", WORKERS)
        try:
            for number in range(1, WORKERS + 1):
                self._start(number)
            while self.report.kills < self._kills:
                assert time.monotonic() < self._end, f"not done in time: {self.report}"
                self._harm()
            self._finish()
        finally:
            for process in self._workers.values():
                process.kill()
                process.join()
        self.report.seconds = time.monotonic() - start
        judge(self._folder, self.report)
        return self.report

    def _start(self, number: int) -> None:
        self._lives += 1
        arguments = (number, self._folder, self._lives, self._folder / "complaints")
        self._workers[number] = PROCESSES.Process(target=worker.work, args=arguments, daemon=True)
        self._workers[number].start()

    def _harm(self) -> None:
        """Let them work for a moment, then kill or stop one."""
        number = self._choose.randint(1, WORKERS)
        process = self._workers[number]
        process.join(self._choose.uniform(0, PAUSE_SECONDS_MAX))
        assert process.exitcode is None, f"worker {number} ended: {self._complaints()}"
        assert process.pid
        stopped = self._choose.random() < 0.4
        if stopped:
            os.kill(process.pid, signal.SIGSTOP)
            self.report.stops += 1
            process.join(self._choose.uniform(0, STOP_SECONDS_MAX))
        if stopped and self._choose.random() < 0.7:
            os.kill(process.pid, signal.SIGCONT)
            return
        process.kill()
        process.join()
        self.report.kills += 1
        self.report.kills_while_stopped += stopped
        self._start(number)

    def _finish(self) -> None:
        (self._folder / "stop").touch()
        end = time.monotonic() + END_SECONDS_MAX
        for number, process in self._workers.items():
            process.join(max(0.0, end - time.monotonic()))
            assert process.exitcode is not None, f"worker {number} hangs"
            assert process.exitcode == 0, f"worker {number} failed: {self._complaints()}"

    def _complaints(self) -> str:
        path = self._folder / "complaints"
        return path.read_text() if path.exists() else "nothing said"


def judge(folder: Path, report: Report) -> None:
    """Hold what is there against what the workers said."""
    ledgers = {number: Ledger(folder / f"worker-{number}.log") for number in range(1, WORKERS + 1)}
    for number, ledger in ledgers.items():
        _tell(report, number, ledger)
    with holdfast.connect(folder / "store.db") as db:
        there = {branch.name: _rows(db, branch.name) for branch in db.branches()}
        for branch, rows in there.items():
            half = [row for row in rows.items() if row[1] != row[0][1]]
            assert half == [], f"half there, or twice, on {branch}: {half}"
        tags = {tag.name for tag in db.tags()}
        for number, ledger in ledgers.items():
            _judge_rows(number, ledger, {branch: {op for op, _ in rows} for branch, rows in there.items()})
            expected = {entry.target for entry in ledger.entries if entry.kind == "tag" and entry.kept}
            assert {tag for tag in tags if tag.startswith(f"t/{number}-")} == expected
        _judge_counters(db, ledgers)
        report.verified = str(db.verify())


def _tell(report: Report, number: int, ledger: Ledger) -> None:
    assert ledger.doubtful is None, f"nobody found out what came of {ledger.doubtful}"
    for entry in ledger.entries:
        report.fates[entry.fate] += 1
        report.kinds[entry.kind] += 1
        if entry.fate in (Fate.FOUND, Fate.ABSENT):
            report.doubts[f"{entry.kind} {entry.fate.value.removeprefix('in doubt, ')}"] += 1
        if entry.error:
            report.errors[entry.error] += 1
        report.seconds_max = max(report.seconds_max, entry.seconds)
    report.by_worker[number] = sum(entry.fate is Fate.ACKNOWLEDGED for entry in ledger.entries)


def _rows(db: holdfast.Store, branch: str) -> dict[tuple[str, int], int]:
    with db.checkout(branch) as at:
        found = at.execute("SELECT op, parts, count(*) AS n FROM effects GROUP BY op, parts").fetchall()
    return {(row["op"], row["parts"]): row["n"] for row in found}


def _judge_rows(number: int, ledger: Ledger, there: dict[str, set[str]]) -> None:
    own = f"own/{number}"
    mine = {entry.name for entry in ledger.entries}
    for branch in (*worker.SHARED, own):
        expected = {entry.name for entry in ledger.rows_of(branch)}
        if branch == own:  # what was merged may have gone with the branch
            expected = {entry.name for entry in ledger.since("merge", ledger.rows_of(own))}
        assert expected <= there[branch], f"lost on {branch}: {sorted(expected - there[branch])}"
    for branch, kind in ((own, "merge"), ("shared", "sync")):
        rows = ledger.rows_of(branch)
        merged = {entry.name for entry in rows} - {entry.name for entry in ledger.since(kind, rows)}
        assert merged <= there["main"], f"merged from {branch} and lost: {sorted(merged - there['main'])}"
    kept = {entry.name for entry in ledger.entries if entry.kept}
    strange = {op for ops in there.values() for op in ops if op.split("-")[0] == str(number)} - kept
    assert strange == set(), f"not acknowledged and there: {sorted(strange)} of {len(mine)}"
    removed = {(entry.branch, entry.target) for entry in ledger.entries if entry.kind == "remove" and entry.kept}
    assert {(branch, op) for branch, op in removed if op in there[branch]} == set(), "removed and there"


def _judge_counters(db: holdfast.Store, ledgers: dict[int, Ledger]) -> None:
    """What counted itself was counted once: on its branch for its worker, and for all."""
    for branch in worker.SHARED:
        counts = {number: _counted(ledger.entries, branch) for number, ledger in ledgers.items()}
        with db.checkout(branch) as at:
            sql = "SELECT worker, n FROM counters WHERE branch = %s"
            found = {row["worker"]: row["n"] for row in at.execute(sql, [branch])}
        assert found == {0: sum(counts.values()), **counts}, f"counted twice or not at all on {branch}"


def _counted(entries: list[Entry], branch: str) -> int:
    return sum(entry.kind in ("insert", "undo") and entry.branch == branch and entry.fate in KEPT for entry in entries)
