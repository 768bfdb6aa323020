"""What is known of each run beside its history: its status, who asked for it, what it waits for.

    run            run_id                 the record
    run-due        moment/run_id          when it is to be worked on: at once, or when its time has come
    run-live       run_id                 whether somebody works on it, or did when it was killed
    run-cancel     run_id                 that it is to be cancelled
    run-signal     run_id/name/number     a signal that nobody has received yet
    run-signals    run_id                 how many signals it was sent

These are registers, outside of any history: they tell of all branches, and change in the transactions of the commits
that they tell of.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from holdfast.core.refs import RUNS
from holdfast.engine.contract import Lookups, Reader, Writer
from holdfast.errors import NotFound, RunFinished, StoreCorrupt

_RUN, _DUE, _LIVE, _CANCEL, _SIGNAL, _SIGNALS = "run", "run-due", "run-live", "run-cancel", "run-signal", "run-signals"

QUEUED, RUNNING, SUSPENDED = "queued", "running", "suspended"
COMPLETE, FAILED, CANCELLED = "complete", "failed", "cancelled"
STATUSES = (QUEUED, RUNNING, SUSPENDED, COMPLETE, FAILED, CANCELLED)
FINISHED = frozenset({COMPLETE, CANCELLED})
"""A run that failed is not finished: it may be resumed."""


class RunRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a run.

    Attributes:
        status: one of `STATUSES`.
        name: the function or agent that works on it, if that is known.
        created_us, updated_us: when it was made, and when its status changed last.
        chain: the runs that it was forked from, the oldest first, and itself.
        forked_from: the last of these before itself.
        parent: the run that it is a child of.
        merge: the branch that it is to be merged into at its end, until it is.
        attempts: how often it failed.
        waiting: what it waits for: the name of a signal; "" if nothing.
        due_us: when it is to be worked on again; 0 if no time is known.
        deaths: how often its worker died in a row without that anything was recorded, as far as workers know.
        died_at: the number of the entry behind which that was.
        why: of a suspended run, why; of a failed one, the error.
    """

    run_id: str
    status: str
    name: str = ""
    created_us: int = 0
    updated_us: int = 0
    chain: tuple[str, ...] = ()
    forked_from: str = ""
    parent: str = ""
    merge: str = ""
    attempts: int = 0
    waiting: str = ""
    due_us: int = 0
    why: str = ""
    deaths: int = 0
    died_at: int = 0

    @property
    def namespace(self) -> str:
        """Where its state lies: a fork goes on with that of the first run."""
        return branch_of_run(self.chain[0])

    @property
    def branch(self) -> str:
        """Its branch."""
        return branch_of_run(self.run_id)

    @property
    def is_finished(self) -> bool:
        """Whether nothing new can become of it."""
        return self.status in FINISHED


_decoder = msgspec.json.Decoder(RunRecord)


def branch_of_run(run_id: str) -> str:
    """Return the branch that a run lives on."""
    return f"{RUNS}{run_id}"


def record_of(reader: Reader, run_id: str) -> RunRecord | None:
    """Return what is known of a run; None if there is no such run. Raises StoreCorrupt."""
    raw = reader.entry(_RUN, run_id)
    return None if raw is None else _decoded(run_id, raw)


def going(reader: Reader, run_id: str, what: str) -> RunRecord:
    """Return what is known of a run that is not finished. Raises NotFound and RunFinished."""
    record = record_of(reader, run_id)
    if record is None:
        raise NotFound(f"no run {run_id!r} in this store; runs() lists those that there are")
    if record.is_finished:
        raise RunFinished(f"run {run_id!r} is {record.status}, and {what} can do nothing for it any more")
    return record


def _decoded(run_id: str, raw: bytes) -> RunRecord:
    try:
        return _decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(f"what is known of the run {run_id!r} is damaged: {error}; run verify") from error


def records(reader: Reader, prefix: str = "") -> Iterator[RunRecord]:
    """Yield what is known of the runs whose ids begin so, by id."""
    for run_id, raw in reader.entries(_RUN, prefix):
        yield _decoded(run_id, raw)


def put_record(writer: Writer, record: RunRecord) -> None:
    """Write what is known of a run, and list it where it is looked for."""
    before = record_of(writer, record.run_id)
    if before is not None and before.due_us:
        writer.remove_entry(_DUE, _due_key(before))
    if record.due_us:
        writer.put_entry(_DUE, _due_key(record), b"")
    if record.status == RUNNING:
        writer.put_entry(_LIVE, record.run_id, b"")
    elif before is not None and before.status == RUNNING:
        writer.remove_entry(_LIVE, record.run_id)
    writer.put_entry(_RUN, record.run_id, msgspec.json.encode(record))


def forget_run(writer: Writer, record: RunRecord) -> None:
    """Remove all that is known of a run."""
    if record.due_us:
        writer.remove_entry(_DUE, _due_key(record))
    for register in (_RUN, _LIVE, _CANCEL, _SIGNALS):
        writer.remove_entry(register, record.run_id)
    for key in [key for key, _ in writer.entries(_SIGNAL, f"{quoted(record.run_id)}/")]:
        writer.remove_entry(_SIGNAL, key)


def _due_key(record: RunRecord) -> str:
    return f"{record.due_us:016x}/{record.run_id}"


def due(reader: Reader, after: str = "") -> Iterator[tuple[int, str, str]]:
    """Yield (moment, run_id, key) of the runs that are to be worked on, those first whose time has come first."""
    for key, _ in reader.entries(_DUE, after=after):
        at, _, run_id = key.partition("/")
        yield int(at, 16), run_id, key


def live(reader: Reader) -> Iterator[str]:
    """Yield the runs that somebody works on, or did when it was killed."""
    for run_id, _ in reader.entries(_LIVE):
        yield run_id


def let_go_on(writer: Writer, record: RunRecord, waits_for: str, now_us: int) -> None:
    """Let a run be worked on if this is what it waits for."""
    if record.status == SUSPENDED and record.waiting == waits_for:
        put_record(writer, replace(record, status=QUEUED, due_us=now_us, updated_us=now_us))


# What others ask of a run


def ask_to_cancel(writer: Writer, run_id: str) -> None:
    """Let whoever works on a run know that it is to be cancelled."""
    writer.put_entry(_CANCEL, run_id, b"")


def is_to_be_cancelled(reader: Reader, run_id: str) -> bool:
    """Tell whether a run is to be cancelled."""
    return reader.entry(_CANCEL, run_id) is not None


def cancelling_lookup(run_id: str) -> Lookups:
    """Return what `is_to_be_cancelled` looks up."""
    return Lookups(entries=((_CANCEL, run_id),))


def cancelled(writer: Writer, run_id: str) -> None:
    """Take note that a run was cancelled."""
    writer.remove_entry(_CANCEL, run_id)


def put_signal(writer: Writer, run_id: str, name: str, payload: bytes) -> None:
    """Keep a signal until the run receives it, behind those that were sent before."""
    number = int.from_bytes(writer.entry(_SIGNALS, run_id) or b"") + 1
    writer.put_entry(_SIGNALS, run_id, number.to_bytes(8))
    writer.put_entry(_SIGNAL, f"{_signal_prefix(run_id, name)}{number:016x}", payload)


def first_signal(reader: Reader, run_id: str, name: str) -> tuple[str, bytes] | None:
    """Return the key and the payload of the oldest signal of a name that the run has not received."""
    return next(iter(reader.entries(_SIGNAL, _signal_prefix(run_id, name), limit=1)), None)


def take_signal(writer: Writer, key: str) -> bool:
    """Remove a signal that is received with this commit; tell whether it was still there."""
    is_there = writer.entry(_SIGNAL, key) is not None
    writer.remove_entry(_SIGNAL, key)
    return is_there


def _signal_prefix(run_id: str, name: str) -> str:
    return f"{quoted(run_id)}/{quoted(name)}/"


def quoted(text: str) -> str:
    """Return a text as a part of a key."""
    return quote(text, safe="")
