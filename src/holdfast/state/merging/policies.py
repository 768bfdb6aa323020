"""Policies for conflicts in state: by key, by the beginning of keys, and for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from holdfast.errors import Conflict, InvalidValue
from holdfast.state.merging.values import OURS, THEIRS, Decide

StatePolicy = str | Callable[[Conflict], object] | Mapping[Any, str | Callable[[Conflict], object]]
"""What becomes of conflicts in state: "fail", "ours", "theirs", or a function of the conflict; for all, or by key.

A dict names keys ("plan"; "researcher/plan" in a namespace), beginnings of keys ("cache_*", "researcher/*"), and with
`...` the rest, which is else "fail". A key goes before a beginning, and a longer beginning before a shorter one.
"""

_NAMED: dict[str, Decide] = {
    "fail": lambda _: NotImplemented,
    "ours": lambda _: OURS,
    "theirs": lambda _: THEIRS,
}


def decider(policy: object) -> Decide:
    """Return a policy as a function of the conflict. Raises InvalidValue if it is none."""
    if not isinstance(policy, Mapping):
        return _checked(policy)
    exact: dict[str, Decide] = {}
    beginnings: dict[str, Decide] = {}
    rest = _NAMED["fail"]
    for name, given in cast("Mapping[object, object]", policy).items():
        if name is ...:
            rest = _checked(given)
        elif not isinstance(name, str):
            raise InvalidValue(f"a policy for state names its keys by str, not {name!r}; `...` stands for the rest")
        elif name.endswith("*"):
            beginnings[name[:-1]] = _checked(given)
        else:
            exact[name] = _checked(given)
    by_length = sorted(beginnings, key=len, reverse=True)

    def decide(conflict: Conflict) -> object:
        namespace, key = conflict.key[:2]
        name = f"{namespace}/{key}" if namespace else key
        if name in exact:
            return exact[name](conflict)
        beginning = next((known for known in by_length if name.startswith(known)), None)
        return (rest if beginning is None else beginnings[beginning])(conflict)

    return decide


def _checked(policy: object) -> Decide:
    if callable(policy):
        return cast("Decide", policy)
    if isinstance(policy, str) and policy in _NAMED:
        return _NAMED[policy]
    raise InvalidValue(
        f"{policy!r} is no merge policy; use 'fail', 'ours', 'theirs', a function, or a dict of these by key"
    )
