"""Bulk ingestion: every mode, every type, hostile names and texts, bounds and failures."""

from __future__ import annotations

import datetime
import decimal
import functools
import math
import random
import threading
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode, Error, NotSupportedError, ProgrammingError

from e6data_adbc import errors
from e6data_adbc._driver.binding.value_rows import value_rows
from e6data_adbc._options.option_values import IngestSettings
from e6data_adbc.local import LocalEngine
from tests.support.scratch import SCRATCH, Rows

pytestmark = pytest.mark.seconds

UTC = datetime.timezone.utc
D = decimal.Decimal
UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")
T = datetime.datetime(2024, 2, 29, 23, 59, 59, 999_999)


TABLES = "SELECT table_name FROM information_schema.tables WHERE table_catalog = 'scratch'"


def failure(action: Callable[[], object]) -> Error:
    with pytest.raises(Error) as caught:
        action()
    return caught.value


def statements(engine: LocalEngine) -> int:
    return engine.ledger.calls.get("executeStatementV2", 0)


# ---- modes


def test_create(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """The table is made with the data's columns, and the number of rows is returned."""
    assert (
        scratch_cursor.adbc_ingest("t", pa.table({"a": [1, 2, None], "b": ["x", None, "z"]})) == 3
    )
    assert scratch_rows("SELECT * FROM t ORDER BY a NULLS LAST") == [
        (1, "x"),
        (2, None),
        (None, "z"),
    ]


def test_create_where_a_table_is(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """A table that exists is ALREADY_EXISTS, and stays as it was."""
    scratch_cursor.adbc_ingest("t", pa.table({"a": [1]}))
    error = failure(lambda: scratch_cursor.adbc_ingest("t", pa.table({"a": [2]}), mode="create"))

    assert error.status_code == AdbcStatusCode.ALREADY_EXISTS
    assert scratch_rows("SELECT a FROM t") == [(1,)]


def test_append(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """Rows go to the columns of their names, in whatever order; the others are null."""
    scratch_cursor.adbc_ingest("t", pa.table({"a": [1], "b": ["x"]}))
    scratch_cursor.adbc_ingest("t", pa.table({"b": ["y"], "a": [2]}), mode="append")
    scratch_cursor.adbc_ingest("t", pa.table({"b": ["z"]}), mode="append")

    assert scratch_rows("SELECT * FROM t ORDER BY b") == [(1, "x"), (2, "y"), (None, "z")]


def test_append_without_a_table(scratch_cursor: Any) -> None:
    """A missing table is NOT_FOUND exactly: Polars decides by that status."""
    error = failure(lambda: scratch_cursor.adbc_ingest("t", pa.table({"a": [1]}), mode="append"))

    assert error.status_code == AdbcStatusCode.NOT_FOUND


def test_append_of_unknown_columns(scratch_cursor: Any) -> None:
    """A table without the column is ALREADY_EXISTS, as ADBC has it, and the error names both sides."""
    scratch_cursor.adbc_ingest("t", pa.table({"a": [1]}))
    error = failure(lambda: scratch_cursor.adbc_ingest("t", pa.table({"q": [1]}), mode="append"))

    assert error.status_code == AdbcStatusCode.ALREADY_EXISTS
    assert "without the column 'q'" in str(error)
    assert "its columns are 'a'" in str(error)


def test_create_append(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """The table is made the first time and added to the second."""
    for value in (1, 2):
        scratch_cursor.adbc_ingest("t", pa.table({"a": [value]}), mode="create_append")

    assert scratch_rows("SELECT a FROM t ORDER BY a") == [(1,), (2,)]


def test_replace(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """The old table is gone with its columns; without one there is nothing to drop."""
    scratch_cursor.adbc_ingest("t", pa.table({"a": [1]}), mode="replace")
    scratch_cursor.adbc_ingest("t", pa.table({"b": ["x"]}), mode="replace")

    assert scratch_rows("SELECT * FROM t") == [("x",)]


def test_catalog_and_schema(writable: LocalEngine, scratch_rows: Rows) -> None:
    """Catalog and schema of the call beat those of the connection."""
    import e6data_adbc

    with e6data_adbc.connect(writable.uri) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("t", pa.table({"a": [7]}), catalog_name="scratch", db_schema_name="main")

    assert scratch_rows("SELECT a FROM scratch.main.t") == [(7,)]


def test_temporary_tables_are_not_implemented(scratch_cursor: Any) -> None:
    """The engine has no temporary tables, and nothing else is made in their place."""
    with pytest.raises(NotSupportedError, match="temporary table"):
        scratch_cursor.adbc_ingest("t", pa.table({"a": [1]}), temporary=True)


def test_a_catalog_that_cannot_be_written(writable: LocalEngine, scratch_cursor: Any) -> None:
    """An engine that refuses to write is NOT_IMPLEMENTED, in its own words."""
    data = pa.table({"a": [1]})
    with pytest.raises(NotSupportedError, match=r"refuses to write.*'sample' is read-only"):
        scratch_cursor.adbc_ingest("t", data, catalog_name="sample", db_schema_name="sales")


def test_a_read_only_connection(scratch: Any, scratch_cursor: Any, writable: LocalEngine) -> None:
    """A read-only connection refuses before the server is asked."""
    scratch.adbc_connection.set_options(**{"adbc.connection.readonly": "true"})
    before = dict(writable.ledger.calls)
    error = failure(lambda: scratch_cursor.adbc_ingest("t", pa.table({"a": [1]})))
    scratch.adbc_connection.set_options(**{"adbc.connection.readonly": "false"})

    assert error.status_code == AdbcStatusCode.INVALID_STATE
    assert writable.ledger.calls == before


# ---- what is written

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


@pytest.mark.parametrize(
    "column",
    [
        pa.DictionaryArray.from_arrays(pa.array([0] * 5_000, pa.int32()), pa.array(["x" * 2**20])),
        pa.RunEndEncodedArray.from_arrays(pa.array([5_000], pa.int32()), pa.array(["x" * 2**20])),
    ],
    ids=["dictionary", "run ends"],
)
def test_repeated_values_are_not_held_as_text(column: pa.Array[Any]) -> None:
    """A value of a MiB that stands 5,000 times is written a few times at a time: memory does not grow with rows."""
    batch = pa.record_batch([column], ["v"])
    limits = IngestSettings(insert_rows=1000, insert_bytes=2**20)
    statements = value_rows("INSERT INTO t VALUES ", [batch], [0], lambda *_: "", limits)
    tracemalloc.start()
    try:
        lengths = [rows for _, (_, rows) in zip(range(3), statements, strict=False)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert lengths == [1, 1, 1]
    assert peak < 50 * 2**20


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


# ---- bounds


@pytest.mark.parametrize(
    ("option", "value", "inserts"),
    [
        ("insert_rows", 10, 5),
        ("insert_rows", 1, 50),
        ("insert_bytes", 1, 50),
        ("insert_rows", 1000, 1),
    ],
)
def test_statements_are_bounded(
    scratch_cursor: Any,
    writable: LocalEngine,
    scratch_rows: Rows,
    option: str,
    value: int,
    inserts: int,
) -> None:
    """An INSERT has no more rows and bytes than the options say, but always one row."""
    scratch_cursor.adbc_ingest("t", pa.table({"a": pa.array([], pa.int64())}))
    scratch_cursor.adbc_statement.set_options(**{f"adbc.e6data.ingest.{option}": value})
    before = statements(writable)

    assert scratch_cursor.adbc_ingest("t", pa.table({"a": range(50)}), mode="append") == 50
    assert statements(writable) - before == inserts
    assert scratch_rows("SELECT count(*), sum(a) FROM t") == [(50, 1225)]


def test_bytes_are_counted_as_they_are_sent(scratch_cursor: Any, writable: LocalEngine) -> None:
    """Texts of several bytes a character count in bytes: 100 rows of 300 bytes are four statements of 10 kB."""
    scratch_cursor.adbc_ingest("t", pa.table({"a": pa.array([], pa.string())}))
    scratch_cursor.adbc_statement.set_options(**{"adbc.e6data.ingest.insert_bytes": 10_000})
    before = statements(writable)
    scratch_cursor.adbc_ingest("t", pa.table({"a": ["日" * 100] * 100}), mode="append")

    assert statements(writable) - before == 4


def test_rows_are_read_as_they_are_written(scratch_cursor: Any, writable: LocalEngine) -> None:
    """A stream is not collected: its next batch is asked for when the one before it is written."""
    scratch_cursor.adbc_ingest("t", pa.table({"a": pa.array([], pa.int64())}))
    scratch_cursor.adbc_statement.set_options(**{"adbc.e6data.ingest.insert_rows": 10})
    start, seen = statements(writable), []

    def batches() -> Iterator[pa.RecordBatch]:
        for _ in range(5):
            seen.append(statements(writable) - start)
            yield pa.record_batch({"a": pa.array(range(10), pa.int64())})

    reader = pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), batches())

    assert scratch_cursor.adbc_ingest("t", reader, mode="append") == 50
    assert seen == sorted(seen)
    assert seen[-1] >= 3


# ---- failures


def test_what_was_written_is_said(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """A value without a literal in the middle leaves the rows before it, and the error counts them."""
    scratch_cursor.adbc_statement.set_options(**{"adbc.e6data.ingest.insert_rows": 2})
    data = pa.table({"a": ["a", "b", "c", "d", "\0", "f"]})
    error = failure(lambda: scratch_cursor.adbc_ingest("t", data))

    assert "row 5 of batch 1, column 'a'" in str(error)
    assert "the table is created, 4 rows are written, which stays so" in str(error)
    assert errors.detail(error, "e6data.rows_written") == "4"
    assert scratch_rows("SELECT count(*) FROM t") == [(4,)]


def test_bad_values_among_the_first_make_no_table(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """Nothing is made before the first statement is written."""
    for mode in ("create", "create_append", "replace"):
        error = failure(
            functools.partial(scratch_cursor.adbc_ingest, "t", pa.table({"a": ["\0"]}), mode)
        )
        assert "row 1 of batch 1" in str(error)
        assert scratch_rows(TABLES) == []


# ---- replacing

#: A last value that cannot be written, in the hundredth batch or before anything is sent.
BAD: dict[str, Callable[[], Any]] = {
    "NUL": lambda: text_batches("x", "\0"),
    "an unsupported type": lambda: pa.table({"a": [{"b": 1}]}),
    "too many digits": lambda: pa.table({"a": pa.array([D(1), D(10**39)], pa.decimal256(40, 0))}),
    "a year before the first": lambda: pa.table({"a": pa.array([0, -(2**31)], pa.int32()).cast(pa.date32())}),
    "a null that may not be": lambda: not_null(1, None),
    "a source that fails": lambda: text_batches("x", None),
    "a name without a form": lambda: pa.table({"a\\": ["x"]}),
}  # fmt: skip


def text_batches(good: str, last: str | None) -> pa.RecordBatchReader:
    """A hundred batches of *good* and one of *last*; None breaks the stream there."""

    def batches() -> Iterator[pa.RecordBatch]:
        for _ in range(100):
            yield pa.record_batch({"a": [good]})
        if last is None:
            raise ValueError("no more")
        yield pa.record_batch({"a": [last]})

    return pa.RecordBatchReader.from_batches(pa.schema([("a", pa.string())]), batches())


def not_null(*values: int | None) -> pa.RecordBatchReader:
    """A stream whose field says that it has no nulls."""
    schema = pa.schema([pa.field("a", pa.int64(), nullable=False)])
    batch = pa.record_batch([pa.array(values, pa.int64())], schema=schema)
    return pa.RecordBatchReader.from_batches(schema, [batch])


@pytest.mark.parametrize("bad", BAD)
def test_a_failed_replace_leaves_the_old_table(
    scratch_cursor: Any, scratch_rows: Rows, bad: str
) -> None:
    """Its rows stand, also where the bad value comes in the hundredth batch, and nothing else is left."""
    scratch_cursor.adbc_ingest("t", pa.table({"n": [7]}))
    scratch_cursor.adbc_statement.set_options(**{"adbc.e6data.ingest.insert_rows": 10})
    error = failure(lambda: scratch_cursor.adbc_ingest("t", BAD[bad](), mode="replace"))

    assert scratch_rows("SELECT n FROM t") == [(7,)]
    assert scratch_rows(TABLES) == [("t",)]
    if bad in {"NUL", "a source that fails"}:  # found while the new table was written
        assert "the old table stands as it was" in str(error)


def test_views_stay(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """What refers to the table by its name goes on; an index, which cannot be renamed with it, goes with it."""
    scratch_cursor.adbc_ingest("t", pa.table({"a": [1]}))
    scratch_cursor.execute("CREATE VIEW v AS SELECT count(*) AS n FROM t")
    scratch_cursor.adbc_ingest("t", pa.table({"a": [1, 2]}), mode="replace")
    assert scratch_rows("SELECT n FROM v") == [(2,)]
    scratch_cursor.execute("CREATE INDEX i ON t (a)")
    scratch_cursor.adbc_ingest("t", pa.table({"a": [1, 2, 3]}), mode="replace")
    assert scratch_rows("SELECT n FROM v") == [(3,)]
    assert scratch_rows(f"{TABLES} AND table_type = 'BASE TABLE'") == [("t",)]
    scratch_cursor.execute("DROP VIEW v")


def test_a_table_that_others_refer_to_is_kept(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """The engine refuses to drop it: the error says that it stands, and the new rows are gone."""
    scratch_cursor.execute("CREATE TABLE t (a INT PRIMARY KEY)")
    scratch_cursor.execute("CREATE TABLE u (a INT REFERENCES t (a))")
    error = failure(lambda: scratch_cursor.adbc_ingest("t", pa.table({"a": [1]}), mode="replace"))

    assert "the old table stands as it was" in str(error)
    assert scratch_rows(f"{TABLES} ORDER BY 1") == [("t",), ("u",)]
    scratch_cursor.execute("DROP TABLE u")


@pytest.mark.parametrize("mode", ["create_append", "replace", "create"])
def test_writers_at_the_same_time(
    writable: LocalEngine, scratch_cursor: Any, scratch_rows: Rows, mode: str
) -> None:
    """Losing the race to create a table means appending to it, or replacing it, or that it exists; nothing is left."""
    start = threading.Barrier(6)
    failed: list[Error] = []

    def write(number: int) -> None:
        import e6data_adbc

        with e6data_adbc.connect(writable.uri, conn_kwargs=SCRATCH) as own, own.cursor() as writer:
            start.wait(60)
            try:
                writer.adbc_ingest("t", pa.table({"a": [number]}), mode=mode)
            except Error as error:
                failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    expected = [(n,) for n in range(6)]
    found = scratch_rows("SELECT a FROM t ORDER BY a")
    assert found == expected if mode == "create_append" else found[0] in expected
    assert len(failed) == (5 if mode == "create" else 0), failed
    assert all(error.status_code == AdbcStatusCode.ALREADY_EXISTS for error in failed)
    assert scratch_rows(TABLES) == [("t",)]


def test_a_stream_that_fails(scratch_cursor: Any) -> None:
    """What the source of the rows raises is in the error, with what was written."""
    schema = pa.schema([("a", pa.int64())])

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"a": [1]}, schema=schema)
        raise ValueError("no more")

    error = failure(
        lambda: scratch_cursor.adbc_ingest(
            "t", pa.RecordBatchReader.from_batches(schema, batches())
        )
    )

    assert "no more" in str(error)
    assert error.status_code == AdbcStatusCode.INVALID_ARGUMENT


def test_the_statement_goes_on_after_it(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """Setting a text ends the ingestion, and the other way round."""
    scratch_cursor.adbc_ingest("t", pa.table({"a": [1]}))
    assert scratch_rows("SELECT a FROM t") == [(1,)]
    scratch_cursor.adbc_ingest("t", pa.table({"a": [2]}), mode="append")

    assert scratch_rows("SELECT a FROM t ORDER BY a") == [(1,), (2,)]


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
