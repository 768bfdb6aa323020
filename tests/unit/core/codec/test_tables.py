"""Goal: arrays, frames and tables come back exactly, as data. Method: what the libraries can hold, by kind."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy
import pandas
import pyarrow
import pytest

from holdfast.core.codec import Codec, Encoded
from holdfast.errors import NotStorable, Unreadable

codec = Codec()
RECORD = numpy.dtype([("a", "<i4"), ("b", "<f8", (2, 2)), ("c", "U3")], align=True)
ARRAYS: list[Any] = [
    numpy.arange(5), numpy.arange(1000.0), numpy.arange(1000.0)[::2], numpy.array(3), numpy.zeros((0, 3)),
    numpy.zeros((3, 0)),
    numpy.asfortranarray(numpy.arange(12).reshape(3, 4)), numpy.asfortranarray(numpy.arange(1200).reshape(30, 40)),
    numpy.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
    numpy.array([1, 2], ">i2"), numpy.array([1 + 2j]),
    numpy.array([True, False]), numpy.array(["ab", "c"]), numpy.array([b"x", b"yz"]), numpy.array(["", ""]),
    numpy.array(["2026-01-31", "NaT"], "M8[ns]"), numpy.arange(3000).astype("m8[s]"),
    numpy.array([numpy.nan, -0.0, numpy.inf]),
    numpy.zeros(3, RECORD), numpy.zeros(0, RECORD),
    numpy.array([{"a": 1}, (1, 2), None], object),
    numpy.array(None),
    numpy.array([[1, [2]], ["x", 4]], object, order="F"),
    numpy.array([1.5], numpy.float16), numpy.array([1], numpy.longdouble) / 3,
]  # fmt: skip
SCALARS: list[Any] = [
    numpy.float64(1.5), numpy.float64("nan"), numpy.float32(0.1), numpy.int8(3),
    numpy.uint64(2**64 - 1), numpy.bool_(True),
    numpy.str_("a\0"), numpy.bytes_(b"q\0"), numpy.datetime64("2026-01-31"), numpy.timedelta64(3, "s"),
    numpy.complex64(1j),
    numpy.longdouble(1) / 3, numpy.datetime64("NaT"), numpy.zeros(2, RECORD)[0],
]  # fmt: skip


def again(value: Any) -> Any:
    """Return a value after storing it, its buffers as bytes; what came back is stored the same."""
    encoded = codec.encode({"v": [value]}, "x")
    stored = Encoded(encoded.text, encoded.order, tuple(bytes(buffer) for buffer in encoded.buffers))
    found = codec.decode(stored, "x")["v"][0]
    assert type(found) is type(value)
    assert codec.encode({"v": [found]}, "x") == encoded
    return found


@pytest.mark.parametrize("place", range(len(ARRAYS)))
def test_an_array_comes_back_with_dtype_shape_and_order_and_owns_its_memory(place: int) -> None:
    array = ARRAYS[place]
    found = again(array)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.dtype.isalignedstruct == array.dtype.isalignedstruct
    numpy.testing.assert_array_equal(found, array)
    assert found.flags.writeable
    assert found.flags.owndata
    assert found.flags.f_contiguous or not array.flags.f_contiguous


@pytest.mark.parametrize("place", range(len(SCALARS)))
def test_a_scalar_comes_back_exactly(place: int) -> None:
    scalar = SCALARS[place]
    found = again(scalar)
    assert (found.dtype, found.tobytes()) == (scalar.dtype, scalar.tobytes())


def test_a_large_array_is_not_copied_to_be_encoded() -> None:
    array = numpy.arange(1000.0)
    (buffer,) = codec.encode(array, "x").buffers
    assert numpy.shares_memory(numpy.frombuffer(buffer), array)
    found = codec.decode(codec.encode(array, "x"), "x")
    assert not numpy.shares_memory(found, array)


def test_what_numpy_cannot_say_as_data_needs_a_pickle() -> None:
    for value in (numpy.ma.masked_array([1]), numpy.zeros(1, [("a", object)]), numpy.random.default_rng(1)):
        with pytest.raises(NotStorable, match="pickling is off"):
            codec.encode(value, "x")


def frame() -> pandas.DataFrame:
    made = pandas.DataFrame({
        "int": [1, 2, 3, 4],
        "float": [1.0, numpy.nan, 3, 4],
        "text": ["a", None, "c", "d"],
        "object": pandas.Series([1, "x", None, [2]], dtype=object),
        "texts as objects": pandas.Series(["a", "b", "c", "d"], dtype=object),
        "zone": pandas.date_range("2026-10-25", periods=4, freq="h", tz="Europe/Berlin"),
        "naive": pandas.date_range("2026-01-01", periods=4),
        "length": pandas.to_timedelta([1, 2, 3, None], unit="s"),
        "category": pandas.Categorical(["x", "y", "x", None], ordered=True),
        "Int64": pandas.array([1, None, 2, 3], dtype="Int64"),
        "boolean": pandas.array([True, None, False, True], dtype="boolean"),
        "Float32": pandas.array([1.5, None, 2, 3], dtype="Float32"),
        "string": pandas.array(["a", None, "b", "c"], dtype="string"),
    })  # fmt: skip
    made.attrs = {"source": ("a", 1)}
    return made


def test_a_frame_comes_back_column_by_column() -> None:
    value = frame()
    found = again(value)
    pandas.testing.assert_frame_equal(found, value, check_freq=True)
    assert found.attrs == value.attrs
    found.iloc[0, 0] = 99
    assert value.iloc[0, 0] == 1


def test_frames_of_odd_shapes_come_back() -> None:
    many = frame()
    many.index = pandas.MultiIndex.from_product([["a", "b"], [1, 2]], names=["q", None])
    many.columns = pandas.Index([*range(12), "i"], name=("n", 1))
    for value in (
        many,
        pandas.DataFrame(),
        pandas.DataFrame(index=[1, 2]),
        pandas.DataFrame(columns=["a"]),
        pandas.DataFrame([[1, 2]], columns=["a", "a"]),
        pandas.DataFrame([[1, 2], [3, 4]], index=[0, 0]),
    ):
        pandas.testing.assert_frame_equal(again(value), value, check_index_type=True, check_column_type=True)


def test_series_and_indexes_come_back() -> None:
    for series in (
        pandas.Series([1, 2], name=("z", 1)),
        pandas.Series(["a"], index=pandas.date_range("2026", periods=1, freq="h")),
        pandas.Series([], dtype=float),
    ):
        pandas.testing.assert_series_equal(again(series), series, check_freq=True)
    for index in (
        pandas.Index([1, 2], name="n"),
        pandas.Index(["a"]),
        pandas.RangeIndex(3),
        pandas.date_range("2026", periods=3, freq="D", tz="UTC"),
        pandas.CategoricalIndex(["a"]),
        pandas.MultiIndex.from_tuples([("a", 1)]),
    ):
        found = again(index)
        pandas.testing.assert_index_equal(found, index, exact=True)
        assert getattr(found, "freq", None) == getattr(index, "freq", None)


def test_moments_of_pandas_come_back_to_the_nanosecond() -> None:
    for value in (
        pandas.Timestamp("2026-01-31T00:00:00.123456789", tz="Europe/Berlin"),
        pandas.Timestamp("2026-01-31").as_unit("s"),
        pandas.Timedelta("1ns"),
    ):
        found = again(value)
        assert (found, found.unit, str(getattr(found, "tz", ""))) == (value, value.unit, str(getattr(value, "tz", "")))
    assert again(pandas.NaT) is pandas.NaT
    assert again(pandas.NA) is pandas.NA


def test_s1_the_culprit_in_a_column_is_named() -> None:
    bad = pandas.DataFrame({"a": pandas.Series([1, sys], dtype=object)})
    with pytest.raises(NotStorable, match=r'^x\["a"\]\[1\]: module cannot be stored'):
        codec.encode(bad, "x")


def test_tables_of_arrow_come_back() -> None:
    for value in (
        pyarrow.table({"a": [1, 2, None], "b": ["x", "y", "z"]}, metadata={"k": "v"}),
        pyarrow.table({"a": pyarrow.array([], pyarrow.int8())}),
        pyarrow.record_batch({"a": [1]}),
        pyarrow.array([1, 2]),
        pyarrow.array([["a"], None]),
        pyarrow.array([1, 2, 3])[1:],
        pyarrow.chunked_array([[1], [2, 3]]),
    ):
        found = again(value)
        assert found.equals(value)
        assert getattr(found, "schema", None) == getattr(value, "schema", None)


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = codec.encode([numpy.arange(3)], "x")
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(Unreadable, match=r"x\[0\]: the value needs numpy; pip install numpy"):
        codec.decode(encoded, "x")


def test_no_library_is_loaded_for_values_of_others() -> None:
    program = (
        "import sys, datetime, decimal; from holdfast.core.codec import Codec; codec = Codec(); "
        "value = {'a': [1, (2, {3}), b'x' * 2000, datetime.datetime.now(), decimal.Decimal(1)]}; "
        "assert codec.decode(codec.encode(value, 'x'), 'x') == value; "
        "print({'numpy', 'pandas', 'pyarrow', 'pydantic', 'cloudpickle', 'asyncio', 'zoneinfo'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
