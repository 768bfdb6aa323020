"""What `Live` and `Versioned` have in common: variables by name, in namespaces, and a log."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, MutableMapping
from typing import Any, Self

from holdfast.state.rows.log import Event
from holdfast.state.rows.namespaces import is_key


class State(MutableMapping[str, Any], ABC):
    """An agent's variables: a mapping of names to values."""

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401
        """Return the value of a key, or the default if there is none, also of what can be no key."""
        return super().get(key, default) if is_key(key) else default

    @abstractmethod
    def namespace(self, name: str) -> Self:
        """Return the variables of a nested agent, which it has for itself: neither its siblings nor it see the others'.

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
    def all_values(self, names: Iterable[str] | None = None) -> dict[str, Any]:
        """Return the values of this namespace and of those inside it; of what cannot be read, the error's words.

        Args:
            names: the keys to read, if there are such, those of namespaces as "namespace/key"; None for all.
        """


def events(state: State) -> list[Event]:
    """Return the events of a state, and of the namespaces inside it, in the order of their times.

    Each is stamped with the hash of the commit that its author saw, and of the one that it belongs to:
    `state.checkout(event.commit_hash)` is the agent's memory at that moment.
    """
    return state.events()
