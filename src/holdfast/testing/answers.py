"""Policies as the oracle reads them: a question, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from holdfast.errors import Conflict, InvalidValue
from holdfast.testing.threeway import Decide
from holdfast.versions.policies import Policy


def decider(policy: Policy) -> Decide:
    """Return a policy as a function of the conflict. Raises InvalidValue if it is none."""
    if isinstance(policy, Mapping):
        parts = cast("Mapping[object, Any]", policy)
        return lambda conflict: decider(_for_key(_part(parts, conflict.table), conflict))(conflict)
    if callable(policy):
        return policy
    policies: dict[str, Decide] = {
        "fail": lambda _: NotImplemented,
        "ours": lambda conflict: conflict.ours,
        "theirs": lambda conflict: conflict.theirs,
    }
    if policy not in policies:
        raise InvalidValue(f"{policy!r} is no merge policy; use 'fail', 'ours', 'theirs', a callable or a dict")
    return policies[policy]


def _for_key(policy: object, conflict: Conflict) -> Any:  # noqa: ANN401
    if not isinstance(policy, Mapping):
        return policy
    alone = conflict.key[0] if len(conflict.key) == 1 else None
    return _part(cast("Mapping[object, Any]", policy), alone if alone in policy else conflict.key)


def _part(policy: Mapping[object, Any], name: object) -> Any:  # noqa: ANN401
    """Return what a dict of policies says of a table or a key."""
    return policy.get(name, policy.get(..., "fail"))
