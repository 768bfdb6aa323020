"""Column types: what may be put into a column, how it is stored, and what comes back.

Every value has one stored form per type, the *canonical* one, so that equal values are equal bytes on every engine and
a commit's hash does not depend on where it was made.

    type        Python value                          stored as
    ANY         None, int, float, str, bytes          itself
    INTEGER     int (64 bits)                         integer
    REAL        float, no NaN                         real
    TEXT        str without NUL                       text
    BLOB        bytes                                 blob
    BOOLEAN     bool                                  integer 0 or 1
    NUMERIC     Decimal                               text, no exponent, no trailing zeros
    JSON        JSON-like value                       text, keys sorted, no spaces
    TIMESTAMP   datetime, aware, UTC                  text "YYYY-MM-DD HH:MM:SS.ffffff"
    DATE        date                                  text "YYYY-MM-DD"
    UUID        uuid.UUID                             text, lower case, with hyphens
    INTERVAL    timedelta                             integer, microseconds
    VECTOR(n)   numpy float32, shape (n,), finite     blob of n little-endian float32
"""

from __future__ import annotations

import enum
import math
import operator
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any, cast

from holdfast.core.canonical import json_text, json_value, shortened
from holdfast.core.intervals import US_MAX, parse_interval
from holdfast.errors import InvalidValue, ValueTooLarge

Stored = None | int | float | str | bytes
"""A value in its stored form."""

VECTOR_DIMENSIONS_MAX = 65_536
DIGITS_MAX = 1_000
_EXACT = Context(prec=2 * DIGITS_MAX, rounding=ROUND_HALF_UP)
_CONTAINERS: tuple[type, ...] = (dict, list, tuple)
_BYTES: tuple[type, ...] = (bytes, bytearray, memoryview)
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1


class Kind(enum.StrEnum):
    """The kind of a column type."""

    ANY = "ANY"
    INTEGER = "INTEGER"
    REAL = "REAL"
    TEXT = "TEXT"
    BLOB = "BLOB"
    BOOLEAN = "BOOLEAN"
    NUMERIC = "NUMERIC"
    JSON = "JSONB"
    TIMESTAMP = "TIMESTAMP"
    DATE = "DATE"
    UUID = "UUID"
    INTERVAL = "INTERVAL"
    VECTOR = "VECTOR"


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A kind with its parameters: `VECTOR(size)`, `TEXT(size)`, `NUMERIC(size, scale)`."""

    kind: Kind
    size: int | None = None
    scale: int | None = None

    def __str__(self) -> str:
        inner = ", ".join(str(part) for part in (self.size, self.scale) if part is not None)
        return f"{self.kind}({inner})" if inner else str(self.kind)


ANY = ColumnType(Kind.ANY)
JSON = ColumnType(Kind.JSON)


def encode(value: object, to: ColumnType, where: str) -> Stored:
    """Return the stored form of `value` in a column of type `to`.

    Args:
        where: names the place in messages, such as `iterations.embedding`.

    Raises:
        InvalidValue: the column cannot hold the value; the message says why.
    """
    if value is None:
        return None
    encoder = _USUAL.get((to.kind, type(value))) or _ENCODERS[to.kind]
    try:
        return encoder(value, to, where)
    except (ArithmeticError, ValueError, TypeError, RecursionError) as error:  # what the value's own type raises
        raise _refuse(value, to, where, str(error) or type(error).__name__) from error


def decode(stored: Stored, of: ColumnType) -> Any:  # noqa: ANN401 - the one place where stored bytes become Python values
    """Return the Python value of a stored form. A value that is no canonical form of `of` comes back as it is."""
    decoder = _DECODERS.get(of.kind)
    if decoder is None or stored is None:
        return stored
    try:
        return decoder(stored, of) if of.kind is Kind.NUMERIC else decoder(stored)
    except (InvalidValue, ArithmeticError, ValueError, TypeError):
        return stored


def bind(value: object, where: str) -> Stored:
    """Return the stored form of a parameter whose column is not known, chosen by its Python type alone.

    Raises:
        InvalidValue: no stored form exists for this type or value.
    """
    if value is None:
        return None
    try:
        return _bind(value, where)
    except (ArithmeticError, ValueError, TypeError, RecursionError) as error:  # what the value's own type raises
        raise InvalidValue(f"{where}: {_shown(value)} cannot be stored: {error}") from error


def _bind(value: object, where: str) -> Stored:
    usual = _USUAL.get((Kind.ANY, type(value)))
    if usual is not None:
        return usual(value, ANY, where)
    for types, encoder, to in _BY_PYTHON_TYPE:
        if isinstance(value, types):
            return encoder(value, to, where)
    if hasattr(value, "__array__"):
        return _from_array(value, where)
    raise InvalidValue(f"{where}: a {type(value).__name__} cannot be stored: {_shown(value)}")


def _from_array(value: Any, where: str) -> Stored:  # noqa: ANN401 - numpy is imported when it is met
    if getattr(value, "ndim", 1) == 0:
        return bind(value.item(), where)
    return _vector(value, ColumnType(Kind.VECTOR), where)


def _shown(value: object) -> str:
    try:
        return shortened(repr(value))
    except (ValueError, RecursionError):  # an int of too many digits
        return f"a {type(value).__name__}"


def _refuse(value: object, to: ColumnType, where: str, hint: str = "") -> InvalidValue:
    tail = f"; {hint}" if hint else ""
    return InvalidValue(f"{where}: {_shown(value)} ({type(value).__name__}) is no {to}{tail}")


def _any(value: object, _to: ColumnType, where: str) -> Stored:
    return bind(value, where)


def _plain(value: object, to: ColumnType, where: str) -> Stored:
    """The engine itself converts numbers and texts for INTEGER, REAL and TEXT columns, and refuses what it cannot."""
    if isinstance(value, _CONTAINERS):
        raise _refuse(value, to, where, "declare the column JSONB")
    stored = bind(value, where)
    if isinstance(stored, bytes):
        raise _refuse(value, to, where, "declare the column BLOB")
    return stored


def _integer(value: int, _to: ColumnType, where: str) -> int:
    number = operator.index(value)
    if not _INT_MIN <= number <= _INT_MAX:
        raise InvalidValue(f"{where}: {number} does not fit 64 bits; store it as TEXT or NUMERIC")
    return number


def _real(value: float, _to: ColumnType, where: str) -> float:
    number = float(value)
    if math.isnan(number):
        raise InvalidValue(f"{where}: NaN cannot be stored; use NULL for a missing number")
    return number + 0.0  # -0.0 becomes 0.0: the engines do not keep the sign


def _text(value: object, to: ColumnType, where: str) -> Stored:
    if not isinstance(value, str):
        stored = _plain(value, to, where)
        if to.size is not None and len(str(stored)) > to.size:
            raise ValueTooLarge(f"{where}: {stored!r} does not fit {to}")
        return stored
    text = str.__str__(value)  # of an Enum that is a str: its text, not its name
    if "\0" in text:
        raise InvalidValue(f"{where}: text with a NUL character cannot be stored; use BLOB")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidValue(f"{where}: text with a lone surrogate cannot be stored: {error.reason}") from error
    if to.size is not None and len(text) > to.size:
        raise ValueTooLarge(f"{where}: text of {len(text)} characters does not fit {to}")
    return text


def _blob(value: object, to: ColumnType, where: str) -> bytes:
    if isinstance(value, _BYTES):
        return bytes(cast("Any", value))
    raise _refuse(value, to, where)


_TRUTH = {"true": 1, "t": 1, "yes": 1, "on": 1, "1": 1, "false": 0, "f": 0, "no": 0, "off": 0, "0": 0}


def _boolean(value: object, to: ColumnType, where: str) -> int:
    truth = _TRUTH.get(value.lower()) if isinstance(value, str) else value
    if truth in (0, 1):
        return int(truth)
    raise _refuse(value, to, where)


def _numeric(value: object, to: ColumnType, where: str) -> str:
    if hasattr(value, "__array__"):  # a number of numpy's
        value = cast("Any", value).item()
    try:
        number = Decimal(str(value)) if isinstance(value, (int, float, str)) else Decimal(value)  # type: ignore[arg-type]
    except (InvalidOperation, TypeError, ValueError) as error:
        raise _refuse(value, to, where) from error
    if not number.is_finite():
        raise _refuse(value, to, where, "only finite numbers can be stored")
    if abs(number.adjusted()) > DIGITS_MAX:
        raise ValueTooLarge(f"{where}: a number of more than {DIGITS_MAX} digits does not fit {to}")
    if to.size is not None:
        number = _EXACT.quantize(number, Decimal(1).scaleb(-(to.scale or 0)))
        if len(number.as_tuple().digits) > to.size:
            raise ValueTooLarge(f"{where}: {number} does not fit {to}")
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _json(value: object, _to: ColumnType, where: str) -> str:
    return json_text(json_value(value, where) if isinstance(value, str) else value, where)


def _timestamp(value: object, to: ColumnType, where: str) -> str:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise _refuse(value, to, where, "write it as 2026-01-31 23:59:59+00:00") from error
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise _refuse(value, to, where)
    moment = value if value.tzinfo is None else value.astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")


def _date(value: object, to: ColumnType, where: str) -> str:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise _refuse(value, to, where, "write it as 2026-01-31") from error
    if isinstance(value, datetime):
        value = (value if value.tzinfo is None else value.astimezone(UTC)).date()
    if not isinstance(value, date):
        raise _refuse(value, to, where)
    return value.isoformat()


_MICROSECOND = timedelta(microseconds=1)


def _interval(value: object, to: ColumnType, where: str) -> int:
    if isinstance(value, str):
        months, us = parse_interval(value)
        if months:
            raise _refuse(value, to, where, "a month has no fixed length; write days")
        return us
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= US_MAX:
        return int(value)  # as it is stored
    if not isinstance(value, timedelta):
        raise _refuse(value, to, where, "pass a timedelta, or write it as '1 day 02:30:00'")
    return value // _MICROSECOND


def _uuid(value: object, to: ColumnType, where: str) -> str:
    try:
        return str(value if isinstance(value, uuid.UUID) else uuid.UUID(str(value)))
    except ValueError as error:
        raise _refuse(value, to, where) from error


def _vector(value: object, to: ColumnType, where: str) -> bytes:
    import numpy  # noqa: PLC0415 - 130 ms that a store without vectors does not pay

    if isinstance(value, str):
        value = json_value(value, where)
    try:
        if isinstance(value, _BYTES):
            array = numpy.frombuffer(cast("Any", value), dtype="<f4")
        elif numpy.iscomplexobj(cast("Any", value)):
            raise _refuse(value, to, where, "only real numbers can be stored")
        else:
            with numpy.errstate(over="ignore"):  # what overflows float32 is refused below
                array = numpy.asarray(value, dtype="<f4")
    except (ValueError, TypeError) as error:
        raise _refuse(value, to, where, str(error)) from error
    if array.ndim != 1 or (to.size is not None and array.shape[0] != to.size):
        raise InvalidValue(f"{where}: a vector of shape {array.shape} does not fit {to}")
    if not numpy.isfinite(array).all():
        at = int(numpy.flatnonzero(~numpy.isfinite(array))[0])
        raise InvalidValue(f"{where}: element {at} of the vector is {array[at]}; only finite numbers can be stored")
    return array.tobytes()


_ENCODERS: dict[Kind, Callable[[object, ColumnType, str], Stored]] = {
    Kind.ANY: _any,
    Kind.INTEGER: _plain,
    Kind.REAL: _plain,
    Kind.TEXT: _text,
    Kind.BLOB: _blob,
    Kind.BOOLEAN: _boolean,
    Kind.NUMERIC: _numeric,
    Kind.JSON: _json,
    Kind.TIMESTAMP: _timestamp,
    Kind.DATE: _date,
    Kind.UUID: _uuid,
    Kind.INTERVAL: _interval,
    Kind.VECTOR: _vector,
}


def _decode_vector(stored: Any) -> Any:  # noqa: ANN401
    import numpy  # noqa: PLC0415

    return numpy.frombuffer(stored, dtype="<f4").copy() if isinstance(stored, bytes) else stored


def _decode_boolean(stored: Any) -> Any:  # noqa: ANN401
    return bool(stored) if stored in (0, 1) else stored


def _decode_numeric(stored: Any, of: ColumnType) -> Any:  # noqa: ANN401
    number = Decimal(stored)
    return number if of.scale is None else _EXACT.quantize(number, Decimal(1).scaleb(-of.scale))


def _decode_json(stored: Any) -> Any:  # noqa: ANN401
    return json_value(stored, "JSONB") if isinstance(stored, str) else stored


def _decode_timestamp(stored: Any) -> Any:  # noqa: ANN401
    return datetime.fromisoformat(stored).replace(tzinfo=UTC) if isinstance(stored, str) else stored


def _decode_interval(stored: Any) -> Any:  # noqa: ANN401
    return timedelta(microseconds=stored) if isinstance(stored, int) else stored


_DECODERS: dict[Kind, Callable[..., Any]] = {
    Kind.BOOLEAN: _decode_boolean,
    Kind.NUMERIC: _decode_numeric,
    Kind.JSON: _decode_json,
    Kind.TIMESTAMP: _decode_timestamp,
    Kind.DATE: date.fromisoformat,
    Kind.UUID: uuid.UUID,
    Kind.INTERVAL: _decode_interval,
    Kind.VECTOR: _decode_vector,
}

_USUAL: dict[tuple[Kind, type], Callable[[Any, ColumnType, str], Stored]] = {
    (Kind.INTEGER, int): _integer,
    (Kind.REAL, float): _real,
    (Kind.TEXT, str): _text,
    (Kind.ANY, int): _integer,
    (Kind.ANY, float): _real,
    (Kind.ANY, str): _text,
}
"""A shorter way for the values that nearly all columns get."""

_BY_PYTHON_TYPE: tuple[tuple[type | tuple[type, ...], Callable[[Any, ColumnType, str], Stored], ColumnType], ...] = (
    (str, _text, ColumnType(Kind.TEXT)),
    (bool, _boolean, ColumnType(Kind.BOOLEAN)),
    (int, _integer, ColumnType(Kind.INTEGER)),
    (float, _real, ColumnType(Kind.REAL)),
    (_BYTES, _blob, ColumnType(Kind.BLOB)),
    (_CONTAINERS, _json, JSON),
    (datetime, _timestamp, ColumnType(Kind.TIMESTAMP)),
    (date, _date, ColumnType(Kind.DATE)),
    (timedelta, _interval, ColumnType(Kind.INTERVAL)),
    (Decimal, _numeric, ColumnType(Kind.NUMERIC)),
    (uuid.UUID, _uuid, ColumnType(Kind.UUID)),
)
