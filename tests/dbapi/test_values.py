"""Arrow values as Python's: exact, or refused with their place."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

from e6data_adbc._dbapi.rows import Refused, to_rows


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1000, 1], pa.int64()).view(pa.time64("ns")),
        pa.array([[1000], [1]], pa.list_(pa.int64())).cast(pa.list_(pa.time64("ns"))),
        pa.array([{"a": 1000}, {"a": 1}], pa.struct({"a": pa.time64("ns")})),
        pa.array([0, 10**15], pa.int64()).view(pa.duration("s")),
        pa.array([0, 10**15], pa.int64()).view(pa.timestamp("s")),
        pa.array([0, 253402300799999999], pa.int64()).view(pa.timestamp("us", "Asia/Tokyo")),
        pa.array([0, 253402300799999999], pa.int64()).view(pa.timestamp("us", "+05:30")),
        pa.array([0, -62135596800000000], pa.int64()).view(pa.timestamp("us", "America/New_York")),
        pa.array([0, 10**17], pa.int64()).view(pa.date64()),
    ],
    ids=lambda array: str(array.type),
)
def test_no_value_is_changed(array: pa.Array) -> None:
    """The second row is refused, with its column; the first is given."""
    batch = pa.record_batch([pa.array([1, 2]), array], names=["n", "far"])

    with pytest.raises(Refused) as caught:
        to_rows(batch)
    assert caught.value.cell[:2] == (1, "far")
    assert to_rows(batch.slice(0, 1))[0][0] == 1


def test_whole_microseconds_are_given() -> None:
    """A time of the day in nanoseconds is one where it is no finer than microseconds."""
    times = pa.array([86399_999_999_000, None], pa.int64()).view(pa.time64("ns"))

    rows = to_rows(pa.record_batch([times], names=["t"]))

    assert rows == [(datetime.time(23, 59, 59, 999999),), (None,)]


def test_no_columns() -> None:
    """Rows without columns are rows."""
    batch = pa.record_batch(pa.table({"a": [1, 2]}).to_batches()[0]).select([])

    assert to_rows(batch) == [()] * batch.num_rows
