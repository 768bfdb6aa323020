"""What a statement gave, and whether two answers are the same.

PostgreSQL's answer is the measure. Floats are compared with a tolerance. A `numeric` that PostgreSQL computed may be an
int, a float or a Decimal here, as long as it is the same number; the values of a NUMERIC column are Decimals. A bool is
no number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy

Rows = list[tuple[Any, ...]]
Contents = Mapping[str, Rows]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gave.

    Attributes:
        columns: the names of the columns; empty without a result.
        rows: the rows of the result.
        count: how many rows it touched or returned.
        exact: the positions of the columns that are plain NUMERIC columns of a table.
        contents: the rows of every table afterwards, for a statement that writes.
        error: why it was refused, or None.
    """

    columns: tuple[str, ...] = ()
    rows: Rows = field(default_factory=list)
    count: int = 0
    exact: frozenset[int] = frozenset()
    contents: Contents = field(default_factory=dict)
    error: Exception | None = None


def difference(expected: Answer, got: Answer, *, in_order: bool) -> str | None:
    """Return in what an answer differs from PostgreSQL's, or None. Both are no errors."""
    if len(expected.columns) != len(got.columns):
        return f"columns {list(got.columns)} instead of {list(expected.columns)}"
    if expected.count != got.count:
        return (
            f"a count of {got.count} instead of {expected.count}: {shown(got.rows)} instead of {shown(expected.rows)}"
        )
    if found := _rows_differ(expected.rows, got.rows, expected.exact, in_order=in_order):
        return found
    for table, rows in expected.contents.items():
        if found := _rows_differ(rows, got.contents[table], frozenset(), in_order=False):
            return f"{table} afterwards: {found}"
    if expected.columns != got.columns:
        return f"names {list(got.columns)} instead of {list(expected.columns)}"
    return None


def shown(rows: Rows, most: int = 4) -> str:
    """Return a few rows as text."""
    texts = [str(tuple(_plain(value) for value in row)) for row in rows[:most]]
    return "[" + ", ".join(texts) + (f", … {len(rows)} rows]" if len(rows) > most else "]")


def _rows_differ(expected: Rows, got: Rows, exact: frozenset[int], *, in_order: bool) -> str | None:
    if len(expected) != len(got):
        return f"{len(got)} rows instead of {len(expected)}: {shown(got)} instead of {shown(expected)}"
    if not in_order:
        expected, got = _matched(expected, got, exact)
    for number, (theirs, ours) in enumerate(zip(expected, got, strict=True)):
        for at, (wanted, found) in enumerate(zip(theirs, ours, strict=True)):
            if not same(wanted, found, exact=at in exact):
                return (
                    f"row {number}, column {at}: {_plain(found)!r} ({type(found).__name__})"
                    f" instead of {_plain(wanted)!r} ({type(wanted).__name__})"
                )
    return None


def _matched(expected: Rows, got: Rows, exact: frozenset[int]) -> tuple[Rows, Rows]:
    """Return the rows in an order in which equal ones stand beside each other."""
    left, found, missed = list(got), [], []
    for row in expected:
        for at, other in enumerate(left):
            if all(same(*pair, exact=n in exact) for n, pair in enumerate(zip(row, other, strict=True))):
                found.append((row, left.pop(at)))
                break
        else:
            missed.append(row)
    missed.sort(key=repr)
    left.sort(key=lambda row: repr(tuple(map(_plain, row))))
    pairs = found + list(zip(missed, left, strict=True))
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def same(wanted: Any, found: Any, *, exact: bool = False) -> bool:
    """Tell whether a value is the one that PostgreSQL gave."""
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if isinstance(wanted, Decimal):
        if exact:
            return isinstance(found, Decimal) and wanted == found
        return isinstance(found, int | float | Decimal) and _near(wanted, found)
    if isinstance(wanted, dict | list):
        return _same_json(wanted, found)
    return type(wanted) is type(found) and _equal(wanted, found)


def _equal(wanted: Any, found: Any) -> bool:
    """Tell whether two values of one type are equal."""
    if isinstance(wanted, float):
        return _near(wanted, found)
    if isinstance(wanted, datetime):
        return found.tzinfo is not None and bool(wanted == found)
    if isinstance(wanted, numpy.ndarray):
        return wanted.shape == found.shape and numpy.allclose(wanted, found)
    return bool(wanted == found)


def _same_json(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, dict):
        return (
            isinstance(found, dict)
            and wanted.keys() == found.keys()
            and all(_same_json(value, found[key]) for key, value in wanted.items())
        )
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return isinstance(found, list) and len(wanted) == len(found) and all(map(_same_json, wanted, found))
    if isinstance(wanted, int | float) and not isinstance(wanted, bool):
        return isinstance(found, int | float) and not isinstance(found, bool) and _near(wanted, found)
    return same(wanted, found)


def _near(wanted: Any, found: Any) -> bool:
    return math.isclose(float(wanted), float(found), rel_tol=1e-6, abs_tol=1e-9)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, numpy.ndarray) else value
