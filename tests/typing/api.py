"""The public API, used as users use it: type checkers read this file, nobody runs it."""

from __future__ import annotations

import adbc_driver_manager
import adbc_driver_manager.dbapi
import polars as pl
import pyarrow as pa

import adbc_driver_e6data
import adbc_driver_e6data.dbapi
import e6data_adbc
import e6data_adbc.dbapi
import e6data_adbc.distributed
import e6data_adbc.polars
from e6data_adbc import ConnectionOptions, DatabaseOptions, StatementOptions, errors


def connecting() -> None:
    connection = e6data_adbc.connect(
        "e6data://host/catalog",
        db_kwargs={DatabaseOptions.FETCH_TIMEOUT.value: 30},
        conn_kwargs={ConnectionOptions.CURRENT_CATALOG.value: "other"},
    )
    manager: adbc_driver_manager.dbapi.Connection = connection
    with manager, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{StatementOptions.TEXT_LAYOUT.value: "string_view"})
        cursor.execute("select 1")
        table: pa.Table = cursor.fetch_arrow_table()
        print(table.num_rows, cursor.query_id, cursor.progress(), cursor.explain("select 1"))


def scanning(connection: e6data_adbc.dbapi.Connection) -> None:
    orders: pl.LazyFrame = e6data_adbc.polars.scan("orders", connection=connection, pure=True)
    told: str = e6data_adbc.polars.explain(orders.filter(pl.col("id") > 1))
    tables = e6data_adbc.polars.catalog("e6data:local", db_schema="sales")
    names: list[str] = list(tables)
    other: pl.LazyFrame = tables["orders"]
    print(told, names, other)


def distributing() -> None:
    tickets, schema = e6data_adbc.distributed.plan("select 1 as a", None, on="a", count=4)
    rows: pa.RecordBatchReader = e6data_adbc.distributed.read(tickets[0], ["a"], "a > 1")
    target = "delta+file:///srv/table"
    added: int = e6data_adbc.distributed.commit(
        [e6data_adbc.distributed.export(ticket, target) for ticket in tickets], target, job="once"
    )
    print(rows.schema == schema, added)


def telling(cursor: e6data_adbc.dbapi.Cursor) -> None:
    plan: str = cursor.explain("select ?", [1])
    verdict: str = cursor.dry_run("select 1")
    analysis: e6data_adbc.dbapi.Analysis = cursor.explain_analyze("select 1")
    total: float | None = analysis.total_milliseconds
    timings: e6data_adbc.dbapi.Timings = cursor.timings()
    cached: bool = timings.is_cached
    delivered, announced = cursor.progress()
    left: int | None = None if announced is None else announced - delivered
    print(plan, verdict, total, cached, left, cursor.query_id, cursor.engine_address)


def other_doors() -> None:
    e6data_adbc.dbapi.connect("e6data:local").close()
    adbc_driver_e6data.dbapi.connect("e6data:local").close()
    database: adbc_driver_manager.AdbcDatabase = adbc_driver_e6data.connect("e6data:local")
    database.close()


def decoding(chunk: bytes, metadata: bytes) -> pa.RecordBatch:
    try:
        return e6data_adbc.decode_chunk(chunk, metadata)
    except e6data_adbc.DataError as error:
        query: str | None = errors.query_id(error)
        status: adbc_driver_manager.AdbcStatusCode = error.status_code
        print(query, status)
        raise


def loading(frame: pa.Table) -> None:
    report = e6data_adbc.load(frame, "sqlite:///tmp/x.db#t", job="nightly", mode="replace")
    rows: int = report.rows
    mark = report.watermark
    done: int = 0 if mark is None else mark.sequence
    e6data_adbc.load(
        "orders",
        "duckdb:///tmp/x.duckdb#t",
        uri="e6data:local",
        mode="upsert",
        key=["order_id"],
        partition=("order_id", 8),
        job="nightly",
        run="2026-11-29",
        progress=lambda progress: print(progress.event, progress.rows, rows, done),
    )


version: str = e6data_adbc.__version__
