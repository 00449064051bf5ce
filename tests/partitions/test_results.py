"""One running result as one ticket: who may read it, how often, and who clears it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcConnection, AdbcDatabase, AdbcStatement
from adbc_driver_manager import AdbcStatusCode as Status

import e6data_adbc
import e6data_adbc.dbapi
from e6data_adbc import _native
from e6data_adbc._driver.partitions.ticket import Ticket
from e6data_adbc.local import LocalEngine
from tests.support.partitioned import ELSEWHERE, Connect, key_to, partitions_of, refusal, table_of

pytestmark = pytest.mark.seconds
SQL = "select range as n from range(1000) order by n"
CLAIM_PATH = "adbc.e6data.partition.claim_path"
Start = Callable[..., LocalEngine]
PREFETCH = "adbc.e6data.fetch.prefetch_responses"


def test_another_session_reads_it(sharing_engine: LocalEngine, here: Any, there: Any) -> None:
    """The one partition has all rows in their order and the schema that was promised, and then the query is cleared."""
    (partition,), schema = partitions_of(here, SQL)
    assert len(sharing_engine.ledger.open_queries) == 1
    assert sharing_engine.ledger.last.fetches == 0
    before = sharing_engine.ledger.calls["authenticate"]

    table = table_of(there, partition)

    assert table.schema.equals(schema, check_metadata=True)
    assert table["n"].to_pylist() == list(range(1000))
    assert sharing_engine.ledger.calls["authenticate"] == before + 1
    assert sharing_engine.ledger.last.executes == 1


@pytest.mark.parametrize("protocol", ["v1", "v2", "auto"])
@pytest.mark.parametrize("prefetch", ["0", "2"])
@pytest.mark.parametrize("rows", [0, 1, 100, 250])
def test_however_it_travels(
    sharing_engine: LocalEngine,
    connect_plain: Connect,
    here: Any,
    protocol: str,
    prefetch: str,
    rows: int,
) -> None:
    """All rows come by each protocol, with and without prefetching, also where the last chunk is full or the first."""
    options = {"adbc.e6data.result.result_protocol": protocol, PREFETCH: prefetch}
    (partition,), _ = partitions_of(here, f"select range as n from range({rows})")

    assert table_of(connect_plain(sharing_engine.uri, options), partition)["n"].to_pylist() == [
        *range(rows)
    ]


def test_the_handles_of_adbc(sharing_engine: LocalEngine) -> None:
    """`AdbcConnection.read_partition` gives a stream that outlives its connection's statements."""
    library = {"driver": _native.__file__, "entrypoint": "AdbcDriverE6dataInit"}
    with (
        AdbcDatabase(uri=sharing_engine.uri, **library) as database,
        AdbcConnection(database) as one,
    ):
        with AdbcStatement(one) as statement:
            statement.set_sql_query(SQL)
            (partition,), schema, rows = statement.execute_partitions()
        stream = one.read_partition(partition)
        reader = pa.RecordBatchReader.from_stream(stream)

        assert rows == -1
        assert pa.schema(schema) == reader.schema
        assert reader.read_all().num_rows == 1000


def test_the_facade(sharing_engine: LocalEngine) -> None:
    """`e6data_adbc.dbapi` has both calls, in its own parameter style; what the cursor ran before does not matter."""
    with e6data_adbc.dbapi.connect(sharing_engine.uri, paramstyle="pyformat") as connection:
        with connection.cursor() as cursor:
            (partition,), schema = cursor.adbc_execute_partitions(
                "select range as n from range(%s)", (3,)
            )
            cursor.execute("create or replace table scratch.main.t as select 1 as a")
            cursor.adbc_read_partition(partition)

            assert schema.names == ["n"]
            assert cursor.fetchall() == [(0,), (1,), (2,)]
            cursor.execute("drop table scratch.main.t")


def test_duckdb_reads_it(sharing_engine: LocalEngine, here: Any, there: Any) -> None:
    """DuckDB takes the reader of a partition as a table."""
    (partition,), _ = partitions_of(here, SQL)
    with there.cursor() as cursor:
        cursor.adbc_read_partition(partition)
        reader = cursor.fetch_record_batch()  # noqa: F841 - DuckDB finds it by its name
        found = duckdb.sql("select count(*), sum(n) from reader").fetchall()

    assert found == [(1000, 499_500)]


def test_decimals(sharing_engine: LocalEngine, here: Any, there: Any) -> None:
    """Where only rows tell the schema another query tells it, and the partition misses no row."""
    before = len(sharing_engine.ledger.queries)
    sql = "select cast(range as decimal(20, 3)) as d from range(500)"
    (partition,), schema = partitions_of(here, sql)
    ran = [
        (record.fetches > 0, record.is_open) for record in sharing_engine.ledger.queries[before:]
    ]
    table = table_of(there, partition)

    assert ran[0] == (False, True)
    assert len(ran) > 1
    assert not any(is_open for _, is_open in ran[1:])
    assert schema.types == [pa.decimal128(38, 3)]
    assert table.schema.equals(schema, check_metadata=True)
    assert [int(value) for value in table["d"].to_pylist()] == list(range(500))


def test_only_queries_run_twice(sharing_engine: LocalEngine, here: Any) -> None:
    """What may be something else than a query is one partition too, unless its schema takes another run."""
    (partition,), _ = partitions_of(here, "describe select 1 as n")
    assert table_of(here, partition).num_rows == 1
    before = len(sharing_engine.ledger.queries)

    status, text = refusal(lambda: partitions_of(here, "summarize select 1 as n"))
    assert status == Status.INVALID_ARGUMENT
    assert "not surely one query" in text
    assert [record.executes for record in sharing_engine.ledger.queries[before:]] == [1]


def test_a_result_is_read_once(sharing_engine: LocalEngine, here: Any, there: Any) -> None:
    """A second reader hears that it was read, in whatever session, and the first one gets everything."""
    (partition,), _ = partitions_of(here, SQL)
    with there.cursor() as cursor:
        cursor.adbc_read_partition(partition)
        for connection in (here, there):
            status, text = refusal(lambda: table_of(connection, partition))  # noqa: B023
            assert status == Status.INVALID_STATE
            assert "read before, or is being read" in text

        assert cursor.fetch_arrow_table().num_rows == 1000
    assert refusal(lambda: table_of(here, partition))[0] == Status.INVALID_STATE


def test_two_readers_notice(
    sharing_engine: LocalEngine, connect_plain: Connect, here: Any, tmp_path: Path
) -> None:
    """Where claims do not keep two readers apart, both fail rather than have some of the rows each."""
    (partition,), _ = partitions_of(here, SQL)
    machines = [
        connect_plain(
            sharing_engine.uri, {**ELSEWHERE, PREFETCH: "0", CLAIM_PATH: str(tmp_path / name)}
        )
        for name in "ab"
    ]
    with machines[0].cursor() as first:
        first.adbc_read_partition(partition)
        reader = first.fetch_record_batch()
        rows = reader.read_next_batch().num_rows
        assert 0 < rows < 1000

        status, text = refusal(lambda: table_of(machines[1], partition))
        assert status == Status.INVALID_DATA
        assert "rows came, and the result has 1000" in text
        with pytest.raises((OSError, pa.ArrowException)):
            while True:
                rows += reader.read_next_batch().num_rows
    assert rows < 1000


def test_a_reader_may_be_told_not_to_count(
    sharing_engine: LocalEngine, connect_plain: Connect, here: Any, tmp_path: Path
) -> None:
    """With the option that allows missing rows the count is not asked for."""
    (partition,), _ = partitions_of(here, SQL)
    options = {CLAIM_PATH: str(tmp_path / "b"), "adbc.e6data.result.allow_missing_rows": "true"}
    with connect_plain(sharing_engine.uri, {**ELSEWHERE, PREFETCH: "0"}).cursor() as first:
        first.adbc_read_partition(partition)
        rows = first.fetch_record_batch().read_next_batch().num_rows

        assert (
            table_of(connect_plain(sharing_engine.uri, options), partition).num_rows
            < 1000 - rows + 1
        )


def test_announced_rows_are_held_against_it(
    start_engine: Start, connect_plain: Connect, tmp_path: Path
) -> None:
    """Where the server announces the rows, they are told, stand in the ticket, and missing ones are an error."""
    engine = start_engine(share_queries=True, chunk_rows=100, row_count="exact")
    here = connect_plain(engine.uri)
    with here.cursor() as cursor:
        (partition,), _ = cursor.adbc_execute_partitions(SQL)
        assert cursor.rowcount == 1000
    work = Ticket.unseal(partition, key_to(engine.uri)).work
    assert work.rows == 1000  # type: ignore[union-attr]
    with connect_plain(engine.uri, {PREFETCH: "0"}).cursor() as first:
        first.adbc_read_partition(partition)
        first.fetch_record_batch().read_next_batch()
        second = connect_plain(engine.uri, {CLAIM_PATH: str(tmp_path / "b")})

        assert refusal(lambda: table_of(second, partition))[0] == Status.INVALID_DATA


def test_who_stops_reading_clears_it(sharing_engine: LocalEngine, here: Any, there: Any) -> None:
    """A reader that leaves in the middle ends the query on the server; the ticket is used up."""
    (partition,), _ = partitions_of(here, SQL)
    with there.cursor() as cursor:
        cursor.adbc_read_partition(partition)
        cursor.fetchone()
    there.close()

    assert sharing_engine.ledger.open_queries == []
    assert refusal(lambda: table_of(here, partition))[0] == Status.INVALID_STATE


@pytest.mark.parametrize("closes", ["statement", "connection", "executes again"])
def test_it_outlives_who_made_it(
    sharing_engine: LocalEngine, connect_plain: Connect, there: Any, closes: str
) -> None:
    """Neither closing statement nor connection nor executing again takes the result from its ticket."""
    here = connect_plain(sharing_engine.uri)
    cursor = here.cursor()
    (partition,), _ = cursor.adbc_execute_partitions(SQL)
    if closes == "executes again":
        cursor.execute("select 1 as one")
        assert cursor.fetchall() == [(1,)]
    cursor.close()
    if closes == "connection":
        here.close()

    assert table_of(there, partition).num_rows == 1000


@pytest.mark.parametrize("level", ["database", "connection", "statement"])
def test_unread_results_may_be_cleared(
    sharing_engine: LocalEngine, connect_plain: Connect, there: Any, level: str
) -> None:
    """With the option, closing the connection clears what nobody has begun to read, and nothing else."""
    option = {"adbc.e6data.partition.clear_unread": "true"}
    here = connect_plain(
        sharing_engine.uri,
        option if level == "database" else {},
        **(option if level == "connection" else {}),
    )
    slow = connect_plain(sharing_engine.uri, {PREFETCH: "0"})  # or all may be here, and cleared
    with here.cursor() as cursor, slow.cursor() as reading:
        if level == "statement":
            cursor.adbc_statement.set_options(**option)
        (unread,), _ = cursor.adbc_execute_partitions(SQL)
        (read,), _ = cursor.adbc_execute_partitions(SQL)
        reading.adbc_read_partition(read)
        cursor.close()
        here.close()

        assert len(sharing_engine.ledger.open_queries) == 1
        assert reading.fetch_arrow_table().num_rows == 1000
    assert refusal(lambda: table_of(there, unread))[0] == Status.INVALID_STATE


def test_a_result_that_is_gone(sharing_engine: LocalEngine, here: Any, there: Any) -> None:
    """What the server dropped is NOT_FOUND, in its own words, and stays so."""
    (partition,), _ = partitions_of(here, SQL)
    sharing_engine._queries.drop()

    for _ in range(2):
        status, text = refusal(lambda: table_of(there, partition))
        assert status == Status.NOT_FOUND
        assert "not found" in text
        assert "execute the partitions again" in text


@pytest.mark.parametrize("drain", [False, True])
def test_a_deployment_that_is_gone(
    start_engine: Start, connect_plain: Connect, drain: bool
) -> None:
    """After a switch a new session cannot reach the result, and hears why; what is executed then can be read."""
    engine = start_engine(share_queries=True)
    here, there = connect_plain(engine.uri), connect_plain(engine.uri, ELSEWHERE)
    (partition,), _ = partitions_of(here, SQL)
    engine.switch(drain=drain)

    status, text = refusal(lambda: table_of(there, partition))
    assert status == Status.NOT_FOUND
    assert "status: 456" in text
    (partition,), _ = partitions_of(here, SQL)
    assert table_of(there, partition).num_rows == 1000


def test_an_engine_that_gives_a_result_to_its_session_only(
    start_engine: Start, connect_plain: Connect
) -> None:
    """Another session hears so, with the way out; the ticket is not used up, and the way out works."""
    engine = start_engine(share_queries=False)
    here, there = connect_plain(engine.uri), connect_plain(engine.uri, ELSEWHERE)
    (partition,), _ = partitions_of(here, SQL)

    status, text = refusal(lambda: table_of(there, partition))
    assert status == Status.UNAUTHORIZED
    assert "adbc.e6data.partition.defer_query" in text
    assert table_of(here, partition).num_rows == 1000
    (partition,), _ = partitions_of(here, SQL, defer_query="true")
    assert table_of(there, partition).num_rows == 1000
    here.close()
    there.close()

    assert engine.ledger.open_queries == []


def test_bearer_tokens(start_engine: Start, connect_plain: Connect) -> None:
    """Where calls carry tokens there is no session, and a key for tickets has to be given."""
    engine = start_engine(bearer="bearer-of-the-test")
    place = engine.uri.partition("@")[2]
    options = {"adbc.e6data.auth.access_token": "bearer-of-the-test"}
    bare = connect_plain(f"e6data://{place}", options)
    assert refusal(lambda: partitions_of(bare, SQL))[0] == Status.INVALID_STATE
    assert engine.ledger.calls.total() == 0
    options["adbc.e6data.partition.ticket_key"] = "a key for both sides"
    here, there = (
        connect_plain(f"e6data://{place}", {**options, **more}) for more in ({}, ELSEWHERE)
    )
    (partition,), _ = partitions_of(here, SQL)

    assert table_of(there, partition).num_rows == 1000
    assert engine.ledger.calls["authenticate"] == 0


def test_other_users(start_engine: Start, connect_plain: Connect, tmp_path: Path) -> None:
    """Another user's ticket is refused by its key; with a common key the server's rights decide, not the ticket."""
    users = tmp_path / "users.json"
    guest = {"name": "guest", "tokens": ["guest-token"], "catalogs": ["files"]}
    users.write_text(json.dumps({"users": [guest]}))
    engine = start_engine(share_queries=True, users=users)
    guest_uri = f"e6data://guest:guest-token@{engine.uri.partition('@')[2]}"
    common = {"adbc.e6data.partition.ticket_key": "a key for both sides"}
    for options, words in (({}, "made with another key"), (common, "another user's")):
        here, there = connect_plain(engine.uri, options), connect_plain(guest_uri, options)
        (partition,), _ = partitions_of(here, SQL)
        status, text = refusal(lambda: table_of(there, partition))  # noqa: B023
        assert status == Status.UNAUTHORIZED
        assert words in text
        table_of(here, partition)
    (partition,), _ = partitions_of(here, "select * from orders", defer_query="true")

    status, text = refusal(lambda: table_of(there, partition))
    assert status == Status.UNAUTHORIZED
    assert "Access denied" in text


def test_changes_have_no_partitions(sharing_engine: LocalEngine, here: Any) -> None:
    """A statement that changes something is refused before it runs."""
    before = len(sharing_engine.ledger.queries)

    status, text = refusal(lambda: partitions_of(here, "create table scratch.main.x (a int)"))

    assert status == Status.INVALID_ARGUMENT
    assert "changes something" in text
    assert len(sharing_engine.ledger.queries) == before


@pytest.mark.parametrize(
    ("values", "status"), [([], Status.INVALID_STATE), ([1, 2], Status.NOT_IMPLEMENTED)]
)
def test_one_row_of_parameters(here: Any, values: list[int], status: Status) -> None:
    """Partitions are of one execution."""
    with AdbcStatement(here.adbc_connection) as statement:
        statement.set_sql_query("select ? as a")
        statement.bind(pa.record_batch({"a": pa.array(values, pa.int64())}))

        assert refusal(statement.execute_partitions)[0] == status


def test_a_mistake_in_the_text(sharing_engine: LocalEngine, here: Any) -> None:
    """It is the server's error, and nothing is left there."""
    assert refusal(lambda: partitions_of(here, "select nix"))[0] == Status.INVALID_ARGUMENT


@pytest.mark.parametrize("value", ["true", 1, True])
def test_incremental_execution_is_not_implemented(here: Any, value: Any) -> None:
    """It is refused with the reason; not to want it is fine."""
    key = "adbc.statement.exec.incremental"
    with AdbcStatement(here.adbc_connection) as statement:
        status, text = refusal(lambda: statement.set_options(**{key: value}))
        statement.set_options(**{key: "false"})

        assert status == Status.NOT_IMPLEMENTED
        assert "all partitions of a result are known at once" in text
        assert statement.get_option(key) == "false"
