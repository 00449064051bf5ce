"""The error behind the exception of whoever reads a stream: pyarrow, pandas, Polars, DuckDB."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import e6data_adbc
from e6data_adbc import dbapi, errors
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds

duckdb = pytest.importorskip("duckdb")


def in_duckdb(reader: pa.RecordBatchReader) -> object:
    """Reads *reader* in DuckDB, which finds it by its name."""
    return duckdb.sql("select count(*) from reader").fetchall()


CONSUMERS: dict[str, Callable[[pa.RecordBatchReader], object]] = {
    "pyarrow": lambda reader: reader.read_all(),
    "pyarrow, batches": list,
    "pandas": lambda reader: pd.concat(batch.to_pandas() for batch in reader),
    "polars": pl.DataFrame,
    "duckdb": in_duckdb,
}


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalEngine]:
    """One engine for the module."""
    with LocalEngine(chunk_rows=1000) as engine:
        yield engine


@pytest.fixture
def cursor(shared: LocalEngine) -> Iterator[dbapi.Cursor]:
    """A cursor on the engine, without faults afterwards."""
    with dbapi.connect(shared.uri) as connection, connection.cursor() as cursor:
        yield cursor
    shared.faults.clear()


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_each_consumer_has_the_text_and_the_error(
    shared: LocalEngine, cursor: dbapi.Cursor, consumer: str
) -> None:
    """The text alone says status, SQLSTATE and query; `last_error` gives the rest, also when the reader is closed."""
    for method in ("getNextResultBatch", "getNextResultBatchV2"):
        shared.faults.fail(
            method, after=3, times=None, code="DATA_LOSS", details="the disk is full"
        )
    reader = cursor.execute("select * from range(100000)").fetch_record_batch()
    assert e6data_adbc.last_error(reader) is None
    with pytest.raises(Exception, match="the disk is full") as raised:  # each has its own class
        CONSUMERS[consumer](reader)
    with contextlib.suppress(OSError, pa.ArrowInvalid):
        reader.close()
    error = e6data_adbc.last_error(reader)

    assert isinstance(error, e6data_adbc.OperationalError)
    assert (error.status_code, error.sqlstate) == (Status.IO, "08006")
    assert errors.query_id(error) == cursor.query_id
    for part in ("(IO)", "SQLSTATE: 08006", cursor.query_id):
        assert part in str(raised.value)


def test_there_is_no_error_of_others(cursor: dbapi.Cursor) -> None:
    """None for a result that was read to its end, and for readers from elsewhere."""
    reader = cursor.execute("select * from range(5)").fetch_record_batch()
    assert reader.read_all().num_rows == 5
    reader.close()

    assert e6data_adbc.last_error(reader) is None
    assert e6data_adbc.last_error(pa.table({"a": [1]}).to_reader()) is None


def test_a_closed_reader_tells_why_it_gives_no_more(cursor: dbapi.Cursor) -> None:
    """Closed before its end, its result is CANCELLED."""
    reader = cursor.execute("select * from range(100000000)").fetch_record_batch()
    reader.close()
    error = e6data_adbc.last_error(reader)

    assert error is not None
    assert error.status_code == Status.CANCELLED
    assert "its stream was released" in str(error)
