"""What functions of SQL have in common: NULL for NULL."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

Function = Callable[..., Any]
Functions = dict[str, tuple[Function, int]]


def strict(function: Function) -> Function:
    """Return a function that gives NULL if any argument is NULL."""

    @wraps(function)
    def called(*arguments: Any) -> Any:
        return None if None in arguments else function(*arguments)

    return called
