"""Values bound through the whole driver come back as they went."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pyarrow as pa
import pytest

UTC = datetime.timezone.utc
MOMENT = datetime.datetime(2024, 2, 29, 23, 59, 59, 999_999)


@pytest.mark.parametrize(
    "scalar",
    [
        pa.scalar(True),
        pa.scalar(-7, pa.int8()),
        pa.scalar(2**31 - 1, pa.int32()),
        pa.scalar(-(2**63)),
        pa.scalar(1 / 3),
        pa.scalar(0.1, pa.float32()),
        pa.scalar(decimal.Decimal("-12345678901234567890123456789012345.678")),
        pa.scalar("it's \\ 'quoted' -- ? :x $y /* \" */\n\t日本😀"),
        pa.scalar("\\"),
        pa.scalar(b"\x00\xff'\\"),
        pa.scalar(datetime.date(1, 1, 1)),
        pa.scalar(datetime.date(9999, 12, 31)),
        pa.scalar(MOMENT, pa.timestamp("us")),
        pa.scalar(MOMENT.replace(tzinfo=UTC), pa.timestamp("us", "Asia/Kolkata")),
        pa.scalar(datetime.timedelta(days=-3, microseconds=1)),
        pa.scalar("x").cast(pa.dictionary(pa.int32(), pa.string())),
    ],
    ids=lambda scalar: f"{scalar.type}",
)
def test_value(connection: Any, scalar: pa.Scalar[Any]) -> None:
    """`SELECT ?` gives the bound value."""
    batch = pa.record_batch([pa.array([scalar.as_py()], scalar.type)], ["0"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT ? AS a", batch)
        (back,) = cursor.fetch_arrow_table().column("a").to_pylist()

    assert back == scalar.as_py()


def test_null_of_each_type(connection: Any) -> None:
    """Nulls are bound with their types."""
    kinds = [
        pa.int64(),
        pa.string(),
        pa.float64(),
        pa.decimal128(9, 2),
        pa.date32(),
        pa.timestamp("us", "UTC"),
        pa.null(),
    ]
    batch = pa.record_batch(
        [pa.array([None], kind) for kind in kinds], [str(i) for i in range(len(kinds))]
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join("?" * len(kinds)), batch)

        assert cursor.fetchone() == (None,) * len(kinds)


def test_names_and_lists(connection: Any) -> None:
    """Names are bound wherever they stand, and a list is the right side of IN."""
    sql = "SELECT :n, $n, ':n', a[1:2] FROM (SELECT [1, 2, 3] AS a) WHERE 2 IN :l -- :n"
    with connection.cursor() as cursor:
        cursor.execute(sql, {"n": 5, "l": [1, 2]})

        row = cursor.fetchone()
    assert row[:3] == (5, 5, ":n")
