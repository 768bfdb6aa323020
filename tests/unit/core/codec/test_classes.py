"""Goal: a class that moved or changed is named or upgraded, alone. Method: put other classes in its place."""

from __future__ import annotations

import dataclasses
import enum
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from holdfast.core.codec import Codec, Encoded, Registration, Types, is_immutable, storable
from holdfast.core.codec.registry import TYPES
from holdfast.errors import AlreadyExists, InvalidValue, NotStorable, Unreadable

MODULE = "acme_of_the_tests"


@pytest.fixture
def acme() -> Iterator[ModuleType]:
    """A module of the user's, to be filled and emptied."""
    module = sys.modules[MODULE] = ModuleType(MODULE)
    yield module
    del sys.modules[MODULE]


def put(module: ModuleType, made: Any) -> Any:
    made.__module__, made.__qualname__ = module.__name__, made.__name__
    setattr(module, made.__name__, made)
    return made


def plan(*fields: str) -> Any:
    return dataclasses.make_dataclass("Plan", [(name, object) for name in fields])


def stored(made: Any, codec: Codec | None = None) -> Encoded:
    return (codec or Codec()).encode({"plan": made, "other": 1}, "state")


def test_s5_a_class_that_is_gone_is_named_and_not_imported(acme: ModuleType) -> None:
    encoded = stored(put(acme, plan("a"))(1))
    del acme.Plan
    with pytest.raises(Unreadable, match=rf'^state\["plan"\]: there is no dataclass {MODULE + ":Plan"!r} here; import'):
        Codec().decode(encoded, "state")
    unloaded = Encoded(encoded.text.replace(MODULE, "antigravity"))
    with pytest.raises(Unreadable, match="import antigravity"):
        Codec().decode(unloaded, "state")
    assert "antigravity" not in sys.modules


def test_s5_fields_that_changed_are_named(acme: ModuleType) -> None:
    encoded = stored(put(acme, plan("a", "b"))(1, 2))
    put(acme, plan("b", "c"))
    with pytest.raises(
        Unreadable, match=r'state\["plan"\]: the fields of .*Plan .*: c was added and a is gone; register'
    ):
        Codec().decode(encoded, "state")


def test_s5_a_class_that_became_something_else_is_named(acme: ModuleType) -> None:
    encoded = stored(put(acme, plan("a"))(1))
    put(acme, type("Plan", (), {}))
    with pytest.raises(Unreadable, match=r"Plan is no dataclass any more; register"):
        Codec().decode(encoded, "state")


def test_s5_a_member_that_is_gone_is_named(acme: ModuleType) -> None:
    encoded = stored(put(acme, enum.Enum("Color", ["RED"])).RED)
    put(acme, enum.Enum("Color", ["BLUE"]))
    with pytest.raises(Unreadable, match=r"Color has no member 'RED' any more"):
        Codec().decode(encoded, "state")


def test_s5_a_registered_class_is_upgraded_step_by_step_and_under_its_former_name(acme: ModuleType) -> None:
    encoded = stored(put(acme, plan("goal"))("ship"))
    del acme.Plan
    types = Types()
    now = dataclasses.make_dataclass("Goal", [("target", object), ("steps", object)])
    upgrade = {
        1: lambda fields: {"target": fields["goal"]},
        2: lambda fields: fields | {"steps": []},
    }
    types.register(Registration(now, "acme.Goal", 3, upgrade, aliases=(f"{MODULE}:Plan",)))
    found = Codec(types=types).decode(encoded, "state")["plan"]
    assert found == now("ship", [])
    again = stored(found, Codec(types=types))
    assert '"type":"acme.Goal","version":3' in again.text
    assert Codec(types=types).decode(again, "state")["plan"] == found


def test_s5_versions_without_a_way_are_named(acme: ModuleType) -> None:
    types, newer = Types(), Types()
    made = put(acme, plan("a"))
    newer.register(Registration(made, "acme.Plan", 3))
    encoded = stored(made(1), Codec(types=newer))
    types.register(Registration(made, "acme.Plan", 2))
    with pytest.raises(Unreadable, match=r"'acme.Plan' was stored in version 3, and here is version 2; update"):
        Codec(types=types).decode(encoded, "state")
    old = Encoded(encoded.text.replace('"version":3', '"version":1'))
    with pytest.raises(Unreadable, match=r"upgrade it from 1: storable\(upgrade={1: …}\)"):
        Codec(types=types).decode(old, "state")
    types.register(Registration(made, "acme.Plan", 2, {1: lambda fields: fields["gone"]}))
    with pytest.raises(Unreadable, match=r"upgrade\[1\] of 'acme.Plan' failed: KeyError"):
        Codec(types=types).decode(old, "state")


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents


def test_any_class_is_stored_as_what_its_functions_say() -> None:
    types = Types()
    made = Registration(
        Money, "acme.Money", 2, {1: lambda euros: euros * 100}, lambda money: money.cents, Money, immutable=True
    )
    types.register(made)
    codec = Codec(types=types)
    encoded = codec.encode([Money(5)], "x")
    assert encoded.text == '[{"$type":{"name":"acme.Money","value":5,"version":2}}]'
    assert codec.decode(encoded, "x")[0].cents == 5
    assert codec.decode(Encoded(encoded.text.replace('"version":2', '"version":1')), "x")[0].cents == 500
    assert is_immutable(Money(1), types)
    assert not is_immutable(Money(1))
    with pytest.raises(Unreadable, match=r"x\[0\]: no class is registered as 'acme.Money'"):
        Codec(types=Types()).decode(encoded, "x")


def test_functions_that_fail_are_named() -> None:
    types = Types()
    types.register(Registration(Money, "acme.Money", encode=lambda money: money.gone, decode=lambda stored: stored[0]))
    codec = Codec(types=types)
    with pytest.raises(NotStorable, match=r"x\[0\]: encode of 'acme.Money' failed"):
        codec.encode([Money(5)], "x")
    with pytest.raises(Unreadable, match=r"x: decode of 'acme.Money' failed"):
        codec.decode(Encoded('{"$type":{"name":"acme.Money","value":5,"version":1}}'), "x")


def test_a_name_belongs_to_one_class_but_a_cell_may_run_twice(acme: ModuleType) -> None:
    types = Types()
    first, second = put(acme, plan("a")), put(acme, plan("a", "b"))
    types.register(Registration(first, "acme.Plan"))
    types.register(Registration(second, "acme.Plan"))
    assert types.named("acme.Plan") == types.named(f"{MODULE}:Plan") == types.of(second)
    other = put(acme, dataclasses.make_dataclass("Other", []))
    for registration in (Registration(other, "acme.Plan"), Registration(other, "o", aliases=(f"{MODULE}:Plan",))):
        with pytest.raises(AlreadyExists, match=r"Plan is registered as .*; choose another name for .*Other"):
            types.register(registration)
    assert types.named("o") is None


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "a\0"}, {"version": 0}, {"version": True}, {"upgrade": {1: str}}, {"encode": str}, {"decode": str}, {},
        {"aliases": (1,)},
    ],
)  # fmt: skip
def test_g9_a_registration_that_makes_no_sense_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        storable(**arguments)(Money)
    with pytest.raises(InvalidValue):
        storable(Money(1))  # type: ignore[call-overload]
    assert TYPES.of(Money) is None


def test_storable_is_a_decorator_and_a_function() -> None:
    @storable
    @dataclasses.dataclass
    class Plain:
        a: int

    @storable(name="tests.Named", version=2, upgrade={1: lambda fields: {"b": fields["a"]}})
    @dataclasses.dataclass
    class Named:
        b: int

    storable(Money, name="tests.Money", encode=lambda money: money.cents, decode=Money)
    try:
        values = [Plain(1), Named(2)]
        encoded = Codec().encode([*values, Money(3)], "x")
        found = Codec().decode(encoded, "x")
        assert (found[:2], found[2].cents) == (values, 3)
        old = Encoded('{"$dataclass":{"fields":{"a":7},"type":"tests.Named","version":1}}')
        assert Codec().decode(old, "x") == Named(7)
    finally:
        for made in (Plain, Named, Money):
            TYPES.forget(made)


def test_a_class_of_a_function_is_not_found_by_name_so_it_is_no_data() -> None:
    @dataclasses.dataclass
    class Local:
        a: int

    with pytest.raises(NotStorable, match=r"x\[0\]: .*Local can only be stored as a pickle, and pickling is off"):
        Codec().encode([Local(1)], "x")


def test_what_a_module_makes_up_when_asked_is_not_asked_for(acme: ModuleType) -> None:
    def asked(name: str) -> Any:
        raise AssertionError(name)

    acme.__getattr__ = asked  # type: ignore[method-assign]
    with pytest.raises(Unreadable):
        Codec().decode(Encoded(f'{{"$dataclass":{{"fields":{{}},"type":"{MODULE}:Plan"}}}}'), "x")


def test_no_property_of_a_class_runs(acme: ModuleType) -> None:
    def run(*_: Any) -> Any:
        raise AssertionError("ran")

    put(acme, dataclasses.make_dataclass("Plan", ["a"], namespace={"b": property(run, run), "__setattr__": run}))
    text = f'{{"$dataclass":{{"extra":{{"b":2}},"fields":{{"a":1}},"type":"{MODULE}:Plan"}}}}'
    assert vars(Codec().decode(Encoded(text), "x")) == {"a": 1, "b": 2}
