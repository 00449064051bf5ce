"""Nested values, decimals of their own precision, and intervals as the options ask: through the driver."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import e6data_adbc
import e6data_adbc.polars
from e6data_adbc import StatementOptions
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds

NESTED = StatementOptions.NESTED.value
PRECISION = StatementOptions.DECIMAL_PRECISION.value
INTERVAL = StatementOptions.INTERVAL.value
SPANS = "SELECT INTERVAL 3 DAY + INTERVAL 5 SECOND AS i UNION ALL SELECT NULL ORDER BY 1 NULLS LAST"


@pytest.fixture(scope="module")
def telling() -> Iterator[LocalEngine]:
    """An engine whose metadata tell the types inside of types."""
    with LocalEngine(full_types=True, chunk_rows=100) as engine:
        yield engine


@pytest.fixture(params=["v1", "v2"])
def connection(telling: LocalEngine, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A connection to it by either result protocol."""
    with e6data_adbc.connect(
        telling.uri, db_kwargs={StatementOptions.RESULT_PROTOCOL.value: request.param}
    ) as opened:
        yield opened


def fetched(connection: Any, sql: str, **options: str) -> pa.Table:
    """The result, which has the schema that is told without running."""
    with connection.cursor(adbc_stmt_kwargs=options) as cursor:
        schema = cursor.adbc_execute_schema(sql)
        table: pa.Table = cursor.execute(sql).fetch_arrow_table()
        table.validate(full=True)
        assert table.schema.equals(schema, check_metadata=True)
        return table


def test_lists_maps_and_structs(connection: Any) -> None:
    """Over many chunks, with nulls at each level."""
    sql = """
        SELECT CASE WHEN range % 7 = 0 THEN NULL ELSE [range, NULL, -range] END AS l,
               map {range::INT: range / 2} AS m,
               {'a': range::INT, 'b': [range::DECIMAL(10, 2)]} AS s,
               [DATE '2026-01-31'] AS d, [TIMESTAMP '2026-01-31 01:02:03.5'] AS t, [[TRUE], NULL] AS b
        FROM range(1000)
    """
    table = fetched(connection, sql, **{NESTED: "arrow"})

    assert table.schema.types == [
        pa.list_(pa.int64()),
        pa.map_(pa.int32(), pa.float64()),
        pa.struct([("a", pa.int32()), ("b", pa.list_(pa.decimal128(38, 2)))]),
        pa.list_(pa.date32()),
        pa.list_(pa.timestamp("us")),
        pa.list_(pa.list_(pa.bool_())),
    ]
    rows = table.to_pylist()
    assert [row["l"] for row in rows] == [
        None if number % 7 == 0 else [number, None, -number] for number in range(1000)
    ]
    assert rows[999] == {
        "l": [999, None, -999],
        "m": [(999, 499.5)],
        "s": {"a": 999, "b": [decimal.Decimal("999.00")]},
        "d": [datetime.date(2026, 1, 31)],
        "t": [datetime.datetime(2026, 1, 31, 1, 2, 3, 500000)],
        "b": [[True], None],
    }


def test_text_is_the_default(connection: Any) -> None:
    """The engine's own, unchanged."""
    table = fetched(connection, "SELECT [1, NULL] AS l, map {1: 2} AS m")

    assert table.to_pylist() == [{"l": "[1, NULL]", "m": "{1=2}"}]


@pytest.mark.parametrize(
    "value", ["['a', 'b']", "map {'a': 1}", "{'a': 1, 'b': 'x'}", "['a'::BLOB]", "[INTERVAL 1 DAY]"]
)
def test_what_may_hold_a_delimiter_stays_text(connection: Any, value: str) -> None:
    """Nobody has written down how that is escaped."""
    assert fetched(connection, f"SELECT {value} AS c", **{NESTED: "arrow"}).schema.types == [
        pa.string()
    ]


def test_types_that_are_not_told_stay_text() -> None:
    """Of an engine whose metadata have the name alone."""
    with e6data_adbc.connect("e6data:local", db_kwargs={NESTED: "arrow"}) as connection:
        assert fetched(connection, "SELECT [1, 2] AS c").to_pylist() == [{"c": "[1, 2]"}]


def test_declared_decimals(connection: Any) -> None:
    """As many digits as the type says, or all of them."""
    sql = "SELECT 1.5::DECIMAL(10, 2) AS d, 7::DECIMAL(38, 0) AS w"

    assert fetched(connection, sql).schema.types == [pa.decimal128(38, 2), pa.decimal128(38, 0)]
    table = fetched(connection, sql, **{PRECISION: "declared"})
    assert table.schema.types == [pa.decimal128(10, 2), pa.decimal128(38, 0)]
    assert table.to_pylist() == [{"d": decimal.Decimal("1.50"), "w": decimal.Decimal(7)}]


@pytest.mark.parametrize(
    ("form", "layout", "kind", "value"),
    [
        ("duration", "utf8", pa.duration("us"), datetime.timedelta(days=3, seconds=5)),
        ("int64", "utf8", pa.int64(), 259_205_000_000),
        ("text", "utf8", pa.string(), "3 00:00:05.000000"),
        ("text", "large_utf8", pa.large_string(), "3 00:00:05.000000"),
        ("text", "string_view", pa.string_view(), "3 00:00:05.000000"),
    ],
)
def test_intervals(connection: Any, form: str, layout: str, kind: pa.DataType, value: Any) -> None:
    """In the form that the reader has a type for."""
    options = {INTERVAL: form, StatementOptions.TEXT_LAYOUT.value: layout}
    table = fetched(connection, SPANS, **options)

    assert table.schema.types == [kind]
    assert table.column(0).to_pylist() == [value, None]


@pytest.mark.parametrize("value", ["arrows", "", "ARRAY"])
@pytest.mark.parametrize("key", [NESTED, PRECISION, INTERVAL])
def test_values_that_there_are_not(connection: Any, key: str, value: str) -> None:
    """Are refused by name."""
    with pytest.raises(e6data_adbc.ProgrammingError, match=key):
        connection.cursor(adbc_stmt_kwargs={key: value})


def test_readers_take_them(telling: LocalEngine) -> None:
    """By the URI, as every option."""
    frame = e6data_adbc.polars.read("SELECT [1, 2] AS l", f"{telling.uri}?nested=arrow")

    assert frame.to_dicts() == [{"l": [1, 2]}]


def test_partitions_take_them(telling: LocalEngine) -> None:
    """The ticket carries the schema, and the text is read by it."""
    with e6data_adbc.connect(
        telling.uri, db_kwargs={NESTED: "arrow", INTERVAL: "int64"}
    ) as connection:
        with connection.cursor() as cursor:
            sql = "SELECT [1, 2] AS l, INTERVAL 1 SECOND AS i"
            tickets, schema = cursor.adbc_execute_partitions(sql)
            cursor.adbc_read_partition(tickets[0])
            table = cursor.fetch_arrow_table()

    assert table.schema.types == schema.types == [pa.list_(pa.int64()), pa.int64()] or (
        table.schema.types == [pa.list_(pa.int32()), pa.int64()]
    )
    assert table.to_pylist() == [{"l": [1, 2], "i": 1_000_000}]


def test_loads_take_them(telling: LocalEngine, tmp_path: Path) -> None:
    """SQLite has no type for durations."""
    e6data_adbc.load(
        SPANS.replace("ORDER BY 1 NULLS LAST", ""),
        f"parquet+file://{tmp_path}/spans",
        uri=f"{telling.uri}?interval=text",
    )
    rows = [
        row
        for file in (tmp_path / "spans").rglob("*.parquet")
        for row in pq.read_table(file).to_pylist()
    ]

    assert {row["i"] for row in rows} == {"3 00:00:05.000000", None}


def test_table_schemas_take_them(telling: LocalEngine) -> None:
    """As results do."""
    with e6data_adbc.connect(
        telling.uri, db_kwargs={NESTED: "arrow", PRECISION: "declared", INTERVAL: "int64"}
    ) as connection:
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TABLE scratch.main.told AS SELECT [1::INT] AS l, 1.5::DECIMAL(7, 2) AS d, INTERVAL 1 DAY AS i"
            )
        schema = connection.adbc_get_table_schema(
            "told", catalog_filter="scratch", db_schema_filter="main"
        )
        table = fetched(connection, "SELECT * FROM scratch.main.told")

    assert schema.types == [pa.list_(pa.int32()), pa.decimal128(7, 2), pa.int64()]
    assert table.schema.types == schema.types


def test_text_that_does_not_agree_is_an_error(
    telling: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the name of the column, and the row."""
    from e6data_adbc.local.data import type_mapping

    monkeypatch.setattr(type_mapping, "column_type", lambda _: "array<bigint>")
    with e6data_adbc.connect(telling.uri, db_kwargs={NESTED: "arrow"}) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT [range + 0.5] AS halves FROM range(3)")
            with pytest.raises(
                e6data_adbc.DataError, match=r"bad nested.*column 'halves', row 0"
            ) as caught:
                cursor.fetch_arrow_table()

    assert "adbc.e6data.result.nested=text" in str(caught.value)
