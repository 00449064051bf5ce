"""GetStatistics and GetStatisticNames, through the driver manager."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

VALUE = pa.dense_union(
    [
        pa.field("int64", pa.int64()),
        pa.field("uint64", pa.uint64()),
        pa.field("float64", pa.float64()),
        pa.field("binary", pa.binary()),
    ]
)
STATISTIC = pa.struct(
    [
        pa.field("table_name", pa.utf8(), nullable=False),
        pa.field("column_name", pa.utf8()),
        pa.field("statistic_key", pa.int16(), nullable=False),
        pa.field("statistic_value", VALUE, nullable=False),
        pa.field("statistic_is_approximate", pa.bool_(), nullable=False),
    ]
)
DB_SCHEMA = pa.struct(
    [
        pa.field("db_schema_name", pa.utf8()),
        pa.field("db_schema_statistics", pa.list_(STATISTIC), nullable=False),
    ]
)
SCHEMA = pa.schema(
    [
        pa.field("catalog_name", pa.utf8()),
        pa.field("catalog_db_schemas", pa.list_(DB_SCHEMA), nullable=False),
    ]
)


def read(handle: Any) -> pa.Table:
    return pa.RecordBatchReader.from_stream(handle).read_all()


def counts(table: pa.Table) -> dict[str, int]:
    return {
        f"{row['catalog_name']}.{schema['db_schema_name']}.{item['table_name']}": item[
            "statistic_value"
        ]
        for row in table.to_pylist()
        for schema in row["catalog_db_schemas"]
        for item in schema["db_schema_statistics"]
    }


@pytest.mark.parametrize("approximate", [True, False])
def test_the_schema_is_adbcs(connection: Any, approximate: bool) -> None:
    """Names, types and nullability to the letter, with rows and without; no batch breaks the format."""
    handle = connection.adbc_connection
    table = read(handle.get_statistics("sample", "sales", "stores", approximate=approximate))

    assert table.schema.equals(SCHEMA)
    table.validate(full=True)


def test_rows_are_counted(connection: Any) -> None:
    """An exact number for each table that the patterns fit, marked as exact, under ADBC's key 6."""
    with connection.cursor() as cursor:
        expected = {}
        for name in ("orders", "order_items"):
            cursor.execute(f"SELECT count(*) FROM {name}")
            expected[f"sample.sales.{name}"] = cursor.fetchone()[0]
    table = read(
        connection.adbc_connection.get_statistics("sample", "s%", "order%", approximate=False)
    )

    assert counts(table) == expected
    (row,) = table.to_pylist()
    for item in row["catalog_db_schemas"][0]["db_schema_statistics"]:
        assert item["statistic_key"] == 6
        assert item["column_name"] is None
        assert item["statistic_is_approximate"] is False


def test_approximations_cost_nothing(connection: Any, engine: Any) -> None:
    """The server keeps no estimates, so a planner's question is answered without a call: there are none."""
    before = dict(engine.ledger.calls)
    table = read(connection.adbc_connection.get_statistics(approximate=True))

    assert table.num_rows == 0
    assert engine.ledger.calls == before


def test_nothing_fits(connection: Any) -> None:
    """Patterns that fit nothing are no error."""
    table = read(connection.adbc_connection.get_statistics("nix", None, None, approximate=False))

    assert counts(table) == {}


def test_statistic_names(connection: Any) -> None:
    """There are no statistics beyond ADBC's own; the empty answer has the right schema."""
    table = read(connection.adbc_connection.get_statistic_names())

    assert table.num_rows == 0
    assert table.schema.equals(
        pa.schema(
            [
                pa.field("statistic_name", pa.utf8(), nullable=False),
                pa.field("statistic_key", pa.int16(), nullable=False),
            ]
        )
    )
