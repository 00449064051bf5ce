"""A scripted engine with a few tables, and what GetObjects says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from e6data_adbc import errors
from e6data_adbc._driver.connection import Connection

Connect = Callable[..., Connection]
ALL, CATALOGS, SCHEMAS, TABLES = range(4)
#: catalog → schema → table → columns
WORLD: dict[str, dict[str, dict[str, list[tuple[str, str]]]]] = {
    "main": {
        "sales": {
            "orders": [("id", "long"), ("price", "decimal(7,2)"), ("note", "varchar(16)")],
            "order_x": [("at", "TIMESTAMP"), ("day", "date"), ("odd", "geography")],
        },
        "empty": {},
    },
    "other": {},
}


def objects(connection: Connection, depth: int, **filters: Any) -> list[dict[str, Any]]:
    """Returns GetObjects as rows."""
    names = ("catalog", "db_schema", "table_name", "table_type", "column_name")
    reader = connection.get_objects(depth, *(filters.get(name) for name in names))
    rows: list[dict[str, Any]] = reader.read_all().to_pylist()
    return rows


def tables_of(rows: list[dict[str, Any]]) -> list[str]:
    """Returns the qualified names of the tables in *rows*."""
    return [
        f"{row['catalog_name']}.{schema['db_schema_name']}.{table['table_name']}"
        for row in rows
        for schema in row["catalog_db_schemas"]
        for table in schema["db_schema_tables"]
    ]


def error_of(action: Callable[[], object]) -> errors.Error:
    with pytest.raises(errors.Error) as caught:
        action()
    return caught.value
