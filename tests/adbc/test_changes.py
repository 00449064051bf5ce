"""What changes something: its count, scripts, many rows of parameters, and what a read-only connection lets through."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode, Error

from e6data_adbc._sql.effect import Effect, effect_of, has_returning, is_surely_query
from tests.support.scratch import Rows

pytestmark = pytest.mark.seconds


@pytest.fixture
def table(scratch_cursor: Any) -> Any:
    """A cursor, and a table `t` with a = 0, 1, 2."""
    scratch_cursor.execute("CREATE TABLE t AS SELECT * FROM range(3) AS r(a)")
    return scratch_cursor


@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("INSERT INTO t VALUES (7), (8)", 2),
        ("/* c */ UPDATE t SET a = a + 1 WHERE a > 0;", 2),
        ("DELETE FROM t -- all", 3),
        ("DELETE FROM t WHERE a > 99", 0),
        ("WITH x AS (SELECT 9) INSERT INTO t SELECT * FROM x", 1),
    ],
)
@pytest.mark.parametrize("way", ["execute", "execute_update"])
def test_a_change_tells_its_rows(table: Any, sql: str, count: int, way: str) -> None:
    """`rowcount` is the engine's own count, with a result and without."""
    if way == "execute":
        table.execute(sql)
        assert table.rowcount == count
    else:
        table.adbc_statement.set_sql_query(sql)
        assert table.adbc_statement.execute_update() == count


def test_the_change_is_done_when_execute_returns(table: Any, scratch: Any) -> None:
    """Nobody has to read the result for the change to happen; its mistakes are errors of `execute`."""
    table.execute("DELETE FROM t WHERE a = 0")
    with scratch.cursor() as other:
        other.execute("SELECT count(*) FROM t")
        assert other.fetchall() == [(2,)]
    with pytest.raises(Error, match="Could not convert"):
        table.execute("INSERT INTO t SELECT CAST('x' || a AS BIGINT) FROM t")


def test_definitions_give_a_valid_stream(scratch_cursor: Any) -> None:
    """CREATE and DROP succeed through both ways, and their stream can be read."""
    scratch_cursor.execute("CREATE TABLE d (a INT)")
    assert scratch_cursor.fetch_arrow_table().num_columns <= 1
    scratch_cursor.adbc_statement.set_sql_query("DROP TABLE d")
    assert scratch_cursor.adbc_statement.execute_update() in {-1, 0}


def test_returning_gives_its_rows(table: Any) -> None:
    """The rows of RETURNING are a result, not a count, even when they look like one."""
    assert has_returning("DELETE FROM t RETURNING a")
    assert not has_returning("DELETE FROM t WHERE a IN (SELECT returning FROM u)")
    assert not has_returning("DELETE FROM t -- RETURNING")


def test_a_query_with_one_number_is_no_count(scratch_cursor: Any) -> None:
    """`rowcount` of a query never comes from its values."""
    scratch_cursor.execute("SELECT 42 AS count")

    assert scratch_cursor.rowcount != 42
    assert scratch_cursor.fetchall() == [(42,)]


def test_executemany_sums(table: Any, scratch_rows: Rows) -> None:
    """Each row of parameters is one execution; the counts add up."""
    table.executemany("INSERT INTO t VALUES (?), (?)", [(10, 11), (12, 13), (14, 15)])
    assert table.rowcount == 6
    table.executemany("DELETE FROM t WHERE a > :a", [{"a": 14}, {"a": 12}])
    assert table.rowcount == 3
    assert scratch_rows("SELECT a FROM t ORDER BY a") == [(0,), (1,), (2,), (10,), (11,), (12,)]


def test_executing_with_many_rows_runs_them_all(table: Any, scratch_rows: Rows) -> None:
    """A change bound to several rows through `execute` has run for each of them, and its counts add up."""
    table.execute("INSERT INTO t VALUES (?)", pa.record_batch({"a": [10, 11, 12]}))

    assert table.rowcount == 3
    assert scratch_rows("SELECT count(*) FROM t") == [(6,)]


def test_no_rows_of_parameters(table: Any) -> None:
    """An update bound to no rows does nothing and has changed 0 rows."""
    table.adbc_statement.set_sql_query("INSERT INTO t VALUES (?)")
    table.adbc_statement.bind(pa.record_batch({"a": pa.array([], pa.int64())}))

    assert table.adbc_statement.execute_update() == 0


def test_a_script(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """Statements end at semicolons outside strings, names and comments; empty ones are skipped."""
    scratch_cursor.executescript(
        """
        CREATE TABLE "a;b" (x VARCHAR);  -- not; here
        INSERT INTO "a;b" VALUES ('one;two');;
        /* nor; here */ INSERT INTO "a;b" VALUES ('three')
        ; -- done;
        """
    )

    assert scratch_rows('SELECT x FROM "a;b" ORDER BY x') == [("one;two",), ("three",)]


def test_a_script_that_fails(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """It stops at the mistake; the error says how much was done before."""
    with pytest.raises(Error, match=r"nix.*1 executions before it were done"):
        scratch_cursor.executescript(
            "CREATE TABLE s (a INT); INSERT INTO nix VALUES (1); DROP TABLE s"
        )

    assert scratch_rows("SELECT * FROM s") == []


@pytest.mark.parametrize("sql", ["SELECT 1;", " SELECT 1 ; ; -- c", "/* c */ SELECT 1 -- x;\n;"])
def test_ends_of_a_statement(scratch_cursor: Any, sql: str) -> None:
    """Trailing semicolons and comments matter to no function that takes a text."""
    scratch_cursor.adbc_prepare(sql)
    assert scratch_cursor.adbc_execute_schema(sql).names == ["1"]
    scratch_cursor.execute(sql)
    assert scratch_cursor.fetchall() == [(1,)]
    scratch_cursor.execute(sql.replace("1", "?"), [1])
    assert scratch_cursor.fetchall() == [(1,)]


# ---- what a text does


@pytest.mark.parametrize(
    ("sql", "effect"),
    [
        ("select 1", Effect.QUERY),
        ("( /* c */ with a as (select 1) select * from a)", Effect.QUERY),
        ("values (1)", Effect.QUERY),
        ("show tables", Effect.QUERY),
        ("explain delete from t", Effect.QUERY),
        ("explain analyze select 1", Effect.QUERY),
        ("select (replace(a, 'x', 'y')), \"insert\" from t", Effect.QUERY),
        ("select 'insert into t' -- delete", Effect.QUERY),
        ("with a as (select 1) insert into t select * from a", Effect.CHANGE),
        ("with a as (delete from t returning a) select * from a", Effect.CHANGE),
        ("explain analyze delete from t", Effect.CHANGE),
        ("select a into u from t", Effect.CHANGE),
        ("-- select\ninsert into t values (1)", Effect.CHANGE),
        ("create table t (a int)", Effect.CHANGE),
        ("select 1; drop table t", Effect.UNKNOWN),
        ("call f()", Effect.UNKNOWN),
        ("", Effect.UNKNOWN),
        (";", Effect.UNKNOWN),
        ("'select'", Effect.UNKNOWN),
    ],
)
def test_effects(sql: str, effect: Effect) -> None:
    """A text asks, or changes, or nobody knows."""
    assert effect_of(sql) is effect
    assert is_surely_query(sql) is (effect is Effect.QUERY)


@pytest.mark.parametrize("sql", ["select '\\'; delete from t; --'", "/* /* */ */ delete from t"])
def test_ambiguous_texts_are_not_surely_queries(sql: str) -> None:
    """Where one reading of backslashes or comments finds more than a query, a read-only connection refuses."""
    assert not is_surely_query(sql)


@pytest.mark.parametrize(
    "sql",
    ["INSERT INTO t VALUES (1)", "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", "SELECT 1; DELETE FROM t"],
)  # fmt: skip
def test_read_only(table: Any, scratch: Any, sql: str) -> None:
    """`adbc.connection.readonly` lets queries through and nothing that hides behind one."""
    scratch.adbc_connection.set_options(**{"adbc.connection.readonly": "true"})
    try:
        with pytest.raises(Error, match="read-only") as caught:
            table.execute(sql)
        assert caught.value.status_code == AdbcStatusCode.INVALID_STATE
        table.execute("SELECT count(*) FROM t")
        assert table.fetchall() == [(3,)]
    finally:
        scratch.adbc_connection.set_options(**{"adbc.connection.readonly": "false"})
