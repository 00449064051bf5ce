"""Changes with RETURNING answer with the rows that they touched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

import e6data_adbc
from e6data_adbc import aio, dbapi
from e6data_adbc.local import LocalEngine
from e6data_adbc.local.sql.returning import preview
from tests.local.wire import Wire

pytestmark = pytest.mark.seconds


@pytest.fixture(params=["v1", "v2"])
def cursor(
    request: pytest.FixtureRequest, make_engine: Callable[..., LocalEngine]
) -> Iterator[Any]:
    """A cursor, by either result protocol, beside a table `t` of three rows."""
    engine = make_engine(chunk_rows=2)
    uri = f"{engine.uri.rsplit('/', 2)[0]}/scratch/main"
    options = {"adbc.e6data.result.result_protocol": request.param}
    with (
        e6data_adbc.connect(uri, db_kwargs=options) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("create table t (a int primary key, b varchar, u uuid, d date)")
        cursor.execute("insert into t (a, b) values (1, 'x'), (2, 'y'), (3, 'z')")
        yield cursor


def contents(cursor: Any) -> list[Any]:
    cursor.execute("select a, b from t order by a")
    return cursor.fetchall()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("sql", "names", "rows"),
    [
        (
            "insert into t (a, b) values (4, 'p'), (5, 'q'), (6, null) returning *",
            ["a", "b", "u", "d"],
            [(4, "p", None, None), (5, "q", None, None), (6, None, None, None)],
        ),
        ("insert into t (a) values (7) returning a", ["a"], [(7,)]),
        ("INSERT INTO t (a) VALUES (8) RETURNING a + 1 AS n, b", ["n", "b"], [(9, None)]),
        (
            "insert into t (a) select 9 returning truncate(1.5), a",
            ["TRUNCATE(1.5)", "a"],
            [(Decimal(1), 9)],
        ),
        (
            "with s as (select 10 as n) insert into t (a) select n from s returning a",
            ["a"],
            [(10,)],
        ),
        (
            "update t set b = 'returning' where a > 1 returning a, b",
            ["a", "b"],
            [(2, "returning"), (3, "returning")],
        ),
        ("update t as x set b = 'k' where x.a = 1 returning x.b", ["b"], [("k",)]),
        ("delete from t where a < 3 returning a -- all of them", ["a"], [(1,), (2,)]),
        (
            "delete from t as q using (values (3)) v(n) where q.a = v.n returning q.a as gone",
            ["gone"],
            [(3,)],
        ),
        ("delete from t where a = 99 returning a, b", ["a", "b"], []),
        (
            "insert into t (a, u) values (11, '12345678-1234-1234-1234-123456789abc') returning u",
            ["u"],
            [("12345678-1234-1234-1234-123456789abc",)],
        ),
        (
            (
                "merge into t using (values (1, 'm'), (12, 'n')) s(a, b) on t.a = s.a"
                " when matched then update set b = s.b when not matched then insert (a, b) values (s.a, s.b)"
                " returning merge_action, a, b"
            ),
            ["merge_action", "a", "b"],
            [("UPDATE", 1, "m"), ("INSERT", 12, "n")],
        ),
        (
            (
                "merge into t as x using (values (1, 'm')) s(a, b) on x.a = s.a"
                " when matched then update set b = s.b returning x.*"
            ),
            ["a", "b", "u", "d"],
            [(1, "m", None, None)],
        ),
    ],
)
def test_rows_come_back(cursor: Any, sql: str, names: list[str], rows: list[Any]) -> None:
    """Of every kind of change, under the names of the items; not their number."""
    cursor.execute(sql)

    assert [column[0] for column in cursor.description] == names
    assert sorted(cursor.fetchall(), key=repr) == sorted(rows, key=repr)
    assert cursor.rowcount == -1


def test_all_rows_of_a_large_change(cursor: Any) -> None:
    """More than are in a chunk, or in what is made ahead."""
    cursor.execute("insert into t (a) select 100 + range from range(1000) returning a")

    assert cursor.fetch_arrow_table().column("a").to_pylist() == list(range(100, 1100))
    assert len(contents(cursor)) == 1003


def test_with_parameters(cursor: Any) -> None:
    """Bound in the text or by the server, one row of them or many."""
    cursor.execute("update t set b = ? where a = ? returning a, b", ("n", 2))
    assert cursor.fetchall() == [(2, "n")]
    cursor.adbc_statement.set_options(**{"adbc.e6data.statement.server_binding": "true"})
    cursor.execute("insert into t (a, b) values (?, ?) returning b, a", (20, "s"))
    assert cursor.fetchall() == [("s", 20)]
    cursor.adbc_statement.set_options(**{"adbc.e6data.statement.server_binding": "false"})
    cursor.executemany("delete from t where a = ? returning a", [(1,), (20,)])
    assert contents(cursor) == [(2, "n"), (3, "z")]


def test_a_failure_changes_nothing(cursor: Any) -> None:
    """Neither one of the table's constraints nor a row that cannot be sent leaves anything."""
    before = contents(cursor)
    with pytest.raises(dbapi.IntegrityError, match="Duplicate key"):
        cursor.execute("insert into t (a) values (50), (1) returning a")
    with pytest.raises(dbapi.DataError, match="column 'd' has a DATE that is infinite"):
        cursor.execute("insert into t (a, d) values (51, 'infinity') returning d")
    with pytest.raises(dbapi.ProgrammingError, match="nowhere"):
        cursor.execute("insert into t (a) values (52) returning nowhere")
    assert contents(cursor) == before


def test_the_schema_without_running(cursor: Any) -> None:
    """Is that of the rows, and nothing is changed."""
    before = contents(cursor)
    schema = cursor.adbc_execute_schema("delete from t returning a, b as c")

    assert schema.names == ["a", "c"]
    assert contents(cursor) == before


def test_asyncio(shared: LocalEngine) -> None:
    """The same rows there."""

    async def main() -> list[Any]:
        async with aio.connect(shared.uri) as connection, connection.cursor() as cursor:
            await cursor.execute("create or replace table scratch.main.s as select 1 as a")
            await cursor.execute("delete from scratch.main.s returning a, a + 1 as b")
            return list(await cursor.fetchall())

    assert asyncio.run(main()) == [(1, 2)]


def test_a_table_that_was_altered(make_wire: Callable[..., Wire]) -> None:
    """Between prepare and execute: the change fails as a whole."""
    wire = make_wire()
    wire.run("create table scratch.main.r as select 1 as a").read()
    query = wire.prepare("delete from scratch.main.r returning a")
    wire.run("alter table scratch.main.r alter a type varchar").read()
    with pytest.raises(Exception, match="altered after the statement was prepared"):
        query.execute()
    assert wire.select("select * from scratch.main.r").num_rows == 1


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select returning from t", None),
        ("insert into t values ('x returning y')", None),
        ('insert into t ("returning") values (1) -- returning', None),
        ("delete from t where a in (select 1 /* returning */)", None),
        ("insert into t values (1) returning a", "SELECT  a\nFROM t"),
        ('update "a b"."t""x" set a = 1 returning *', 'SELECT  *\nFROM "a b"."t""x"'),
    ],
)
def test_the_query_that_tells_the_columns(sql: str, expected: str | None) -> None:
    """There is one where RETURNING stands, not where a name, a literal or a comment has the word."""
    assert preview(sql) == expected
