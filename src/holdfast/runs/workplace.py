"""Where runs are worked on: what all runs of a store in this process have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from holdfast.cache.cache import Cache
from holdfast.cache.flights import shared_by
from holdfast.core.clock import Clock, Ids
from holdfast.core.codec import Codec
from holdfast.core.points import Point
from holdfast.core.refs import check_name
from holdfast.engine.contract import Engine, Lookups, Reader, Writer
from holdfast.engine.leases.desk import Lent, desk_of
from holdfast.engine.leases.leases import Lease
from holdfast.errors import HoldfastError, NotFound
from holdfast.runs.records import RunRecord, record_of
from holdfast.runs.tables import JOURNAL, Entry, at_text, read_entries
from holdfast.state.signing import KeyFile
from holdfast.state.working.ground import EngineGround
from holdfast.versions.history import Versions
from holdfast.versions.owned import make_owned

T = TypeVar("T")

NOTHING = Lookups()


class Workplace:
    """An engine, and how runs reach it. Threads may share it.

    Attributes:
        ref: where runs begin: the branch of the store, or the ref that was checked out.
        store_of: returns what users have of the store on the branch of a run.
    """

    def __init__(self, engine: Engine, ids: Ids, ref: str, store_of: Callable[[Any], Any]) -> None:
        self.engine = engine
        self.ids = ids
        self.ref = ref
        self.store_of = store_of
        self.desk = desk_of(engine)
        self.session = Lent(self.desk)
        self.codec = Codec(KeyFile())
        self._clock: Clock | None = None

    @property
    def versions(self) -> Versions:
        """Branches, commits and merges of the store."""
        from holdfast.state.merging.rules import state_rules  # noqa: PLC0415 - loaded with the first merge

        return Versions(self.session, self.ids, lambda: state_rules(self.ids))

    def at(self, ref: str) -> Workplace:
        """Return where runs are worked on that begin elsewhere."""
        return Workplace(self.engine, self.ids, ref, self.store_of)

    @property
    def cache(self) -> Cache:
        """Answers of tools, for all who use the store."""
        return Cache(shared_by(self.engine), self.codec)

    def now_us(self) -> int:
        """Return the time, in microseconds since 1970. Asks the store for its clock once."""
        if self._clock is None:
            self._clock = self.session.clock
        return self._clock.now_us()

    def entry(self, run_id: str, kind: str, **fields: object) -> Entry:
        """Return an entry of a journal, to be written."""
        return Entry(run_id, 0, kind, at_text(self.now_us()), **fields)  # type: ignore[arg-type]

    def record(self, run_id: str) -> RunRecord | None:
        """Return what is known of a run; None if there is none."""
        with self.session.read() as reader:
            return record_of(reader, run_id)

    def known(self, run_id: str) -> RunRecord:
        """Return what is known of a run. Raises NotFound, and InvalidValue for what can be no id."""
        check_name(run_id, "run")
        found = self.record(run_id)
        if found is None:
            raise NotFound(f"no run {run_id!r} in this store; runs() lists those that there are")
        return found

    def entries(self, record: RunRecord) -> list[Entry]:
        """Return the journal of a run."""
        with self.session.read() as reader:
            return read_entries(reader, reader.vector(head_of(reader, record)), record.chain)

    def last(self, record: RunRecord, kind: str) -> Entry | None:
        """Return the newest entry of a kind in the journal of a run, or None."""
        return next((entry for entry in reversed(self.entries(record)) if entry.kind == kind), None)

    def ground(self, record: RunRecord, *, fixed: bool = False) -> EngineGround:
        """Return the branch of a run as a place of state; if `fixed`, the commit where it is now."""
        return EngineGround(self.engine, record.branch, self.ids, fixed=fixed, session=self.session)

    def write(self, record: RunRecord, message: str, work: Callable[[Writer], T], ahead: Lookups = NOTHING) -> T:
        """Let `work` write a commit on the branch of a run; `ahead` is what it is going to look up."""
        return self.versions.write(record.branch, message, work, lambda: ahead)

    def let_go(self, lease: Lease) -> None:
        """Give back a lease, at once or as soon as the store can be written; it ends by itself, too."""
        self.desk.heart.drop(lease)
        try:
            lease.release(self.session)
        except HoldfastError:
            self.desk.heart.give_up(lease)


def head_of(reader: Reader, record: RunRecord) -> Point:
    """Return the newest commit of a run. Raises NotFound."""
    line = reader.branch(record.branch)
    if line is None:
        raise NotFound(f"the branch {record.branch!r} of run {record.run_id!r} was deleted, and its journal with it")
    return Point(line.uid, line.head)


def entries_lookups(entries: list[Entry]) -> Lookups:
    """Return what `write_entries` looks up."""
    return Lookups(rows=tuple((JOURNAL.name, (entry.run_id, entry.seq)) for entry in entries))


def write_entries(writer: Writer, entries: list[Entry]) -> None:
    """Add entries, which have their numbers, to the journal in the open commit."""
    (table,) = make_owned(writer, (JOURNAL,), "runs")
    for entry in entries:
        writer.insert(table, entry.row)
