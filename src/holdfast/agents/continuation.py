"""`Continuation`: all that a suspended run of an agent needs to go on, as one record: a frame for each agent at work.

It is kept in the store beside the run, by reference: its messages are in the run's state, once. As JSON it is signed,
and taken back only if it is what was signed. With its messages (`Agent.export`) it can go on in another store.
"""

# pyright: basic
# (messages and arguments are whatever was said)

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Self

import msgspec
from msgspec.structs import replace

from holdfast.errors import InvalidValue, Untrusted
from holdfast.runs.calls import CallRecord
from holdfast.state.signing import KeyFile

FORMAT = "continuation/1"
DEPTH_MAX = 64
"""So many agents may wait for each other in what is taken back."""

SUSPENDED, READY, IN_DOUBT = "suspended", "ready", "in_doubt"
DONE = "done"
TOOL, AGENT = "tool", "agent"


class History(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What was said to an agent, and by it.

    Attributes:
        head: a hash of all messages.
        count: how many they are.
        before: how many of them were there before the prompt of this run.
        turns: how often its model was asked.
        conversation, place: where in the run's state they are: those of a conversation, or of a frame.
        tail: the last of them, of an agent that waits between two turns: the state does not have them yet.
        messages: they themselves; None where the continuation refers to the store.
        said: of each turn what is recorded beside the message: what it used, and which model it was.
    """

    head: str
    count: int
    before: int = 0
    turns: int = 0
    conversation: str = ""
    place: str = ""
    tail: list[dict[str, Any]] | None = None
    messages: list[dict[str, Any]] | None = None
    said: list[dict[str, Any]] | None = None


class CallPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A call of a turn that is not over.

    Attributes:
        call_id: that of the model.
        name: what is called.
        kind: "tool", "agent", or what somebody is asked: "approval", "question", "external", "timer", "doubt".
        state: "done"; else that of the call in the inbox, or "suspended" for an agent whose own calls wait.
        effect_key: the run and the step: what a tool is given as its `idempotency_key`, the same wherever it goes on.
        result: of a call that is done, what the model is going to be told.
        inbox: the id of the call in the inbox.
        record: what is known of it there; None where the continuation refers to the store.
        child: of an agent that is called, its frame.
    """

    call_id: str
    name: str
    kind: str
    state: str
    effect_key: str
    result: str | None = None
    inbox: str = ""
    record: CallRecord | None = None
    child: FramePart | None = None


class FramePart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An agent at work.

    Attributes:
        path: the calls that led to it.
        agent: its name, its model, and hashes of its instructions and of its tools.
        calls: all calls of the turn that is not over.
    """

    path: tuple[str, ...]
    agent: dict[str, str]
    history: History
    calls: tuple[CallPart, ...] = ()

    def frames(self) -> Iterator[FramePart]:
        """Yield this and those below."""
        yield self
        for call in self.calls:
            if call.child is not None:
                yield from call.child.frames()


class Signature(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who signed: a key, by its id, and the code in hexadecimal."""

    alg: str
    kid: str
    mac: str


class Continuation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A suspended run.

    Attributes:
        format: "continuation/1".
        run_id: the run.
        rev: how often it was suspended.
        status: "suspended"; "ready" if nothing waits any more; "in_doubt".
        root: the frame of the agent that was asked.
        input: what the run was made with.
        commit: the hash of the run's newest commit, which the frames refer to.
        created_at: when it was suspended, in UTC.
    """

    format: str
    run_id: str
    rev: int
    status: str
    root: FramePart
    input: dict[str, Any] = {}
    commit: str = ""
    created_at: str = ""
    sig: Signature | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it has its messages with it, and can go on in another store."""
        return all(frame.history.messages is not None for frame in self.root.frames())

    def calls(self) -> Iterator[CallPart]:
        """Yield the calls of all frames."""
        for frame in self.root.frames():
            yield from frame.calls

    def to_json(self) -> str:
        """Return it as JSON text that is signed with the user's key. Raises Untrusted if that key cannot be read."""
        bare = replace(self, sig=None)
        kid, mac = KeyFile().sign([_canonical(bare)])
        signed = replace(bare, sig=Signature(alg="HMAC-SHA256", kid=kid, mac=mac.hex()))
        return _canonical(signed).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return what `to_json` gave.

        Raises:
            InvalidValue: it is no continuation, or one of a format that this version does not know.
            Untrusted: it is not what was signed, or nobody whom you trust has signed it.
        """
        _check_format(text)
        try:
            found = msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, RecursionError) as error:
            raise InvalidValue(f"this is no continuation: {error}") from error
        if sum(1 for _ in found.root.frames()) > DEPTH_MAX:
            raise InvalidValue(f"a continuation has at most {DEPTH_MAX} frames")
        try:
            mac = bytes.fromhex(found.sig.mac) if found.sig is not None else b""
        except ValueError:
            mac = b""
        if found.sig is None or not KeyFile().verify(found.sig.kid, mac, [_canonical(replace(found, sig=None))]):
            who = "nobody" if found.sig is None else f"key {found.sig.kid}"
            raise Untrusted(
                f"the continuation of run {found.run_id!r} is not what {who} signed, or the key is not trusted here; "
                "trust its owner by trusted.keys, or resume the run in its own store"
            )
        return found


def _check_format(text: str | bytes) -> None:
    """Raise InvalidValue unless a text is of the format that is known here."""
    try:
        told: Any = json.loads(text)
    except (ValueError, RecursionError, TypeError) as error:
        raise InvalidValue(f"this is no continuation: {error}") from error
    given = told.get("format") if isinstance(told, dict) else None
    if given != FORMAT:
        raise InvalidValue(
            f"the format of a continuation is {FORMAT!r} here, not {given!r}; a newer Holdfast may know it"
        )


def _canonical(continuation: Continuation) -> bytes:
    return msgspec.json.encode(continuation, order="sorted")


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a continuation."""
    return msgspec.json.schema(Continuation)
