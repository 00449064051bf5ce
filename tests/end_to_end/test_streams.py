"""A result's stream in the hands of each library that takes one: all rows, exact types, one query; or the error."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datafusion
import deltalake
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import e6data_adbc

pytestmark = pytest.mark.seconds

#: Text, instants, days, decimals and NULLs, of which each reader has its own idea.
SQL = (
    "select order_id, status, ordered_at, delivered_at, order_date, cast(order_id as decimal(38, 2)) as exact "
    "from orders where order_id <= 5000"
)


def from_duckdb(reader: pa.RecordBatchReader, folder: Path) -> pa.Table:
    """DuckDB finds the reader by its name."""
    return duckdb.sql("from reader").to_arrow_table()


def from_polars(reader: pa.RecordBatchReader, folder: Path) -> pa.Table:
    """A frame, and back."""
    return pl.DataFrame(pl.from_arrow(reader)).to_arrow()


def from_pyarrow(reader: pa.RecordBatchReader, folder: Path) -> pa.Table:
    """The protocol, which pyarrow does not need for its own reader."""
    return pa.table(_Exported(reader))


def from_pandas(reader: pa.RecordBatchReader, folder: Path) -> pa.Table:
    """A frame with columns of Arrow types, and back."""
    frame = pd.DataFrame.from_arrow(reader)
    return pa.Table.from_pandas(frame, preserve_index=False)


def from_delta(reader: pa.RecordBatchReader, folder: Path) -> pa.Table:
    """A table that is written, and read again."""
    deltalake.write_deltalake(str(folder / "table"), reader)
    return deltalake.DeltaTable(str(folder / "table")).to_pyarrow_table()


def from_datafusion(reader: pa.RecordBatchReader, folder: Path) -> pa.Table:
    """A frame over the stream."""
    return pa.table(datafusion.SessionContext().from_arrow(reader))


class _Exported:
    """A stream that is nothing else."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._stream.__arrow_c_stream__(requested_schema)


CONSUMERS = [from_duckdb, from_polars, from_pyarrow, from_pandas, from_delta, from_datafusion]


def plain(table: pa.Table) -> pa.Table:
    """The rows in their order, as types that say the same whatever library they come from."""
    types = {
        "order_id": pa.int64(),
        "status": pa.string(),
        "ordered_at": pa.timestamp("us"),
        "delivered_at": pa.timestamp("us", "UTC"),
        "order_date": pa.date32(),
        "exact": table.schema.field("exact").type,
    }
    assert pa.types.is_decimal(types["exact"])
    return table.select(list(types)).cast(pa.schema(types.items())).sort_by("order_id")


@pytest.mark.parametrize("consume", CONSUMERS, ids=lambda consume: consume.__name__)
def test_each_consumer_reads_all_of_one_query(
    engine: Any, tmp_path: Path, consume: Callable[[pa.RecordBatchReader, Path], pa.Table]
) -> None:
    """Rows and types are those of the whole table, and no consumer makes the query run a second time."""
    marked = f"{SQL} /* {consume.__name__} */"
    with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
        cursor.execute(SQL)
        whole = cursor.fetch_arrow_table()
        cursor.execute(marked)
        read = consume(cursor.fetch_record_batch(), tmp_path)

    assert plain(read).to_pylist() == plain(whole).to_pylist()
    assert whole["delivered_at"].null_count > 0
    assert len([query for query in engine.ledger.queries if query.sql == marked]) == 1


def test_a_stream_is_read_once(engine: Any) -> None:
    """A second use is DuckDB's error, not an empty result."""
    with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
        cursor.execute(SQL)
        reader = cursor.fetch_record_batch()  # noqa: F841 - DuckDB finds it by its name
        assert duckdb.sql("select count(*) from reader").fetchall() == [(5000,)]

        with pytest.raises(duckdb.InvalidInputException, match="already been consumed"):
            duckdb.sql("select count(*) from reader").fetchall()


def test_instants_travel_as_microseconds(engine: Any) -> None:
    """The first and last years arrive in Polars as they are; seconds would wrap there (Polars 2.1)."""
    with e6data_adbc.connect(engine.uri) as connection:
        frame = pl.read_database(
            "select timestamp '0001-01-01 00:00:00' as first, timestamp '9999-12-31 23:59:59' as last",
            connection,
        )

    assert set(frame.schema.values()) == {pl.Datetime("us")}
    assert [value.year for value in frame.row(0)] == [1, 9999]


def test_what_exports_a_stream_tells_its_schema() -> None:
    """A class of ours with `__arrow_c_stream__` has `__arrow_c_schema__`, else DuckDB takes its stream three times."""
    lacking = []
    for file in sorted(Path(e6data_adbc.__file__).parent.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        for found in ast.walk(ast.parse(text)) if "__arrow_c_stream__" in text else ():
            if isinstance(found, ast.ClassDef) and "Protocol" not in map(ast.unparse, found.bases):
                names = {item.name for item in found.body if isinstance(item, ast.FunctionDef)}
                if "__arrow_c_stream__" in names and "__arrow_c_schema__" not in names:
                    lacking.append(f"{file.name}: {found.name}")

    assert lacking == []


RANGE_ROWS = 50_000
RANGE = f"SELECT range AS n, CAST(range AS VARCHAR) AS t FROM range({RANGE_ROWS})"
#: Fails after the rows before it were delivered, which are more than the engine makes ahead of who reads them.
FAILING = "SELECT range AS n, CASE WHEN range = 2000000 THEN error('broken row') ELSE 'x' END AS t FROM range(3000000)"
#: A result as nothing but its C stream, so that no other library is between; and as pyarrow's reader.
HAND_OVER = [
    lambda cursor: _Exported(cursor.fetch_arrow()),
    lambda cursor: cursor.fetch_record_batch(),
]


@pytest.mark.parametrize("hand_over", HAND_OVER)
def test_datafusion_reads_all_rows(connection: Any, hand_over: Any) -> None:
    """A stream or a reader that is registered in DataFusion gives every row once."""
    with connection.cursor() as cursor:
        context = datafusion.SessionContext()
        context.from_arrow(hand_over(cursor.execute(RANGE)), "r")

        found = context.sql("SELECT count(*) AS c, sum(n) AS s FROM r").to_pydict()

    assert found == {"c": [RANGE_ROWS], "s": [RANGE_ROWS * (RANGE_ROWS - 1) // 2]}


@pytest.mark.parametrize("hand_over", HAND_OVER)
def test_datafusion_tells_our_error(connection: Any, hand_over: Any) -> None:
    """A query that fails on its way fails in DataFusion with our text, and the connection is as good as before."""
    with connection.cursor() as cursor:
        cursor.execute(FAILING)
        with pytest.raises(Exception, match=r"\[e6data\] could not fetch .*broken row"):
            datafusion.SessionContext().from_arrow(hand_over(cursor), "r").collect()
        cursor.execute("SELECT 1")

        assert cursor.fetchall() == [(1,)]


@pytest.mark.parametrize("hand_over", HAND_OVER)
def test_delta_rs_writes_all_rows(connection: Any, tmp_path: Path, hand_over: Any) -> None:
    """delta-rs writes a stream as a table of all its rows."""
    with connection.cursor() as cursor:
        deltalake.write_deltalake(tmp_path / "whole", hand_over(cursor.execute(RANGE)))

    written = pa.table(
        deltalake.QueryBuilder()
        .register("t", deltalake.DeltaTable(tmp_path / "whole"))
        .execute("SELECT count(*) AS c, max(n) AS m FROM t")
    )
    assert written.to_pydict() == {"c": [RANGE_ROWS], "m": [RANGE_ROWS - 1]}


@pytest.mark.parametrize("hand_over", HAND_OVER)
def test_delta_rs_commits_nothing_of_a_failed_result(
    connection: Any, tmp_path: Path, hand_over: Any
) -> None:
    """A query that fails on its way fails the write with our text, and the table has no row of it."""
    path = tmp_path / "failed"
    with connection.cursor() as cursor:
        cursor.execute(FAILING)
        with pytest.raises(Exception, match=r"\[e6data\] could not fetch .*broken row"):
            deltalake.write_deltalake(path, hand_over(cursor))

    if deltalake.DeltaTable.is_deltatable(str(path)):
        assert deltalake.DeltaTable(path).file_uris() == []
