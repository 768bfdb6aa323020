"""`Agent`: a model, what it is told, and what it may call."""

# pyright: basic
# (clients, tools and outputs are whatever a user has)

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from holdfast.agents.continuation import Continuation
from holdfast.agents.conversations import check_name, next_turn
from holdfast.agents.frames import Frame
from holdfast.agents.handing import continuation_of, handed_over, is_to_take, noted_of
from holdfast.agents.limits import Limits, Spent
from holdfast.agents.loop import PAUSE, working
from holdfast.agents.model import APIS, Message
from holdfast.agents.results import Done, Suspended
from holdfast.agents.schema import Answer
from holdfast.agents.streaming import streamed
from holdfast.agents.taking import IMPORTING, Told
from holdfast.agents.task import Task
from holdfast.agents.toolbox import AgentTool, Toolbox
from holdfast.agents.unkept import Unkept, UnkeptOnLoop
from holdfast.core.clock import RandomIds
from holdfast.core.flows import Flow, Work
from holdfast.core.flows import run as run_flow
from holdfast.core.texts import is_text
from holdfast.errors import InputMismatch, InvalidValue, RunFinished
from holdfast.runs.gates import WAITS_FOR_CALLS, Approval, NotYet, wait_for_all
from holdfast.runs.inbox import Inbox
from holdfast.runs.loop import Loop
from holdfast.runs.records import CANCELLED, COMPLETE, QUEUED
from holdfast.runs.tools import Tool, tool
from holdfast.runs.views import result
from holdfast.state.rows.log import Event

_NAME_LENGTH_MAX = 64

UnkeptT = TypeVar("UnkeptT", bound=Unkept)

ON_CHANGE = ("refuse", "warn", "accept")


class Agent:
    """A model with instructions and tools, whose every call is a step of a run.

    Each question to the model and each call of a tool is recorded when it is answered. A process may die at any
    instruction: the agent run again with the same `run_id` goes on where it stopped, and pays for nothing twice but
    what was in flight.

    Args:
        name: of the agent.
        instructions: what its model is told first.
        tools: functions, `Tool`s, and other agents by `as_tool`. A model is told a tool's name, its docstring, and its
            parameters by their types; what it calls a tool with is checked by them.
        model: the name of the model.
        client: an `openai.OpenAI`, an `openai.AsyncOpenAI` for `run_async`, or what is like it, with whatever base URL.
            It tries again by itself when it is told to wait (`max_retries`).
        output: the type of what the agent returns: its model is told to say JSON of it, which is checked (as the field
            `result` of an object, if it is none itself). A text without, and for `str`.
        limits: what a run may use.
        context: returns the messages that the model is to see, of all those there are; the record keeps all.
        cost: returns what an answer cost, of its usage: `{"input_tokens": 10, "output_tokens": 3, "tokens": 13}`.
        settings: whatever else is sent with each request, such as `{"temperature": 0}`.
        api: "chat" for chat completions, "responses" for the Responses API. What is recorded is the same.
        pause: called before each question to the model with what the run has used so far (`turns`, `tokens`, `cost`);
            returns why somebody is to be asked first whether it may go on, or an `Approval` that says so, or None. The
            run waits in the inbox then. If it may not, it fails with `Rejected`.
        on_change: what to do with a run that was begun by an agent of this name with other instructions, another model
            or other tools: "refuse" raises InputMismatch, "warn" goes on with a warning, "accept" goes on. What was
            said and done stays as it is recorded.

    Raises:
        InvalidValue: a name, a tool or a type is none that a model can be told of.
    """

    def __init__(  # noqa: PLR0913 - each option is named where it is given
        self,
        name: str,
        *,
        model: str,
        client: Any,  # noqa: ANN401
        instructions: str = "",
        tools: Iterable[Tool | AgentTool | Callable[..., Any]] = (),
        output: Any = None,  # noqa: ANN401
        limits: Limits | None = None,
        context: Callable[[Sequence[Message]], Iterable[Message]] | None = None,
        cost: Callable[[Mapping[str, int]], float] | None = None,
        settings: Mapping[str, Any] | None = None,
        api: str = "chat",
        pause: Callable[[Spent], str | Approval | None] | None = None,
        on_change: str = "refuse",
    ) -> None:
        self._given: dict[str, Any] = {
            "model": model, "client": client, "instructions": instructions, "tools": tuple(tools), "output": output,
            "limits": limits, "context": context, "cost": cost, "settings": settings, "api": api, "pause": pause,
            "on_change": on_change,
        }  # fmt: skip
        if not is_text(name, _NAME_LENGTH_MAX) or not name:
            raise InvalidValue(f"the name of an agent is a text of 1 to {_NAME_LENGTH_MAX} characters, not {name!r}")
        self.name = name
        self.instructions = instructions
        self.toolbox = Toolbox(self._given["tools"])
        self.limits = limits or Limits()
        self._shape = None if output in (None, str) else Answer(output, f"agent {name}")
        if api not in APIS:
            raise InvalidValue(f"the api of an agent is one of {', '.join(APIS)}, not {api!r}")
        self.model = APIS[api](client, model, settings or {}, None if self._shape is None else self._shape.schema)
        self._context = context
        self._cost = cost
        self._pause = pause
        if on_change not in ON_CHANGE:
            raise InvalidValue(f"on_change is one of {', '.join(ON_CHANGE)}, not {on_change!r}")
        self._on_change = on_change
        self._memory: dict[type[Any], Any] = {}
        told, offered = hash_of(instructions), hash_of([self.toolbox.told, self.toolbox.terms])
        self.known_as = {"name": name, "model": model, "told": told, "tools": offered}
        self.identity = f"{name} {hash_of(self.known_as)}"

    @property
    def tools(self) -> tuple[Tool | AgentTool | Callable[..., Any], ...]:
        """Its tools, as they were given."""
        found: tuple[Tool | AgentTool | Callable[..., Any], ...] = self._given["tools"]
        return found

    def but(self, name: str | None = None, **others: Any) -> Agent:  # noqa: ANN401 - those of this class
        """Return an agent like this one, with other options. Raises as this class does."""
        return Agent(name or self.name, **{**self._given, **others})

    def task(self, function: Callable[..., Any]) -> Task:
        """Make a task of a function: its signature and docstring say what is to be done, the agent does it.

        Its body is never called. Arguments are checked by their types, and so is what the model returns.

        Raises:
            InvalidValue: a type is none that a model can be told of.

        Example:
            >>> import holdfast
            >>> agent = holdfast.Agent("analyst", model="gpt-4o", client=None)
            >>> @agent.task
            ... def analyze(data: list[float]) -> dict[str, float]:
            ...     "Analyze the data."
            >>> analyze
            <Task 'analyze' of analyst>
        """
        return Task(self, function)

    def as_tool(self, name: str, description: str) -> AgentTool:
        """Return a tool by which another agent calls this one, with a prompt; what this one says is its answer.

        Its calls are steps of the other's run.
        """
        return AgentTool(self, name, description)

    def run(
        self,
        prompt: str,
        *,
        store: Any = None,  # noqa: ANN401 - a Store, which this room does not know
        run_id: str | None = None,
        conversation: str | None = None,
    ) -> Done | Suspended:
        """Let the agent work on a prompt; go on where it stopped, if there is a run of this id.

        Args:
            store: a `Store`, where the run is kept. Without one it is in memory, as long as the agent is: those that
                are complete are forgotten, unless they are of a conversation.
            run_id: the run; by default a new one, or the next turn of the conversation.
            conversation: what this is a turn of: its messages are those of all turns, in
                `store.state.namespace("conversations").namespace(conversation)["messages"]`. A turn that failed, or
                waits, is gone on with by the same prompt; until it is done there is no other.

        Raises:
            RunBusy: somebody works on this run, or another turn of the conversation has not ended.
            InputMismatch: the run has another prompt.
            LimitReached: the agent has used what it may. The run is failed, and goes on with other limits.
            Exception: what the client raises, such as `openai.RateLimitError`. The run is failed, and can go on.
        """
        kept = self._unkept(Unkept) if store is None else store
        asked = run_flow(self._asked(kept, prompt, run_id, conversation))
        came = self._go_on(lambda: asked.begun(kept))
        if store is None and conversation is None and isinstance(came, Done):
            kept.forget()
        return came

    def _unkept(self, kind: type[UnkeptT]) -> UnkeptT:
        """Return where runs are that are given no store."""
        found: UnkeptT | None = self._memory.get(kind)
        if found is None:
            found = self._memory[kind] = kind()
        return found

    def stream(
        self,
        prompt: str,
        *,
        store: Any = None,  # noqa: ANN401 - a Store
        run_id: str | None = None,
        conversation: str | None = None,
    ) -> Iterator[Event | Done | Suspended]:
        """Do as `run`, and yield the events of the run as they are recorded; the last thing is what came of it.

        The work goes on in a thread of its own, also if nobody takes the next event, and is waited for when this is
        closed. Raises as `run`, after the events.
        """
        kept = self._unkept(Unkept) if store is None else store
        asked = run_flow(self._asked(kept, prompt, run_id, conversation))
        return streamed(kept.run(asked.run_id).loop, lambda: self._go_on(lambda: asked.begun(kept)))

    def resume(self, store: Any, run: str | Continuation) -> Done | Suspended:  # noqa: ANN401 - a Store
        """Go on with a run of this agent, by its id alone, in whatever process; of one that is complete return the end.

        Nothing that is recorded is done again. Two who resume a run at the same time do not both work on it.

        Args:
            store: where it is; None for one that this agent began without a store.
            run: its id; or its continuation, by which it goes on here if it was exported from another store.

        Raises:
            NotFound: there is no such run; InvalidValue: it is none of an agent.
            RunBusy: somebody works on it.
            InputMismatch: this is another agent than the one that began it; see `on_change`.
            Others: as `run`.
        """
        run_id = run if isinstance(run, str) else run.run_id
        store = self._unkept(Unkept) if store is None else store
        loop = store.run(run_id).loop
        if run_flow(self._is_to_take(loop, run)) and not isinstance(run, str):
            with self._taken(store, run) as entered:
                run_flow(self.working(entered.loop, Told(run.root)))
        return self._go_on(lambda: store.run(run_id))

    def export(self, store: Any, run_id: str, *, hand_over: bool = True) -> Continuation:  # noqa: ANN401 - a Store
        """Return the continuation of a run that waits, with its messages, to be resumed in another store.

        Args:
            hand_over: whether the run ends here: it is cancelled, so that nobody goes on with it in both stores. All
                that it recorded stays, and can be forked.

        Raises:
            NotFound: there is no such run, or no call of it waits.
            InDoubt: of one of its calls nobody knows whether it happened; answer it first.
            RunBusy: somebody works on it.
        """
        return handed_over(store.run(run_id).loop.place, run_id, hand_over=hand_over)

    def _go_on(self, entering: Callable[[], Any]) -> Done | Suspended:
        """Work on a run until it is done, or waits for what nobody has decided."""
        came: Done | Suspended | None = None
        while came is None:
            with entering() as entered:
                entered.loop.result = run_flow(self.working(entered.loop))
            came = run_flow(ended(entered.loop))
        return came

    async def run_async(
        self,
        prompt: str,
        *,
        store: Any = None,  # noqa: ANN401 - a Store of holdfast.aio
        run_id: str | None = None,
        conversation: str | None = None,
    ) -> Done | Suspended:
        """Do as `run`, on a store of `holdfast.aio`: coroutine tools and clients are awaited on the running loop."""
        kept = self._unkept(UnkeptOnLoop) if store is None else store
        probe = kept.run(new_id(self.name))
        asked: Asked = await probe.follow(self._asked(kept, prompt, run_id, conversation))
        came = await self._go_on_async(lambda: asked.begun(kept))
        if store is None and conversation is None and isinstance(came, Done):
            kept.forget()
        return came

    async def resume_async(self, store: Any, run: str | Continuation) -> Done | Suspended:  # noqa: ANN401
        """Do as `resume`, on a store of `holdfast.aio`."""
        run_id = run if isinstance(run, str) else run.run_id
        store = self._unkept(UnkeptOnLoop) if store is None else store
        looked_at = store.run(run_id)
        if await looked_at.follow(self._is_to_take(looked_at.loop, run)) and not isinstance(run, str):
            async with self._taken(store, run) as entered:
                await entered.follow(self.working(entered.loop, Told(run.root)))
        return await self._go_on_async(lambda: store.run(run_id))

    def _is_to_take(self, loop: Loop, run: str | Continuation) -> Flow[bool]:
        """Tell whether a run is to be taken over from another store; its conversation is brought along first.

        Raises:
            NotFound: it is not here, and nothing else is known of it.
        """
        given = run if isinstance(run, Continuation) else None
        is_new: bool = yield Work(partial(is_to_take, loop.place, loop.run_id, given))
        return is_new

    def _taken(self, store: Any, given: Continuation) -> Any:  # noqa: ANN401 - a run, sync or not
        """Return the run to be entered that a continuation becomes here."""
        conversation = given.root.history.conversation
        entered = store.run(given.run_id, input=given.input)
        entered.loop.name(IMPORTING)
        if conversation:
            entered.loop.wish = replace(entered.loop.wish, merge=entered.loop.place.ref)
        return entered

    async def _go_on_async(self, entering: Callable[[], Any]) -> Done | Suspended:
        came: Done | Suspended | None = None
        while came is None:
            async with entering() as entered:
                entered.loop.result = await entered.follow(self.working(entered.loop))
            came = await entered.follow(ended(entered.loop))
        return came

    def __call__(self, entered: Any) -> Any:  # noqa: ANN401 - a run that is worked on, and what the agent returns
        """Work on a run that was entered, as a worker does: `db.worker([agent])` goes on with all runs of its name."""
        return run_flow(self.working(entered.loop))

    async def on_loop(self, entered: Any) -> Any:  # noqa: ANN401 - as above, of holdfast.aio
        """Do as a call, on the running loop: what a worker of `holdfast.aio` does."""
        return await entered.follow(self.working(entered.loop))

    @property
    def __name__(self) -> str:
        """The name by which workers know it."""
        return self.name

    def _asked(self, store: Any, prompt: str, run_id: str | None, conversation: str | None) -> Flow[Asked]:  # noqa: ANN401
        """Return which run is asked for."""
        if not isinstance(prompt, str):
            raise InvalidValue(f"the prompt of an agent is a str, not {type(prompt).__name__}")
        if conversation is None:
            return Asked(self.name, run_id or new_id(self.name), prompt, "", "")
        place = store.run(new_id(self.name)).loop.place
        turn = yield Work(partial(next_turn, place, check_name(conversation)), reads=True)
        return Asked(self.name, run_id or turn, prompt, conversation, place.ref)

    def working(self, loop: Loop, told: Told | None = None) -> Flow[Any]:
        """Return the work on a run that was entered as a flow; it begins with the prompt that the run was made with.

        Args:
            told: what is known of it from another store.
        """
        given: Any = yield Work(loop.input, reads=True)
        if not isinstance(given, dict) or not isinstance(given.get("prompt"), str):
            raise InvalidValue(f"run {loop.run_id!r} is none of an agent: it was made without a prompt")
        if told is None and loop.active.record.name == IMPORTING:
            raise InvalidValue(f"run {loop.run_id!r} is not taken over yet; resume it with its continuation once more")
        frame = Frame(self, loop, "", Spent(), given.get("conversation", ""), told=told)
        try:
            return (yield from working(frame, given["prompt"]))
        except NotYet as waiting:
            active, root = loop.active, waiting.part
            active.record = structs.replace(active.record, name=self.name)
            noted = partial(noted_of, active.place, loop.run_id, given, root)
            yield Work(partial(wait_for_all, active, waiting.calls, noted))
            raise

    def is_another(self, turn: int, mismatch: InputMismatch | None = None) -> None:
        """Take note that a turn is recorded of another agent, or of something else. Raises InputMismatch if refused."""
        what = (
            f"agent {self.name!r} is not the one that turn {turn} is recorded of: its instructions, model or tools have"
            " changed since, or a tool returned something else"
        )
        if self._on_change == "refuse":
            step = None if mismatch is None else mismatch.step
            raise InputMismatch(f'{what}; Agent(on_change="accept") goes on even so', step) from mismatch
        if self._on_change == "warn":
            warnings.warn(what, RuntimeWarning, stacklevel=2)

    # What its turns ask it

    def opening(self) -> list[Message]:
        """Return the messages before all others."""
        return [{"role": "system", "content": self.instructions}] if self.instructions else []

    def context(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages that the model is to see."""
        return list(messages if self._context is None else self._context(list(messages)))

    @property
    def pauses(self) -> bool:
        """Whether it may have to ask before it goes on."""
        return self._pause is not None

    def pause(self, spent: Spent, *, was_asked: bool) -> Tool | None:
        """Return what waits for somebody before the model is asked once more; None if nothing does.

        Args:
            was_asked: whether somebody was asked before this turn; then that is waited for, whatever is said now.
        """
        why = None if self._pause is None else self._pause(spent)
        if why is None and not was_asked:
            return None
        approval = why if isinstance(why, Approval) else Approval(message=str(why or ""))
        return tool(name=PAUSE, approval=approval, effect="pure")(_goes_on)

    def usage_of(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an answer used, by what the step records."""
        usage: dict[str, Any] = dict(said["usage"])
        if self._cost is not None and usage:
            usage["cost"] = float(self._cost(said["usage"]))
        return {**usage, "model": said["model"]}

    def read(self, content: Any) -> Any:  # noqa: ANN401
        """Return what the model's last words mean. Raises InvalidValue with what is wrong, for the model."""
        if self._shape is None:
            return content or ""
        return self._shape.read(content or "")

    def __repr__(self) -> str:
        return f"<Agent {self.name!r}>"


def _goes_on(turns: int, tokens: int, cost: float) -> None:
    """Do nothing: it was allowed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which run is asked for.

    Attributes:
        agent: the name of the agent that works on it.
        merge: the branch that it is merged into when it is complete.
    """

    agent: str
    run_id: str
    prompt: str
    conversation: str
    merge: str

    def begun(self, store: Any) -> Any:  # noqa: ANN401 - a run, sync or not
        """Return the run, to be entered."""
        given = {"prompt": self.prompt}
        if self.conversation:
            given["conversation"] = self.conversation
        entered = store.run(self.run_id, input=given, merge=self.merge)
        entered.loop.name(self.agent)
        return entered


def new_id(name: str) -> str:
    """Return the id of a new run of an agent."""
    kept = "".join(one if one.isalnum() else "-" for one in name).strip("-") or "agent"
    return f"{kept}-{RandomIds().line_uid()[:12]}"


def hash_of(told: Any) -> str:  # noqa: ANN401
    """Return a short hash of JSON values."""
    return hashlib.blake2b(msgspec.json.encode(told, order="sorted"), digest_size=8).hexdigest()


def ended(loop: Loop) -> Flow[Done | Suspended | None]:
    """Return what came of a run whose block has ended; None if it is to be gone on with at once.

    That is so where somebody decided on a call while the run was being suspended.
    """

    def found() -> Done | Suspended | None:
        record = loop.record
        if record.status == COMPLETE:
            return Done(result(loop.place, record), loop.run_id)
        if record.status == QUEUED and record.waiting == WAITS_FOR_CALLS:
            return None
        if record.status == CANCELLED:
            raise RunFinished(f"run {loop.run_id!r} was cancelled")
        waiting = tuple(Inbox(lambda: loop.place)(run_id=loop.run_id))
        continuation = continuation_of(loop.place, loop.run_id) if record.waiting == WAITS_FOR_CALLS else None
        return Suspended(loop.run_id, record.why or record.status, waiting, continuation)

    ended_so: Done | Suspended | None = yield Work(found, reads=True)
    return ended_so
