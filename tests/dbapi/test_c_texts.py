"""Texts that C would cut or cannot carry are refused before anything is sent, wherever they are given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import e6data_adbc
from e6data_adbc import aio, dbapi
from e6data_adbc import pandas as for_pandas
from e6data_adbc import polars as for_polars
from e6data_adbc._dbapi.direct import DirectConnection
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine
from e6data_adbc.options import StatementOptions

pytestmark = pytest.mark.seconds

#: What stands in the middle of each text, by what the error calls it.
FLAWS = {
    "NUL character": "\0",
    "half a surrogate pair": "\ud800",
    "not valid UTF-8": "\udcff",
}


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    """One engine for the module."""
    with LocalEngine() as running:
        yield running


@pytest.fixture
def cursor(engine: LocalEngine) -> Iterator[dbapi.Cursor]:
    """A cursor, and a table with two rows."""
    with dbapi.connect(engine.uri) as connection, connection.cursor() as opened:
        opened.execute("create or replace table scratch.main.kept as select 1 as a union select 2")
        yield opened


def _direct(cursor: dbapi.Cursor, engine: LocalEngine, sql: str) -> None:
    del cursor
    with DirectConnection(engine.uri) as connection, connection.cursor() as other:
        other.execute(sql)


def _task(cursor: dbapi.Cursor, engine: LocalEngine, sql: str) -> None:
    del cursor

    async def main() -> None:
        async with aio.connect(engine.uri) as connection, connection.cursor() as other:
            await other.execute(sql)

    asyncio.run(main())


Run = Callable[[dbapi.Cursor, LocalEngine, str], object]

#: What runs a statement.
RUNS: dict[str, Run] = {
    "execute": lambda cursor, _, sql: cursor.execute(sql),
    "with parameters": lambda cursor, _, sql: cursor.execute(sql + " and a <> ?", [7]),
    "executemany": lambda cursor, _, sql: cursor.executemany(sql + " and a <> ?", [[7]]),
    "executescript": lambda cursor, _, sql: cursor.executescript(sql),
    "connection": lambda cursor, _, sql: cursor.connection.execute(sql),
    "explain": lambda cursor, _, sql: cursor.explain(sql),
    "explain_analyze": lambda cursor, _, sql: cursor.explain_analyze(sql),
    "dry_run": lambda cursor, _, sql: cursor.dry_run(sql),
    "schema": lambda cursor, _, sql: cursor.adbc_execute_schema(sql),
    "partitions": lambda cursor, _, sql: cursor.adbc_execute_partitions(sql),
    "prepare": lambda cursor, _, sql: cursor.adbc_prepare(sql),
    "polars": lambda cursor, _, sql: for_polars.read(sql, connection=cursor.connection),
    "pandas": lambda cursor, _, sql: for_pandas.read(sql, connection=cursor.connection),
    "direct": _direct,
    "aio": _task,
}


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("run", RUNS)
def test_a_statement(engine: LocalEngine, cursor: dbapi.Cursor, run: str, flaw: str) -> None:
    """The text before the NUL would be a statement of its own: one that deletes all rows."""
    sql = f"delete from scratch.main.kept {FLAWS[flaw]} where a = 1"
    with pytest.raises(dbapi.ProgrammingError, match=flaw) as caught:
        RUNS[run](cursor, engine, sql)

    assert caught.value.status_code is Status.INVALID_ARGUMENT
    assert "kept" not in str(caught.value)
    assert cursor.execute("select count(*) from scratch.main.kept").fetchone() == (2,)


def _ingest(cursor: dbapi.Cursor, text: str) -> None:
    place: dict[str, Any] = {"catalog_name": "scratch", "db_schema_name": "main"}
    cursor.adbc_ingest(text, pa.table({"a": [3]}), "append", **place)


#: What takes other texts: names, patterns, options.
TAKES: dict[str, Callable[[dbapi.Cursor, LocalEngine, str], object]] = {
    "ingest": lambda cursor, _, text: _ingest(cursor, text),
    "table": lambda cursor, _, text: cursor.connection.adbc_get_table_schema(text),
    "schema": lambda cursor, _, text: cursor.connection.adbc_get_table_schema(
        "kept", db_schema_filter=text
    ),
    "pattern": lambda cursor, _, text: cursor.connection.adbc_get_objects(table_name_filter=text),
    "statistics": lambda cursor, _, text: cursor.connection.adbc_get_statistics(
        catalog_filter=text
    ),
    "catalog": lambda cursor, _, text: setattr(cursor.connection, "adbc_current_catalog", text),
    "URI": lambda _, engine, text: e6data_adbc.connect(engine.uri + text),
    "option": lambda _, engine, text: dbapi.connect(
        engine.uri, db_kwargs={StatementOptions.QUERY_TAG.value: text}
    ),
    "key": lambda _, engine, text: dbapi.connect(engine.uri, conn_kwargs={text: "1"}),
    "statement": lambda cursor, _, text: cursor.adbc_statement.set_options(
        **{StatementOptions.QUERY_TAG.value: text}
    ),
}


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("take", TAKES)
def test_another_text(engine: LocalEngine, cursor: dbapi.Cursor, take: str, flaw: str) -> None:
    """The name before the NUL would be another table's."""
    with pytest.raises(dbapi.ProgrammingError, match=flaw) as caught:
        TAKES[take](cursor, engine, f"kept{FLAWS[flaw]}x")

    assert caught.value.status_code is Status.INVALID_ARGUMENT
    assert cursor.execute("select count(*) from scratch.main.kept").fetchone() == (2,)


@pytest.mark.parametrize(
    "make", [pa.table, pl.DataFrame, pd.DataFrame], ids=["pyarrow", "Polars", "pandas"]
)
def test_a_column(cursor: dbapi.Cursor, make: Callable[[dict[str, list[int]]], Any]) -> None:
    """Two columns would have one name."""
    place: dict[str, Any] = {"catalog_name": "scratch", "db_schema_name": "main"}
    with pytest.raises(
        dbapi.ProgrammingError, match=r"column 'a\\x00b'.*NUL character at position 1"
    ):
        cursor.adbc_ingest("kept", make({"a": [3], "a\0b": [4]}), "replace", **place)

    assert cursor.execute("select count(*) from scratch.main.kept").fetchone() == (2,)
