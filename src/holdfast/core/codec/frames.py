"""pandas: frames, series and indexes as data, column by column. pandas is imported when one is met.

Columns are numpy arrays, texts, or what pandas adds to them (zones, categories, missing values). What is beyond that
(periods, intervals, sparse and Arrow columns, subclasses) gets pickled. How columns share blocks of memory is lost.
"""

from __future__ import annotations

import sys
from typing import Any

from holdfast.core.codec import arrays
from holdfast.core.codec.arrays import library
from holdfast.core.codec.lifting import Lift, Lifting
from holdfast.core.codec.lowering import Beyond, Lowering, Way
from holdfast.core.codec.places import Attribute

_MASKED = {"IntegerArray", "FloatingArray", "BooleanArray"}


def way_of(kind: type) -> Way | None:
    """Return how values of a class of pandas are lowered, if they can be."""
    return _WAYS.get(kind.__name__)


def _frame(at: Lowering, value: Any) -> Any:
    parts = at.enter(value)
    columns: list[Any] = []
    for place in range(value.shape[1]):
        parts[-1] = value.columns[place]
        columns.append(_column(at, value.iloc[:, place].array))
    parts[-1] = None
    lowered = {**_attributes(at, value), "columns": columns, "index": _index(at, value.index)}
    lowered["names"] = _index(at, value.columns)
    at.leave(value)
    return {"$pandas": ["frame", dict(sorted(lowered.items()))]}


def _series(at: Lowering, value: Any) -> Any:
    at.enter(value)
    lowered = {
        **_attributes(at, value),
        "index": _index(at, value.index),
        "name": at.lower(value.name),
        "values": _column(at, value.array),
    }
    at.leave(value)
    return {"$pandas": ["series", lowered]}


def _attributes(at: Lowering, value: Any) -> dict[str, Any]:
    if not value.flags.allows_duplicate_labels:
        raise Beyond
    if not value.attrs:
        return {}
    at.place.parts.append(Attribute("attrs"))
    lowered = at.lower(value.attrs)
    at.place.parts.pop()
    return {"attrs": lowered}


def _index_way(at: Lowering, value: Any) -> Any:
    at.enter(value)
    lowered = _index(at, value)
    at.leave(value)
    return {"$pandas": ["index", lowered]}


def _index(at: Lowering, value: Any) -> Any:
    at.place.parts.append(Attribute("index"))
    lowered = _INDEXES.get(type(value).__name__, _beyond)(at, value)
    at.place.parts.pop()
    return lowered


def _beyond(_at: Lowering, _value: Any) -> Any:
    raise Beyond


def _range_index(at: Lowering, value: Any) -> Any:
    return {"name": at.lower(value.name), "range": [value.start, value.stop, value.step]}


def _multi_index(at: Lowering, value: Any) -> Any:
    return {
        "codes": [arrays.array_way(at, codes) for codes in map(_array_of, value.codes)],
        "levels": [_index(at, level) for level in value.levels],
        "names": [at.lower(name) for name in value.names],
    }


def _array_of(values: Any) -> Any:
    return sys.modules["numpy"].asarray(values)


def _plain_index(at: Lowering, value: Any) -> Any:
    frequency = getattr(value, "freq", None)
    lowered = {"name": at.lower(value.name), "values": _column(at, value.array)}
    if frequency is None:
        return lowered
    if sys.modules["pandas"].tseries.frequencies.to_offset(value.freqstr) != frequency:
        raise Beyond
    return {"freq": value.freqstr, **lowered}


_INDEXES: dict[str, Way] = {
    "RangeIndex": _range_index,
    "MultiIndex": _multi_index,
    **dict.fromkeys(("Index", "DatetimeIndex", "TimedeltaIndex", "CategoricalIndex"), _plain_index),
}


def _column(at: Lowering, array: Any) -> Any:
    """One column: `numpy`, or what pandas adds to it."""
    kind, dtype = type(array).__name__, array.dtype
    if kind in ("NumpyExtensionArray", "PandasArray") or (
        kind in ("DatetimeArray", "TimedeltaArray") and getattr(dtype, "tz", None) is None
    ):
        return {"numpy": arrays.array_way(at, array.to_numpy())}
    if kind == "DatetimeArray":
        return {"numpy": arrays.array_way(at, array.asi8), "unit": dtype.unit, "zone": at.lower(dtype.tz)}
    if kind == "Categorical":
        codes = arrays.array_way(at, array.codes)
        return {"categories": _index(at, array.categories), "numpy": codes, "ordered": bool(array.ordered)}
    if kind in _MASKED:
        mask = array.isna()
        values = array.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
        return {"mask": arrays.array_way(at, mask), "numpy": arrays.array_way(at, values)}
    if type(dtype).__name__ == "StringDtype":
        missing = "NA" if dtype.na_value is sys.modules["pandas"].NA else "nan"
        texts = [at.lower(text if type(text) is str else None) for text in array]
        return {"missing": missing, "storage": dtype.storage, "texts": texts}
    raise Beyond


def _timestamp(at: Lowering, value: Any) -> Any:
    at.place.parts.append(Attribute("tz"))
    zone = at.lower(value.tz)
    at.place.parts.pop()
    return {"$pandas": ["timestamp", {"at": int(value.asm8.view("i8")), "unit": value.unit, "zone": zone}]}


def _timedelta(_at: Lowering, value: Any) -> Any:
    return {"$pandas": ["timedelta", {"length": int(value.asm8.view("i8")), "unit": value.unit}]}


def _missing(_at: Lowering, value: Any) -> Any:
    return {"$pandas": [{"NaTType": "NaT", "NAType": "NA"}[type(value).__name__], None]}


_WAYS: dict[str, Way] = {
    "DataFrame": _frame,
    "Series": _series,
    **dict.fromkeys(_INDEXES, _index_way),
    "Timestamp": _timestamp,
    "Timedelta": _timedelta,
    "NaTType": _missing,
    "NAType": _missing,
}


def _lift(at: Lifting, node: Any) -> Any:
    kind, inner = node
    pandas = library(at, "pandas")
    if kind in ("NaT", "NA"):
        return getattr(pandas, kind)
    return _LIFTS[kind](at, pandas, inner)


def _lift_frame(at: Lifting, pandas: Any, node: Any) -> Any:
    index, names = _lift_index(at, pandas, node["index"]), _lift_index(at, pandas, node["names"])
    columns = [_lift_column(at, pandas, column) for column in node["columns"]]
    series = {place: _exact_series(pandas, column, index) for place, column in enumerate(columns)}
    frame = pandas.DataFrame(series, index=index) if series else pandas.DataFrame(index=index)
    frame.columns = names
    return _with_attributes(at, frame, node)


def _exact_series(pandas: Any, column: Any, index: Any, name: Any = None) -> Any:
    return pandas.Series(column, index=index, name=name, dtype=column.dtype)  # the dtype, or texts are guessed


def _lift_series(at: Lifting, pandas: Any, node: Any) -> Any:
    index, column = _lift_index(at, pandas, node["index"]), _lift_column(at, pandas, node["values"])
    return _with_attributes(at, _exact_series(pandas, column, index, at.lift(node["name"])), node)


def _with_attributes(at: Lifting, made: Any, node: Any) -> Any:
    if "attrs" in node:
        made.attrs = at.lift(node["attrs"])
    return made


def _lift_index(at: Lifting, pandas: Any, node: Any) -> Any:
    if "range" in node:
        return pandas.RangeIndex(*node["range"], name=at.lift(node["name"]))
    if "levels" in node:
        levels = [_lift_index(at, pandas, level) for level in node["levels"]]
        return pandas.MultiIndex(levels, at.items(node["codes"]), names=at.items(node["names"]))
    values = _lift_column(at, pandas, node["values"])
    made = pandas.Index(values, dtype=values.dtype, name=at.lift(node["name"]))
    if "freq" in node:
        made.freq = node["freq"]
    return made


def _lift_column(at: Lifting, pandas: Any, node: Any) -> Any:
    if "texts" in node:
        missing = pandas.NA if node["missing"] == "NA" else float("nan")
        return pandas.array(at.items(node["texts"]), dtype=pandas.StringDtype(node["storage"], na_value=missing))
    values = at.lift(node["numpy"])
    if "zone" in node:
        zone: Any = at.lift(node["zone"])
        moments = values.view(f"M8[{node['unit']}]")
        return pandas.DatetimeIndex(moments).tz_localize("UTC").tz_convert(zone).array
    if "categories" in node:
        categories = _lift_index(at, pandas, node["categories"])
        return pandas.Categorical.from_codes(values, dtype=pandas.CategoricalDtype(categories, node["ordered"]))
    if "mask" in node:
        kind = {"b": "BooleanArray", "f": "FloatingArray"}.get(values.dtype.kind, "IntegerArray")
        return getattr(pandas.arrays, kind)(values, at.lift(node["mask"]))
    return values


def _lift_timestamp(at: Lifting, pandas: Any, node: Any) -> Any:
    naive = pandas.Timestamp(library(at, "numpy").datetime64(node["at"], node["unit"]))
    zone: Any = at.lift(node["zone"])
    return naive if zone is None else naive.tz_localize("UTC").tz_convert(zone)


def _lift_timedelta(at: Lifting, pandas: Any, node: Any) -> Any:
    return pandas.Timedelta(library(at, "numpy").timedelta64(node["length"], node["unit"]))


_LIFTS: dict[str, Any] = {
    "frame": _lift_frame,
    "series": _lift_series,
    "index": _lift_index,
    "timestamp": _lift_timestamp,
    "timedelta": _lift_timedelta,
}
LIFTS: dict[str, Lift] = {"$pandas": _lift}
