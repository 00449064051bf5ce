"""The ends of every type, bound and ingested, come back as they went: the table in `docs/parameters.md`."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from e6data_adbc import dbapi

pytestmark = pytest.mark.seconds

MIN, MAX = datetime.datetime.min, datetime.datetime.max
DECIMAL_ENDS = ["-99999999999999999999999999999999999999", "99999999999999999999999999999999999999"]
ENDS = [
    pa.array([-(2**7), 2**7 - 1], pa.int8()),
    pa.array([-(2**15), 2**15 - 1], pa.int16()),
    pa.array([-(2**31), 2**31 - 1], pa.int32()),
    pa.array([-(2**63), 2**63 - 1], pa.int64()),
    pa.array([0, 2**8 - 1], pa.uint8()),
    pa.array([0, 2**16 - 1], pa.uint16()),
    pa.array([0, 2**32 - 1], pa.uint32()),
    pa.array([0, 2**64 - 1], pa.uint64()),
    pa.array([-65504.0, 6e-8, math.inf], pa.float16()),
    pa.array(
        [-3.4028234663852886e38, 1e-45, -0.0, math.inf, -math.inf, math.nan, None], pa.float32()
    ),
    pa.array([-1.7976931348623157e308, 5e-324, -0.0, math.inf, -math.inf, math.nan, None]),
    pa.array(DECIMAL_ENDS).cast(pa.decimal128(38, 0)),
    pa.array(["-0." + "9" * 38, "0." + "0" * 37 + "1"]).cast(pa.decimal128(38, 38)),
    pa.array([MIN.date(), MAX.date()]),
    pa.array([MIN, MAX]),
    pa.array([MIN, MAX], pa.timestamp("us", "+05:30")),
    pa.array([-(2**63), 2**63 - 1], pa.duration("us")),
    pa.array(["", "\x01\U0010ffff\ufffe'\\"]),
    pa.array([b"", bytes(range(256))]),
]


@pytest.fixture(scope="module")
def cursor() -> Iterator[dbapi.Cursor]:
    """A cursor of a local engine of the module's own."""
    with dbapi.connect("e6data:local") as connection, connection.cursor() as cursor:
        yield cursor


def texts(column: Any) -> list[str]:
    """Each value as text, which tells zeros from each other and NaN from all."""
    if pa.types.is_duration(column.type) or pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return [str(int(value) if isinstance(value, int) else value) for value in column.to_pylist()]


@pytest.mark.parametrize("values", ENDS, ids=lambda values: str(values.type))
@pytest.mark.parametrize("is_ingested", [False, True], ids=["bound", "ingested"])
def test_ends(cursor: dbapi.Cursor, values: pa.Array[Any], is_ingested: bool) -> None:
    """Both ends of the type, and what is special in it."""
    if is_ingested:
        data = pa.table({"n": range(len(values)), "a": values})
        place = {"catalog_name": "scratch", "db_schema_name": "main"}
        cursor.adbc_ingest("ends", data, mode="replace", **place)  # type: ignore[arg-type]
        cursor.execute("SELECT a FROM scratch.main.ends ORDER BY n")
    else:
        cursor.execute("SELECT ? AS a", pa.table({"a": values}))
    found = cursor.fetch_arrow_table()["a"]

    assert texts(found) == texts(values)
