"""What a translation would change without a word: each row of the table, alone and beside a call that is translated."""

from __future__ import annotations

from collections.abc import Iterator

import adbc_driver_manager.dbapi
import pytest

import e6data_adbc
from e6data_adbc.local import LocalEngine
from e6data_adbc.local.sql.silent import CHANGES, Change

pytestmark = pytest.mark.seconds

NUMBERS = "with numbers as (select 1 as n union all select 2 union all select 3)"
#: Words in front of a query: DuckDB gets the text as it is, or what sqlglot writes.
FRONTS = {
    "alone": NUMBERS,
    "beside": f"{NUMBERS}, beside as (select date_add('DAY', 1, current_date) as d)",
}


@pytest.fixture(scope="module", params=[False, True], ids=["lax", "strict"])
def engine(request) -> Iterator[tuple[adbc_driver_manager.dbapi.Connection, bool]]:
    """A connection, and whether its engine is strict."""
    with (
        LocalEngine(strict=request.param) as engine,
        e6data_adbc.connect(engine.uri) as connection,
    ):
        yield connection, request.param


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.example)
def test_nothing_changes_without_a_word(engine, change: Change, front: str) -> None:
    """A query gives what its row says, whatever else is in the statement, or is refused in the row's words."""
    connection, is_strict = engine
    sql = f"{FRONTS[front]} {change.example}"
    with connection.cursor() as cursor:
        if change.refused and (is_strict or not change.is_strict):
            with pytest.raises(e6data_adbc.Error) as caught:
                cursor.execute(sql)
                cursor.fetchall()
            assert change.refused in str(caught.value)
        else:
            cursor.execute(sql)
            rows = [str(value).lower() for (value,) in cursor.fetchall()]
            assert rows == [change.gives.lower()]


@pytest.mark.parametrize(
    "sql",
    [
        "select percentile_cont(0.5) within group (order by n desc) from numbers",
        "select n ^ 2 * 2 from numbers where n = 3",
        "select -n ^ 2 from numbers where n = 3",
        "select 1_000.5",
        "select timestamp '2024-01-01 10:00:00' at time zone 'Asia/Kolkata'",
        "select timestamp '2024-01-01 10:00:00.5'",
        "select cast('2024-01-01 10:00:00.123456' as timestamp(3))",
        "select first_value(n) over (order by n desc) from numbers limit 1",
        "select string_agg(distinct n, ',' order by n desc) from numbers",
        "select listagg(distinct n, ',') within group (order by n desc) from numbers",
        "select count(distinct n) from numbers",
        "select (n + 1) / n / 2.0 from numbers order by 1",
        "select sum(n) over (order by n rows 1 preceding) from numbers order by 1",
    ],
)
def test_a_query_means_the_same_beside_a_translated_call(engine, sql: str) -> None:
    """Values and their types are the same, whether sqlglot wrote the text or not."""
    connection, is_strict = engine
    with connection.cursor() as cursor:
        if is_strict and ("^" in sql or " / n" in sql):
            with pytest.raises(e6data_adbc.Error, match="strict"):
                cursor.execute(f"{NUMBERS} {sql}")
                cursor.fetchall()
            return
        found = []
        for front in FRONTS.values():
            cursor.execute(f"{front} {sql}")
            table = cursor.fetch_arrow_table()
            found.append((table.column(0).type, table.column(0).to_pylist()))

    assert found[0] == found[1]


def test_a_division_is_looked_at_where_its_types_are_known() -> None:
    """Strict mode lets through what is no division of whole numbers, and refuses the others: columns, sums, counts."""
    with LocalEngine(strict=True) as engine, e6data_adbc.connect(engine.uri) as connection:
        with connection.cursor() as cursor:
            cursor.execute(
                f"{NUMBERS} select avg(n) / 2, sum(n) / 2.0, max(cast(n as decimal(3, 1))) / max(n) from numbers"
                " group by n / 0.5 order by 1"
            )
            assert cursor.fetchall()[0] == (0.5, 0.5, 1.0)
            for division in ("sum(n) / 2", "count(*) / count(n)", "max(n) / 2 / 2.0"):
                with pytest.raises(e6data_adbc.Error, match="whole numbers are divided"):
                    cursor.execute(f"{NUMBERS} select {division} from numbers")
                    cursor.fetchall()
