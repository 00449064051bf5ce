"""The tools above the driver, each used as its own manual says."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from typing import Any

import adbc_driver_manager.dbapi
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import e6data_adbc

pytestmark = pytest.mark.seconds

SQL = "select order_id, line, unit_price from order_items order by order_id, line"


def test_polars_reads_arrow_types(connection: Any) -> None:
    """Polars takes its Arrow path: exact types, not Python rows."""
    frame = pl.read_database(SQL, connection)

    assert frame.schema == {"order_id": pl.Int64, "line": pl.Int32, "unit_price": pl.Decimal(38, 2)}
    assert frame.height == 30_000


def test_polars_iterates_batches(connection: Any) -> None:
    """`iter_batches=True` yields the driver's batches, all rows in order."""
    frames = list(pl.read_database(SQL, connection, iter_batches=True))

    assert pl.concat(frames).equals(pl.read_database(SQL, connection))


def test_polars_reads_from_a_uri(uri: str) -> None:
    """`read_database_uri` finds the driver by the URI's scheme."""
    frame = pl.read_database_uri("select count(*) as n from orders", uri, engine="adbc")

    assert frame.item() == 10_000


def test_pandas_read_sql(connection: Any, engine: Any) -> None:
    """pandas reads a frame, and its probe for a table of that name asks the server nothing."""
    before = engine.ledger.calls.get("getTablesV2", 0) if engine else 0

    frame = pd.read_sql(SQL, connection, dtype_backend="pyarrow")

    assert len(frame) == 30_000
    assert frame["unit_price"].iloc[0] == decimal.Decimal("1.99")
    assert engine.ledger.calls.get("getTablesV2", 0) == before


def test_duckdb_scans_the_reader(connection: Any) -> None:
    """DuckDB consumes the reader without a copy in Python."""
    with connection.cursor() as cursor:
        cursor.execute(SQL)
        reader = cursor.fetch_record_batch()  # noqa: F841 - DuckDB finds it by its name
        total = duckdb.sql("select sum(unit_price) from reader").fetchall()

    assert len(total) == 1
    assert total[0][0] > 0


def test_dbapi_fetches(connection: Any) -> None:
    """fetchone, fetchmany and fetchall share one position."""
    with connection.cursor() as cursor:
        cursor.execute("select i from range(10) as t(i) order by i")

        assert cursor.fetchone() == (0,)
        assert cursor.fetchmany(3) == [(1,), (2,), (3,)]
        assert cursor.fetchall() == [(i,) for i in range(4, 10)]
        assert cursor.fetchone() is None


@pytest.mark.parametrize("protocol", ["v1", "v2", "auto"])
def test_protocols_agree(connect: Callable[..., Any], protocol: str) -> None:
    """The way a result travels does not change it."""
    tables = ["customers", "products", "orders", "order_items", "stores"]
    plain = connect()
    other = connect(db_kwargs={"adbc.e6data.result.result_protocol": protocol})
    for table in tables:
        with plain.cursor() as left, other.cursor() as right:
            left.execute(f"select * from {table} order by 1, 2")
            right.execute(f"select * from {table} order by 1, 2")
            assert right.fetch_arrow_table().equals(left.fetch_arrow_table(), check_metadata=True)


def test_a_result_without_rows_has_its_schema(connection: Any) -> None:
    """No row, yet every type is right, the decimal's scale included."""
    with connection.cursor() as cursor:
        cursor.execute("select order_id, unit_price, note from order_items where false")
        table = cursor.fetch_arrow_table()

    assert table.num_rows == 0
    assert table.schema.types == [pa.int64(), pa.decimal128(38, 2), pa.utf8()]


def test_fields_carry_the_engines_type(connection: Any) -> None:
    """`E6DATA:type` tells what the server called the type."""
    with connection.cursor() as cursor:
        cursor.execute("select cast(1 as bigint) as a, cast(1 as decimal(5, 1)) as b")
        schema = cursor.fetch_arrow_table().schema

    assert [field.metadata[b"E6DATA:type"] for field in schema] == [b"LONG", b"DECIMAL128"]


def test_small_chunks_become_useful_batches(engine: Any) -> None:
    """A result in chunks of 1000 rows is delivered in far fewer batches."""
    from e6data_adbc.local import LocalEngine

    with LocalEngine(chunk_rows=1000) as small, e6data_adbc.connect(small.uri) as connection:
        with connection.cursor() as cursor:
            cursor.execute("select i from range(1000000) as t(i)")
            batches = [batch.num_rows for batch in cursor.fetch_record_batch()]

    assert sum(batches) == 1_000_000
    assert len(batches) < 500


def test_parameters_bind(connection: Any) -> None:
    """`?` takes values of any kind, and no text is touched."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select ? as a, '?' as b, ? as c, ? as d",
            (1, "o'clock -- \\", decimal.Decimal("-1.50")),
        )

        assert cursor.fetchone() == (1, "?", "o'clock -- \\", decimal.Decimal("-1.50"))


def test_every_door_is_the_same_driver(uri: str) -> None:
    """By name, by package, by URI: the manager finds the driver, and no warning appears."""
    for arguments in (
        {"driver": "e6data", "db_kwargs": {"uri": uri}},
        {"driver": "adbc_driver_e6data", "db_kwargs": {"uri": uri}},
        {"uri": uri},
        {"driver": uri},
    ):
        with adbc_driver_manager.dbapi.connect(autocommit=True, **arguments) as connection:  # type: ignore[arg-type]
            with connection.cursor() as cursor:
                cursor.execute("select 1 as one")
                assert cursor.fetchall() == [(1,)]


def test_query_id_is_readable(connection: Any) -> None:
    """The server's id of the query can be read while it runs."""
    with connection.cursor() as cursor:
        cursor.execute("select 1 as one")

        assert cursor.adbc_statement.get_option("adbc.e6data.statement.query_id")
