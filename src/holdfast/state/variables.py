"""What `Live` and `Versioned` have in common: variables by name, in namespaces, and a log."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import MutableMapping
from typing import Any, Self

from holdfast.state.log import Event


class State(MutableMapping[str, Any], ABC):
    """An agent's variables: a mapping of names to values."""

    @abstractmethod
    def namespace(self, name: str) -> Self:
        """Return the variables of an agent inside this one: neither its siblings nor it see the others'.

        Raises:
            InvalidValue: the name is empty, or has a "/" in it.
        """

    @abstractmethod
    def log(self, kind: str, data: Any = None, *, step: str | None = None, usage: Any = None) -> None:  # noqa: ANN401
        """Note an event."""

    @abstractmethod
    def events(self) -> list[Event]:
        """Return the events of this namespace and of those inside it, in the order of their times."""

    @abstractmethod
    def recent(self) -> list[str]:
        """Return the keys that changed last, those of namespaces as "namespace/key"."""

    @abstractmethod
    def all_values(self) -> dict[str, Any]:
        """Return the values of this namespace and of those inside it; of what cannot be read, how the error names it."""


def events(state: State) -> list[Event]:
    """Return the events of a state, and of the namespaces inside it, in the order of their times.

    Each is stamped with the hash of the commit that its author saw, and of the one that it belongs to:
    `state.checkout(event.commit_hash)` is the agent's memory at that moment.
    """
    return state.events()
