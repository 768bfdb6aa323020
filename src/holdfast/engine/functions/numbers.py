"""Numbers: division by zero is an error, and decimals are computed as decimals."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from typing import Any

from holdfast.core.types import ColumnType, Kind, encode
from holdfast.engine.functions.strict import Functions, strict
from holdfast.errors import InvalidValue

_NUMERIC = ColumnType(Kind.NUMERIC)
_DIGITS = Context(prec=2_000, rounding=ROUND_HALF_UP)
_QUOTIENT_DIGITS = 20
"""The least decimals of a quotient; PostgreSQL shows at least 16 significant digits."""


def divisor(value: Any) -> Any:
    """hf_divisor: return a divisor. Raises InvalidValue if it is zero."""
    if value == 0:
        raise InvalidValue("division by zero; write NULLIF(divisor, 0) to have NULL instead")
    return value


def stored(value: Decimal) -> str:
    """Return a decimal in its stored form."""
    return str(encode(value, _NUMERIC, "a computed number"))


def _quotient(a: Decimal, b: Decimal) -> Decimal:
    divisor(b)
    return _DIGITS.quantize(_DIGITS.divide(a, b), Decimal(1).scaleb(-_QUOTIENT_DIGITS))


_OPERATORS: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": _DIGITS.add,
    "-": _DIGITS.subtract,
    "*": _DIGITS.multiply,
    "/": _quotient,
    "%": lambda a, b: _DIGITS.remainder(a, divisor(b)),
}


def numeric(operator: str, a: Any, b: Any) -> str:
    """hf_numeric: return what two decimals make."""
    return stored(_OPERATORS[operator](Decimal(str(a)), Decimal(str(b))))


def _rounded(rounding: str) -> Callable[..., str]:
    def rounded(value: Any, places: int = 0) -> str:
        return stored(Decimal(str(value)).quantize(Decimal(1).scaleb(-places), rounding, context=_DIGITS))

    return rounded


def _absolute(value: Any) -> str:
    return stored(abs(Decimal(str(value))))


def _truncated(value: float, places: int) -> float:
    scale = 10.0**places
    return math.trunc(value * scale) / scale


def step(value: Any, months: int) -> Any:
    """hf_step: return the step of a series. Raises InvalidValue if it is zero, with which it would never end."""
    found = months or value
    if not found:
        raise InvalidValue("generate_series: with a step of 0 it never ends")
    return found


def _half_to_even(value: Any) -> float:
    """hf_round: round a float as PostgreSQL does."""
    return float(round(float(value))) if math.isfinite(float(value)) else float(value)


def _random() -> float:
    return int.from_bytes(os.urandom(6)) / 2**48


NUMBER_FUNCTIONS: Functions = {
    "hf_divisor": (strict(divisor), 1),
    "hf_numeric": (strict(numeric), 3),
    "hf_numeric_round": (strict(_rounded(ROUND_HALF_UP)), -1),
    "hf_numeric_trunc": (strict(_rounded(ROUND_DOWN)), -1),
    "hf_numeric_floor": (strict(_rounded(ROUND_FLOOR)), -1),
    "hf_numeric_ceil": (strict(_rounded(ROUND_CEILING)), -1),
    "hf_numeric_abs": (strict(_absolute), 1),
    "hf_truncated": (strict(_truncated), 2),
    "hf_step": (strict(step), 2),
    "hf_round": (strict(_half_to_even), 1),
    "hf_random": (_random, 0),
}
