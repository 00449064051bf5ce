"""The calls that make and read a partition: which they are, how they fail, how they are cancelled."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from adbc_driver_manager import AdbcStatusCode as Status

from e6data_adbc._driver.connection import Connection
from e6data_adbc._driver.partitions.ticket import Ticket
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.local import LocalEngine
from tests.support.fake_server import fail
from tests.support.partitioned import key_to, partitions_of, refusal, table_of
from tests.support.scripted import ScriptedEngine, metadata, rows_of, statement_of

pytestmark = pytest.mark.seconds
SQL = "select range as n from range(1000) order by n"


@pytest.fixture
def scripted(scripted_engine: ScriptedEngine, open_db: Callable[..., Any]) -> Connection:
    """A connection to a server whose answers a test decides."""
    connection: Connection = open_db(scripted_engine.uri).connect({})
    return connection


def made(connection: Connection) -> bytes:
    _, (partition,), _ = statement_of(connection).execute_partitions()
    return partition


def test_the_calls(scripted_engine: ScriptedEngine, scripted: Connection) -> None:
    """Making a partition fetches and clears nothing; reading it asks for the rows, their number, and clears."""
    partition = made(scripted)
    methods = [call.method for call in scripted_engine.received]
    assert methods == [
        *("authenticate", "prepareStatementV2", "executeStatementV2", "getResultMetadata")
    ]
    result = scripted.read_partition(partition)
    rows = rows_of(result)
    result.close()

    assert rows == [3, 2]
    assert [call.method for call in scripted_engine.received[4:]] == [
        "getResultMetadata",
        *3 * ["getNextResultBatch"],
        "getResultMetadata",
        "clearOrCancelQuery",
    ]
    for call in scripted_engine.received[4:]:
        about = wire.GetResultMetadataRequest.FromString(call.request)
        assert (about.engineIP, about.sessionId, about.queryId) == ("10.0.0.1", "s-1", "q-1")
        assert (call.headers["plannerip"], call.headers["strategy"]) == ("10.0.0.1", "blue")


@pytest.mark.parametrize(
    ("then", "words"),
    [
        (metadata(("n", "LONG"), rows=6), "the result has 6"),
        (metadata(("n", "LONG"), rows=4), "the result has 4"),
        (fail(grpc.StatusCode.INTERNAL, "Query q-1 not found"), "cannot be found out"),
    ],
)
def test_the_number_of_rows_at_the_end(
    scripted_engine: ScriptedEngine,
    scripted: Connection,
    then: Any,
    words: str,
) -> None:
    """Another number than came, or none because the query is gone, is an error after the last row."""
    scripted_engine.answer("getResultMetadata", *2 * [metadata(("n", "LONG"))], then)
    result = scripted.read_partition(made(scripted))
    status, text = refusal(lambda: rows_of(result))
    result.close()

    assert status == Status.INVALID_DATA
    assert "5 rows came" in text
    assert words in text


def test_an_engine_that_does_not_count(
    scripted_engine: ScriptedEngine, scripted: Connection
) -> None:
    """Where the number is never known, what came is the result."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG"), rows=0))
    result = scripted.read_partition(made(scripted))

    assert rows_of(result) == [3, 2]
    result.close()


def test_columns_that_changed(scripted_engine: ScriptedEngine, scripted: Connection) -> None:
    """Another column than the ticket says is an error before a row was fetched, and the claim is given back."""
    partition = made(scripted)
    scripted_engine.answer("getResultMetadata", metadata(("n", "STRING")))
    status, text = refusal(lambda: scripted.read_partition(partition))
    assert status == Status.INVALID_DATA
    assert "'n' STRING" in text
    assert "'n' LONG" in text
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG")))

    result = scripted.read_partition(partition)
    assert rows_of(result) == [3, 2]
    result.close()


def test_nobody_knows_whether_it_runs(
    scripted_engine: ScriptedEngine, scripted: Connection
) -> None:
    """Where the answer of execute is lost and the status says nothing, there is no ticket, and the query is cleared."""
    scripted_engine.answer("executeStatementV2", fail(grpc.StatusCode.UNAVAILABLE, "cut"))
    scripted_engine.answer("status", wire.StatusResponse(status=False))

    _, text = refusal(lambda: made(scripted))

    assert "nobody knows whether it runs" in text
    assert scripted_engine.count("clearOrCancelQuery") == 1


@pytest.mark.parametrize("hangs", ["executeStatementV2", "getResultMetadata"])
def test_making_it_can_be_cancelled(
    scripted_engine: ScriptedEngine, scripted: Connection, hangs: str
) -> None:
    """`Statement.cancel` ends the making of partitions, and the query on the server with it."""
    scripted_engine.answer(hangs, scripted_engine.hang)
    statement = statement_of(scripted)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(refusal(statement.execute_partitions)))
    thread.start()
    scripted_engine.wait_for(hangs)
    statement.cancel()
    thread.join()

    assert found[0][0] == Status.CANCELLED
    scripted_engine.wait_for("clearOrCancelQuery")


def test_looking_for_it_can_be_cancelled(
    scripted_engine: ScriptedEngine, scripted: Connection
) -> None:
    """`AdbcConnection.cancel` ends the reading of a partition; it clears nothing, and can be tried again."""
    partition = made(scripted)
    scripted_engine.answer("getResultMetadata", scripted_engine.hang)
    found: list[Any] = []
    thread = threading.Thread(
        target=lambda: found.append(refusal(lambda: scripted.read_partition(partition)))
    )
    thread.start()
    scripted_engine.wait_for("getResultMetadata", 2)
    scripted.cancel()
    thread.join()

    assert found[0][0] == Status.CANCELLED
    assert scripted_engine.count("clearOrCancelQuery") == 0
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG")))
    result = scripted.read_partition(partition)
    assert rows_of(result) == [3, 2]
    result.close()


def test_closing_ends_the_reading(scripted_engine: ScriptedEngine, scripted: Connection) -> None:
    """Closing the connection clears a partition that is being read."""
    result = scripted.read_partition(made(scripted))
    scripted.close()

    assert refusal(result.next_response)[0] == Status.CANCELLED
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_an_engine_address_nobody_proved(sharing_engine: LocalEngine, here: Any) -> None:
    """A ticket whose address was changed leads nowhere: nobody is called."""
    (partition,), _ = partitions_of(here, SQL)
    key = key_to(sharing_engine.uri)
    ticket = Ticket.unseal(partition, key)
    work = dataclasses.replace(ticket.work, engine="10.9.9.9")  # type: ignore[type-var]
    body = dataclasses.replace(ticket, work=work).seal(key)[:-32]
    before = sharing_engine.ledger.calls

    assert refusal(lambda: table_of(here, body + partition[-32:]))[0] == Status.INVALID_DATA
    assert sharing_engine.ledger.calls == before
    table_of(here, partition)


def test_the_query_id(sharing_engine: LocalEngine, here: Any) -> None:
    """The statement tells the id of the query that its ticket stands for, not of one that only told the schema."""
    with here.cursor() as cursor:
        (partition,), _ = cursor.adbc_execute_partitions("select cast(1.5 as decimal(10, 2)) as d")
        shown = cursor.adbc_statement.get_option("adbc.e6data.statement.query_id")
    work = Ticket.unseal(partition, key_to(sharing_engine.uri)).work

    assert work.query_id == shown  # type: ignore[union-attr]
    assert table_of(here, partition).num_rows == 1
