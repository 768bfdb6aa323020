"""`Live`: variables in this process alone."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, NoReturn, Self

from holdfast.errors import Unsupported
from holdfast.state.rows.log import Event, event_of
from holdfast.state.rows.namespaces import full, inner, inside_of, is_inside, is_key, name_of
from holdfast.state.rows.tables import Name
from holdfast.state.variables import State


class Live(State):
    """Variables that live as long as this object, and may be anything: connections, open files, clients.

    It has the methods of `Versioned`, so that one can stand for the other. There are no commits: `commit` and `discard`
    do nothing, `history` is empty, and what would need the past (`checkout`, `diff`, `branch`, `merge`, `revert_to`)
    raises Unsupported.

    Example:
        >>> state = Live()
        >>> state["numbers"] = [1, 2]
        >>> state["numbers"].append(3)
        >>> state["numbers"]
        [1, 2, 3]
    """

    read_only = False
    head = None
    """There is no commit that it stands on."""
    branch_name = None
    """There are no branches."""

    def __init__(self) -> None:
        self._values: dict[Name, Any] = {}
        self._events: list[tuple[str, int, dict[str, Any]]] = []
        self._changed: dict[Name, None] = {}  # in the order of their first change
        self._namespace = ""

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401
        name = name_of(self._namespace, key)
        if name not in self._values:
            raise KeyError(key)
        return self._values[name]

    def __setitem__(self, key: str, value: Any) -> None:  # noqa: ANN401
        name = name_of(self._namespace, key, to_set=True)
        self._values[name] = value
        self._note(name)

    def __delitem__(self, key: str) -> None:
        name = name_of(self._namespace, key)
        if name not in self._values:
            raise KeyError(key)
        del self._values[name]
        self._note(name)

    def __contains__(self, key: object) -> bool:
        return is_key(key) and name_of(self._namespace, key) in self._values

    def clear(self) -> None:
        """Remove all keys of this namespace."""
        for key in list(self):
            self.pop(key, None)

    def popitem(self) -> tuple[str, Any]:
        """Remove a key; return it with its value. Raises KeyError if there is none."""
        for name in reversed(self._values):
            if name.namespace == self._namespace:
                return name.key, self.pop(name.key)
        raise KeyError("the state is empty")

    def _note(self, name: Name) -> None:
        self._changed.setdefault(name)

    def __iter__(self) -> Iterator[str]:
        return iter([name.key for name in self._values if name.namespace == self._namespace])

    def __len__(self) -> int:
        return sum(name.namespace == self._namespace for name in self._values)

    def namespace(self, name: str) -> Self:  # noqa: D102 - as State says
        inside = type(self)()
        vars(inside).update(vars(self), _namespace=inner(self._namespace, name))
        return inside

    def namespaces(self) -> list[str]:
        """Return the names of the namespaces inside this one that have variables, sorted."""
        return inside_of(self._values, self._namespace)

    def log(self, kind: str, data: Any = None, *, step: str | None = None, usage: Any = None) -> None:  # noqa: ANN401, D102
        item = {"kind": kind, "data": data, "step": step, "usage": usage}
        self._events.append((self._namespace, time.time_ns() // 1000, item))

    def events(self) -> list[Event]:  # noqa: D102
        mine = [event for event in self._events if is_inside(event[0], self._namespace)]
        return [event_of(seq, *event, None, None) for seq, event in enumerate(mine, 1)]

    def recent(self) -> list[str]:  # noqa: D102
        return [full(name) for name in self._changed if is_inside(name.namespace, self._namespace)]

    def all_values(self, names: Iterable[str] | None = None) -> dict[str, Any]:  # noqa: D102
        found = {
            full(name): value for name, value in self._values.items() if is_inside(name.namespace, self._namespace)
        }
        wanted = found.keys() if names is None else set(names)
        return {name: value for name, value in found.items() if name in wanted}

    def commit(self, message: str = "", metadata: object = None) -> None:  # noqa: ARG002
        """Do nothing: there are no commits."""
        self._changed.clear()

    def discard(self) -> None:
        """Do nothing: nothing is pending."""

    def pending(self) -> list[str]:
        """Return nothing: there is nothing that could be committed."""
        return []

    def refresh(self) -> None:
        """Do nothing: nobody else can change anything."""

    def close(self) -> None:
        """Do nothing: the variables go with the object."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing."""

    def history(self, limit: int | None = None) -> list[Any]:  # noqa: ARG002
        """Return nothing: there are no commits."""
        return []

    def _past(self, *_: object, **__: object) -> NoReturn:
        raise Unsupported("a Live state keeps no past and has no branches; use Versioned()")

    checkout = diff = branch = merge = revert_to = _past
