"""An INSERT of literals that is read as columns inserts what its text inserts, or is not read so."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import e6data_adbc
from checks.decoders import examples
from e6data_adbc._driver.binding.value_rows import value_rows
from e6data_adbc._options.option_values import IngestSettings
from e6data_adbc.local import LocalEngine
from e6data_adbc.local.data import inserted_rows
from e6data_adbc.local.sql import dialect

pytestmark = pytest.mark.seconds

INSERT = 'INSERT INTO "t" ("a", "b") VALUES '
KINDS: dict[str, tuple[pa.DataType, str, st.SearchStrategy[Any]]] = {
    "bool": (pa.bool_(), "BOOLEAN", st.booleans()),
    "int32": (pa.int32(), "INT", st.integers(-(2**31), 2**31 - 1)),
    "int64": (pa.int64(), "BIGINT", st.integers(-(2**63), 2**63 - 1)),
    "uint64": (pa.uint64(), "DECIMAL(20, 0)", st.integers(0, 2**64 - 1)),
    "float": (pa.float32(), "FLOAT", st.floats(width=32)),
    "double": (pa.float64(), "DOUBLE", st.floats()),
    "decimal": (
        pa.decimal128(12, 2),
        "DECIMAL(12, 2)",
        st.decimals(min_value=-(10**9), max_value=10**9, places=2),
    ),
    "string": (pa.string(), "VARCHAR", st.text(alphabet="'\\\"`-*/;(),?:$\n\r\tnx0 é\u2028😀")),
    "binary": (pa.binary(), "BLOB", st.binary()),
    "date": (pa.date32(), "DATE", st.dates()),
    "timestamp": (pa.timestamp("us"), "TIMESTAMP", st.datetimes()),
    "timestamp_tz": (
        pa.timestamp("us", "UTC"),
        "TIMESTAMPTZ",
        st.datetimes(
            datetime.datetime(2, 1, 1),
            datetime.datetime(9998, 1, 1),
            timezones=st.just(datetime.timezone.utc),
        ),
    ),
}


@pytest.fixture(scope="module")
def duck() -> Iterator[Any]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'").fetchall()
    yield connection
    connection.close()


def written(duck: Any, definition: str, sql: str) -> Any:
    """What the table `t` has after *sql*."""
    duck.execute(f'CREATE OR REPLACE TABLE t ("a" {definition}, "b" VARCHAR)').fetchall()
    duck.execute(sql).fetchall()
    return duck.sql("FROM t").to_arrow_table()


@pytest.mark.parametrize("name", KINDS)
@examples(40)
@given(data=st.data())
def test_columns_are_what_the_text_says(duck: Any, name: str, data: st.DataObject) -> None:
    """Whatever bulk ingestion writes: the columns give what DuckDB makes of the text."""
    kind, definition, values = KINDS[name]
    rows = data.draw(st.lists(st.none() | values, min_size=1, max_size=5))
    texts = ["x'y", None, "(", "", "'), ('"]
    batch = pa.record_batch([pa.array(rows, kind), pa.array(texts[: len(rows)])], ["a", "b"])
    columns = range(batch.num_columns)
    ((text, _),) = value_rows(INSERT, [batch], columns, lambda *_: "", IngestSettings(10, 2**20))
    sql = INSERT + text
    read = inserted_rows.read(sql)

    if read is None:  # texts that are a backslash, numbers of 19 digits, nulls of another type
        assert name in {"string", "int64", "uint64"}
        return
    duck.register("source", read.rows)
    columns = written(duck, definition, read.sql("source"))
    expected = written(duck, definition, dialect.to_duckdb(sql))
    assert columns.schema == expected.schema
    assert repr(columns.to_pylist()) == repr(expected.to_pylist())  # NaN is equal to nothing


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (1, 2)",
        "insert into c.s.\"t\" (a, b) values ( 1 ,'a' ) , (2, 'b')",
        "INSERT INTO t VALUES (NULL, TRUE), (CAST(NULL AS DATE), false)",
        "INSERT INTO t VALUES ((-5), X'00ff'), (-5, NULL)",
        "INSERT INTO t VALUES (-5), ((-6))",
        "INSERT INTO t VALUES (('a' || CHR(92) || 'b')), ('c')",
    ],
)
def test_plain_literals_are_read(duck: Any, sql: str) -> None:
    """Literals alone are columns, however they are spaced."""
    assert inserted_rows.read(sql) is not None


def test_a_backslash_is_itself(duck: Any) -> None:
    """CHR(92) is a backslash in the midst of a text."""
    read = inserted_rows.read("INSERT INTO t VALUES (('a''' || CHR(92) || 'b')), (CHR(92))")

    assert read is None  # alone it is a call
    read = inserted_rows.read("INSERT INTO t VALUES (('a''' || CHR(92) || 'b'))")
    assert read is not None
    assert read.rows["c0"].to_pylist() == ["a'\\b"]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t SELECT 1",
        "INSERT INTO t VALUES (1 + 1)",
        "INSERT INTO t VALUES (1), (1, 2)",
        "INSERT INTO t VALUES (1, 2), (3)",
        "INSERT INTO t VALUES (1), ('a')",
        "INSERT INTO t VALUES (1,)",
        "INSERT INTO t VALUES (1),",
        "INSERT INTO t VALUES (1);",
        "INSERT INTO t VALUES (1) RETURNING a",
        "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
        "INSERT INTO t VALUES (1) -- end",
        "INSERT INTO t VALUES (1.5)",
        "INSERT INTO t VALUES (1e5)",
        "INSERT INTO t VALUES (12345678901234567890)",
        "INSERT INTO t VALUES ('a' 'b')",
        "INSERT INTO t VALUES ('it\\'s')",
        "INSERT INTO t VALUES (now())",
        "INSERT INTO t VALUES (NULLIF(1, 2))",
        "INSERT INTO t VALUES (DEFAULT)",
        "INSERT INTO t VALUES (?)",
        "INSERT INTO t VALUES (CAST('1' AS INT)), (CAST('2' AS BIGINT))",
        "INSERT INTO t VALUES (CAST('1' AS INT)), (CAST(NULL AS DATE))",
        "INSERT INTO t VALUES (1), (CAST(NULL AS DATE))",
        "INSERT INTO t VALUES (CAST('1' AS INT) + 1)",
        "INSERT INTO t VALUES (CAST(1E999 AS DOUBLE))",
        "INSERT INTO t VALUES ((1))",
        "INSERT INTO t VALUES",
        "INSERT INTO t VALUES ()",
        "INSERT OR REPLACE INTO t VALUES (1)",
        "EXPLAIN INSERT INTO t VALUES (1)",
    ],
)
def test_anything_else_is_left_to_duckdb(sql: str) -> None:
    """A text with more in it than rows of literals of one kind is not read as columns."""
    assert inserted_rows.read(sql) is None


# ---- through the engine


@pytest.fixture(scope="module")
def cursor() -> Iterator[Any]:
    with LocalEngine() as engine, e6data_adbc.connect(engine.uri_for("scratch")) as connection:
        with connection.cursor() as cursor:
            yield cursor


def test_failures_are_those_of_the_text(cursor: Any) -> None:
    """What DuckDB refuses is refused in the words that it has for the user's own text, and nothing is inserted."""
    cursor.execute("CREATE TABLE t (a INT NOT NULL, b DATE)")
    refused = {
        "INSERT INTO t VALUES (1, NULL), (NULL, NULL)": "NOT NULL constraint failed",
        "INSERT INTO t VALUES (1, 'x')": "invalid date field format",
        "INSERT INTO t VALUES (1, CAST('2024-02-30' AS DATE))": "out of range",
        "INSERT INTO t VALUES (3000000000, NULL)": "out of range",
        "INSERT INTO t VALUES (1, TRUE)": "BOOLEAN",
        "INSERT INTO t VALUES (1)": "has 2 columns but 1 values",
        "INSERT INTO t (a, c) VALUES (1, 2)": 'column with name "c"',
        "INSERT INTO no_such_table VALUES (1)": "no_such_table",
    }
    for sql, says in refused.items():
        with pytest.raises(e6data_adbc.DatabaseError, match="could not") as caught:
            cursor.execute(sql)
        assert says in str(caught.value)
        assert "rows of e6data" not in str(caught.value)
    cursor.execute("SELECT count(*) FROM t")
    assert cursor.fetchone() == (0,)


def test_rows_and_their_count(cursor: Any) -> None:
    """The rows are there in their order, and their number is told."""
    cursor.execute("CREATE TABLE counted (a DECIMAL(9, 2), b VARCHAR)")
    cursor.execute(
        "INSERT INTO counted (b, a) VALUES ('x', CAST('1.50' AS DECIMAL(9, 2))), (NULL, NULL)"
    )

    assert cursor.rowcount == 2
    cursor.execute("SELECT a, b FROM counted")
    assert cursor.fetchall() == [(decimal.Decimal("1.50"), "x"), (None, None)]
