"""Rows of parameters that share a statement: plain INSERTs, and what keeps a statement for itself."""

from __future__ import annotations

import decimal
from collections.abc import Iterator
from typing import Any

import pytest
from adbc_driver_manager import dbapi

from e6data_adbc._sql.insert_values import Constant, insert_values
from e6data_adbc.errors import ProgrammingError
from e6data_adbc.local import LocalEngine


@pytest.mark.parametrize(
    ("sql", "head", "row"),
    [
        ("INSERT INTO t VALUES (?)", "INSERT INTO t VALUES ", (0,)),
        ("insert into a.b.t(x, y) values(?, ?) ; ", "insert into a.b.t(x, y) values", (0, 1)),
        (
            'INSERT INTO "T" ("values") VALUES (:a, 1, :b, :a)',
            'INSERT INTO "T" ("values") VALUES ',
            ("a", Constant("1"), "b", "a"),
        ),
        (
            "INSERT INTO t /* VALUES */ VALUES (?, 'x', NULL) -- done",
            "INSERT INTO t /* VALUES */ VALUES ",
            (0, Constant("'x'"), Constant("NULL")),
        ),
    ],
)
def test_plain_inserts(sql: str, head: str, row: tuple[Any, ...]) -> None:
    """One row of parameters and constants, and nothing behind it, may have others beside it."""
    found = insert_values(sql)

    assert found is not None
    assert (found.head, found.row) == (head, row)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (?), (?)",
        "INSERT INTO t VALUES (?) RETURNING a",
        "INSERT INTO t VALUES (?) ON CONFLICT DO NOTHING",
        "INSERT INTO t VALUES (lower(?))",
        "INSERT INTO t VALUES (? + 1)",
        "INSERT INTO t VALUES (-1, ?)",
        "INSERT INTO t VALUES ((SELECT max(a) FROM t), ?)",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t VALUES (?, :a)",
        "INSERT INTO t VALUES ()",
        "INSERT INTO t VALUES (?,)",
        "INSERT INTO t VALUES (?); DELETE FROM t",
        "INSERT INTO t SELECT ?",
        "INSERT INTO t (SELECT a FROM (VALUES (?)) v(a))",
        "INSERT OR REPLACE INTO t VALUES (?)",
        "INSERT INTO t AS x VALUES (?)",
        "UPDATE t SET a = ?",
        "SELECT ?",
        "VALUES (?)",
        "INSERT INTO t VALUES ('a\\', ?) -- '",
        "INSERT INTO t VALUES ('open, ?)",
        "INSERT INTO",
        "",
    ],
)
def test_other_statements(sql: str) -> None:
    """Whatever could mean another thing with several rows runs once for each."""
    assert insert_values(sql) is None


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    with LocalEngine(catalog="scratch", schema="main") as started:
        yield started


@pytest.fixture
def cursor(engine: LocalEngine) -> Iterator[Any]:
    with (
        dbapi.connect(driver="e6data", uri=engine.uri, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("CREATE OR REPLACE TABLE t (a INT, b VARCHAR, c DECIMAL(10, 2))")
        yield cursor


def _inserts(engine: LocalEngine) -> int:
    return engine.ledger.calls.get("executeStatementV2", 0)


def test_many_rows_are_few_statements(engine: LocalEngine, cursor: Any) -> None:
    """2,500 rows are three statements of a thousand rows at most, and count as 2,500."""
    before = _inserts(engine)
    rows = [(n, f"it's {n}", decimal.Decimal(n) / 4) for n in range(2499)]
    cursor.executemany("INSERT INTO t VALUES (?, ?, ?)", [*rows, (None, None, None)])

    assert cursor.rowcount == 2500
    assert _inserts(engine) - before == 3
    cursor.execute("SELECT * FROM t ORDER BY a NULLS LAST")
    assert cursor.fetchall() == [*rows, (None, None, None)]


def test_constants_and_names(cursor: Any) -> None:
    """A constant stands in every row; a name may stand twice, and its column may come in any order."""
    rows = [{"n": n, "text": "x" * n} for n in range(3)]
    cursor.executemany("INSERT INTO t (c, a, b) VALUES (1.5, :n, :text)", rows)
    cursor.execute("SELECT a, b, c FROM t ORDER BY a")

    assert cursor.fetchall() == [(n, "x" * n, decimal.Decimal("1.50")) for n in range(3)]


def test_a_value_without_a_literal_is_named(engine: LocalEngine, cursor: Any) -> None:
    """The error says which parameter of which row; the statement with it was not sent."""
    before = _inserts(engine)
    with pytest.raises(ProgrammingError, match="parameter 2 of row 3"):
        cursor.executemany("INSERT INTO t (a, b) VALUES (?, ?)", [(1, "a"), (2, "b"), (3, "c\0")])

    assert _inserts(engine) == before


def test_too_few_values(cursor: Any) -> None:
    """The number of values is checked as for one row."""
    with pytest.raises(ProgrammingError, match="has 2 parameters and 1 values were given"):
        cursor.executemany("INSERT INTO t (a, b) VALUES (?, ?)", [(1,), (2,)])


def test_a_failure_says_what_was_done(engine: LocalEngine, cursor: Any) -> None:
    """Statements before the one that fails stay; the error counts their rows."""
    rows = [(n,) for n in range(1000)] + [(2**40,)]
    with pytest.raises(Exception, match="1000 executions before it were done"):
        cursor.executemany("INSERT INTO t (a) VALUES (?)", rows)
    cursor.execute("SELECT count(*) FROM t")

    assert cursor.fetchone() == (1000,)
