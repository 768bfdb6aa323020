"""How a step is to be done."""

# pyright: basic
# (what a function returns is whatever it returns)

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, cast

from holdfast.core.canonical import json_text
from holdfast.core.durations import Duration, seconds_of
from holdfast.errors import InvalidValue

PURE, IDEMPOTENT, TRANSACTIONAL, ONCE = "pure", "idempotent", "transactional", "once"
EFFECTS = (PURE, IDEMPOTENT, TRANSACTIONAL, ONCE)
"""What repeating a call would do: nothing; nothing more; it lies in the store alone; something more."""

KEPT: Any = object()
"""Stands for an option that is not given."""

RETRIES_MAX = 1_000
BACKOFF_SECONDS_MAX = 300.0
_KEY_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class StepOptions:
    """How a step is to be done; see `Run.options`."""

    effect: str = IDEMPOTENT
    retries: int = 0
    backoff_seconds: float = 1.0
    timeout_seconds: float | None = None
    key: str | None = None
    usage: Mapping[str, Any] | Callable[[Any], Mapping[str, Any]] | None = None
    verify: Callable[..., Any] | None = None

    def but(self, given: Mapping[str, Any]) -> Self:
        """Return the options with others, as a caller gives them. Raises InvalidValue if one is none."""
        changed: dict[str, Any] = {}
        for name, value in given.items():
            if name not in _CHECKS:
                raise InvalidValue(f"a step has no option {name!r}; it has {', '.join(_CHECKS)}")
            if value is not KEPT:
                changed.update(_CHECKS[name](value))
        return replace(self, **changed) if changed else self

    def usage_of(self, result: Any) -> str | None:  # noqa: ANN401
        """Return what a step used, as JSON text. Raises InvalidValue if it is no mapping of names to JSON values."""
        usage: Any = self.usage(result) if callable(self.usage) else self.usage
        if usage is None:
            return None
        if not isinstance(usage, Mapping):
            raise InvalidValue(f'the usage of a step is a mapping such as {{"tokens": 100}}, not {usage!r}')
        return json_text(dict(cast("Mapping[str, Any]", usage)), "usage")

    def pause_seconds(self, attempt: int) -> float:
        """Return how long to wait after so many attempts that failed."""
        return min(self.backoff_seconds * 2.0 ** min(attempt - 1, 30), BACKOFF_SECONDS_MAX)


def _effect(value: Any) -> dict[str, Any]:  # noqa: ANN401
    if value not in EFFECTS:
        raise InvalidValue(f"the effect of a step is one of {', '.join(EFFECTS)}, not {value!r}")
    return {"effect": value}


def _retries(value: Any) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= RETRIES_MAX:
        raise InvalidValue(f"retries is a whole number from 0 to {RETRIES_MAX}, not {value!r}")
    return {"retries": value}


def _timeout(value: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"timeout_seconds": None if value is None else _positive(value, "timeout")}


def _positive(value: Duration, what: str) -> float:
    seconds = seconds_of(value, what)
    if not seconds:
        raise InvalidValue(f"{what} is longer than nothing, not {value!r}")
    return seconds


def _key(value: Any) -> dict[str, Any]:  # noqa: ANN401
    if value is not None and (not isinstance(value, str) or not value or value[0] == "#" or "\0" in value):
        raise InvalidValue(f"the key of a step is a text that does not begin with '#', not {value!r}")
    if value is not None and len(value) > _KEY_LENGTH_MAX:
        raise InvalidValue(f"the key of a step has at most {_KEY_LENGTH_MAX} characters, not {len(value)}")
    return {"key": value}


def _usage(value: Any) -> dict[str, Any]:  # noqa: ANN401
    if value is not None and not callable(value) and not isinstance(value, Mapping):
        raise InvalidValue(f"the usage of a step is a mapping, or a function that returns one, not {value!r}")
    return {"usage": value}


def _verify(value: Any) -> dict[str, Any]:  # noqa: ANN401
    if value is not None and not callable(value):
        raise InvalidValue(f"verify is a function that tells whether a call happened, not {value!r}")
    return {"verify": value}


_CHECKS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "effect": _effect,
    "retries": _retries,
    "backoff": lambda value: {"backoff_seconds": seconds_of(value, "backoff")},
    "timeout": _timeout,
    "key": _key,
    "usage": _usage,
    "verify": _verify,
}
