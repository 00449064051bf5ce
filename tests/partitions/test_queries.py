"""A query split into queries: what is sent, what is asked, and what is refused."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatement
from adbc_driver_manager import AdbcStatusCode as Status

from e6data_adbc._driver.partitions.ticket import SubQuery, Ticket
from e6data_adbc.local import LocalEngine
from tests.support.partitioned import (
    BOUNDS,
    COUNT,
    ELSEWHERE,
    ON,
    Connect,
    key_to,
    partitions_of,
    refusal,
    table_of,
)

pytestmark = pytest.mark.seconds

SQL = "select range as n, range % 7 as m from range(1000)"


def texts_of(engine: LocalEngine, partitions: list[bytes]) -> list[str]:
    """Returns the SQL that the tickets hold."""
    works = [Ticket.unseal(partition, key_to(engine.uri)).work for partition in partitions]
    return [work.sql for work in works if isinstance(work, SubQuery)]


def test_the_text_is_wrapped(sharing_engine: LocalEngine, here: Any) -> None:
    """The user's text stands in it as it is, but for its end; a comment there hides nothing."""
    partitions, _ = partitions_of(here, f" {SQL} -- all\n ; ", on="n", count=2, bounds="[0, 999]")

    begin = f"SELECT * FROM (\n{SQL} -- all\n) AS partitioned WHERE "
    assert texts_of(sharing_engine, partitions) == [
        begin + '("n" < 500 OR "n" IS NULL)',
        begin + '"n" >= 500',
    ]
    assert [table_of(here, partition).num_rows for partition in partitions] == [500, 500]


@pytest.mark.parametrize(
    "sql",
    [
        "with a as (select range as n from range(100)) select * from a",
        "select range as n from range(50) union all select range + 50 from range(50)",
        "select * from (select range as n from range(1000) order by n limit 100) as cut",
        "values (1), (2)",
        'select range as "N""\'x" from range(100)',
    ],
)
def test_any_query_can_be_split(
    sharing_engine: LocalEngine, here: Any, there: Any, sql: str
) -> None:
    """Named queries, unions, sub-selects with a limit, odd names of columns: together they have what the query has."""
    with here.cursor() as cursor:
        cursor.execute(sql)
        whole = cursor.fetch_arrow_table()
    name = whole.schema.names[0]
    partitions, schema = partitions_of(here, sql, on=name, count=3)
    found = pa.concat_tables([table_of(there, partition) for partition in partitions])

    assert found.schema.equals(schema, check_metadata=True)
    assert sorted(found[name].to_pylist()) == sorted(whole[name].to_pylist())


def test_nothing_runs_that_need_not(sharing_engine: LocalEngine, here: Any) -> None:
    """With bounds the query is planned and nothing is run; without, one query asks for them; nothing stays."""
    before = len(sharing_engine.ledger.queries)
    partitions_of(here, SQL, on="n", bounds="[0, 999]")
    planned = sharing_engine.ledger.queries[before:]
    partitions_of(here, SQL, on="n")
    asked = sharing_engine.ledger.queries[before + 1 :]
    here.close()

    assert [record.executes for record in planned] == [0]
    assert [record.executes for record in asked] == [0, 1]
    assert asked[1].sql.startswith('SELECT MIN("n"), MAX("n") FROM (')
    assert sharing_engine.ledger.open_queries == []


def test_one_partition_needs_no_bounds(sharing_engine: LocalEngine, here: Any) -> None:
    """Where everything is in one partition, nobody is asked for bounds."""
    before = len(sharing_engine.ledger.queries)
    (partition,), _ = partitions_of(here, SQL, on="n", count=1)

    assert [record.executes for record in sharing_engine.ledger.queries[before:]] == [0]
    assert table_of(here, partition).num_rows == 1000


def test_partitions_are_read_again(sharing_engine: LocalEngine, connect_plain: Connect) -> None:
    """A query's ticket can be read by any number of sessions, also when the connection that made it is closed."""
    here = connect_plain(sharing_engine.uri)
    partitions, _ = partitions_of(here, SQL, on="m", count=7)
    here.close()
    there = connect_plain(sharing_engine.uri, ELSEWHERE)

    for _ in range(2):
        found = [table_of(there, partition)["m"].to_pylist() for partition in partitions]
        assert [set(values) for values in found] == [{value} for value in range(7)]


def test_each_read_is_a_query_of_the_reader(
    sharing_engine: LocalEngine, here: Any, there: Any
) -> None:
    """It runs in the catalog and schema of the statement that made it, whatever the reader's are."""
    here.adbc_connection.set_options(**{"adbc.connection.db_schema": "sales"})
    partitions, _ = partitions_of(here, "select order_id from orders", on="order_id", count=2)
    there.adbc_connection.set_options(**{"adbc.connection.catalog": "scratch"})
    there.adbc_connection.set_options(**{"adbc.connection.db_schema": "main"})

    assert sum(table_of(there, partition).num_rows for partition in partitions) == 10_000


def test_decimals_are_of_one_scale(sharing_engine: LocalEngine, here: Any) -> None:
    """Every partition has the schema of all, also one in which the decimals are null or there are no rows."""
    sql = (
        "select range as n, case when range < 500 then null else cast(range as decimal(12, 2)) end"
        " as d from range(1000)"
    )
    partitions, schema = partitions_of(here, sql, on="n", count=4, bounds="[0, 1999]")
    tables = [table_of(here, partition) for partition in partitions]

    assert schema.field("d").type == pa.decimal128(38, 2)
    assert [table.schema for table in tables] == [schema] * 4
    assert [table.num_rows for table in tables] == [500, 500, 0, 0]


def test_parameters(sharing_engine: LocalEngine, here: Any) -> None:
    """Values are in the text of each partition."""
    with here.cursor(adbc_stmt_kwargs={ON: "n", COUNT: "2"}) as cursor:
        partitions, _ = cursor.adbc_execute_partitions(f"{SQL} where range < ?", (10,))

    assert sum(table_of(here, partition).num_rows for partition in partitions) == 10


def test_the_name_of_the_column(sharing_engine: LocalEngine, here: Any) -> None:
    """It is found in any case where that leaves one; a name that is not there is told with those that are."""
    assert len(partitions_of(here, SQL, on="N", count=2)[0]) == 2
    status, text = refusal(lambda: partitions_of(here, SQL, on="x"))
    assert status == Status.INVALID_ARGUMENT
    assert "it has 'n', 'm'" in text


def test_a_column_without_values(sharing_engine: LocalEngine, here: Any) -> None:
    """Where there is nothing to divide there is one partition with everything."""
    partitions, _ = partitions_of(here, "select cast(null as int) as n from range(5)", on="n")

    assert [table_of(here, partition).num_rows for partition in partitions] == [5]


@pytest.mark.parametrize("end", ["limit 10", "offset 3", "fetch first 10 rows only", "LIMIT 5 OFFSET 2"])  # fmt: skip
def test_a_query_that_keeps_some_rows(sharing_engine: LocalEngine, here: Any, end: str) -> None:
    """LIMIT and its kin are refused, as each partition would apply them for itself; the way around it is named."""
    status, text = refusal(lambda: partitions_of(here, f"{SQL} order by n {end}", on="n"))

    assert status == Status.INVALID_ARGUMENT
    assert "SELECT * FROM (…)" in text


@pytest.mark.parametrize(
    "sql",
    [
        "create table scratch.main.x (a int)",
        "select 1 as n; select 2 as n",
        "delete from t",
        "summarize select 1 as n",
    ],
)
def test_what_is_no_query(sharing_engine: LocalEngine, here: Any, sql: str) -> None:
    """Only what is surely one query is wrapped, or left to readers, who may run it more than once."""
    for options in ({"on": "n"}, {"defer_query": "true"}):
        status, _ = refusal(lambda: partitions_of(here, sql, **options))  # noqa: B023
        assert status == Status.INVALID_ARGUMENT


def test_a_query_left_to_its_reader(sharing_engine: LocalEngine, here: Any, there: Any) -> None:
    """With the option that defers it, an unsplit query is one ticket, keeps its order, and runs where it is read."""
    before = len(sharing_engine.ledger.queries)
    (partition,), schema = partitions_of(here, f"{SQL} order by n desc", defer_query="true")
    assert [record.executes for record in sharing_engine.ledger.queries[before:]] == [0]
    table = table_of(there, partition)

    assert table.schema == schema
    assert table["n"].to_pylist() == list(range(999, -1, -1))


def test_a_table_that_changed(sharing_engine: LocalEngine, here: Any) -> None:
    """Other columns than the ticket promised are an error, not rows of another kind."""
    with here.cursor() as cursor:
        cursor.execute("create or replace table scratch.main.changing as select 1 as n")
        partitions, _ = partitions_of(here, "select * from scratch.main.changing", on="n")
        cursor.execute("create or replace table scratch.main.changing as select 'a' as n")
        status, text = refusal(lambda: table_of(here, partitions[0]))
        cursor.execute("drop table scratch.main.changing")

    assert status == Status.INVALID_DATA
    assert "its ticket says 'n' " in text


def test_a_read_only_reader(sharing_engine: LocalEngine, connect_plain: Connect, here: Any) -> None:
    """Even a ticket that is proved does not make a read-only connection change anything."""
    (partition,), _ = partitions_of(here, SQL, defer_query="true")
    key = key_to(sharing_engine.uri)
    made = Ticket.unseal(partition, key)
    forged = Ticket(
        made.endpoint, made.cluster, made.catalog, made.db_schema, made.issued, made.expires,
        SubQuery("create table scratch.main.x (a int)"), made.schema,
    ).seal(key)  # fmt: skip
    reader = connect_plain(sharing_engine.uri, **{"adbc.connection.readonly": "true"})

    assert refusal(lambda: table_of(reader, forged))[0] == Status.INVALID_STATE
    assert table_of(reader, partition).num_rows == 1000


# ---- options


def test_the_options_read_back(here: Any) -> None:
    """They are the statement's, readable, reset by None, and stay when the text changes."""
    with AdbcStatement(here.adbc_connection) as statement:
        statement.set_options(**{ON: "n", COUNT: 3, BOUNDS: "[0, 10]"})
        statement.set_sql_query(SQL)
        assert [statement.get_option(key) for key in (ON, COUNT, BOUNDS)] == ["n", "3", "[0, 10]"]
        statement.set_options(**{ON: None, COUNT: None, BOUNDS: None})

        assert statement.get_option(COUNT) == "8"
        for key in (ON, BOUNDS):
            status, _ = refusal(lambda: statement.get_option(key))  # noqa: B023
            assert status == Status.NOT_FOUND


@pytest.mark.parametrize(
    ("key", "value"),
    [(COUNT, "0"), (COUNT, "10001"), (COUNT, "1.5"), (COUNT, "many"), (BOUNDS, "0/9"), (BOUNDS, "[1]")],
)  # fmt: skip
def test_values_that_are_refused(here: Any, key: str, value: str) -> None:
    """A count or bounds that make no sense are refused when they are set."""
    with AdbcStatement(here.adbc_connection) as statement:
        status, text = refusal(lambda: statement.set_options(**{key: value}))

    assert status == Status.INVALID_ARGUMENT
    assert key in text


@pytest.mark.parametrize("options", [{"count": 4}, {"bounds": "[0, 1]"}])
def test_options_about_nothing(
    sharing_engine: LocalEngine, here: Any, options: dict[str, Any]
) -> None:
    """A count or bounds without a column are a mistake, rather than one partition in silence."""
    status, text = refusal(lambda: partitions_of(here, SQL, **options))

    assert status == Status.INVALID_STATE
    assert "adbc.e6data.partition.on" in text


@pytest.mark.parametrize(
    ("bounds", "words"),
    [("[9, 0]", "the upper bound is below"), ('["a", "b"]', "of type 'int64'")],
)
def test_bounds_that_do_not_fit(
    sharing_engine: LocalEngine, here: Any, bounds: str, words: str
) -> None:
    """Bounds of another type than the column, or the wrong way round, are refused, and nothing is left behind."""
    status, text = refusal(lambda: partitions_of(here, SQL, on="n", bounds=bounds))

    assert status == Status.INVALID_ARGUMENT
    assert words in text


def test_a_column_of_another_kind(sharing_engine: LocalEngine, here: Any) -> None:
    """A column that cannot be cut is NOT_IMPLEMENTED, and nothing is left behind."""
    assert (
        refusal(lambda: partitions_of(here, "select true as n", on="n"))[0]
        == Status.NOT_IMPLEMENTED
    )
