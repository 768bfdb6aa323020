"""What a tool takes, and what an agent is to return: as a JSON Schema for the model, and as a check of what it says.

msgspec does both from the types of a signature; models of pydantic, which it does not know, do it themselves.
"""

# pyright: basic
# (types are whatever a user has)

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy
from functools import partial
from typing import Any, Self

import msgspec

from holdfast.core.functions import known_of, name_of
from holdfast.errors import InvalidValue
from holdfast.runs.control import Context


class Shape:
    """A type that a model is told of, and by which what it says is checked.

    Attributes:
        schema: the JSON Schema.
    """

    def __init__(self, kind: Any, name: str) -> None:  # noqa: ANN401
        self._kind = kind
        try:
            self.schema: dict[str, Any] = msgspec.json.schema(kind, schema_hook=_schema_of)
        except (TypeError, NotImplementedError) as error:
            raise InvalidValue(f"{name} has a type of which a model cannot be told: {error}") from error

    def read(self, said: str | bytes) -> Any:  # noqa: ANN401
        """Return what a JSON text means. Raises InvalidValue with what is wrong, for the model."""
        try:
            return msgspec.json.decode(said, type=self._kind, dec_hook=_made)
        except (msgspec.DecodeError, ValueError) as error:  # a ValidationError is one
            raise InvalidValue(str(error)) from error

    @classmethod
    def of_answer(cls, function: Callable[..., Any]) -> Self | None:
        """Return the type that a function says it returns; None if it says nothing, or anything."""
        kind = cls.kind_of_answer(function)
        return None if kind is None else cls(kind, f"what {name_of(function)} returns")

    @staticmethod
    def kind_of_answer(function: Callable[..., Any]) -> Any:  # noqa: ANN401
        """Return the type that a function says it returns; None if it says nothing, or anything."""
        kind = _hints_of(function).get("return", Any)
        return None if kind is Any or kind is type(None) else kind


class Answer(Shape):
    """What a model is to say in the end. What is no JSON object is the field `result` of one: models say objects."""

    def __init__(self, kind: Any, name: str) -> None:  # noqa: ANN401
        super().__init__(kind, name)
        self._wrapped: Shape | None = None
        if not _is_object(self.schema):
            self._wrapped = Shape(msgspec.defstruct("Answer", [("result", kind)], forbid_unknown_fields=True), name)
            self.schema = _flat(self._wrapped.schema)

    def read(self, said: str | bytes) -> Any:  # noqa: ANN401
        """Return what a JSON text means; the value by itself will do. Raises InvalidValue, for the model."""
        if self._wrapped is None:
            return super().read(said)
        try:
            return self._wrapped.read(said).result
        except InvalidValue:
            with suppress(InvalidValue):
                return super().read(said)
            raise


class Parameters:
    """What a function takes from a model: all of its parameters but the one for a `Context`.

    Args:
        schema: a JSON Schema instead of the one of the signature; what fits it is not checked then.
    """

    def __init__(self, function: Callable[..., Any], schema: Mapping[str, Any] | None = None) -> None:
        name = name_of(function)
        self._shape: Shape | None = None
        self.schema: dict[str, Any]
        if schema is not None:
            self.schema = dict(schema)
            return
        self._shape = Shape(_struct_of(function, name), f"tool {name}")
        self.schema = _flat(self._shape.schema)

    def read(self, said: str) -> dict[str, Any]:
        """Return arguments by name. Raises InvalidValue with what is wrong, for the model."""
        if self._shape is None:
            return self.plain(said)
        found = self._shape.read(said or "{}")
        return {name: getattr(found, name) for name in found.__struct_fields__}

    def plain(self, said: str) -> dict[str, Any]:
        """Return arguments by name as JSON has them. Raises InvalidValue with what is wrong."""
        try:
            plain = msgspec.json.decode(said or "{}")
        except msgspec.DecodeError as error:
            raise InvalidValue(str(error)) from error
        if not isinstance(plain, dict):
            raise InvalidValue("the arguments of a tool are a JSON object")
        return plain


def _struct_of(function: Callable[..., Any], name: str) -> type[msgspec.Struct]:
    signature = known_of(function).signature
    if signature is None:
        raise InvalidValue(f"the signature of {name} cannot be seen; give the tool a schema=")
    hints = _hints_of(function)
    fields: list[Any] = []
    for one in signature.parameters.values():
        kind = hints.get(one.name, Any if one.annotation is inspect.Parameter.empty else one.annotation)
        if kind is Context or kind in ("Context", "holdfast.Context"):
            continue
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD, one.POSITIONAL_ONLY):
            raise InvalidValue(f"tool {name} takes {one}, which a model cannot name; give it a plain parameter")
        if isinstance(kind, str):
            raise InvalidValue(f"tool {name}: the type {kind!r} of {one.name} is not known where it was defined")
        fields.append((one.name, kind) if one.default is one.empty else (one.name, kind, _default(one.default)))
    return msgspec.defstruct(name.rpartition(".")[2] or "tool", fields, kw_only=True, forbid_unknown_fields=True)


def _hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError):  # types of a scope that is gone
        return {}


def _is_object(schema: Mapping[str, Any]) -> bool:
    """Tell whether all values of a schema are JSON objects."""
    referred = schema.get("$ref")
    found = schema["$defs"][referred.rpartition("/")[2]] if referred else schema
    return found.get("type") == "object"


def checked(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as JSON has them, and see that they are of the types that a function says.

    Raises:
        InvalidValue: one of them is not, or has no JSON form.
    """
    hints, told = _hints_of(function), dict[str, Any]()
    for name, value in arguments.items():
        what = f"the argument {name} of {name_of(function)}"
        try:
            told[name] = msgspec.to_builtins(value, enc_hook=plain)
            if name in hints:
                msgspec.convert(told[name], hints[name], dec_hook=_made)
        except (msgspec.ValidationError, ValueError) as error:
            raise InvalidValue(f"{what} does not fit its type: {error}") from error
        except (TypeError, NotImplementedError) as error:
            raise InvalidValue(f"{what} cannot be told to a model: {error}") from error
    return told


def plain(value: Any) -> Any:  # noqa: ANN401
    """Return what JSON has for a value that msgspec does not know. Raises NotImplementedError."""
    told = getattr(value, "model_dump", None)
    if told is None:
        raise NotImplementedError(f"a {type(value).__name__} has no JSON form")
    return told(mode="json")


def _default(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, (list, dict, set, bytearray)):  # each call has its own
        return msgspec.field(default_factory=partial(copy, value))
    return value


def _flat(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object as it stands by itself, with those that it refers to beside."""
    definitions = dict(schema.get("$defs", {}))
    found = dict(definitions.pop(schema["$ref"].rpartition("/")[2])) if "$ref" in schema else dict(schema)
    found.pop("title", None)
    return {**found, "$defs": definitions} if definitions else found


def _schema_of(kind: Any) -> dict[str, Any]:  # noqa: ANN401
    told = getattr(kind, "model_json_schema", None)
    if told is None:
        raise NotImplementedError(f"{kind!r}")
    found: dict[str, Any] = told()
    return found


def _made(kind: Any, value: Any) -> Any:  # noqa: ANN401
    checked = getattr(kind, "model_validate", None)
    if checked is None:
        raise NotImplementedError(f"{kind!r}")
    return checked(value)
