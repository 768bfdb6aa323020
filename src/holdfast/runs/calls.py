"""Calls that wait for somebody: to be allowed, to be answered, or to be told what became of them.

    run-call          id       the record
    run-call-of       run/id   the calls of a run
    run-call-open     id       that nobody has decided yet
    run-continuation  run      what a run that waits is gone on with, as the agent that works on it has it, behind how
                               often it was kept

These are registers, outside of any history, as those of runs (records.py). A decision is added to the record of its
call, once, and stays there as long as the run does: what the run does with it is a step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from holdfast.engine.contract import Reader, Writer
from holdfast.errors import StoreCorrupt
from holdfast.runs.records import quoted

_CALL, _OF, _OPEN, _NOTE = "run-call", "run-call-of", "run-call-open", "run-continuation"
_NUMBER_BYTES = 4

APPROVAL, QUESTION, EXTERNAL, TIMER, DOUBT = "approval", "question", "external", "timer", "doubt"
"""What is asked: whether a call may be made; its answer, of a person or of a program; a time; whether it happened."""

PENDING, IN_DOUBT = "pending", "in_doubt"
APPROVED, REJECTED, ANSWERED, EXPIRED, CANCELLED = "approved", "rejected", "answered", "expired", "cancelled"
OPEN = frozenset({PENDING, IN_DOUBT})
"""The states in which a call is not decided."""

REJECT, CANCEL = "reject", "cancel"
ON_EXPIRY = (REJECT, CANCEL)
"""What comes of a call that nobody decided on in time: it is not made; or its run is cancelled."""

STATE_OF = {"approve": APPROVED, "reject": REJECTED, "answer": ANSWERED}
"""The state of a call by what was decided on it."""

_ID_BYTES = 8


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody decided.

    Attributes:
        verdict: "approve", "reject" or "answer".
        by: who.
        at_us: when.
        via: by what: "api", "cli".
        seen: the hash of the arguments that were seen.
        message: what was said with it.
        payload: the arguments instead of those that were asked for, or the answer, as a signal is kept; empty if none.
        kid, mac: the key that signed all this, and the code.
    """

    verdict: str
    by: str
    at_us: int
    via: str
    seen: str
    message: str = ""
    payload: bytes = b""
    kid: str = ""
    mac: bytes = b""


class CallRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a call that waits, or waited.

    Attributes:
        label: of the step that it is.
        name: what is called.
        kind: what is asked; see above.
        path: the calls of agents that led to it, the outermost first.
        call: its id among those of its turn; "" if no model asked for it.
        agent: of whom asks: its name, its model, and hashes of what it is told and of its tools.
        args: what it is to be called with, as a signal is kept.
        seen: a hash of them.
        schema, answer_schema: JSON Schemas of the arguments, and of what it may be answered with.
        approvers: who may decide; anybody if empty.
        expires_us: when it is too late to decide; 0 for never.
        settled_us: when it was decided, or expired.
    """

    id: str
    run_id: str
    label: str
    name: str
    kind: str
    state: str
    requested_us: int
    path: tuple[str, ...] = ()
    call: str = ""
    agent: dict[str, str] = {}
    args: bytes = b""
    seen: str = ""
    message: str = ""
    schema: dict[str, Any] | None = None
    answer_schema: dict[str, Any] | None = None
    approvers: tuple[str, ...] = ()
    expires_us: int = 0
    on_expiry: str = REJECT
    decisions: tuple[Decision, ...] = ()
    settled_us: int = 0

    @property
    def is_open(self) -> bool:
        """Whether nobody has decided on it, nor taken note that it expired."""
        return self.state in OPEN

    def is_over(self, now_us: int) -> bool:
        """Tell whether it is too late to decide."""
        return self.state == PENDING and 0 < self.expires_us <= now_us

    @property
    def decision(self) -> Decision | None:
        """What was decided in the end."""
        return self.decisions[-1] if self.decisions else None


_decoder = msgspec.json.Decoder(CallRecord)


def id_of(run_id: str, label: str, kind: str, attempt: int = 0) -> str:
    """Return the id of a call: always the same for the same call of a run, and short enough to be typed."""
    told = msgspec.msgpack.encode([run_id, label, kind, attempt])
    return hashlib.blake2b(told, digest_size=_ID_BYTES).hexdigest()


def call_of(reader: Reader, call_id: str) -> CallRecord | None:
    """Return a call, or None. Raises StoreCorrupt."""
    raw = reader.entry(_CALL, call_id)
    if raw is None:
        return None
    try:
        return _decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(f"what is known of the call {call_id!r} is damaged: {error}; run verify") from error


def put_call(writer: Writer, call: CallRecord) -> None:
    """Write what is known of a call, and list it where it is looked for."""
    writer.put_entry(_OF, f"{quoted(call.run_id)}/{call.id}", b"")
    if call.is_open:
        writer.put_entry(_OPEN, call.id, b"")
    else:
        writer.remove_entry(_OPEN, call.id)
    writer.put_entry(_CALL, call.id, msgspec.json.encode(call))


def open_calls(reader: Reader) -> Iterator[CallRecord]:
    """Yield the calls on which nobody has decided."""
    for call_id, _ in reader.entries(_OPEN):
        call = call_of(reader, call_id)
        if call is not None:
            yield call


def ids_beginning(reader: Reader, prefix: str) -> list[str]:
    """Return the ids of calls that begin so, two at most."""
    return [call_id for call_id, _ in reader.entries(_CALL, prefix, limit=2)]


def calls_of(reader: Reader, run_id: str) -> list[CallRecord]:
    """Return the calls of a run, decided or not, those first that were asked for first."""
    ids = [key.rpartition("/")[2] for key, _ in reader.entries(_OF, f"{quoted(run_id)}/")]
    found = [call for call in (call_of(reader, call_id) for call_id in ids) if call is not None]
    return sorted(found, key=lambda call: (call.requested_us, call.label))


def put_note(writer: Writer, run_id: str, noted: Callable[[int], bytes]) -> None:
    """Keep what goes on with a run that waits, instead of what was kept before; it is told how often that was."""
    before = writer.entry(_NOTE, run_id)
    number = 1 + (0 if before is None else int.from_bytes(before[:_NUMBER_BYTES]))
    writer.put_entry(_NOTE, run_id, number.to_bytes(_NUMBER_BYTES) + noted(number))


def note_of(reader: Reader, run_id: str) -> bytes | None:
    """Return what is kept of a run that waits, or did; None if nothing is."""
    found = reader.entry(_NOTE, run_id)
    return None if found is None else found[_NUMBER_BYTES:]


def close_calls(writer: Writer, run_id: str, now_us: int) -> None:
    """Take note that a run has ended: nobody can decide on its calls any more."""
    for call in calls_of(writer, run_id):
        if call.is_open:
            put_call(writer, replace(call, state=CANCELLED, settled_us=now_us))


def forget_calls(writer: Writer, run_id: str) -> None:
    """Remove all that is known of the calls of a run."""
    writer.remove_entry(_NOTE, run_id)
    for call in calls_of(writer, run_id):
        writer.remove_entry(_OF, f"{quoted(run_id)}/{call.id}")
        writer.remove_entry(_OPEN, call.id)
        writer.remove_entry(_CALL, call.id)
