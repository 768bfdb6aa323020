"""What the functions of PostgreSQL are in SQLite's words, by theme.

What is not in these tables is SQLite's own, by its own name, or unknown there and refused.
"""

from __future__ import annotations

from holdfast.engine.sql.translate.functions.choices import CHOICES
from holdfast.engine.sql.translate.functions.json import JSON_FUNCTIONS
from holdfast.engine.sql.translate.functions.moments import MOMENT_FUNCTIONS
from holdfast.engine.sql.translate.functions.numbers import NUMBER_FUNCTIONS
from holdfast.engine.sql.translate.functions.templates import Translation
from holdfast.engine.sql.translate.functions.texts import TEXT_FUNCTIONS
from holdfast.engine.sql.translate.functions.vectors import VECTOR_FUNCTIONS

FUNCTIONS: dict[str, Translation] = {
    **CHOICES,
    **MOMENT_FUNCTIONS,
    **NUMBER_FUNCTIONS,
    **TEXT_FUNCTIONS,
    **JSON_FUNCTIONS,
    **VECTOR_FUNCTIONS,
}
"""Functions of one row, by name."""
