"""SQL functions that SQLite lacks, and that the translated statements call.

Each gives NULL for NULL, unless it says otherwise. They depend on their arguments alone.
"""

from __future__ import annotations

from holdfast.engine.functions.aggregates import AGGREGATES
from holdfast.engine.functions.json import JSON_FUNCTIONS
from holdfast.engine.functions.moments import MOMENT_FUNCTIONS
from holdfast.engine.functions.numbers import NUMBER_FUNCTIONS
from holdfast.engine.functions.state import STATE_FUNCTIONS
from holdfast.engine.functions.texts import TEXT_FUNCTIONS
from holdfast.engine.functions.values import VALUE_FUNCTIONS, compare_decimals
from holdfast.engine.functions.vectors import VECTOR_FUNCTIONS

FUNCTIONS = {
    **VALUE_FUNCTIONS,
    **NUMBER_FUNCTIONS,
    **TEXT_FUNCTIONS,
    **MOMENT_FUNCTIONS,
    **JSON_FUNCTIONS,
    **VECTOR_FUNCTIONS,
    **STATE_FUNCTIONS,
}
"""Name in SQL -> the function, and how many arguments it takes (-1: any number)."""

__all__ = ["AGGREGATES", "FUNCTIONS", "compare_decimals"]
