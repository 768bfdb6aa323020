"""Which classes stored values may name, under which names and in which versions."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar, overload
from weakref import WeakKeyDictionary

from holdfast.core.codec.kinds import is_data_class
from holdfast.core.codec.places import stored_name, type_name
from holdfast.errors import AlreadyExists, InvalidValue

C = TypeVar("C", bound=type)
Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Registration:
    """A class under a name that outlives its place in the code.

    `upgrade[n]` makes of what version n stored what version n + 1 would have. Without `encode` and `decode` that is a
    dict of the fields.
    """

    cls: type
    name: str
    version: int = 1
    upgrade: Mapping[int, Convert] = field(default_factory=dict[int, Convert])
    encode: Convert | None = None
    decode: Convert | None = None
    aliases: tuple[str, ...] = ()
    immutable: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All names under which values of the class may be stored."""
        return (self.name, *self.aliases, stored_name(self.cls))


class Types:
    """The registered classes. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_name: dict[str, Registration] = {}
        self._by_class: WeakKeyDictionary[type, Registration] = WeakKeyDictionary()
        self.ways: WeakKeyDictionary[type, Any] = WeakKeyDictionary()
        """How to lower each class that was met: codec.py keeps it here, and a registration forgets it."""

    def register(self, registration: Registration) -> None:
        """Add a registration. The same class again (a cell of a notebook that is run twice) replaces the former.

        Raises:
            InvalidValue: the registration makes no sense.
            AlreadyExists: another class has one of its names.
        """
        _check(registration)
        with self._lock:
            for name in registration.names:
                taken = self._by_name.get(name)
                if taken and stored_name(taken.cls) != stored_name(registration.cls):
                    raise AlreadyExists(
                        f"{type_name(taken.cls)} is registered as {name!r}; choose another name for "
                        f"{type_name(registration.cls)}"
                    )
            self._by_name |= dict.fromkeys(registration.names, registration)
            self._by_class[registration.cls] = registration
            self.ways = WeakKeyDictionary()

    def forget(self, cls: type) -> None:
        """Take back the registration of a class, if it has one."""
        with self._lock:
            gone = self._by_class.pop(cls, None)
            self._by_name = {name: found for name, found in self._by_name.items() if found is not gone}
            self.ways = WeakKeyDictionary()

    def of(self, cls: type) -> Registration | None:
        """Return the registration of a class."""
        return self._by_class.get(cls)

    def named(self, name: str) -> Registration | None:
        """Return the registration that has a name, an alias, or a class of that `module:qualname`."""
        return self._by_name.get(name)


def _check(registration: Registration) -> None:
    cls, shown = registration.cls, f"storable({getattr(registration.cls, '__qualname__', registration.cls)})"
    given: object = cls
    if not isinstance(given, type):
        raise InvalidValue(f"storable takes a class, not {given!r}")
    if any(not isinstance(name, str) or not name or "\0" in name for name in registration.names):  # type: ignore[redundant-expr]
        raise InvalidValue(f"{shown}: names and aliases are texts such as 'acme.Plan', not {registration.names!r}")
    version: object = registration.version
    if type(version) is not int or version < 1:
        raise InvalidValue(f"{shown}: version is a number from 1, not {version!r}")
    strange = [n for n in registration.upgrade if type(n) is not int or not 1 <= n < registration.version]
    if strange:
        raise InvalidValue(f"{shown}: upgrade has a function for {strange[0]!r}; it takes versions 1 to {version - 1}")
    if (registration.encode is None) != (registration.decode is None):
        raise InvalidValue(f"{shown}: encode and decode go together; give both")
    if registration.encode is None and not is_data_class(cls):
        raise InvalidValue(f"{shown}: it is no dataclass, pydantic model, enum or namedtuple; give encode= and decode=")


def loaded_class(name: str) -> type | None:
    """Return the class of a `module:qualname` if its module is loaded. Nothing is imported, and no code of it runs."""
    module_name, _, path = name.partition(":")
    found: object = sys.modules.get(module_name)
    if not isinstance(found, ModuleType):
        return None
    for part in path.split("."):
        if not isinstance(found, (ModuleType, type)):
            return None
        found = vars(found).get(part)  # not getattr: a module may import when asked for a name that it lacks
    return found if isinstance(found, type) else None


TYPES = Types()
"""The registered classes of this process."""


@overload
def storable(cls: C, /) -> C: ...
@overload
def storable(
    cls: C,
    /,
    *,
    name: str | None = None,
    version: int = 1,
    upgrade: Mapping[int, Convert] | None = None,
    encode: Convert | None = None,
    decode: Convert | None = None,
    aliases: Iterable[str] = (),
    immutable: bool = False,
) -> C: ...
@overload
def storable(
    *,
    name: str | None = None,
    version: int = 1,
    upgrade: Mapping[int, Convert] | None = None,
    encode: Convert | None = None,
    decode: Convert | None = None,
    aliases: Iterable[str] = (),
    immutable: bool = False,
) -> Callable[[C], C]: ...
def storable(
    cls: Any = None,
    /,
    *,
    name: str | None = None,
    version: int = 1,
    upgrade: Mapping[int, Convert] | None = None,
    encode: Convert | None = None,
    decode: Convert | None = None,
    aliases: Iterable[str] = (),
    immutable: bool = False,
) -> Any:
    """Register a class whose values are to be stored, as `@storable`, `@storable(name=…)` or `storable(cls, name=…)`.

    Dataclasses, pydantic models, enums and namedtuples need no registration; it gives them a name that survives
    moving and renaming, and a version that can be upgraded. Any other class needs `encode` and `decode`.

    Args:
        cls: the class; without it the result is a decorator.
        name: under which values are stored, such as `"acme.Plan"`; the default is `module:qualname`.
        version: of what is stored, from 1.
        upgrade: for version n a function from what it stored (a dict of the fields, or what `encode` had returned)
            to what version n + 1 stores. They are applied in turn.
        encode, decode: functions from a value of the class to a storable one, and back.
        aliases: other names under which values were stored, such as `"old.module:Plan"`.
        immutable: whether values never change, so that they need not be looked at again.

    Raises:
        InvalidValue: an argument is none, or `encode` and `decode` are missing.
        AlreadyExists: another class has one of the names.
    """

    def register(found: C) -> C:
        given: object = found
        chosen = name or (stored_name(given) if isinstance(given, type) else "")
        made = Registration(found, chosen, version, dict(upgrade or {}), encode, decode, tuple(aliases), immutable)
        TYPES.register(made)
        return found

    return register if cls is None else register(cls)
