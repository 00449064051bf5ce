"""The DB-API module beside the driver manager's."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator

import adbc_driver_manager.dbapi
import pandas as pd
import polars as pl
import pytest

from e6data_adbc import dbapi


@pytest.fixture
def connection() -> Iterator[dbapi.Connection]:
    """A connection to the local engine."""
    with dbapi.connect("e6data:local") as connection:
        yield connection


@pytest.fixture
def pyformat() -> Iterator[dbapi.Cursor]:
    """A cursor whose texts are written as for the public connector."""
    with dbapi.connect("e6data:local", paramstyle="pyformat") as connection:
        with connection.cursor() as cursor:
            yield cursor


def test_polars_and_pandas_take_arrow_from_it(connection: dbapi.Connection) -> None:
    """Both know the classes: the types of the columns are Arrow's, not guessed from rows."""
    sql = "select cast(1 as int) as n, [1, 2] as l, cast('1.50' as decimal(9, 2)) as d"

    frame = pl.read_database(sql, connection)
    assert frame.schema["n"] == pl.Int32
    assert frame.schema["d"] == pl.Decimal(38, 2)
    read = pd.read_sql(sql, connection, dtype_backend="pyarrow")
    assert str(read.dtypes["n"]) == "int32[pyarrow]"
    assert isinstance(connection, adbc_driver_manager.dbapi.Connection)
    with connection.cursor() as cursor:
        assert isinstance(cursor, adbc_driver_manager.dbapi.Cursor)


def test_a_closed_connection_refuses(connection: dbapi.Connection) -> None:
    """Also to be closed again (PEP 249); leaving a `with` after closing is fine."""
    with dbapi.connect("e6data:local") as own:
        cursor = own.cursor()
        cursor.execute("select 1")
        own.close()
        for action in (own.commit, own.rollback, own.close, own.cursor, own.adbc_clone):
            with pytest.raises(dbapi.ProgrammingError, match="the connection is closed"):
                action()


def test_a_clone_keeps_what_it_was_made_with(connection: dbapi.Connection) -> None:
    """Options and class; no warning comes with it."""
    key = "adbc.connection.readonly"
    with dbapi.connect("e6data:local", conn_kwargs={key: "true"}) as first:
        with first.adbc_clone() as clone:
            assert type(clone) is dbapi.Connection
            assert clone.adbc_connection.get_option(key) == "true"


def test_a_change_gives_no_rows(connection: dbapi.Connection) -> None:
    """There is no description, and fetching is an error; the count is in `rowcount`."""
    with connection.cursor() as cursor:
        cursor.execute("create table scratch.main.t as select 1 as n")
        assert cursor.description is None
        with pytest.raises(dbapi.ProgrammingError, match="gives no rows"):
            cursor.fetchone()
        cursor.execute("insert into scratch.main.t values (2), (3)")
        assert cursor.rowcount == 2
        cursor.execute("select n from scratch.main.t order by n")
        assert cursor.description is not None
        assert cursor.fetchall() == [(1,), (2,), (3,)]
        assert cursor.query_id


def test_a_connection_that_is_dropped_is_told(connection: dbapi.Connection) -> None:
    """Its collection closes it and warns."""
    leaked = connection.adbc_clone()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del leaked
        gc.collect()
    assert ResourceWarning in {warning.category for warning in caught}


@pytest.mark.parametrize(
    ("text", "values", "row"),
    [
        ("select %s, %s", (1, "it's"), (1, "it's")),
        ("select %(b)s, %(a)s, %(b)s", {"a": 1, "b": 2}, (2, 1, 2)),
        ("select %(a)s, '100 %%'", {"a": None}, (None, "100 %")),
        ("select 'a' like '%'", None, (True,)),
    ],
)
def test_pyformat(pyformat: dbapi.Cursor, text: str, values: object, row: tuple[object]) -> None:
    """Places are bound, not pasted; without values a text is taken as it is."""
    assert pyformat.execute(text, values).fetchall() == [row]


@pytest.mark.parametrize(
    ("text", "values", "said"),
    [
        ("select %s, %s", (1,), "no value for '%s'"),
        ("select %s", (1, 2), "more values than the 1 places"),
        ("select %(a)s", {"b": 1}, "no value for '%\\(a\\)s'"),
        ("select 5 % %s", (1,), "no value for '%'"),
    ],
)
def test_pyformat_mistakes(pyformat: dbapi.Cursor, text: str, values: object, said: str) -> None:
    """Each is one error, before anything is sent."""
    with pytest.raises(dbapi.ProgrammingError, match=said):
        pyformat.execute(text, values)


def test_pyformat_of_many_rows(pyformat: dbapi.Cursor) -> None:
    """Each row is bound to its places."""
    pyformat.execute("create table scratch.main.many (a int, b varchar)")
    pyformat.executemany(
        "insert into scratch.main.many values (%(a)s, %(b)s)",
        [{"a": 1, "b": "x"}, {"b": "y", "a": 2}],
    )
    assert pyformat.execute("select * from scratch.main.many order by a").fetchall() == [
        (1, "x"),
        (2, "y"),
    ]


def test_an_unknown_paramstyle() -> None:
    """It is refused by name."""
    with pytest.raises(dbapi.ProgrammingError, match="'format' as paramstyle"):
        dbapi.connect("e6data:local", paramstyle="format")
