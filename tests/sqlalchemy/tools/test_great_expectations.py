"""Great Expectations: expectations over tables and queries."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sqlalchemy.tools.script import found_by

pytest.importorskip("great_expectations", reason="make rooms has Great Expectations")

CHECKS = """
import great_expectations as gx

with engine.begin() as connection:
    connection.execute(sa.text("create table checked(id int, name varchar, price decimal(10, 2), share double,"
                               " day date)"))
    connection.execute(sa.text(
        "insert into checked values (1, 'abc', 1.50, 1.0, date '2026-01-01'), (2, 'abd', 2.50, 2.0, date '2026-01-02'),"
        " (3, 'xyz', 3.50, 4.0, null)"
    ))

kinds = gx.expectations
quantiles = {"quantiles": [0.1, 0.5, 0.9], "value_ranges": [[0, 5], [0, 5], [0, 5]]}
checks = [
    kinds.ExpectTableRowCountToEqual(value=3),
    kinds.ExpectColumnValuesToNotBeNull(column="id"),
    kinds.ExpectColumnValuesToBeBetween(column="price", min_value=1, max_value=4),
    kinds.ExpectColumnValuesToBeUnique(column="id"),
    kinds.ExpectColumnValuesToBeInSet(column="name", value_set=["abc", "abd", "xyz"]),
    kinds.ExpectColumnMeanToBeBetween(column="share", min_value=1, max_value=4),
    kinds.ExpectColumnMedianToBeBetween(column="share", min_value=1, max_value=4),
    kinds.ExpectColumnQuantileValuesToBeBetween(column="share", quantile_ranges=quantiles),
    kinds.ExpectColumnStdevToBeBetween(column="share", min_value=0, max_value=4),
    kinds.ExpectTableColumnsToMatchOrderedList(column_list=["id", "name", "price", "share", "day"]),
    kinds.ExpectColumnValueLengthsToEqual(column="name", value=3),
    kinds.ExpectCompoundColumnsToBeUnique(column_list=["id", "name"]),
    kinds.UnexpectedRowsExpectation(
        unexpected_rows_query="select * from {batch} where not regexp_like(name, '^[a-z]+$')"
    ),
]
of_tables = [kinds.ExpectColumnValuesToBeOfType(column="id", type_="INTEGER")]
wrong = kinds.ExpectColumnValuesToNotBeNull(column="day")
regex = kinds.ExpectColumnValuesToMatchRegex(column="name", regex="^[a-z]+$")

source = gx.get_context(mode="ephemeral").data_sources.add_sql("e6data", connection_string=url)
assets = {
    "table": source.add_table_asset("table", table_name="checked"),
    "query": source.add_query_asset("query", query="select * from checked"),
}
for kind, asset in assets.items():
    batch = asset.add_batch_definition_whole_table(kind).get_batch()
    for check in checks + (of_tables if kind == "table" else []):
        found[f"{kind} {type(check).__name__}"] = bool(batch.validate(check).success)
    found[f"{kind} wrong"] = batch.validate(wrong).result["unexpected_count"]
    found[f"{kind} regex"] = "not supported for dialect e6data" in str(batch.validate(regex).exception_info)
with engine.begin() as connection:
    connection.execute(sa.text("drop table checked"))
"""


def test_expectations(url: str, tmp_path: Path) -> None:
    """Each kind holds where it should and fails where it should.

    Regular expressions are among those that the tool has a table of dialects for; a query says the same.
    """
    found = found_by(CHECKS, url, tmp_path)

    assert found.pop("table wrong") == found.pop("query wrong") == 1
    assert len(found) == 29
    assert [name for name, holds in found.items() if not holds] == []
