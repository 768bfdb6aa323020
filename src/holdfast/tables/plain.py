"""Which parameters run no code of the user's when they are bound."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import cast

ROWS_TOGETHER_MAX = 1_000
"""Runs of one statement that may share a transaction with the work of others; more have enough of their own."""

_PLAIN = {type(None), bool, int, float, str, bytes, bytearray, dict, list, tuple, datetime, date, Decimal, uuid.UUID}


def are_plain(parameters: object) -> bool:
    """Tell whether binding the parameters of some runs calls nothing of the user's, so that any thread may do it.

    A generator is the user's own code, and so are an `__array__`, a `__str__` or a mapping of the user's own.
    """
    if type(parameters) not in (list, tuple):
        return False
    runs = cast("list[object]", parameters)
    return len(runs) <= ROWS_TOGETHER_MAX and all(map(_is_plain, runs))


def _is_plain(run: object) -> bool:
    if run is None:
        return True
    if type(run) is dict:
        return all(map(_is_plain_value, cast("dict[object, object]", run).values()))
    return type(run) in (list, tuple) and all(map(_is_plain_value, cast("list[object]", run)))


def _is_plain_value(value: object) -> bool:
    return type(value) in _PLAIN or type(value).__module__ == "numpy"
