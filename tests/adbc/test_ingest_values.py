"""Values of bulk ingestion: every source, every type, hostile names, and none that comes back as another."""

from __future__ import annotations

import datetime
import decimal
import functools
import math
import random
import uuid
from collections.abc import Callable
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode, Error, NotSupportedError, ProgrammingError

from e6data_adbc.local import LocalEngine
from tests.support.ingesting import failure, statements
from tests.support.scratch import Rows

pytestmark = pytest.mark.seconds
UTC = datetime.timezone.utc
D = decimal.Decimal
UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")
T = datetime.datetime(2024, 2, 29, 23, 59, 59, 999_999)
BATCH = pa.record_batch({"a": [1, 2]})
SOURCES: dict[str, Callable[[], Any]] = {
    "batch": lambda: BATCH,
    "table": lambda: pa.Table.from_batches([BATCH]),
    "reader": lambda: pa.RecordBatchReader.from_batches(BATCH.schema, iter([BATCH])),
    "capsule": lambda: _Stream(pa.Table.from_batches([BATCH])),
}


class _Stream:
    """Nothing but `__arrow_c_stream__`."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("source", SOURCES)
def test_sources(scratch_cursor: Any, scratch_rows: Rows, source: str) -> None:
    """Whatever gives Arrow data can be ingested."""
    assert scratch_cursor.adbc_ingest("t", SOURCES[source]()) == 2
    assert scratch_rows("SELECT a FROM t ORDER BY a") == [(1,), (2,)]


def test_no_rows(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """Data without rows make an empty table with the right columns."""
    nothing = pa.schema([("a", pa.int16()), ("b", pa.decimal128(7, 2))]).empty_table()

    assert scratch_cursor.adbc_ingest("t", nothing) == 0
    assert scratch_rows("SELECT * FROM t") == []
    assert scratch_cursor.adbc_ingest("t", nothing, mode="append") == 0


def test_no_data(scratch_cursor: Any) -> None:
    """Without bound rows there is nothing to do: INVALID_STATE."""
    scratch_cursor.adbc_statement.set_options(**{"adbc.ingest.target_table": "t"})

    assert (
        failure(scratch_cursor.adbc_statement.execute_update).status_code
        == AdbcStatusCode.INVALID_STATE
    )


def test_no_columns(scratch_cursor: Any) -> None:
    """Data without columns make no table."""
    error = failure(lambda: scratch_cursor.adbc_ingest("t", pa.table({})))

    assert error.status_code == AdbcStatusCode.INVALID_ARGUMENT


def arrow(series: pl.Series) -> pa.Array[Any]:
    """A series of Polars as it comes through the C interface: a dictionary of views."""
    chunked = pa.table(pl.DataFrame({"a": series}))["a"]
    return chunked.chunk(0)


#: Values, and what the column reads back as where the engine's type is another.
TYPES: dict[str, tuple[pa.Array[Any], list[Any] | None]] = {
    "bool": (pa.array([True, None, False]), None),
    "int8": (pa.array([-128, None, 127], pa.int8()), None),
    "int16": (pa.array([-(2**15), None, 2**15 - 1], pa.int16()), None),
    "int32": (pa.array([-(2**31), None, 2**31 - 1], pa.int32()), None),
    "int64": (pa.array([-(2**63), None, 2**63 - 1], pa.int64()), None),
    "uint8": (pa.array([0, None, 255], pa.uint8()), None),
    "uint16": (pa.array([0, None, 2**16 - 1], pa.uint16()), None),
    "uint32": (pa.array([0, None, 2**32 - 1], pa.uint32()), None),
    "uint64": (pa.array([0, None, 2**64 - 1], pa.uint64()), [D(0), None, D(2**64 - 1)]),
    "float32": (pa.array([0.1, None, -1e30], pa.float32()), None),
    "float64": (pa.array([0.1, None, 5e-324, -0.0, math.inf, -math.inf, 1.7976931348623157e308]), None),
    "float32_ends": (pa.array([math.inf, None, 3.4028234663852886e38, -1e-45], pa.float32()), None),
    "decimal": (pa.array([D("-0.01"), None, D("12345.67")], pa.decimal128(7, 2)), None),
    "decimal38": (pa.array([D(10**38 - 1), None], pa.decimal128(38, 0)), None),
    "decimal256": (pa.array([D("1.5"), None], pa.decimal256(40, 2)), None),
    "decimal-2": (pa.array([D(1200), None], pa.decimal128(4, -2)), None),
    "utf8": (pa.array(["", None, "it's \\ \"q\" -- ; /* ? :x $y\n\r\t\u2028日本😀"]), None),
    "large_utf8": (pa.array(["a", None], pa.large_string()), None),
    "string_view": (pa.array(["a", None], pa.string_view()), None),
    "binary": (pa.array([b"", None, b"\x00\xff'\\"]), None),
    "large_binary": (pa.array([b"a", None], pa.large_binary()), None),
    "binary_view": (pa.array([b"a", None], pa.binary_view()), None),
    "fixed_binary": (pa.array([b"\x00\x01", None], pa.binary(2)), None),
    "date32": (pa.array([datetime.date(1, 1, 1), None, datetime.date(9999, 12, 31)]), None),
    "date64": (pa.array([datetime.date(2024, 2, 29), None], pa.date64()), None),
    "timestamp_s": (pa.array([T.replace(microsecond=0), None], pa.timestamp("s")), None),
    "timestamp_ms": (pa.array([T.replace(microsecond=999_000), None], pa.timestamp("ms")), None),
    "timestamp_us": (pa.array([T, None], pa.timestamp("us")), None),
    "timestamp_ns": (pa.array([1_000, None], pa.timestamp("ns")), [datetime.datetime(1970, 1, 1, 0, 0, 0, 1), None]),
    "timestamp_tz": (pa.array([T.replace(tzinfo=UTC), None], pa.timestamp("us", "Asia/Kolkata")), None),
    "duration": (pa.array([datetime.timedelta(days=-3, microseconds=1), None]), None),
    "dictionary": (pa.array(["a", None, "a"]).dictionary_encode(), None),
    "dictionary_of_nulls": (pa.DictionaryArray.from_arrays(pa.array([0, 1, None]), pa.array(["a", None])), None),
    "categorical": (arrow(pl.Series(["a", None, "a"], dtype=pl.Categorical)), None),
    "enum": (arrow(pl.Series(["b", None], dtype=pl.Enum(["a", "b"]))), None),
    "uuid": (pa.array([UUID.bytes, None], pa.uuid()), [str(UUID), None]),
    "bool8": (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8())), None),
    "offset": (pa.array([T.replace(tzinfo=UTC), None], pa.timestamp("us", "+05:30")), None),
    "run_end": (pa.RunEndEncodedArray.from_arrays([2, 3], pa.array([5, None])), [5, 5, None]),
    "list": (pa.array([[1, 2], None]), ["[1, 2]", None]),
    "list_of_lists": (pa.array([[["a"]], None]), ["[[a]]", None]),
    "null": (pa.nulls(2), None),
}  # fmt: skip


@pytest.mark.parametrize("name", TYPES)
def test_every_type_comes_back(scratch_cursor: Any, name: str) -> None:
    """Each value of each type that has a literal is read back as it was written, nulls included."""
    values, expected = TYPES[name]
    data = pa.record_batch([pa.array(range(len(values))), values], ["row", "value"])

    assert scratch_cursor.adbc_ingest("t", data) == len(values)
    scratch_cursor.execute("SELECT value FROM t ORDER BY row")
    assert scratch_cursor.fetch_arrow_table()["value"].to_pylist() == (
        values.to_pylist() if expected is None else expected
    )


class Parts:
    """A stream of struct arrays, each a part of a longer one."""

    def __init__(self, *parts: pa.StructArray) -> None:
        self.parts = pa.chunked_array(list(parts))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.parts.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("name", TYPES)
def test_parts_of_longer_arrays(scratch_cursor: Any, name: str) -> None:
    """An array of a stream that begins behind its first value gives the rows of its part."""
    values, expected = TYPES[name]
    whole = pa.StructArray.from_arrays([pa.array(range(len(values))), values], ["row", "value"])
    parts = Parts(whole.slice(1), whole.slice(0, 1))

    assert scratch_cursor.adbc_ingest("t", parts) == len(values)
    scratch_cursor.execute("SELECT value FROM t ORDER BY row")
    assert scratch_cursor.fetch_arrow_table()["value"].to_pylist() == (
        values.to_pylist() if expected is None else expected
    )


def test_a_part_whose_rows_are_null_is_refused(scratch_cursor: Any) -> None:
    """A row that is null as a whole has no columns; one before the part does not matter."""
    values = pa.array([None, {"n": 2}, None, {"n": 4}])
    assert scratch_cursor.adbc_ingest("t", Parts(values.slice(1, 1), values.slice(3))) == 2
    with pytest.raises(ProgrammingError, match="could not read the bound parameters"):
        scratch_cursor.adbc_ingest("t", Parts(values.slice(1)), mode="append")


def test_what_is_not_a_number(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """NaN is written as NaN, and a null as null."""
    scratch_cursor.adbc_ingest(
        "t",
        pa.table({"a": pa.array([math.nan, None]), "b": pa.array([math.nan, None], pa.float32())}),
    )

    assert [
        tuple(map(repr, row)) for row in scratch_rows("SELECT * FROM t ORDER BY a NULLS LAST")
    ] == [
        ("nan", "nan"),
        ("None", "None"),
    ]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([{"a": 1}]),
        pa.ExtensionArray.from_storage(
            pa.opaque(pa.binary(16), "uhugeint", "engine"), pa.array([b"0" * 16], pa.binary(16))
        ),
        pa.array([datetime.time(1)]),
        pa.array([(0, 2, 0)], pa.month_day_nano_interval()),
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    ],
    ids=lambda values: str(values.type),
)
def test_types_without_a_form(
    scratch_cursor: Any, writable: LocalEngine, values: pa.Array[Any]
) -> None:
    """A type without a literal is NOT_IMPLEMENTED before anything is made, and the column is named."""
    before = statements(writable)
    with pytest.raises(NotSupportedError, match="column 'v'"):
        scratch_cursor.adbc_ingest("t", pa.table({"v": values}))

    assert statements(writable) == before


def test_not_null_is_kept(scratch_cursor: Any) -> None:
    """A field that is not nullable makes a column that refuses nulls."""
    schema = pa.schema([pa.field("a", pa.int64(), nullable=False)])
    scratch_cursor.adbc_ingest("t", pa.table({"a": [1]}, schema=schema))

    with pytest.raises(Error, match="NOT NULL"):
        scratch_cursor.adbc_ingest(
            "t", pa.table({"a": pa.array([None], pa.int64())}), mode="append"
        )


HOSTILE = ['a"b', '"', "x; DROP TABLE t --", "select", "ä 日本", " ", "a.b", "'", "?", ":n", "/*"]


def test_hostile_names(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """Names of columns and tables are quoted, whatever is in them."""
    for name in HOSTILE:
        scratch_cursor.adbc_ingest(name, pa.table({name: [1]}))
        quoted = name.replace('"', '""')
        assert scratch_cursor.adbc_ingest(name, pa.table({name: [2]}), mode="append") == 1
        assert scratch_rows(f'SELECT "{quoted}" FROM "{quoted}" ORDER BY 1') == [(1,), (2,)]


@pytest.mark.parametrize("name", ["", "a\\", 'a\\"b'])
def test_names_without_a_safe_form(scratch_cursor: Any, name: str) -> None:
    """A name that engines may read differently is refused, and the refusal names it."""
    for table, column in ((name or "t", name), (name, "a")):
        if not table:
            continue  # an empty table name is no target at all
        data = pa.table({column: [1]})
        error = failure(functools.partial(scratch_cursor.adbc_ingest, table, data))
        assert error.status_code == AdbcStatusCode.INVALID_ARGUMENT
        assert repr(name) in str(error)


def test_columns_of_one_name(scratch_cursor: Any) -> None:
    """Names that differ in case alone would be one column."""
    data = pa.table([pa.array([1]), pa.array([2])], ["a", "A"])

    with pytest.raises(ProgrammingError, match="occurs twice"):
        scratch_cursor.adbc_ingest("t", data)


def test_many_random_rows(scratch_cursor: Any) -> None:
    """A table of every common kind survives the way there and back, row by row."""
    rng = random.Random(7)
    size = 300
    data = pa.table(
        {
            "row": range(size),
            "text": [
                "".join(rng.choices("a'\\\"%_;-é😀\n", k=rng.randrange(9))) for _ in range(size)
            ],
            "number": [rng.choice([None, rng.randint(-(2**63), 2**63 - 1)]) for _ in range(size)],
            "real": [rng.choice([None, rng.uniform(-1e9, 1e9)]) for _ in range(size)],
            "bytes": [rng.randbytes(rng.randrange(9)) for _ in range(size)],
        }
    )
    scratch_cursor.adbc_ingest("t", data)
    scratch_cursor.execute("SELECT * FROM t ORDER BY row")

    assert scratch_cursor.fetch_arrow_table().to_pylist() == data.to_pylist()
