"""Python values as columns: each as it is, or an error that names the parameter and the row."""

from __future__ import annotations

import datetime
import decimal
import enum
import math
import uuid
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e6data_adbc._dbapi.values import column
from e6data_adbc.errors import Error, NotSupportedError, ProgrammingError, Status

D = decimal.Decimal
UTC = datetime.timezone.utc
KOLKATA = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
NOON = datetime.datetime(2026, 1, 2, 12)
DAY = datetime.date(2026, 1, 2)
UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


class Colour(str, enum.Enum):
    """Text with a name."""

    RED = "red"


class Loud(int):
    """A number that writes itself otherwise."""

    def __int__(self) -> int:
        return 99


class Written(bytes):
    """Bytes that write themselves otherwise."""

    def __bytes__(self) -> bytes:
        return b"otherwise"


class Level(enum.IntEnum):
    """A number with a name."""

    HIGH = 3


def nested(depth: int) -> list[Any]:
    """A list in a list in a list."""
    found: list[Any] = [1]
    for _ in range(depth - 1):
        found = [found]
    return found


def where(index: int) -> str:
    return f"parameter 1 of row {index + 1}"


def made(*values: Any) -> pa.Array[Any]:
    return column(values, where)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([True, None], pa.bool_(), [True, None]),
        ([5, -(2**63), 2**63 - 1], pa.int64(), None),
        ([2**63, 5, None], pa.decimal128(19, 0), [D(2**63), D(5), None]),
        ([10**30], pa.decimal128(31, 0), [D(10**30)]),
        ([-(10**38) + 1], pa.decimal128(38, 0), [D(-(10**38) + 1)]),
        ([Level.HIGH, 4], pa.int64(), [3, 4]),
        ([5, 1.5, -(2**53)], pa.float64(), [5.0, 1.5, -(2.0**53)]),
        ([1.5, D("2.25"), 2**60], pa.float64(), [1.5, 2.25, 2.0**60]),
        ([0.1, math.inf, -0.0], pa.float64(), None),
        ([5, D("1.50")], pa.decimal128(3, 2), [D("5.00"), D("1.50")]),
        ([D("1.5"), D("100"), D("0.125")], pa.decimal128(6, 3), [D("1.500"), D("100.000"), D("0.125")]),
        ([D("1E+3"), D("0.1")], pa.decimal128(5, 1), [D("1000.0"), D("0.1")]),
        ([D("0.00"), D(0)], pa.decimal128(2, 2), [D("0.00"), D("0.00")]),
        ([D("9" * 38)], pa.decimal128(38, 0), None),
        ([D("0." + "9" * 38)], pa.decimal128(38, 38), None),
        ([D(10**20), D("1." + "0" * 30)], pa.decimal128(21, 0), [D(10**20), D(1)]),
        (["a", Colour.RED, UUID, np.str_("n")], pa.string(), ["a", "red", str(UUID), "n"]),
        pytest.param(
            [b"a", bytearray(b"b"), memoryview(b"c")],
            pa.binary(),
            [b"a", b"b", b"c"],
            id="kinds of bytes",
        ),
        ([DAY, None], pa.date32(), None),
        ([DAY, NOON], pa.timestamp("us"), [datetime.datetime(2026, 1, 2), NOON]),
        ([NOON, DAY], pa.timestamp("us"), [NOON, datetime.datetime(2026, 1, 2)]),
        ([NOON.replace(tzinfo=KOLKATA), NOON.replace(tzinfo=UTC)], pa.timestamp("us", "UTC"),
         [NOON.replace(hour=6, minute=30, tzinfo=UTC), NOON.replace(tzinfo=UTC)]),
        ([pd.Timestamp(NOON), NOON, np.datetime64("2026-01-02T12")], pa.timestamp("us"), [NOON] * 3),
        ([pd.Timestamp("2026-01-02 12:00:00.000001")], pa.timestamp("us"), [NOON.replace(microsecond=1)]),
        ([pd.Timestamp(NOON, tz="UTC")], pa.timestamp("us", "UTC"), [NOON.replace(tzinfo=UTC)]),
        ([np.datetime64("2026-01-02"), np.datetime64("2026-01")], pa.date32(), [DAY, DAY.replace(day=1)]),
        ([datetime.timedelta(days=-1), pd.Timedelta("1us"), np.timedelta64(2, "s")], pa.duration("us"),
         [datetime.timedelta(days=-1), datetime.timedelta(microseconds=1), datetime.timedelta(seconds=2)]),
        ([datetime.datetime.min, datetime.datetime.max], pa.timestamp("us"), None),
        ([np.int8(5), None], pa.int8(), [5, None]),
        ([np.int8(5), np.int64(6)], pa.int64(), [5, 6]),
        ([np.uint64(2**63), None], pa.uint64(), [2**63, None]),
        ([np.float32(0.1)], pa.float32(), [float(np.float32(0.1))]),
        ([np.float64(0.1), np.bool_(True)][:1], pa.float64(), [0.1]),
        ([np.bool_(True)], pa.bool_(), [True]),
        ([[1, None], (), None], pa.list_(pa.int64()), [[1, None], [], None]),
        ([[1], [2.5]], pa.list_(pa.float64()), [[1.0], [2.5]]),
        ([np.array([1.5]), pd.Series([2.5]), pl.Series([3.5])], pa.list_(pa.float64()), [[1.5], [2.5], [3.5]]),
        ([np.array(["2026-01-02"], "datetime64[ns]")], pa.list_(pa.timestamp("us")), [[datetime.datetime(2026, 1, 2)]]),
        ([{1}, range(2)], pa.list_(pa.int64()), [[1], [0, 1]]),
        ([[UUID]], pa.list_(pa.string()), [[str(UUID)]]),
        ([[["a"]], [[None]]], pa.list_(pa.list_(pa.string())), None),
        ([pa.scalar(5, pa.int16()), None], pa.int16(), [5, None]),
        ([pa.scalar(5, pa.int16()), 6], pa.int64(), [5, 6]),
        ([pa.scalar(1, pa.timestamp("ns"))], pa.timestamp("ns"), None),
        ([None, pd.NA, pd.NaT, np.datetime64("NaT"), np.timedelta64("NaT"), np.ma.masked], pa.null(), [None] * 6),
        ([None, pd.NaT, NOON], pa.timestamp("us"), [None, None, NOON]),
        ([pd.NA, 5], pa.int64(), [None, 5]),
        ([Loud(5), Written(b"a")][:1], pa.int64(), [5]),
        ([Written(b"a")], pa.binary(), [b"a"]),
        pytest.param([memoryview(b"abcd")[::2]], pa.binary(), [b"ac"], id="every second byte"),
        ([np.array(5, "int16"), np.int16(6)], pa.int16(), [5, 6]),
        ([D("0E+99"), D("-0E+40"), D("0.10")], pa.decimal128(2, 2), [D(0), D(0), D("0.10")]),
        ([pd.Series(["a", np.nan]), pd.Categorical(["a", None]), pd.array([None, "b"])],
         pa.list_(pa.string()), [["a", None], ["a", None], [None, "b"]]),
        ([np.datetime64("9999-12"), np.datetime64("0001", "Y"), np.datetime64(2, "W")], pa.date32(),
         [datetime.date(9999, 12, 1), datetime.date.min, datetime.date(1970, 1, 15)]),
        ([np.timedelta64(3_000_000, "ps"), np.timedelta64(-1, "W")], pa.duration("us"),
         [datetime.timedelta(microseconds=3), datetime.timedelta(weeks=-1)]),
        ([np.array(5).astype("datetime64[25s]")[()]], pa.timestamp("us"), [datetime.datetime(1970, 1, 1, 0, 2, 5)]),
    ],
    ids=str,
)  # fmt: skip
def test_values_of_one_column(
    values: list[Any], kind: pa.DataType, expected: list[Any] | None
) -> None:
    """Values of different types take one that holds each exactly; NULLs may come first."""
    array = made(*values)

    array.validate(full=True)
    assert array.type == kind
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return
    assert array.to_pylist() == (values if expected is None else expected)


def test_nan_stays_nan() -> None:
    """It is a float and no null."""
    assert math.isnan(made(math.nan, None)[0].as_py())
    assert math.isnan(made(np.float32("nan"))[0].as_py())


@pytest.mark.parametrize(
    ("values", "row", "says"),
    [
        (["a", b"b"], 2, "it is bytes, and parameter 1 of row 1 is text"),
        ([True, 2], 2, "it is a whole number, and parameter 1 of row 1 is a truth value"),
        ([1, True], 2, "it is a truth value"),
        ([np.bool_(True), 1.5], 2, "it is a float"),
        ([1, "a"], 2, "it is text"),
        ([1, D(1), 1.5, None, "a"], 5, "it is text, and parameter 1 of row 1 is a whole number"),
        ([NOON, NOON.replace(tzinfo=UTC)], 2, "it is a datetime with a zone"),
        ([DAY, NOON, NOON.replace(tzinfo=UTC)], 3, "it is a datetime with a zone"),
        ([DAY, "2026-01-01"], 2, "it is text, and parameter 1 of row 1 is a date"),
        ([1.5, 2**53 + 1], 2, "it is a whole number that no double is"),
        ([2**1024, 1.5], 1, "it is a whole number that no double is"),
        ([0.5, D("0.1")], 2, "it is a decimal that no double is"),
        ([1, 10**38], 2, "at most 38 digits"),
        ([D("1e-20"), D(10**20)], 2, "at most 38 digits, together with the values before it"),
        ([D(1), D("NaN")], 2, "decimals have no NaN"),
        ([D("-Infinity")], 1, "decimals have no NaN and no infinity"),
        ([D("sNaN")], 1, "decimals have no NaN"),
        (["a", "\ud800"], 2, "the text is not valid Unicode"),
        ([pd.Timestamp("2026-01-01 00:00:00.000000001")], 1, "counts microseconds"),
        ([NOON, pd.Timestamp("2026-01-01 00:00:00.000000001")], 2, "counts microseconds"),
        ([pd.Timedelta("1ns")], 1, "counts microseconds"),
        ([np.datetime64("2026-01-01T00:00:00.000000001")], 1, "counts microseconds"),
        ([np.timedelta64(1, "ns")], 1, "counts microseconds"),
        ([datetime.timedelta.max], 1, "64 bits hold no such number"),
        ([pd.Timedelta(np.timedelta64(2**60, "s"))], 1, "64 bits hold no such number"),
        ([np.datetime64(2**62, "s")], 1, "64 bits hold no such number"),
        ([np.datetime64(2**45, "D")], 1, "64 bits hold no such number"),
        ([np.timedelta64(2**62, "D")], 1, "64 bits hold no such number"),
        ([np.timedelta64(2**45, "D")], 1, "64 bits hold no such number"),
        ([np.datetime64(10**15, "Y")], 1, "the year is outside 0001 to 9999"),
        ([np.timedelta64(1, "s"), np.timedelta64(1, "M")], 2, "no fixed length"),
        ([np.timedelta64(1, "Y")], 1, "no fixed length"),
        ([np.timedelta64(5)], 1, "it has no unit"),
        ([[1], [2, "a"]], 2, "it is text, and an element of parameter 1 of row 1"),
        ([[b"a"], ["\ud800"]], 2, "it is text"),
    ],
    ids=str,
)
def test_values_that_fit_no_column(values: list[Any], row: int, says: str) -> None:
    """The error names the row and both types, and no value."""
    with pytest.raises(ProgrammingError) as caught:
        made(*values)

    assert caught.value.status_code == Status.INVALID_ARGUMENT
    assert f"parameter 1 of row {row}: " in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        1j,
        {"a": 1},
        pytest.param(object(), id="object"),
        pd.Period("2026-01"),
        np.complex64(1),
        np.longdouble(1),
    ],
    ids=str,
)
def test_types_without_a_form(value: Any) -> None:
    """A Python type that SQL has nothing like is named."""
    with pytest.raises(NotSupportedError, match=r"parameter 1 of row 2: the (Python|NumPy) type"):
        made(None, value)


def test_lists_in_lists_have_an_end() -> None:
    """Lists that lie deeper than any engine has them, or in themselves, are an error of ours."""
    endless: list[Any] = []
    endless.append(endless)

    for value in (nested(5000), endless):
        with pytest.raises(ProgrammingError, match="an element of parameter 1 of row 2: lists lie"):
            made(None, value)
    assert made(nested(30)).to_pylist() == [nested(30)]


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.floats(),
    st.decimals(),
    st.text(st.characters()),
    st.binary(max_size=4),
    st.dates(),
    st.datetimes(timezones=st.none() | st.just(KOLKATA)),
    st.timedeltas(),
    st.times(),
    st.uuids(),
)


@given(st.lists(ANYTHING | st.lists(ANYTHING, max_size=3), max_size=4))
def test_a_column_or_a_clear_error(values: list[Any]) -> None:
    """Whatever comes: a column that is equal to the values, or our error that names a row of them."""
    error: Error | None = None
    try:
        array = made(*values)
    except Error as raised:
        error = raised
    if error is not None:
        assert "parameter 1 of row " in str(error)
        assert error.status_code == Status.INVALID_ARGUMENT
        return
    array.validate(full=True)
    for value, found in zip(values, array.to_pylist(), strict=True):
        if isinstance(value, list) or (isinstance(value, float) and math.isnan(value)):
            continue
        if isinstance(value, uuid.UUID):
            assert found == str(value)
        elif isinstance(value, datetime.date) and isinstance(found, datetime.datetime):
            whole = isinstance(value, datetime.datetime)
            assert found == (value if whole else datetime.datetime(*value.timetuple()[:3]))
        else:
            assert found == value
