"""Deciding on calls that wait: from outside their runs, by whom it was asked of."""

# pyright: basic
# (arguments and answers are whatever a user has)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from holdfast.core.texts import is_text
from holdfast.engine.contract import Reader, Writer
from holdfast.errors import AlreadyDecided, HoldfastError, InvalidValue, NotFound
from holdfast.runs import calls
from holdfast.runs.calls import CallRecord, Decision, call_of, ids_beginning, put_call
from holdfast.runs.control import Happened
from holdfast.runs.gates import WAITS_FOR_CALLS
from holdfast.runs.payloads import payload_of, value_in
from holdfast.runs.records import going, let_go_on
from holdfast.runs.signatures import signed
from holdfast.runs.workplace import Workplace
from holdfast.versions.results import moment

APPROVE, REJECT, ANSWER = "approve", "reject", "answer"

_FITS = {
    calls.APPROVAL: (APPROVE, REJECT), calls.QUESTION: (ANSWER, REJECT), calls.EXTERNAL: (ANSWER, REJECT),
    calls.DOUBT: (ANSWER,), calls.TIMER: (),
}  # fmt: skip
"""What may be decided on each kind of call."""

_NAME_LENGTH_MAX = 200
_MESSAGE_LENGTH_MAX = 100_000

NOTHING: Any = object()
"""Stands for an answer that is not given."""


@dataclass(frozen=True, slots=True)
class Said:
    """What is decided.

    Attributes:
        verdict: "approve", "reject" or "answer".
        value: the arguments that are others than asked for, by name; or the answer.
        seen: the hash of the arguments that were seen; "" for those that are asked for now.
    """

    verdict: str
    value: Any = None
    message: str = ""
    seen: str = ""


def told_of(happened: Happened | None) -> Said:
    """Return what settles a call in doubt."""
    result = None if happened is None else happened.result
    return Said(ANSWER, {"happened": happened is not None, "result": result})


def known_call(reader: Reader, call_id: object) -> CallRecord:
    """Return a call by its id, or by how that begins. Raises NotFound, and InvalidValue if several ids do."""
    if not is_text(call_id) or not call_id:
        raise InvalidValue(f"the id of a call is a text, not {call_id!r}")
    found = call_of(reader, call_id)
    if found is not None:
        return found
    ids = ids_beginning(reader, call_id)
    if len(ids) > 1:
        raise InvalidValue(f"several calls have ids that begin with {call_id!r}; give more of it")
    found = call_of(reader, ids[0]) if ids else None
    if found is None:
        raise NotFound(f"no call {call_id!r} in this store; inbox() lists those that wait")
    return found


def decide(
    place: Workplace, call_id: str, said: Said, *, by: str, via: str = "api", unasked: CallRecord | None = None
) -> CallRecord:
    """Decide on a call, once, and let its run go on; return it as it is then. Durable when this returns.

    Args:
        unasked: the call, of a program that tells what became of it: it may be that nobody has asked yet.

    Raises:
        NotFound: there is no such call.
        AlreadyDecided: somebody was quicker, or it is too late.
        InvalidValue: this cannot be decided on it, not by this person, or on other arguments than were seen.
        RunFinished: its run has ended.
        NotStorable: the arguments, or the answer, cannot be stored.
    """
    _check_text("by", by, _NAME_LENGTH_MAX)
    if not by:
        raise InvalidValue("a decision is somebody's: by= says whose")
    _check_text("message", said.message, _MESSAGE_LENGTH_MAX)
    with place.session.read() as reader:
        call = unasked if unasked is not None and call_of(reader, call_id) is None else known_call(reader, call_id)
    now_us = place.now_us()
    _check(call, said, by, now_us, is_program=unasked is not None)
    decision = signed(call, _decision(place, call, said, by, via, now_us))

    def work(writer: Writer) -> CallRecord:
        now = call_of(writer, call.id) or call
        record = going(writer, call.run_id, f"a decision on call {call.id}")
        _check(now, said, by, place.now_us(), is_program=unasked is not None)
        settled = replace(
            now, state=calls.STATE_OF[said.verdict], decisions=(*now.decisions, decision), settled_us=decision.at_us
        )
        put_call(writer, settled)
        let_go_on(writer, record, WAITS_FOR_CALLS, now_us)
        return settled

    return place.session.write_together(work)


def _check_text(what: str, given: object, most: int) -> None:
    if not is_text(given, most):
        raise InvalidValue(f"{what} is a text of at most {most} characters, not {given!r}")


def _check(call: CallRecord, said: Said, by: str, now_us: int, *, is_program: bool) -> None:
    """Raise an error unless this may be decided on a call; a program may whoever the approvers are."""
    what = f"call {call.id} of {call.name}"
    if call.state == calls.EXPIRED or call.is_over(now_us):
        raise AlreadyDecided(f"{what} expired at {_when(call.expires_us)}; nobody had decided")
    if not call.is_open:
        decision = call.decision
        who = "its run has ended" if decision is None else f"by {decision.by}, {_when(decision.at_us)}"
        raise AlreadyDecided(f"{what} is {call.state} already: {who}")
    if said.verdict not in _FITS[call.kind]:
        fits = " or ".join(_FITS[call.kind]) or "nothing: it waits for a time"
        raise InvalidValue(f"{what} is {_TOLD[call.kind]}; what can be decided on it is {fits}, not {said.verdict}")
    if call.approvers and by not in call.approvers and not is_program:
        raise InvalidValue(f"{by!r} may not decide on {what}; those who may are {', '.join(call.approvers)}")
    if said.seen and said.seen != call.seen:
        raise InvalidValue(f"{what} has other arguments than were seen; look at it again, and decide on what it is now")


def _when(at_us: int) -> str:
    return f"{moment(at_us):%Y-%m-%d %H:%M:%S} UTC"


_TOLD = {
    calls.APPROVAL: "to be allowed", calls.QUESTION: "a question", calls.EXTERNAL: "to be answered by a program",
    calls.DOUBT: "in doubt", calls.TIMER: "a timer",
}  # fmt: skip


def _decision(place: Workplace, call: CallRecord, said: Said, by: str, via: str, now_us: int) -> Decision:
    """Return what is to be signed."""
    payload = b""
    if said.verdict == APPROVE and said.value is not None:
        payload = payload_of(place.codec, _edited(place, call, said.value), f"the arguments of {call.name}")
    elif said.verdict == ANSWER:
        answer = said.value
        if call.answer_schema is not None:
            check_fits(answer, call.answer_schema, f"the answer to call {call.id} of {call.name}")
        payload = payload_of(place.codec, answer, f"the answer to {call.name}")
    return Decision(
        verdict=said.verdict, by=by, at_us=now_us, via=via, seen=call.seen, message=said.message, payload=payload
    )


def _edited(place: Workplace, call: CallRecord, edited: object) -> dict[str, Any]:
    """Return all arguments of a call, of which some are others. Raises InvalidValue if they do not fit."""
    what = f"call {call.id} of {call.name}"
    if not isinstance(edited, Mapping):
        raise InvalidValue(f"the arguments of {what} are given by their names, as a dict, not {edited!r}")
    asked: dict[str, Any] = value_in(place.codec, call.args, f"the arguments of {what}")
    known = asked if call.schema is None else {**asked, **call.schema.get("properties", {})}
    unknown = [name for name in edited if name not in known]
    if unknown:
        raise InvalidValue(f"{what} takes no {', '.join(map(repr, unknown))}; it takes {', '.join(known)}")
    found = {**asked, **edited}
    if call.schema is not None:
        check_fits(found, call.schema, f"the arguments of {what}")
    return found


_FORMATS = {"date": date, "date-time": datetime, "time": time, "duration": timedelta, "uuid": UUID, "decimal": Decimal}
"""What texts of these formats are read as, where a function takes it."""


def check_fits(value: Any, schema: Mapping[str, Any], what: str) -> None:  # noqa: ANN401
    """Raise InvalidValue if a value does not fit a JSON Schema; the message says where.

    It is as strict as what reads it where the run goes on: nobody could take the decision back there.
    """
    try:
        import jsonschema  # noqa: PLC0415 - an extra
        from jsonschema.validators import extend  # noqa: PLC0415 - as above
    except ImportError as error:
        raise HoldfastError(
            f'{what} is to be checked by its schema, which takes jsonschema: pip install "holdfast[agents]"'
        ) from error
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidValue(f"{what} cannot be taken: it is not JSON: {error}") from error
    formats = jsonschema.FormatChecker(())
    for name, kind in _FORMATS.items():
        formats.checks(name, raises=msgspec.ValidationError)(partial(_is_read_as, kind))
    plain = jsonschema.Draft202012Validator
    types = plain.TYPE_CHECKER.redefine("integer", lambda _, one: isinstance(one, int) and not isinstance(one, bool))
    strict: Any = extend(plain, type_checker=types)  # type: ignore[no-untyped-call]
    found = next(iter(sorted(strict(dict(schema), format_checker=formats).iter_errors(value), key=str)), None)
    if found is not None:
        where = "".join(f"[{part!r}]" for part in found.absolute_path)
        raise InvalidValue(f"{what} cannot be taken{f' at {where}' if where else ''}: {found.message}")


def _is_read_as(kind: type, value: object) -> bool:
    """Tell that a text is read as a type; what is no text is of no format. Raises ValidationError."""
    if isinstance(value, str):
        msgspec.convert(value, kind)
    return True
