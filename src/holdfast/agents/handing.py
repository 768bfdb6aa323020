"""Continuations as they leave a store, and as they come into another one."""

# pyright: basic
# (messages are whatever was said)

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from holdfast.agents.continuation import (
    FORMAT,
    IN_DOUBT,
    READY,
    SUSPENDED,
    CallPart,
    Continuation,
    FramePart,
    History,
)
from holdfast.agents.conversations import BEGINS, MESSAGES, TURNS, hash_after, key_of, state_of_frame
from holdfast.agents.taking import IMPORTING
from holdfast.engine.contract import Reader, Writer
from holdfast.errors import AlreadyExists, InDoubt, NotFound, RunBusy, RunFinished, StoreCorrupt
from holdfast.runs import calls
from holdfast.runs.calls import CallRecord, calls_of, note_of
from holdfast.runs.gates import WAITS_FOR_CALLS
from holdfast.runs.journal import Journal
from holdfast.runs.records import QUEUED, RunRecord, going
from holdfast.runs.records import SUSPENDED as SUSPENDED_RUN
from holdfast.runs.tables import STEP_DONE, Entry, read_entries
from holdfast.runs.views import cancel
from holdfast.runs.views import given as views_given
from holdfast.runs.workplace import Workplace, head_of
from holdfast.state.versioned import Versioned
from holdfast.state.working.copy import WorkingCopy
from holdfast.state.working.ground import EngineGround

MODEL = "model"
"""The name of the steps that ask a model."""


def noted_of(place: Workplace, run_id: str, given: dict[str, Any], root: FramePart, rev: int) -> bytes:
    """Return a continuation as it is kept beside its run."""
    created = datetime.fromtimestamp(place.now_us() / 1_000_000, UTC).isoformat()
    kept = Continuation(
        format=FORMAT, run_id=run_id, rev=rev, status=SUSPENDED, root=root, input=given, created_at=created
    )
    return msgspec.json.encode(kept)


def continuation_of(place: Workplace, run_id: str) -> Continuation:
    """Return the continuation of a run that waits, with its calls as they are now. It refers to the store.

    Raises:
        NotFound: there is no such run, or it is none of an agent that waits, or waited.
    """
    record = place.known(run_id)
    with place.session.read() as reader:
        raw, found = note_of(reader, run_id), {call.id: call for call in calls_of(reader, run_id)}
        commit = reader.commit(head_of(reader, record)).hash.hex()
    if raw is None:
        raise NotFound(f"run {run_id!r} has no continuation: no call of an agent waits in it, or has")
    try:
        kept = msgspec.json.decode(raw, type=Continuation)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(f"the continuation of run {run_id!r} is damaged: {error}; run verify") from error
    root = _as_it_is(kept.root, found)
    states = {call.state for frame in root.frames() for call in frame.calls if call.inbox}
    status = IN_DOUBT if calls.IN_DOUBT in states else SUSPENDED if calls.PENDING in states else READY
    return replace(kept, root=root, status=status, commit=commit)


def _as_it_is(frame: FramePart, found: dict[str, CallRecord]) -> FramePart:
    """Return a frame with the states that its calls have now."""

    def now(call: CallPart) -> CallPart:
        if call.child is not None:
            return replace(call, child=_as_it_is(call.child, found))
        return replace(call, state=found[call.inbox].state) if call.inbox in found else call

    return replace(frame, calls=tuple(map(now, frame.calls)))


def whole(place: Workplace, continuation: Continuation) -> Continuation:
    """Return a continuation with all that it refers to, so that it can go on elsewhere.

    Raises:
        InDoubt: of one of its calls nobody knows whether it happened: here that can be found out.
        StoreCorrupt: the messages are not those that it refers to.
    """
    record = place.known(continuation.run_id)
    if continuation.status == IN_DOUBT:
        raise InDoubt(f"a call of run {record.run_id!r} is in doubt; answer it, and let the run wait again, or end")
    said = {
        entry.key: entry for entry in place.entries(record) if entry.kind == STEP_DONE and entry.name == MODEL
    }  # fmt: skip
    copy = WorkingCopy(place.ground(record, fixed=True), place.codec)
    with place.session.read() as reader:
        found = {call.id: call for call in calls_of(reader, record.run_id)}
    return replace(continuation, root=_whole(place, continuation.root, copy, record, said, found))


def _whole(
    place: Workplace,
    frame: FramePart,
    copy: WorkingCopy,
    record: RunRecord,
    said: dict[str | None, Entry],
    found: dict[str, CallRecord],
) -> FramePart:
    history = frame.history
    keys = [key_of(history.place, f"turn {turn}") for turn in range(1, history.turns + 1)]
    turns: list[Any] = [said[key].value(place.codec) for key in keys]
    state = state_of_frame(
        Versioned.over(copy, record.namespace), Versioned.over(copy), history.conversation, history.place
    )
    messages = [dict(message) for message in state[MESSAGES]][: history.count]
    if history.tail is not None:
        messages = [*messages[: history.count - len(history.tail)], *history.tail]
    elif len(messages) < history.count:  # the last word of the model is in the state with the next commit
        messages.append(turns[-1]["message"])
    if len(messages) != history.count or hash_after("", messages) != history.head:
        raise StoreCorrupt(
            f"the messages of run {record.run_id!r} are not those that it was suspended with; run verify"
        )
    beside = [{name: value for name, value in one.items() if name != "message"} for one in turns]

    def with_all(call: CallPart) -> CallPart:
        child = None if call.child is None else _whole(place, call.child, copy, record, said, found)
        return replace(call, child=child, record=found.get(call.inbox))

    return replace(
        frame,
        history=replace(history, messages=messages, said=beside, tail=None),
        calls=tuple(map(with_all, frame.calls)),
    )


def handed_over(place: Workplace, run_id: str, *, hand_over: bool) -> Continuation:
    """Return the continuation of a run that waits with all that it refers to; end the run here if it is handed over.

    Raises:
        NotFound, InDoubt: as `continuation_of`, `whole`.
        RunBusy: somebody works on the run, or has since it waited, or decides on one of its calls just now.
        RunFinished: it has ended.
    """
    with place.session.read() as reader:
        _check_waits(reader, going(reader, place.known(run_id).run_id, "an export"))
        at = head_of(reader, place.known(run_id))
    found = whole(place, continuation_of(place, run_id))
    states = {call.record.id: call.record.state for call in found.calls() if call.record is not None}

    def check(writer: Writer, record: RunRecord) -> None:
        _check_waits(writer, record)
        now = {call.id: call.state for call in calls_of(writer, run_id)}
        if head_of(writer, record) != at or any(now.get(one) != state for one, state in states.items()):
            raise RunBusy(
                f"somebody worked on run {run_id!r} meanwhile, or decided on one of its calls; export it again"
            )

    if hand_over:
        cancel(place, run_id, check)
    return found


def _check_waits(reader: Reader, record: RunRecord) -> None:
    """Raise an error unless a run waits for decisions, and nothing was done of it since it does."""
    if record.is_finished:
        raise RunFinished(f"run {record.run_id!r} is {record.status}; there is nothing of it to go on with")
    if record.waiting != WAITS_FOR_CALLS or record.status not in (SUSPENDED_RUN, QUEUED):
        raise RunBusy(f"run {record.run_id!r} is {record.status}, and does not wait for a call; export it when it does")
    entries = read_entries(reader, reader.vector(head_of(reader, record)), record.chain)
    if Journal(record.run_id, entries).in_doubt():
        raise InDoubt(f"a call of run {record.run_id!r} is in doubt; answer it, and let the run wait again, or end")


def is_to_take(place: Workplace, run_id: str, given: Continuation | None) -> bool:
    """Tell whether a run is to be taken over from another store; its conversation is, if it is not here.

    Raises:
        NotFound: it is not here, and nothing else is known of it.
    """
    record = place.record(run_id)
    if record is not None and record.name != IMPORTING:
        if given is not None and views_given(place, record) != given.input:
            raise AlreadyExists(f"run {run_id!r} of this store is another one than the continuation is of")
        return False
    if given is None:
        place.known(run_id)
        return False
    if not given.is_whole:
        raise NotFound(
            f"run {run_id!r} is not in this store, and its continuation refers to its own; agent.export() there gives"
            " one that has all"
        )
    history = given.root.history
    if record is None and history.conversation:
        _bring(place, run_id, history)
    return True


def _bring(place: Workplace, run_id: str, history: History) -> None:
    """Make what was said in a conversation before a run, where that is not here."""
    ground = EngineGround(place.engine, place.ref, place.ids, session=place.session)
    state = Versioned.over(WorkingCopy(ground, place.codec))
    own = state_of_frame(state, state, history.conversation, "")
    if MESSAGES in own:
        return
    before = (history.messages or [])[: history.before]
    number = run_id.removeprefix(f"{history.conversation}/")
    own[MESSAGES] = before
    own[TURNS] = int(number) - 1 if number.isdecimal() else sum(message["role"] == "user" for message in before)
    own[BEGINS] = [at for at, message in enumerate(before) if message["role"] == "user"]
    state.commit(f"conversation {history.conversation} is taken over")
