"""Policies: what becomes of conflicts.

A policy is read once, against the tables that are there, and what is wrong with it is said before anything is decided.
Policies see and return Python values; the rules of merging know stored values alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from holdfast.core.canonical import json_text
from holdfast.core.rows import Decide
from holdfast.core.schema import Catalogue, Key, Table
from holdfast.core.types import Kind, Stored, decode, encode
from holdfast.errors import Conflict, InvalidValue
from holdfast.versions.diff import decoded_key, decoded_row
from holdfast.versions.edits import encoded_key

OnePolicy = str | Callable[[Conflict], object]
TablePolicy = OnePolicy | Mapping[Any, OnePolicy]
Policy = OnePolicy | Mapping[Any, TablePolicy]
"""How to resolve conflicts: "fail", "ours", "theirs", or a function of the conflict; for all, or by table and key.

A function returns the value to keep: of a cell, or a row as a dict, or None for no row; `conflict.ours` and
`conflict.theirs` among them. `NotImplemented` leaves the conflict unresolved. `ours` is the branch that is written. It
is asked again if the branch moved meanwhile.

A dict gives each table its policy, or a dict of policies by key: a tuple of primary key values (of a key with one
column also the value alone). `...` stands for all tables, or keys, that are not named; without it they are "fail".
"""


class Policies:
    """A policy for conflicts, checked against the tables that are there.

    Raises:
        InvalidValue: it is none, or names a table or a key that cannot be.
    """

    def __init__(self, policy: Policy, catalogue: Catalogue) -> None:
        by_table, self._rest = _parts(policy)
        _check(self._rest)
        self._given: dict[str, object] = {}
        self._by_key: dict[int, tuple[dict[Key, OnePolicy], OnePolicy]] = {}
        for name, given in by_table.items():
            table = catalogue.find(name) if isinstance(name, str) else None
            if table is None:
                known = sorted(table.name for table in catalogue.tables)
                raise InvalidValue(f"the policy names the table {name!r}, which is not there; there are {known}")
            if table.owned:
                self._given[table.name] = given
            else:
                self._by_key[table.id] = _of_table(table, given)

    def given(self, name: str) -> object:
        """Return the policy for a table whose rules read it themselves, as the caller gave it."""
        return self._given.get(name, self._rest)

    def of(self, table: Table) -> Decide:
        """Return the policy for one table, as a function of conflicts in stored values."""
        by_key, rest = self._by_key.get(table.id, ({}, self._rest))
        return lambda conflict: _chosen(table, conflict, by_key.get(conflict.key, rest))


def _parts(policy: object) -> tuple[dict[object, Any], Any]:
    """Return the parts of a dict of policies and what stands for the rest; or no parts, and the policy."""
    if not isinstance(policy, Mapping):
        return {}, policy
    parts = dict(cast("Mapping[object, Any]", policy))
    return parts, parts.pop(..., "fail")


def _of_table(table: Table, policy: object) -> tuple[dict[Key, OnePolicy], OnePolicy]:
    parts, rest = _parts(policy)
    by_key: dict[Key, OnePolicy] = {}
    for given, part in parts.items():
        key = _key(table, cast("tuple[object, ...]", given) if isinstance(given, tuple) else (given,))
        if key in by_key:
            raise InvalidValue(f"the policy names the key {given!r} of {table.name} twice; say once what becomes of it")
        by_key[key] = part
    for part in (rest, *by_key.values()):
        _check(part)
    return by_key, rest


def _key(table: Table, given: tuple[object, ...]) -> Key:
    """Return a key as conflicts have it. What no row could have would never be met, and so is refused."""
    key = encoded_key(table, given)
    for at, part in zip(table.positions(table.primary_key), key, strict=False):
        column = table.columns[at]
        if not isinstance(part, _KEPT_AS.get(column.type.kind, object)):
            raise InvalidValue(f"the policy names the key {given!r}, but {table.name}.{column.name} is {column.type}")
    return key


_KEPT_AS: dict[Kind, type | tuple[type, ...]] = {Kind.INTEGER: int, Kind.REAL: (int, float), Kind.TEXT: str}
"""What `encode` leaves to the engine to convert, and to refuse."""


def _check(policy: object) -> None:
    if not callable(policy) and not (isinstance(policy, str) and policy in _NAMED):
        raise InvalidValue(
            f"{policy!r} is no merge policy; use 'fail', 'ours', 'theirs', a function, or a dict of these by table,"
            " in which a table may have a dict of these by key"
        )


_NAMED: dict[str, Decide] = {
    "fail": lambda _: NotImplemented,
    "ours": lambda conflict: conflict.ours,
    "theirs": lambda conflict: conflict.theirs,
}


def _chosen(table: Table, conflict: Conflict, policy: OnePolicy) -> object:
    """Return what a policy chooses in stored values: of a side that a user's function returned, the very same."""
    if isinstance(policy, str):
        return _NAMED[policy](conflict)
    shown = decoded_conflict(table, conflict)
    choice = policy(shown)
    if choice is not None and choice is shown.ours:
        return conflict.ours
    if choice is not None and choice is shown.theirs:
        return conflict.theirs
    return _encoded_choice(table, conflict, choice)


def _encoded_value(table: Table, name: str, value: object) -> Stored:
    """Return a value that a policy made up in stored form. A str is a JSON string here, not JSON text."""
    at = table.position(name)
    assert at is not None
    column, where = table.columns[at], f"{table.name}.{name}"
    if value is None and (column.not_null or name in table.primary_key):
        raise InvalidValue(f"{where}: the policy returned None for a column that cannot be NULL")
    if column.type.kind is Kind.JSON and value is not None:
        return json_text(value, where)
    return encode(value, column.type, where)


def _encoded_choice(table: Table, conflict: Conflict, choice: object) -> object:
    """Return what a user's policy chose in stored values."""
    if choice is NotImplemented:
        return choice
    if choice is None:
        if conflict.ours is not None and conflict.theirs is not None:
            raise InvalidValue(
                f"the policy returned None for {conflict}, where neither side has it; return a value (a forgotten"
                " return?), or NotImplemented to leave the conflict"
            )
        return None
    if conflict.column is not None:
        return _encoded_value(table, conflict.column, choice)
    given: Mapping[str, object] = cast("Any", choice) if isinstance(choice, Mapping) else {}
    if set(given) != {column.name for column in table.columns}:
        raise InvalidValue(
            f"the policy for {table.name} must return a row as a dict of all its columns, or None, not {choice!r}"
        )
    row = {column.name: _encoded_value(table, column.name, given[column.name]) for column in table.columns}
    if (
        table.primary_key
        and tuple(row[table.columns[at].name] for at in table.positions(table.primary_key)) != conflict.key
    ):
        raise InvalidValue(
            f"the policy changed the key of {conflict.table}{list(conflict.key)!r}; return the row under its key"
        )
    return next((side for side in (conflict.ours, conflict.theirs) if side == row), row)


def decoded_conflict(table: Table, conflict: Conflict) -> Conflict:
    """Return a conflict in Python values, as people and policies see it."""

    def cell(value: Any) -> object:  # noqa: ANN401 - a stored value
        at = table.position(conflict.column or "")
        return decode(value, table.columns[at].type) if at is not None else value

    def row(value: dict[str, Stored] | None) -> object:
        return None if value is None else decoded_row(table, tuple(value.values()))

    show = row if conflict.column is None else cell
    return Conflict(
        conflict.table,
        decoded_key(table, conflict.key),
        conflict.column,
        show(conflict.base),
        show(conflict.ours),
        show(conflict.theirs),
        conflict.constraint,
        tuple(show(candidate) for candidate in conflict.candidates),
    )
