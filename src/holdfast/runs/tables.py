"""The journal of runs: a table with a row for each thing that became of a run, in order and without gaps.

A row is an *entry*. What a run asks for and is given (a step that was done, a signal, the end of a sleep) is an entry
that answers when the same is asked again: it has the name and the key of what was asked. Entries are only ever added,
so the journal of a run that was forked is that of its parent up to there, which the branch sees, and its own.
"""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.core.codec import Codec
from holdfast.core.points import Point, VersionVector
from holdfast.core.rows import Row
from holdfast.core.schema import Column, Table
from holdfast.core.types import JSON, ColumnType, Kind, encode
from holdfast.engine.contract import Reader
from holdfast.state.rows.contents import content_of, encoded_of
from holdfast.state.rows.tables import Cells
from holdfast.versions.owned import owned_tables
from holdfast.versions.results import moment

_TEXT, _BLOB, _INTEGER = ColumnType(Kind.TEXT), ColumnType(Kind.BLOB), ColumnType(Kind.INTEGER)
MOMENT = ColumnType(Kind.TIMESTAMP)

JOURNAL = Table(
    0,
    "run_journal",
    tuple(
        Column(at, name, kind)
        for at, (name, kind) in enumerate(
            [
                ("run_id", _TEXT),
                ("seq", _INTEGER),
                ("kind", _TEXT),
                ("at", MOMENT),
                ("name", _TEXT),
                ("key", _TEXT),
                ("number", _INTEGER),
                ("attempt", _INTEGER),
                ("effect", _TEXT),
                ("digest", _TEXT),
                ("code", _TEXT),
                ("seconds", ColumnType(Kind.REAL)),
                ("usage", JSON),
                ("error", _TEXT),
                ("traceback", _TEXT),
                ("args_form", _TEXT),
                ("args", JSON),
                ("args_rest", _BLOB),
                ("form", _TEXT),
                ("data", JSON),
                ("rest", _BLOB),
            ],
            1,
        )
    ),
    primary_key=("run_id", "seq"),
    owned=True,
)

_COLUMNS = len(JOURNAL.columns)

CREATED, COMPLETE, FAILED, CANCELLED = "run.created", "run.complete", "run.failed", "run.cancelled"
SUSPENDED, RESUMED, REPORTED = "run.suspended", "run.resumed", "run.unused"
STEP_DONE, STEP_FAILED, STEP_INTENT = "step.done", "step.failed", "step.intent"
SIGNAL, WAIT_EXPIRED = "wait.signal", "wait.expired"
SLEEP = "sleep.until"
ANSWERS = frozenset({STEP_DONE, SIGNAL, WAIT_EXPIRED, SLEEP})
"""The kinds of entries that answer when the same is asked again."""
STEPS = frozenset({STEP_DONE, STEP_FAILED, STEP_INTENT})
OWN_KINDS = ("run.", "step.", "wait.", "sleep.", "call.")
"""What the kinds begin with that are not a user's."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An entry, with its fields in the order of the columns.

    Attributes:
        seq: its number in the journal, from 1; 0 as long as it has none.
        at: when it was written, as stored.
        name, key: what was asked.
        number: of a step: which step of the run, from 1.
        digest: of what was given: the arguments of a step, the input of the run.
        code: the version of the step's function.
        usage: JSON text.
        args_form, args, args_rest: the arguments, as state stores a value.
        form, data, rest: what came of it, likewise.
        born: the commit that it is part of, once it is read.
    """

    run_id: str
    seq: int
    kind: str
    at: str
    name: str | None = None
    key: str | None = None
    number: int | None = None
    attempt: int | None = None
    effect: str | None = None
    digest: str | None = None
    code: str | None = None
    seconds: float | None = None
    usage: str | None = None
    error: str | None = None
    traceback: str | None = None
    args_form: str | None = None
    args: str | None = None
    args_rest: bytes | None = None
    form: str | None = None
    data: str | None = None
    rest: bytes | None = None
    born: Point | None = None

    @property
    def row(self) -> tuple[object, ...]:
        """The values of its row."""
        return msgspec.structs.astuple(self)[:_COLUMNS]

    @property
    def family(self) -> str:
        """What kind of thing was asked: "step", "wait" or "sleep"."""
        return self.kind.partition(".")[0]

    @property
    def label(self) -> str | None:
        """How people name what was asked."""
        return None if self.name is None else label_of(self.name, self.key or "")

    def value(self, codec: Codec) -> object:
        """Return what came of it. Raises Unreadable, Untrusted, StoreCorrupt."""
        where = f"what is recorded of {self.label or self.kind}"
        return value_of(codec, Cells(0, self.form, self.data, self.rest), where) if self.form else None

    def arguments(self, codec: Codec) -> object:
        """Return what was given. Raises as `value`."""
        where = f"the arguments of {self.label}"
        return value_of(codec, Cells(0, self.args_form, self.args, self.args_rest), where) if self.args_form else None


def label_of(name: str, key: str) -> str:
    """Return how people name a step: by its name, and by its key unless it is the first of that name.

    No two have the same, since names have no "#" in them.
    """
    return name if key == "#1" else f"{name}{key}" if key.startswith("#") else f"{name}#[{key}]"


def cells_of(codec: Codec, value: object, where: str) -> Cells:
    """Return what a value is stored as, all in one row. Raises NotStorable."""
    return content_of(codec.encode(value, where)).cells(0, whole=True)


def holding(cells: Cells) -> dict[str, Any]:
    """Return the fields of an entry of which this came."""
    return {"form": cells.form, "data": cells.value, "rest": cells.data}


def value_of(codec: Codec, cells: Cells, where: str) -> object:
    """Return the value that cells hold. Raises Unreadable, Untrusted, StoreCorrupt."""
    return codec.decode(encoded_of(cells, tuple, where), where)


def at_text(now_us: int) -> str:
    """Return a time as it is stored."""
    stored = encode(moment(now_us), MOMENT, "at")
    assert isinstance(stored, str)
    return stored


def entry_of(row: Row) -> Entry:
    """Return the entry that a row is."""
    return Entry(*row.values, Point(row.rid.line, row.rid.n))  # type: ignore[call-arg,arg-type]


def journal_table(reader: Reader) -> Table | None:
    """Return the table as a store has it; None if it has no runs yet."""
    found = owned_tables(reader.catalogue(), (JOURNAL,))
    return None if found is None else found[0]


def read_entries(reader: Reader, vector: VersionVector, chain: tuple[str, ...]) -> list[Entry]:
    """Return the entries of a run, and before them those of the runs that it was forked from, in order.

    Args:
        chain: the runs, the oldest first.
    """
    table = journal_table(reader)
    if table is None:
        return []
    return [entry_of(row) for run_id in chain for row in reader.scan(table, vector, (run_id,))]
