"""Results for programs keep every value whole."""

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy
import pytest

from holdfast.cli.jsontext import json_bytes
from holdfast.errors import Conflict

CASES = {
    "null": (None, "null"),
    "bool": (True, "true"),
    "int": (2**63 - 1, "9223372036854775807"),
    "float": (0.1, "0.1"),
    "infinity": (float("-inf"), '"-Infinity"'),
    "text": ('ü "\n', '"ü \\"\\n"'),
    "datetime": (datetime(2026, 1, 31, 23, 59, 59, 5, tzinfo=UTC), '"2026-01-31T23:59:59.000005+00:00"'),
    "date": (date(2026, 1, 31), '"2026-01-31"'),
    "decimal": (Decimal("12345678901234567890.10"), '"12345678901234567890.10"'),
    "uuid": (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    "bytes": (b"\x00\xff", '"AP8="'),
    "vector": (numpy.array([0.1, 2.0, 1e-7], dtype="<f4"), "[0.1,2.0,1e-7]"),
    "nested": ({"a": (1, [Decimal(1)])}, '{"a":[1,["1"]]}'),
    "dataclass": (
        Conflict("t", (1,), "c", 0, 1, b"a"),
        '{"table":"t","key":[1],"column":"c","base":0,"ours":1,"theirs":"YQ==","constraint":null,"candidates":[],"place":null}',
    ),
}


@pytest.mark.parametrize(("value", "text"), CASES.values(), ids=CASES.keys())
def test_a_value_has_its_json(value: object, text: str) -> None:
    assert json_bytes(value).decode() == text
