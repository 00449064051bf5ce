"""What a statement changes, where DuckDB tells it in different ways."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from e6data_adbc.local.sql import reach


@pytest.mark.parametrize(
    ("info", "catalog"),
    [
        ({"catalog": "", "schema": "", "name": "t"}, "here"),
        ({"catalog": "", "schema": "there", "name": "t"}, "there"),
        ({"catalog": "", "schema": "s"}, "here"),
        ({"catalog": "there", "schema": "s"}, "there"),
        ({"qualified_name": {"path": ["there", "s", "t"]}}, "there"),
    ],
)
def test_a_plan_without_a_catalog_is_about_the_default_one(
    info: dict[str, Any], catalog: str
) -> None:
    """DuckDB 1 looks nothing up for a schema to make and what is not there to drop; a first part may be a catalog."""
    with duckdb.connect() as cursor:
        cursor.execute("attach ':memory:' as here; attach ':memory:' as there; use here")

        assert reach._place(cursor, info) == catalog
