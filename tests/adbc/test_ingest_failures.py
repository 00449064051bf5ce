"""Bulk ingestion that fails on the way: what was written is said, and a table that is replaced stays."""

from __future__ import annotations

import decimal
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode, Error

from e6data_adbc import errors
from e6data_adbc.local import LocalEngine
from tests.support.ingesting import failure
from tests.support.scratch import SCRATCH, Rows

pytestmark = pytest.mark.seconds
D = decimal.Decimal
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_catalog = 'scratch'"


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
