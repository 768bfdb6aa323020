"""How answers are kept."""

# pyright: basic
# (a scope is whatever a user gives)

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from holdfast.cache.asked import scope_text
from holdfast.core.durations import microseconds_of
from holdfast.errors import InvalidValue

BYTES_MAX = 256 * 1024 * 1024
"""How large all answers of a store may be together, unless it is said otherwise."""

GIVEN: Any = object()
"""Stands for an option that is not given."""


@dataclass(frozen=True, slots=True)
class Options:
    """How answers are kept; see `Cache.options`."""

    ttl_us: int | None = None
    errors_us: int | None = None
    name: str | None = None
    version: str | None = None
    scope: Any = None
    cost: float | Callable[[Any], float] = 0.0
    bytes_max: int = BYTES_MAX

    def but(self, **given: Any) -> Options:  # noqa: ANN401 - each is checked
        """Return these with others in their place. Raises InvalidValue; NotStorable for a scope without a form."""
        chosen = {_NAMES.get(name, name): _checked(name, value) for name, value in given.items() if value is not GIVEN}
        return replace(self, **chosen)

    def cost_of(self, value: Any) -> float:  # noqa: ANN401
        """Return what a call cost that returned this; 0, with a warning, if that cannot be told."""
        if not callable(self.cost):
            return float(self.cost)
        found: Any
        try:
            found = self.cost(value)
        except Exception as error:  # noqa: BLE001 - it costs nobody the answer
            found = error
        if _is_amount(found):
            return float(found)
        warnings.warn(f"cost= gave {found!r}, which is no number of at least 0", RuntimeWarning, stacklevel=2)
        return 0.0


_NAMES = {"ttl": "ttl_us", "errors": "errors_us", "max_bytes": "bytes_max"}


def _checked(name: str, value: Any) -> Any:  # noqa: ANN401
    """Return an option as it is kept."""
    if name in ("ttl", "errors"):
        return None if value is None else microseconds_of(value, name)
    if name in ("name", "version") and value is not None and not _is_text(value):
        raise InvalidValue(f"{name} is a text, not {value!r}")
    if name == "cost" and not callable(value) and not _is_amount(value):
        raise InvalidValue(f"cost is a number of at least 0, or a function that returns one, not {value!r}")
    if name == "max_bytes" and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise InvalidValue(f"max_bytes is a whole number of at least 1, not {value!r}")
    if name == "scope":
        scope_text(value)
    return value


def _is_text(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, str) and bool(value) and value.isprintable()


def _is_amount(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
