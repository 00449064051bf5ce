"""A result's stream in the hands of each library that takes one: all rows, exact types, one query."""

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

    def __init__(self, reader: pa.RecordBatchReader) -> None:
        self._reader = reader

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._reader.__arrow_c_stream__(requested_schema)


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
        for found in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(found, ast.ClassDef) and "Protocol" not in map(ast.unparse, found.bases):
                names = {item.name for item in found.body if isinstance(item, ast.FunctionDef)}
                if "__arrow_c_stream__" in names and "__arrow_c_schema__" not in names:
                    lacking.append(f"{file.name}: {found.name}")

    assert lacking == []
