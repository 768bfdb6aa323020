"""Policies as the oracle reads them: a question, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from holdfast.core.schema import Catalogue
from holdfast.errors import Conflict, InvalidValue
from holdfast.testing.threeway import Decide
from holdfast.versions.policies import Policy

_NAMED: dict[object, Decide] = {
    "fail": lambda _: NotImplemented,
    "ours": lambda conflict: conflict.ours,
    "theirs": lambda conflict: conflict.theirs,
}


def decider(policy: Policy, catalogue: Catalogue) -> Decide:
    """Return a policy as a function of the conflict. Raises InvalidValue if it is none."""
    rules: dict[tuple[object, object], Decide] = {}
    for name, of_table in _parts(policy).items():
        table = catalogue.find(name) if isinstance(name, str) else None
        if table is None and name is not ...:
            raise InvalidValue(f"{name!r} is no table")
        for given, one in _parts(of_table).items():
            key = _key(given)
            if table and key is not ... and len(key) != len(table.primary_key or "123"):
                raise InvalidValue(f"{given!r} is no key of {table.name}")
            if not callable(one) and one not in _NAMED:
                raise InvalidValue(f"{one!r} is no merge policy; use 'fail', 'ours', 'theirs', a callable or a dict")
            rules[table.name if table else ..., key] = _NAMED.get(one, one)
    named = {table for table, _ in rules}

    def answer(conflict: Conflict) -> object:
        table = conflict.table if conflict.table in named else ...
        rule = rules.get((table, conflict.key)) or rules.get((table, ...)) or _NAMED["fail"]
        return rule(conflict)

    return answer


def _key(given: object) -> Any:  # noqa: ANN401 - a tuple, or `...`
    return cast("Any", given) if isinstance(given, tuple) or given is ... else (given,)


def _parts(policy: object) -> Mapping[object, Any]:
    """Return a dict of policies; of a single one, a dict for everything."""
    return cast("Mapping[object, Any]", policy) if isinstance(policy, Mapping) else {...: policy}
