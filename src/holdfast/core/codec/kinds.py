"""What kind of class a class is, told without importing anything and without running its code."""

from __future__ import annotations

import copyreg
import dataclasses
import enum
from collections.abc import Hashable
from functools import lru_cache
from types import MemberDescriptorType
from typing import Any, cast


def is_enum(cls: type) -> bool:
    """Return whether it is an Enum with members."""
    return issubclass(cls, enum.Enum) and "_member_map_" in vars(cls)


def is_dataclass(cls: type) -> bool:
    """Return whether it is a dataclass whose instances are nothing but their attributes."""
    return "__dataclass_fields__" in vars(cls) and _is_bare(cls)


def is_pydantic(cls: type) -> bool:
    """Return whether it is a model of pydantic 2."""
    return pydantic_base(cls) is not None and "__pydantic_fields__" in vars(cls) and _is_bare(cls)


def is_namedtuple(cls: type) -> bool:
    """Return whether it is a namedtuple, or a class that adds only methods to one."""
    if not issubclass(cls, tuple) or not isinstance(getattr(cls, "_fields", None), tuple):
        return False
    bases = cls.__mro__[: cls.__mro__.index(tuple)]
    return any("_field_defaults" in vars(base) for base in bases) and tuple in bases[-1].__bases__


def is_data_class(cls: type) -> bool:
    """Return whether instances can be stored as data without functions that say how."""
    return is_enum(cls) or is_dataclass(cls) or is_pydantic(cls) or is_namedtuple(cls)


def pydantic_base(cls: type) -> type | None:
    """Return `pydantic.BaseModel` if the class descends from it."""
    return next(
        (base for base in cls.__mro__ if base.__module__ == "pydantic.main" and base.__name__ == "BaseModel"), None
    )


def pickles_itself(cls: type) -> bool:
    """Return whether a class decides by itself what is stored of its instances: such are pickled, as it wants."""
    own = _methods_of_dataclasses | {
        getattr(pydantic_base(cls), name, None) for name in ("__getstate__", "__setstate__")
    }
    return (
        getattr(cls, "__reduce_ex__", None) is not object.__reduce_ex__
        or getattr(cls, "__reduce__", None) is not object.__reduce__
        or any(
            getattr(cls, name, None) not in own and getattr(cls, name, None) is not getattr(object, name, None)
            for name in ("__getstate__", "__setstate__")
        )
        or cls in copyreg.dispatch_table
    )


_methods_of_dataclasses: set[Any] = {
    getattr(dataclasses, "_dataclass_getstate", None),
    getattr(dataclasses, "_dataclass_setstate", None),
}
"""What `@dataclass(frozen=True, slots=True)` adds."""


def field_names(cls: type) -> tuple[str, ...]:
    """Return the names of the fields of a dataclass, pydantic model or namedtuple."""
    if "__dataclass_fields__" in vars(cls):
        return tuple(found.name for found in dataclasses.fields(cls))
    if pydantic_base(cls):
        return tuple(vars(cls)["__pydantic_fields__"])
    return tuple(getattr(cls, "_fields", ()))


def _is_bare(cls: type) -> bool:
    try:
        object.__new__(cls)
    except TypeError:  # it is a list, an exception or the like as well
        return False
    return True


@lru_cache(maxsize=1024)
def _slots(cls: Hashable) -> dict[str, MemberDescriptorType]:
    """Return the slots of a class and its bases by name."""
    assert isinstance(cls, type)
    return {
        name: member
        for base in reversed(cls.__mro__)
        if "__slots__" in vars(base)  # what a class written in C shows is no state that it could be given
        for name, member in vars(base).items()
        if isinstance(member, MemberDescriptorType)
    }


def attributes_of(value: Any) -> dict[str, Any]:
    """Return the attributes that an instance has by itself, of its slots and of its dict. Properties do not run."""
    found: dict[str, Any] = {}
    for name, slot in _slots(cast("Hashable", type(value))).items():
        try:
            found[name] = slot.__get__(value)
        except AttributeError:
            continue  # never set
    return found | _dict_of(value)


def give_attributes(value: Any, attributes: dict[str, Any]) -> None:
    """Set attributes of an instance without running anything of its class."""
    slots = _slots(cast("Hashable", type(value)))
    for name, attribute in attributes.items():
        if name in slots:
            slots[name].__set__(value, attribute)
        else:
            object.__getattribute__(value, "__dict__")[name] = attribute


def _dict_of(value: Any) -> dict[str, Any]:
    try:
        return dict(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        return {}
