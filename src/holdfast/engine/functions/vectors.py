"""Vectors in any place of SQL; numpy is imported when the first one is met."""

from __future__ import annotations

from typing import Any

from holdfast.engine.functions.strict import Functions


def vector_distance(metric: str, a: bytes | None, b: bytes | None) -> float | None:
    """hf_distance: return how far two stored vectors are from each other, by the operator of the metric; NULL is NULL.

    Raises:
        InvalidValue: one of them is no vector, their dimensions differ, or there is no such metric.
    """
    from holdfast.engine.vectors import distance  # noqa: PLC0415 - numpy: what no store without vectors pays

    return distance(metric, a, b)


def vector_dimensions(stored: bytes | None) -> int | None:
    """vector_dims: return how many dimensions a stored vector has; NULL is NULL. Raises InvalidValue."""
    from holdfast.engine.vectors import dimensions  # noqa: PLC0415 - as above

    return dimensions(stored)


def vector_norm(stored: bytes | None) -> float | None:
    """vector_norm, l2_norm: return the Euclidean length of a stored vector; NULL is NULL. Raises InvalidValue."""
    from holdfast.engine.vectors import norm  # noqa: PLC0415 - as above

    return norm(stored)


def phrase_frequency(matched: Any) -> int:
    """hf_frequency: return how often the one phrase of a search for words stands in the matched text."""
    return int(matched.inst_count)


VECTOR_FUNCTIONS: Functions = {
    "hf_distance": (vector_distance, 3),
    "vector_dims": (vector_dimensions, 1),
    "vector_norm": (vector_norm, 1),
    "l2_norm": (vector_norm, 1),
}
