"""The inbox of an async `Store`: `holdfast.runs.inbox.Inbox`, to be awaited."""

# pyright: basic
# (arguments and answers are whatever a user has)

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from holdfast.core.flows import Aside

if TYPE_CHECKING:
    from holdfast.runs.inbox import Inbox as PlainInbox
    from holdfast.runs.inbox import InboxCall


class Inbox:
    """The calls that wait for a decision; `approve`, `reject` and `answer` of those it returns are to be awaited.

    Args:
        inbox: the plain one.
        aside: does what may block on a thread of the store.
    """

    def __init__(self, inbox: PlainInbox, aside: Aside) -> None:
        self._inbox = inbox
        self._aside = aside

    async def __call__(self, *, approver: str | None = None, run_id: str | None = None) -> list[InboxCall]:
        """Return the calls that wait: as `Inbox.__call__`."""
        found = await self._aside(lambda: self._inbox(approver=approver, run_id=run_id), reads=True)
        return [self._awaited(call) for call in found]

    async def get(self, call_id: str) -> InboxCall:
        """Return a call by its id, decided or not: as `Inbox.get`."""
        return self._awaited(await self._aside(lambda: self._inbox.get(call_id), reads=True))

    async def of_run(self, run_id: str) -> list[InboxCall]:
        """Return all calls of a run: as `Inbox.of_run`."""
        return [self._awaited(call) for call in await self._aside(lambda: self._inbox.of_run(run_id), reads=True)]

    def _awaited(self, call: InboxCall) -> InboxCall:
        """Return a call on which is decided on the loop."""

        async def decide(*said: Any) -> InboxCall:  # noqa: ANN401 - as of `InboxCall.decide`
            return self._awaited(await self._aside(lambda: call.decide(*said), reads=False))

        return replace(call, decide=decide)
