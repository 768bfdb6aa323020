"""Values of the user's classes that are data: dataclasses, pydantic models, namedtuples and enums.

They are taken apart and put together attribute by attribute; `__init__`, `__post_init__`, validators and properties of
a class never run. A class is found by its registered name, else by `module:qualname` if its module is loaded already.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any

from holdfast.core.codec import kinds
from holdfast.core.codec.lifting import Lift, Lifting
from holdfast.core.codec.lowering import Beyond, Lowering
from holdfast.core.codec.places import stored_name, type_name
from holdfast.core.codec.registry import Registration, loaded_class
from holdfast.errors import HoldfastError, NotStorable, Unreadable


def _header(at: Lowering, cls: type) -> dict[str, Any]:
    """The name under which values of a class are stored, and the version if it is registered.

    Raises:
        Beyond: by that name the class would not be found again.
    """
    registration = at.types.of(cls)
    if registration:
        return {"type": registration.name, "version": registration.version}
    found = loaded_class(stored_name(cls))
    if found is cls:
        return {"type": stored_name(cls)}
    if found is None or not _is_renewed(cls, found):
        raise Beyond
    return {"type": stored_name(cls)}


def _is_renewed(old: type, new: type) -> bool:
    """Whether `new` is `old` made again with the same fields, as by a cell of a notebook that was run twice."""
    return (
        stored_name(new) == stored_name(old)
        and kinds.is_data_class(new)
        and kinds.field_names(new) == kinds.field_names(old)
        and getattr(new, "_member_map_", {}).keys() == getattr(old, "_member_map_", {}).keys()
    )


def dataclass_way(at: Lowering, value: Any) -> Any:
    """Lower a dataclass: fields, what else it has, and which fields it has not."""
    cls = type(value)
    header = _header(at, cls)
    others = kinds.attributes_of(value)
    names = kinds.field_names(cls)
    fields = {name: others.pop(name) for name in names if name in others}
    at.enter(value)
    lowered = {
        **({"extra": at.attributes(others)} if others else {}),
        "fields": at.attributes(fields),
        **header,
        **_unset(cls, fields),
    }
    at.leave(value)
    return {"$dataclass": _sorted(lowered)}


def _unset(cls: type, fields: dict[str, Any]) -> dict[str, list[str]]:
    """Which fields an instance has not; a field that was added to the class later is not among them."""
    missing = sorted(set(kinds.field_names(cls)) - set(fields))
    return {"unset": missing} if missing else {}


def pydantic_way(at: Lowering, value: Any) -> Any:
    """Lower a pydantic model: fields, which of them were set, private attributes, and extra ones."""
    cls = type(value)
    header = _header(at, cls)
    others = dict(object.__getattribute__(value, "__dict__"))
    fields = {name: others.pop(name) for name in kinds.field_names(cls) if name in others}
    slots = kinds.attributes_of(value)
    private = slots.get("__pydantic_private__")
    if private is not None:  # a private attribute without a value holds a mark of pydantic's
        private = {name: item for name, item in private.items() if type(item).__name__ != "PydanticUndefinedType"}
    extra = slots.get("__pydantic_extra__")
    at.enter(value)
    lowered = {
        **({"cached": at.attributes(others)} if others else {}),
        **({"extra": at.attributes(extra)} if extra is not None else {}),
        "fields": at.attributes(fields),
        **({"private": at.attributes(private)} if private is not None else {}),
        "set": [at.text(name) for name in sorted(slots.get("__pydantic_fields_set__", ()))],
        **header,
        **_unset(cls, fields),
    }
    at.leave(value)
    return {"$pydantic": _sorted(lowered)}


def namedtuple_way(at: Lowering, value: Any) -> Any:
    """Lower a namedtuple."""
    header = _header(at, type(value))
    names = kinds.field_names(type(value))
    if len(names) != len(value) or getattr(value, "__dict__", None):
        raise Beyond
    at.enter(value)
    lowered = {"fields": at.attributes(dict(zip(names, tuple(value), strict=True))), **header}
    at.leave(value)
    return {"$namedtuple": _sorted(lowered)}


def enum_way(at: Lowering, value: enum.Enum) -> Any:
    """Lower a member of an enum by its name, or flags that have none by their number."""
    cls = type(value)
    name: Any = getattr(value, "_name_", None)
    member = {"name": at.text(name)} if name in cls._member_map_ else {"value": at.lower(_number(value))}
    return {"$enum": _sorted({**member, **_header(at, cls)})}


def _number(value: enum.Enum) -> int:
    if not isinstance(value, enum.Flag):
        raise Beyond
    return value._value_


def registered_way(at: Lowering, value: Any) -> Any:
    """Lower a value of a class that was registered with a function for it."""
    registration = at.types.of(type(value))
    assert registration is not None
    assert registration.encode is not None
    try:
        inner = registration.encode(value)
    except HoldfastError:
        raise
    except Exception as error:
        raise NotStorable(f"{at.place}: encode of {registration.name!r} failed: {error!r}") from error
    at.enter(value)
    lowered = {"name": registration.name, "value": at.lower(inner), "version": registration.version}
    at.leave(value)
    return {"$type": lowered}


def _sorted(lowered: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(lowered.items()))


# ---------------------------------------------------------------------------------------------------------- lifting


def _find(at: Lifting, name: Any, is_kind: Callable[[type], bool], kind: str) -> tuple[type, Registration | None]:
    """Return the class of a stored value, and its registration.

    Raises:
        Unreadable: it is not here, or is something else now.
    """
    if type(name) is not str:
        raise TypeError("the name of a type is missing")
    registration = at.types.named(name)
    if registration:
        return registration.cls, registration
    found = loaded_class(name)
    if found is None:
        module, _, path = name.partition(":")
        raise Unreadable(
            f"{at.place}: there is no {kind} {name!r} here; import {module}, or register what {path} is now with "
            f"storable(aliases=[{name!r}])"
        )
    if not is_kind(found):
        raise Unreadable(
            f"{at.place}: {type_name(found)} is no {kind} any more; register what it is now with "
            f"storable(version=2, upgrade={{1: …}}, encode=…, decode=…)"
        )
    return found, None


def _upgraded(at: Lifting, registration: Registration, stored: Any, version: Any) -> Any:
    """Return what the version of now would have stored."""
    if type(version) is not int:
        raise TypeError("a version is a number")
    name, now = registration.name, registration.version
    if version > now:
        raise Unreadable(
            f"{at.place}: {name!r} was stored in version {version}, and here is version {now}; update the program"
        )
    for number in range(version, now):
        upgrade = registration.upgrade.get(number)
        if upgrade is None:
            raise Unreadable(
                f"{at.place}: {name!r} was stored in version {version}; register how to upgrade it from {number}: "
                f"storable(upgrade={{{number}: …}})"
            )
        try:
            stored = upgrade(stored)
        except HoldfastError:
            raise
        except Exception as error:
            raise Unreadable(f"{at.place}: upgrade[{number}] of {name!r} failed: {error!r}") from error
    return stored


def _rebuilt(at: Lifting, node: Mapping[str, Any], is_kind: Callable[[type], bool], kind: str) -> Any:
    """Return a value of a class of fields; a registered one may have become another kind since."""
    cls, registration = _find(at, node["type"], is_kind, kind)
    fields: Any = at.attributes(node["fields"])
    if registration:
        fields = _upgraded(at, registration, fields, node.get("version", 1))
        if registration.decode:
            return _decoded(at, registration, fields)
    unset = [] if registration and node.get("version", 1) < registration.version else node.get("unset", [])
    _check_fields(at, cls, fields, unset)
    if kinds.is_namedtuple(cls):
        return tuple.__new__(cls, [fields[name] for name in kinds.field_names(cls)])
    if kinds.is_pydantic(cls):
        return _model(at, cls, fields, node)
    fresh: Any = object.__new__(cls)
    ordered = {name: fields[name] for name in kinds.field_names(cls) if name in fields}
    kinds.give_attributes(fresh, ordered | (at.attributes(node["extra"]) if "extra" in node else {}))
    return fresh


def _check_fields(at: Lifting, cls: type, fields: Any, unset: Any) -> None:
    if not isinstance(fields, dict):
        raise Unreadable(
            f"{at.place}: an upgrade of {type_name(cls)} gave {type(fields).__name__}, not a dict of fields"
        )
    now: set[str] = set(kinds.field_names(cls))
    missing, strange = sorted(now - set(fields) - set(unset)), sorted((set(fields) | set(unset)) - now)
    if not missing and not strange:
        return
    changes = [f"{', '.join(missing)} was added" if missing else "", f"{', '.join(strange)} is gone" if strange else ""]
    raise Unreadable(
        f"{at.place}: the fields of {type_name(cls)} have changed since it was stored: "
        f"{' and '.join(filter(None, changes))}; register how to upgrade it: storable(version=2, upgrade={{1: …}})"
    )


def _model(at: Lifting, cls: type, fields: dict[str, Any], node: Mapping[str, Any]) -> Any:
    fresh: Any = object.__new__(cls)
    cached = at.attributes(node["cached"]) if "cached" in node else {}
    ordered = {name: fields[name] for name in kinds.field_names(cls) if name in fields}
    object.__setattr__(fresh, "__dict__", ordered | cached)
    object.__setattr__(fresh, "__pydantic_fields_set__", set(at.items(node["set"])) if "set" in node else set(fields))
    for part in ("extra", "private"):
        object.__setattr__(fresh, f"__pydantic_{part}__", at.attributes(node[part]) if part in node else None)
    return fresh


def _decoded(at: Lifting, registration: Registration, stored: Any) -> Any:
    if registration.decode is None:
        raise Unreadable(
            f"{at.place}: {registration.name!r} was registered with decode= when it was stored; give it again"
        )
    try:
        return registration.decode(stored)
    except HoldfastError:
        raise
    except Exception as error:
        raise Unreadable(f"{at.place}: decode of {registration.name!r} failed: {error!r}") from error


def _lift_enum(at: Lifting, node: Any) -> Any:
    cls, registration = _find(at, node["type"], kinds.is_enum, "enum")
    member = at.text(node["name"]) if "name" in node else at.lift(node["value"])
    if registration:
        member = _upgraded(at, registration, member, node.get("version", 1))
        if registration.decode:
            return _decoded(at, registration, member)
    if isinstance(member, str):
        found = vars(cls)["_member_map_"].get(member)
        if found is not None:
            return found
    elif issubclass(cls, enum.Flag) and type(member) is int:
        return cls(member)
    raise Unreadable(
        f"{at.place}: {type_name(cls)} has no member {member!r} any more; add it as an alias, or register how to "
        f"upgrade it: storable(version=2, upgrade={{1: …}})"
    )


def _lift_registered(at: Lifting, node: Any) -> Any:
    name = node["name"]
    registration = at.types.named(name) if type(name) is str else None
    if registration is None:
        raise Unreadable(
            f"{at.place}: no class is registered as {name!r}; import the module that registers it with storable, or "
            f"give the class that it is now the alias {name!r}"
        )
    at.place.parts.append(None)
    stored = _upgraded(at, registration, at.lift(node["value"]), node["version"])
    at.place.parts.pop()
    return _decoded(at, registration, stored)


LIFTS: dict[str, Lift] = {
    "$dataclass": lambda at, node: _rebuilt(at, node, kinds.is_dataclass, "dataclass"),
    "$pydantic": lambda at, node: _rebuilt(at, node, kinds.is_pydantic, "pydantic model"),
    "$namedtuple": lambda at, node: _rebuilt(at, node, kinds.is_namedtuple, "namedtuple"),
    "$enum": _lift_enum,
    "$type": _lift_registered,
}
