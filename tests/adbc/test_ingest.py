"""Bulk ingestion: every mode, whose table it is, and how long and large a statement gets."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode, NotSupportedError

from e6data_adbc._driver.binding.value_rows import value_rows
from e6data_adbc._options.option_values import IngestSettings
from e6data_adbc.local import LocalEngine
from tests.support.ingesting import failure, statements
from tests.support.scratch import Rows

pytestmark = pytest.mark.seconds


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


def test_the_statement_goes_on_after_it(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """Setting a text ends the ingestion, and the other way round."""
    scratch_cursor.adbc_ingest("t", pa.table({"a": [1]}))
    assert scratch_rows("SELECT a FROM t") == [(1,)]
    scratch_cursor.adbc_ingest("t", pa.table({"a": [2]}), mode="append")

    assert scratch_rows("SELECT a FROM t ORDER BY a") == [(1,), (2,)]
