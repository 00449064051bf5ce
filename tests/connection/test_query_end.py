"""A query ends on the server exactly once, whoever cancels or closes it, and when."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from e6data_adbc import errors
from e6data_adbc._driver.connection import Connection
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from tests.support.fake_server import fail
from tests.support.scripted import (
    ScriptedEngine,
    chunk,
    error_of,
    metadata,
    statement_of,
    v1,
    v2,
)

Connect = Callable[..., Connection]
FETCHES = ("getNextResultBatch", "getNextResultBatchV2")


def test_a_clear_in_the_background_is_repeated_and_waited_for(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A clear that nobody waited for is sent again like any other; closing the connection waits for its answer."""
    cleared = wire.ClearOrCancelQueryResponse()
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG"), rows=3))
    scripted_engine.answer("getNextResultBatch", v1(chunk(3)), v1())
    scripted_engine.answer("clearOrCancelQuery", fail(grpc.StatusCode.UNAVAILABLE, "busy"), cleared)
    connection = connect_scripted()
    result = statement_of(connection).execute()
    connection.close()

    assert not result.is_open
    assert scripted_engine.count("clearOrCancelQuery") == 2
    assert connection.workspace.sessions.state.counters.read()["queries_cleared"] == 1


@pytest.mark.parametrize(
    ("method", "clears"),
    [
        ("authenticate", 0),
        ("prepareStatementV2", 0),
        ("executeStatementV2", 1),
        ("getResultMetadata", 1),
        ("getNextResultBatch", 1),
    ],
)
def test_execute_can_be_cancelled_at_every_stage(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, method: str, clears: int
) -> None:
    """`Statement.cancel` ends the running call, and what was on the server is cleared once."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "DECIMAL128")))
    scripted_engine.answer(method, scripted_engine.hang)
    statement = statement_of(connect_scripted())
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(statement.execute)
        scripted_engine.wait_for(method)
        statement.cancel()
        error = running.exception(10)

    assert isinstance(error, errors.OperationalError)
    assert error.status_code == Status.CANCELLED
    assert scripted_engine.count("clearOrCancelQuery") == clears


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_a_fetch_can_be_cancelled(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, protocol: str
) -> None:
    """A blocked `next_response` ends; the query is cleared by `close`, once."""
    method = dict(zip(("v1", "v2"), FETCHES, strict=True))[protocol]
    scripted_engine.answer(method, scripted_engine.hang)
    statement = statement_of(connect_scripted(result_protocol=protocol))
    result = statement.execute()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(result.next_response)
        scripted_engine.wait_for(method)
        statement.cancel()
        error = running.exception(10)

    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED
    assert scripted_engine.count("clearOrCancelQuery") == 0
    result.close()
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_waiting_for_v2_rows_can_be_cancelled(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """The pause between empty responses ends with the cancellation."""
    scripted_engine.answer("getNextResultBatchV2", v2())
    result = statement_of(connect_scripted(result_protocol="v2")).execute()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(result.next_response)
        scripted_engine.wait_for("getNextResultBatchV2", 4)
        result.cancel()
        error = running.exception(10)

    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED
    result.close()


def test_cancelling_is_idempotent_and_returns_at_once(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Any number of cancellations, before, during and after, change nothing more and send nothing."""
    result = statement_of(connect_scripted()).execute()
    before = len(scripted_engine.received)
    for _ in range(3):
        result.cancel()

    assert error_of(result.next_response).status_code == Status.CANCELLED
    assert len(scripted_engine.received) == before
    result.close()
    result.cancel()
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_closing_from_many_threads_clears_once(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Whoever closes waits until the query is off the server; only one call is made."""
    gate = threading.Event()

    def slow(request: bytes, context: grpc.ServicerContext) -> wire.ClearOrCancelQueryResponse:
        gate.wait(10)
        return wire.ClearOrCancelQueryResponse()

    scripted_engine.answer("clearOrCancelQuery", slow)
    result = statement_of(connect_scripted()).execute()
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(result.close) for _ in range(8)]
        scripted_engine.wait_for("clearOrCancelQuery")
        assert not any(future.done() for future in running)
        gate.set()
        for future in running:
            future.result(10)

    assert scripted_engine.count("clearOrCancelQuery") == 1
    assert error_of(result.next_response).status_code == Status.CANCELLED


def test_closing_ends_a_blocked_fetch(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Closing under a running fetch ends the fetch and clears the query."""
    scripted_engine.answer("getNextResultBatch", scripted_engine.hang)
    result = statement_of(connect_scripted()).execute()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(result.next_response)
        scripted_engine.wait_for("getNextResultBatch")
        result.close()

        assert isinstance(running.exception(10), errors.Error)
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_a_failed_clear_is_logged_and_raises_nothing(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """A query that cannot be cleared is reported once, and closing goes on."""
    scripted_engine.answer("clearOrCancelQuery", scripted_engine.hang)
    result = statement_of(connect_scripted(clear_timeout_seconds=0.1)).execute()
    with caplog.at_level(logging.WARNING, "e6data_adbc"):
        result.close()
        result.close()

    (record,) = caplog.records
    assert "'q-1' stays on the server" in record.getMessage()


@pytest.mark.parametrize(
    "answer",
    [fail(grpc.StatusCode.NOT_FOUND, "q-1"), fail(grpc.StatusCode.UNKNOWN, "status: 456")],
)
def test_a_query_that_is_gone_is_cleared(
    scripted_engine: ScriptedEngine,
    connect_scripted: Connect,
    caplog: pytest.LogCaptureFixture,
    answer: Callable[..., bytes],
) -> None:
    """A server that no longer knows the query, or is no longer there, has nothing to clear."""
    scripted_engine.answer("clearOrCancelQuery", answer)
    with caplog.at_level(logging.WARNING, "e6data_adbc"):
        statement_of(connect_scripted()).execute().close()

    assert caplog.records == []


def test_a_small_result_that_is_cancelled_is_no_result(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Cancelled while the few announced rows are waited for: the execution is, too, and the query is cleared."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG"), rows=3))
    scripted_engine.answers["getNextResultBatch"] = scripted_engine.hang
    statement = statement_of(connect_scripted())
    with ThreadPoolExecutor(1) as pool:
        executing = pool.submit(error_of, statement.execute)
        scripted_engine.wait_for("getNextResultBatch")
        statement.cancel()

        assert executing.result(10).status_code == Status.CANCELLED
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_a_forked_child_clears_nothing(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query belongs to the process that began it: a child that closes it leaves it alone."""
    query = statement_of(connect_scripted()).execute()
    with monkeypatch.context() as child:
        child.setattr("os.getpid", lambda: -1)
        query.close()
        assert query.is_open
        assert scripted_engine.count("clearOrCancelQuery") == 0
    query.close()

    assert scripted_engine.count("clearOrCancelQuery") == 1
