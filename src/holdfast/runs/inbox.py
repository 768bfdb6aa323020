"""`Inbox`: the calls of all runs that wait for a decision."""

# pyright: basic
# (arguments and answers are whatever a user has)

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from holdfast.core.texts import is_text
from holdfast.errors import HoldfastError, InvalidValue
from holdfast.runs import calls
from holdfast.runs.calls import CallRecord, calls_of, open_calls
from holdfast.runs.control import Happened
from holdfast.runs.deciding import ANSWER, APPROVE, REJECT, Said, decide, known_call, told_of
from holdfast.runs.payloads import value_in
from holdfast.runs.signatures import is_genuine
from holdfast.runs.workplace import Workplace
from holdfast.versions.results import moment


@dataclass(frozen=True, slots=True)
class Decided:
    """What somebody decided on a call.

    Attributes:
        verdict: "approve", "reject" or "answer".
        by, at, via: who, when (in UTC), and by what.
        message: what was said with it.
        value: the arguments with which it was allowed, if they are others than asked for; or the answer.
        is_genuine: whether it is what was signed; None if the key that signed it is not known here.
    """

    verdict: str
    by: str
    at: datetime
    via: str
    message: str
    value: Any
    is_genuine: bool | None


@dataclass(frozen=True, slots=True)
class InboxCall:
    """A call that waits for a decision, or did, as it was when it was looked at.

    Attributes:
        id: by which it is decided on.
        run_id: its run.
        path: the calls of agents that led to it, the outermost first.
        name: what is called.
        args: with what, by the names of the parameters.
        state: pending | in_doubt | approved | rejected | answered | expired | cancelled.
        kind: "approval": whether it may be made; "question" or "external": what it is answered with; "timer"; "doubt":
            whether it happened.
        requested_at: when it was asked for, in UTC.
        expires_at: when it is too late, or None.
        message: for those who decide.
        approvers: who may decide; anybody if it is empty.
        agent: the name of the agent that asks; "" if it is none.
        step: the step that it is, as `Run.settle` names it.
        schema: a JSON Schema of what it may be made, or answered, with; None if there is none.
        decided: what was decided, or None.
        seen: a hash of the arguments: who decides on others than are asked for by then is told so.
        decide: what `approve`, `reject` and `answer` call.
    """

    id: str
    run_id: str
    path: tuple[str, ...]
    name: str
    args: Any
    state: str
    kind: str
    requested_at: datetime
    expires_at: datetime | None
    message: str
    approvers: tuple[str, ...]
    agent: str
    step: str
    schema: Mapping[str, Any] | None
    decided: Decided | None
    seen: str = field(repr=False)
    decide: Callable[[Said, str, str], Any] = field(repr=False, compare=False)

    def approve(self, *, by: str, args: Mapping[str, Any] | None = None, message: str = "", via: str = "api") -> Any:  # noqa: ANN401
        """Allow the call; with `args` these instead of those that were asked for, and the others as they are.

        Durable when it returns. The run goes on when a worker, or somebody by hand, takes it up.

        Raises:
            AlreadyDecided: somebody was quicker, or it is too late.
            InvalidValue: it is no call to be allowed, `by` is none of those who may, or the arguments do not fit.
            RunFinished: its run has ended.
        """
        return self.decide(Said(APPROVE, args, message, self.seen), by, via)

    def reject(self, message: str = "", *, by: str, via: str = "api") -> Any:  # noqa: ANN401
        """Refuse the call; whoever asked for it is told the message, and goes on. Raises as `approve`."""
        return self.decide(Said(REJECT, None, message, self.seen), by, via)

    def answer(self, answer: Any, *, by: str, message: str = "", via: str = "api") -> Any:  # noqa: ANN401
        """Answer a question, or give an external result. Raises as `approve`.

        For a call in doubt: `Happened(result)`, or None if it did not happen.
        """
        if self.kind != calls.DOUBT:
            return self.decide(Said(ANSWER, answer, message, self.seen), by, via)
        if answer is not None and not isinstance(answer, Happened):
            raise InvalidValue(
                f"whether call {self.id} happened is told by Happened(result), or None if it did not, not {answer!r}"
            )
        return self.decide(told_of(answer), by, via)


class Inbox:
    """The calls of all runs that wait for a decision: `Store.inbox`.

    Example:
        >>> import holdfast
        >>> @holdfast.tool(approval=holdfast.Approval(by=["ann"]))
        ... def pay(amount):
        ...     print("paid", amount)
        >>> db = holdfast.connect(":memory:")
        >>> with db.run("r") as run:
        ...     run.step("pay", pay, 70)
        >>> [call] = db.inbox()
        >>> call.name, call.args, db.run("r").status
        ('pay', {'amount': 70}, 'suspended')
        >>> call.approve(by="ann", args={"amount": 50}).state
        'approved'
        >>> with db.run("r") as run:
        ...     run.step("pay", pay, 70)
        paid 50
        >>> db.close()
    """

    def __init__(self, place: Callable[[], Workplace]) -> None:
        self._place = place

    def __call__(self, *, approver: str | None = None, run_id: str | None = None) -> list[InboxCall]:
        """Return the calls that wait, those first that were asked for first.

        Args:
            approver: only those on which this person may decide.
            run_id: only those of this run.
        """
        for what, given in {"approver": approver, "run_id": run_id}.items():
            if given is not None and not is_text(given):
                raise InvalidValue(f"{what} is a text, not {given!r}")
        place = self._place()
        with place.session.read() as reader:
            found = list(open_calls(reader) if run_id is None else calls_of(reader, run_id))
        now_us = place.now_us()
        waiting = [
            call for call in found
            if call.is_open and call.kind != calls.TIMER and not call.is_over(now_us)
            and (approver is None or not call.approvers or approver in call.approvers)
        ]  # fmt: skip
        waiting.sort(key=lambda call: (call.requested_us, call.run_id, call.label))
        return [self._shown(call) for call in waiting]

    def __iter__(self) -> Iterator[InboxCall]:
        """Yield the calls that wait."""
        return iter(self())

    def get(self, call_id: str) -> InboxCall:
        """Return a call by its id, or by how that begins, decided or not. Raises NotFound, InvalidValue."""
        with self._place().session.read() as reader:
            return self._shown(known_call(reader, call_id))

    def of_run(self, run_id: str) -> list[InboxCall]:
        """Return all calls of a run, decided or not, those first that were asked for first."""
        with self._place().session.read() as reader:
            return [self._shown(call) for call in calls_of(reader, run_id)]

    def _shown(self, call: CallRecord) -> InboxCall:
        place = self._place()
        decision, state = call.decision, calls.EXPIRED if call.is_over(place.now_us()) else call.state
        decided = None if decision is None else Decided(
            decision.verdict, decision.by, moment(decision.at_us), decision.via, decision.message,
            _read(place, decision.payload), is_genuine(call, decision),
        )  # fmt: skip
        return InboxCall(
            call.id, call.run_id, call.path, call.name, _read(place, call.args), state, call.kind,
            moment(call.requested_us), moment(call.expires_us) if call.expires_us else None, call.message,
            call.approvers, call.agent.get("name", ""), call.label,
            call.answer_schema if call.kind in (calls.QUESTION, calls.EXTERNAL) else call.schema, decided,
            call.seen, lambda said, by, via: self._shown(decide(place, call.id, said, by=by, via=via)),
        )  # fmt: skip


def _read(place: Workplace, payload: bytes) -> Any:  # noqa: ANN401
    """Return a value; of one that cannot be read the error's words."""
    try:
        return value_in(place.codec, payload, "what was asked")
    except HoldfastError as error:
        return f"<{error}>"
