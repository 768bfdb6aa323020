"""`Cache`: answers of tools that are kept."""

# pyright: basic
# (values are whatever a tool returns)

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeVar

from holdfast.cache import entries
from holdfast.cache.asked import scope_text, tool_of
from holdfast.cache.calls import UNREADABLE, Calls, Raised
from holdfast.cache.entries import NEVER_US, Use
from holdfast.cache.options import GIVEN
from holdfast.cache.results import Hit, ToolUse
from holdfast.core.durations import Duration
from holdfast.core.flows import run
from holdfast.engine.contract import Writer
from holdfast.versions.results import moment

R = TypeVar("R")


class Cache(Calls):
    """Answers of tools, kept for all who use the store, on every branch. Threads and processes may share it.

    What is returned is always what was read back, so a hit and a miss have the same value and types. Whoever asks while
    another calls the tool with the same arguments waits for that call: it is made once, in whatever processes.

    Example:
        >>> import holdfast
        >>> def population(city: str) -> dict:
        ...     print("asks")
        ...     return {"city": city, "people": 2_145_906}
        >>> with holdfast.connect(":memory:") as db:
        ...     cache = db.cache.options(ttl="1h", name="population")
        ...     first, second = cache.call(population, "Paris"), cache.call(population, city="Paris")
        asks
        >>> first == second
        True
    """

    def options(
        self,
        *,
        ttl: Duration | None = GIVEN,
        errors: Duration | None = GIVEN,
        name: str | None = GIVEN,
        version: str | None = GIVEN,
        scope: Any = GIVEN,  # noqa: ANN401
        cost: float | Callable[[Any], float] = GIVEN,
        max_bytes: int = GIVEN,
    ) -> Self:
        """Return the cache with other options; what is not given stays as it is here.

        Args:
            ttl: how long an answer holds: seconds, a timedelta, or a text such as "10m"; None for as long as nothing
                removes it.
            errors: how long what a tool raised holds, and is raised again; None to call the tool again.
            name: of the tool, where its function has none of its own. By default its module and name.
            version: of the tool; another version has answers of its own. By default a hash of the function's code.
            scope: whatever an answer depends on beside the arguments: a tenant, a user, a model, credentials. Any
                value that can be stored without a pickle.
            cost: what a call costs, or a function that says so of what it returned: for `stats`.
            max_bytes: how large all answers of the store may get; then those go first that end soonest.

        Raises:
            InvalidValue: an option is none.
            NotStorable: the scope cannot be told from another.
        """
        options = self._options.but(
            ttl=ttl, errors=errors, name=name, version=version, scope=scope, cost=cost, max_bytes=max_bytes
        )
        return type(self)(self._shared, self._codec, options)

    def call(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:  # noqa: ANN401
        """Return what a tool answered to these arguments, or call it, and keep the answer durably.

        Raises:
            InvalidValue: the function has no name of its own (give one), does not take these arguments, or is a
                coroutine function (`holdfast.aio` awaits those).
            NotStorable: an argument has no stored form, so the tool was not called; or its answer has none.
            Exception: what the tool raises; it is kept only if `errors` says for how long.
            TransactionOpen: inside a transaction of this thread, where the answer is not there yet.
        """
        answer: R = run(self.flow(function, args, kwargs))
        return answer

    # Answers

    def find(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Hit | None:  # noqa: ANN401
        """Return what is kept of a call, or None; the tool is not called, and this counts as no use."""
        answer = self._found(asked := self._asked(function, args, kwargs))
        if answer is None:
            return None
        given = self._given(answer, asked)
        ends = None if answer.ends_us == NEVER_US else moment(answer.ends_us)
        made = moment(answer.made_us)
        if given is UNREADABLE:
            return None
        return Hit(None, given.error, made, ends) if isinstance(given, Raised) else Hit(given, None, made, ends)

    def invalidate(self, tool: str | Callable[..., Any] | None = None, *, scope: Any = None) -> int:  # noqa: ANN401
        """Remove what is kept of a tool, of a scope, of both, or everything; return how many answers that were.

        Args:
            tool: the name of a tool, or its function.
            scope: as it was given to `options`; None for all.
        """
        name = tool if tool is None or isinstance(tool, str) else tool_of(tool)
        whom = None if scope is None else scope_text(scope)

        def work(writer: Writer) -> int:
            found = [digest for digest, _, _ in entries.listed(writer, name, whom)]
            return sum(entries.remove(writer, digest) for digest in found)

        with self._shared.desk.session() as session:
            return session.write_together(work)

    def flush(self) -> None:
        """Write how often tools were used, as far as that is in memory only."""
        if not self._shared.read_only and (uses := self._shared.noted()):
            with self._shared.desk.session() as session:
                session.write_together(lambda writer: entries.count(writer, uses))

    def stats(self) -> list[ToolUse]:
        """Return how tools were used, by their names.

        Uses are counted in memory and written with the next answer that is kept, here, or when the store is closed:
        those of a process that was killed before are not counted.
        """
        self.flush()
        with self._shared.desk.session() as session, session.read() as reader:
            kept: dict[str, list[int]] = {}
            for _, tool, size in entries.listed(reader):
                kept.setdefault(tool, []).append(size)
            uses = entries.used(reader)
        return [
            ToolUse(
                tool, use.hits, use.misses, use.failures, len(sizes := kept.get(tool, [])), sum(sizes),
                use.seconds_saved, use.cost_saved,
            )
            for tool, use in sorted({**{tool: Use() for tool in kept}, **uses}.items())
        ]  # fmt: skip
