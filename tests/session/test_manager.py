"""The manager repeats what may be repeated, within one budget, and says what happened."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from e6data_adbc import errors
from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import Settings
from e6data_adbc._session.endpoint import Endpoints
from e6data_adbc._session.login.call_signer import CallSigner
from e6data_adbc._session.login.identity import Identity
from e6data_adbc._session.manager import SessionManager
from e6data_adbc._transport import methods
from e6data_adbc._transport.transport import Transport
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from tests.support.fake_server import Answer, FakeServer, fail
from tests.support.managed import (
    ACCESS_DENIED,
    GONE,
    PASSWORD,
    TABLES,
    error_of,
    granted,
    is_retryable,
    list_tables,
    only_on,
    scope,
)


@pytest.mark.parametrize(
    ("failures", "tries"),
    [
        ([GONE, TABLES], 2),
        ([GONE, GONE, GONE, TABLES], 4),
        ([fail(grpc.StatusCode.RESOURCE_EXHAUSTED, ""), TABLES], 2),
        ([b"\xff\xff\xff", TABLES], 2),
    ],
)
def test_what_reads_is_repeated(
    fake_server: FakeServer, manager: SessionManager, failures: list[Any], tries: int
) -> None:
    """A listing whose answer got lost, or came in pieces, is asked for again."""
    fake_server.answer("authenticate", granted("s-1"))
    fake_server.answer("getTablesV2", *failures)

    assert list_tables(manager) == ["t"]
    assert fake_server.count("getTablesV2") == tries
    assert manager.state.stats()["retries"] == tries - 1


def test_four_tries_are_enough(fake_server: FakeServer, manager: SessionManager) -> None:
    """After that the failure is the user's, who is told that it may pass."""
    fake_server.answer("authenticate", granted("s-1"))
    fake_server.answer("getTablesV2", GONE)

    error = error_of(lambda: list_tables(manager))

    assert fake_server.count("getTablesV2") == 4
    assert (error.status_code, error.sqlstate) == (Status.IO, "08006")
    assert is_retryable(error)
    assert errors.detail(error, "e6data.rpc") == "getTablesV2"


def test_a_busy_server_is_an_operational_error(
    fake_server: FakeServer, manager: SessionManager
) -> None:
    """RESOURCE_EXHAUSTED without a word: tried again, then told as what it is."""
    fake_server.answer("authenticate", granted("s-1"))
    fake_server.answer("getTablesV2", fail(grpc.StatusCode.RESOURCE_EXHAUSTED, ""))

    error = error_of(lambda: list_tables(manager))

    assert isinstance(error, errors.OperationalError)
    assert error.sqlstate == "53000"
    assert is_retryable(error)


@pytest.mark.parametrize(("pushback", "tries"), [("30", 2), ("-1", 1), ("soon", 1)])
def test_the_server_says_when_to_come_back(
    fake_server: FakeServer, manager: SessionManager, pushback: str, tries: int
) -> None:
    """`grpc-retry-pushback-ms` replaces the pause; a negative or broken one asks to stay away."""

    def busy(request: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("grpc-retry-pushback-ms", pushback),))
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy")

    fake_server.answer("authenticate", granted("s-1"))
    fake_server.answer("getTablesV2", busy, TABLES)
    begin = time.monotonic()
    if tries == 2:
        assert list_tables(manager) == ["t"]
        assert time.monotonic() - begin >= 0.03
    else:
        error_of(lambda: list_tables(manager))

    assert fake_server.count("getTablesV2") == tries


@pytest.mark.parametrize(
    "answer",
    [
        fail(grpc.StatusCode.INVALID_ARGUMENT, "no"),
        fail(grpc.StatusCode.INTERNAL, "no such table; status: 503, status: 456, Access denied"),
        fail(grpc.StatusCode.UNIMPLEMENTED, "no"),
    ],
)
def test_an_answer_is_not_asked_for_again(
    fake_server: FakeServer, manager: SessionManager, answer: Answer
) -> None:
    """What the engine says is final, whatever its text quotes."""
    fake_server.answer("authenticate", granted("s-1"))
    fake_server.answer("getTablesV2", answer)

    error = error_of(lambda: list_tables(manager))

    assert (fake_server.count("authenticate"), fake_server.count("getTablesV2")) == (1, 1)
    assert not is_retryable(error)


def test_all_tries_share_one_budget(fake_server: FakeServer, manager: SessionManager) -> None:
    """A server that never answers is left when the time of the user's call is over."""
    fake_server.answer("authenticate", granted("s-1"))
    fake_server.answer("getTablesV2", fake_server.hang)

    error = error_of(lambda: list_tables(manager, scope(metadata=0.3)))

    assert error.status_code == Status.TIMEOUT


def test_an_endpoint_that_fails_too_often_is_not_asked_again(
    fake_server: FakeServer, manager: SessionManager
) -> None:
    """The error says that it was not tried again, and why."""
    fake_server.answer("authenticate", granted("s-1"))
    fake_server.answer("getTablesV2", fail(grpc.StatusCode.UNAVAILABLE, "down"))
    while manager.state.budget.take():
        pass

    error = error_of(lambda: list_tables(manager))

    assert fake_server.count("getTablesV2") == 1
    assert "it was not sent again: too many calls to this endpoint failed of late" in str(error)
    assert is_retryable(error)


def test_a_pause_can_be_cancelled(fake_server: FakeServer, manager: SessionManager) -> None:
    """Whoever cancels does not wait for the next try."""

    def busy(request: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("grpc-retry-pushback-ms", "20000"),))
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy")

    fake_server.answer("authenticate", granted("s-1"))
    fake_server.answer("getTablesV2", busy)
    within = scope()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(list_tables, manager, within)
        while not manager.state.counters.read()["retries"]:
            pass
        within.cancel()
        error = running.exception(5)

    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED


def test_a_server_that_is_not_there_is_looked_for(fake_server: FakeServer) -> None:
    """A refused connection is tried again for a moment, then told; nothing was sent."""
    endpoint = Endpoint("127.0.0.1", 1, encrypted=False)
    transport = Transport(endpoint, Settings().rpc)
    manager = SessionManager(transport, Identity(PASSWORD, CallSigner()), endpoints=Endpoints())
    error = error_of(lambda: list_tables(manager))
    transport.close()

    assert "could not connect to '127.0.0.1:1'" in str(error)
    assert error.sqlstate == "08001"
    assert is_retryable(error)
    assert manager.state.budget.tokens == 10.0


def test_events_are_logged(
    fake_server: FakeServer, manager: SessionManager, caplog: pytest.LogCaptureFixture
) -> None:
    """Sign-in, colour, repetition and renewal are told by loggers of the package, without a secret."""
    fake_server.answer("authenticate", only_on("green", granted("canary-session-1")))
    fake_server.answer("getTablesV2", GONE, ACCESS_DENIED, TABLES)
    with caplog.at_level(logging.INFO, "e6data_adbc"):
        list_tables(manager)

    loggers = {record.name for record in caplog.records}
    assert loggers == {"e6data_adbc.session", "e6data_adbc.strategy", "e6data_adbc.retry"}
    assert "canary" not in caplog.text


def test_a_call_without_time_is_not_sent(fake_server: FakeServer, manager: SessionManager) -> None:
    """Where the budget is used up, the error names the option, and nothing is sent."""
    fake_server.answer("authenticate", granted("s"))
    fake_server.answer("getTablesV2", wire.GetTablesResponse())
    list_tables(manager)

    effort = manager.effort(scope(), 0.0)
    error = error_of(
        lambda: manager.call(
            methods.TABLES, wire.GetTablesV2Request, effort, verb="list the tables"
        )
    )

    assert error.status_code == Status.TIMEOUT
    assert "adbc.e6data.rpc.metadata_timeout_seconds" in str(error)
    assert is_retryable(error)
    assert fake_server.count("getTablesV2") == 1
