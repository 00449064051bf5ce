"""Mistakes in SQL: the class of the exception, its status and SQLSTATE, and the way that the text names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import e6data_adbc
from e6data_adbc import aio, dbapi
from e6data_adbc.local import LocalEngine

TABLE = "create or replace table scratch.main.keys (a int primary key, b varchar not null check (b <> 'z'))"


@pytest.fixture(scope="module")
def connection() -> Iterator[Any]:
    """A connection to an engine with a table that has constraints and a row."""
    with LocalEngine() as engine, e6data_adbc.connect(engine.uri) as connection:
        with connection.cursor() as cursor:
            cursor.execute(TABLE)
            cursor.execute("insert into scratch.main.keys values (1, 'a')")
        yield connection


MISTAKES: list[tuple[str, type[Exception], str, str]] = [
    *(
        (sql, dbapi.ProgrammingError, "NOT_FOUND", "42S02")
        for sql in (
            "select * from nowhere",
            "select * from sample.sales.nowhere",
            "select * from sample.nowhere.t",
            "with x as (select * from nowhere) select * from x",
            "select (select max(a) from nowhere)",
            "insert into scratch.main.nowhere values (1)",
            "insert into scratch.main.nowhere values (1) returning *",
            "update scratch.main.nowhere set a = 1",
            "delete from scratch.main.nowhere",
            "merge into scratch.main.nowhere n using scratch.main.keys t on n.a = t.a when matched then delete",
            "drop table scratch.main.nowhere",
            "drop view scratch.main.nowhere",
            "alter table scratch.main.nowhere add column x int",
        )
    ),
    ("create table scratch.nowhere.t (a int)", dbapi.ProgrammingError, "NOT_FOUND", "3F000"),
    ("drop schema scratch.nowhere", dbapi.ProgrammingError, "NOT_FOUND", "3F000"),
    ("create table scratch.main.keys (a int)", dbapi.ProgrammingError, "ALREADY_EXISTS", "42S01"),
    (
        "create view scratch.main.keys as select 1",
        dbapi.ProgrammingError,
        "ALREADY_EXISTS",
        "42S01",
    ),
    ("insert into scratch.main.keys values (1, 'b')", dbapi.IntegrityError, "INTEGRITY", "23505"),
    ("insert into scratch.main.keys select 1, 'b'", dbapi.IntegrityError, "INTEGRITY", "23505"),
    ("insert into scratch.main.keys values (2, null)", dbapi.IntegrityError, "INTEGRITY", "23502"),
    ("update scratch.main.keys set b = 'z'", dbapi.IntegrityError, "INTEGRITY", "23514"),
    ("select cast('x' as int)", dbapi.DataError, "INVALID_DATA", "22018"),
    ("select cast(name as int) from stores", dbapi.DataError, "INVALID_DATA", "22018"),
    ("insert into scratch.main.keys values ('x', 'y')", dbapi.DataError, "INVALID_DATA", "22018"),
    ("select cast(300 as tinyint)", dbapi.DataError, "INVALID_DATA", "22003"),
    ("select 9223372036854775807 + 1", dbapi.DataError, "INVALID_DATA", "22003"),
    ("select date 'infinity'", dbapi.DataError, "INVALID_DATA", "22008"),
    (
        "select timestamp_ns '2024-01-01 00:00:00.000000001'",
        dbapi.DataError,
        "INVALID_DATA",
        "22000",
    ),
    ("select nowhere(1)", dbapi.ProgrammingError, "INVALID_ARGUMENT", "42000"),
    ("select nowhere from stores", dbapi.ProgrammingError, "INVALID_ARGUMENT", "42000"),
    ("select * frm stores", dbapi.ProgrammingError, "INVALID_ARGUMENT", "42000"),
]


@pytest.mark.parametrize("protocol", ["v1", "v2"])
@pytest.mark.parametrize(("sql", "kind", "status", "sqlstate"), MISTAKES)
def test_the_class_of_a_mistake(
    connection: Any, sql: str, kind: type[Exception], status: str, sqlstate: str, protocol: str
) -> None:
    """Is PEP 249's, whichever call fails."""
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.e6data.result.result_protocol": protocol})
        with pytest.raises(kind) as caught:
            cursor.execute(sql)
            cursor.fetchall()
    assert type(caught.value) is kind
    assert caught.value.status_code.name == status
    assert caught.value.sqlstate == sqlstate


def test_other_calls(connection: Any) -> None:
    """Parameters, many rows of them, plans and scripts."""
    with connection.cursor() as cursor:
        with pytest.raises(dbapi.IntegrityError):
            cursor.execute("insert into scratch.main.keys values (?, ?)", (1, "b"))
        with pytest.raises(dbapi.IntegrityError):
            cursor.executemany("insert into scratch.main.keys values (?, ?)", [(5, "b"), (1, "b")])
        with pytest.raises(dbapi.DataError):
            cursor.execute("select cast(? as int)", ("x",))
            cursor.fetchall()
        for ask in (cursor.explain, cursor.dry_run, cursor.adbc_execute_schema):
            with pytest.raises(dbapi.ProgrammingError) as caught:
                ask("select * from nowhere")
            assert caught.value.status_code.name == "NOT_FOUND"


def test_asyncio(shared: LocalEngine) -> None:
    """The same classes there."""

    async def main() -> None:
        async with aio.connect(shared.uri) as connection, connection.cursor() as cursor:
            with pytest.raises(dbapi.DataError):
                await cursor.execute("select cast('x' as int)")
                await cursor.fetchall()
            with pytest.raises(dbapi.ProgrammingError) as caught:
                await cursor.execute("select * from nowhere")
            assert caught.value.status_code.name == "NOT_FOUND"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("use sample", "adbc.connection.catalog"),
        ("-- c\nUSE sample.sales", "catalog.schema.table"),
        ("show catalogs", "adbc_get_objects.*information_schema.schemata"),
        ("show schemas from sample", "adbc_get_objects"),
        ("show columns from stores", "DESCRIBE"),
        ("show create table stores", "information_schema.columns"),
        ("begin", "no transactions"),
        ("start transaction", "no transactions"),
        ("set x = 1", "options of the driver"),
        ("execute p (1)", r"write \? for the values"),
        ("copy stores to 'x.csv'", "fetch the result as Arrow"),
        ("attach 'x.duckdb'", "serve a folder"),
        ("select * from sample.nowhere.t", "catalog 'sample' has the schemas 'sales'"),
        ("create table scratch.nowhere.t (a int)", "catalog 'scratch' has the schemas 'main'"),
        ("select a from t order by a fetch first 2 rows with ties", "(?i)with.ties"),
        (
            "select rand(), a from (select 1 as a) order by a fetch first 2 rows with ties",
            "WITH TIES",
        ),
        ("select rand(), a from (select 1 as a) fetch first 50 percent rows only", "PERCENT"),
        ("create table scratch.main.n as select rand() as r with no data", "(?i)withdata"),
    ],
)
def test_the_way_is_named(connection: Any, sql: str, words: str) -> None:
    """By the error of a statement that is not run; nothing is run that means something else."""
    with connection.cursor() as cursor, pytest.raises(dbapi.ProgrammingError, match=words):
        cursor.execute(sql)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere/sales", "catalog 'nowhere' does not exist; there are 'sample', 'scratch'"),
        (
            "sample/nowhere",
            "schema 'nowhere' does not exist in catalog 'sample'; catalog 'sample' has",
        ),
    ],
)
def test_names_of_the_connection(shared: LocalEngine, path: str, words: str) -> None:
    """A catalog or schema that is not there: the error tells those that are."""
    uri = f"{shared.uri.rsplit('/', 2)[0]}/{path}"
    with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
        with pytest.raises(dbapi.ProgrammingError, match=words) as caught:
            cursor.execute("select 1")
    assert caught.value.status_code.name == "NOT_FOUND"


def test_a_schema_at_the_start(make_engine: Callable[..., LocalEngine]) -> None:
    """The same where the engine is started with one."""
    with pytest.raises(dbapi.ProgrammingError, match="catalog 'sample' has the schemas 'sales'"):
        make_engine(catalog="sample", schema="tiny")
