"""How results begin: what native code does of it, and that after the first unusual answer all is as Python does it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

import e6data_adbc
from e6data_adbc import errors
from e6data_adbc._driver import Database
from e6data_adbc._driver.connection import Connection
from e6data_adbc._transport.observer import Observer
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine
from e6data_adbc.options import TransportKind
from tests.support import transports
from tests.support.fake_server import fail
from tests.support.scripted import (
    ScriptedEngine,
    chunk,
    error_of,
    metadata,
    rows_of,
    statement_of,
    v1,
    v2,
)
from tests.support.waiting import Background, eventually

Connect = Callable[..., Connection]

#: The steps of a beginning, by the method of the wire.
STEPS = ("executeStatement", "getResultMetadata", "getNextResultBatch")

steps = pytest.mark.parametrize("step", STEPS)


def made(server: ScriptedEngine) -> dict[str, int]:
    """Returns how often the server was asked for each step."""
    return {step: server.count(step) for step in STEPS}


@pytest.mark.parametrize(
    ("protocol", "responses"),
    [("v1", [v1(chunk(3)), v1()]), ("v2", [v2(chunk(1), chunk(2), end=True)])],
)
def test_a_small_result_is_had_without_python(
    native: None,
    small: ScriptedEngine,
    connect_scripted: Connect,
    sent: list[str],
    protocol: str,
    responses: list[bytes],
) -> None:
    """Python prepares and clears, and the server sees what it sees otherwise."""
    method = {"v1": "getNextResultBatch", "v2": "getNextResultBatchV2"}[protocol]
    small.answer(method, *responses)
    result = statement_of(connect_scripted(result_protocol=protocol)).execute()

    assert result.whole is not None
    assert sum(rows_of(result)) == 3
    result.close()
    assert sent == ["authenticate", "prepareStatementV2", "clearOrCancelQuery"]
    assert small.count("executeStatementV2") == small.count("getResultMetadata") == 1
    assert small.count(method) == len(responses)
    assert small.count("clearOrCancelQuery") == 1


def test_the_first_response_of_a_large_result_is_left_to_its_reader(
    native: None, scripted_engine: ScriptedEngine, connect_scripted: Connect, sent: list[str]
) -> None:
    """It is asked for, and nobody waits for it."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG"), rows=1_000_000))
    scripted_engine.answer("getNextResultBatch", scripted_engine.hang)
    result = statement_of(connect_scripted()).execute()

    scripted_engine.wait_for("getNextResultBatch")
    assert result.announced_rows == 1_000_000
    assert "getNextResultBatch" not in sent
    result.close()
    assert scripted_engine.count("getNextResultBatch") == 1


def moved(step: str, **more: str) -> bytes | Message:
    """Returns the answer of *step* that says *more* than is usual."""
    if step == "executeStatement":
        return wire.ExecuteStatementResponse(**more)
    if step == "getResultMetadata":
        answer = metadata(("n", "LONG"), rows=3)
        answer.MergeFrom(wire.GetResultMetadataResponse(**more))
        return answer
    return v1(chunk(3), session_id=more.get("sessionId", ""), new_strategy=more.get("new_strategy"))


def read_moved(
    server: ScriptedEngine, open_db: Callable[..., Database], step: str, **more: str
) -> Connection:
    """Reads a result of which *step* says *more*, each call made as often as ever; returns the connection."""
    server.answer(step, moved(step, **more), *([v1()] if step == STEPS[-1] else []))
    connection = open_db(f"e6data://me:token@127.0.0.1:{server.port}").connect({})
    result = statement_of(connection).execute()
    assert sum(rows_of(result)) == 3
    result.close()
    assert made(server) == dict(zip(STEPS, (1, 1, 2), strict=True))
    return connection


@steps
def test_a_session_that_an_answer_names_is_that_of_the_calls_after_it(
    native: None, small: ScriptedEngine, open_db: Callable[..., Database], step: str
) -> None:
    """Native code stops there; nothing is done twice."""
    read_moved(small, open_db, step, sessionId="s-2")

    cleared = next(call for call in small.received if call.method == "clearOrCancelQuery")
    request = wire.ClearOrCancelQueryRequest.FromString(cleared.request)
    assert request.sessionId == "s-2"


@steps
def test_a_colour_that_an_answer_announces_is_noted(
    native: None, small: ScriptedEngine, open_db: Callable[..., Database], step: str
) -> None:
    """The query stays where it is, and the next one goes to that colour."""
    connection = read_moved(small, open_db, step, new_strategy="green")

    small.answer("getNextResultBatch", v1(chunk(3)), v1())
    statement_of(connection).execute().close()
    colours = [
        call.headers.get("strategy") for call in small.received if call.method == "prepareStatement"
    ]
    assert colours[-1] == "green"


REFUSALS = [
    (grpc.StatusCode.INTERNAL, "something broke"),
    (grpc.StatusCode.INTERNAL, "Access denied"),
    (grpc.StatusCode.UNAVAILABLE, "try later"),
    (grpc.StatusCode.UNAUTHENTICATED, "who are you"),
    (grpc.StatusCode.UNKNOWN, "Stream removed"),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, "too much"),
    (grpc.StatusCode.UNIMPLEMENTED, "no such thing"),
]


@steps
@pytest.mark.parametrize(("code", "text"), REFUSALS)
@pytest.mark.parametrize("sql", ["select n from t", "insert into t values (1)"])
def test_a_failure_is_the_same_by_both_transports(
    short_pauses: None,
    small: ScriptedEngine,
    open_db: Callable[..., Database],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    code: grpc.StatusCode,
    text: str,
    sql: str,
) -> None:
    """Its words, its details and the calls that were made; a step fails for ever, or the first time only."""

    def seen(kind: TransportKind, *answers: Any) -> tuple[Any, ...]:
        transports.choose(kind, monkeypatch)
        small.received.clear()
        small.answer(step, *answers)
        if step != STEPS[-1]:
            small.answer("getNextResultBatch", v1(chunk(3)), v1())
        uri = (
            f"e6data://me:token@127.0.0.1:{small.port}?result_protocol=v1&total_timeout_seconds=60"
        )
        database = open_db(uri)
        try:
            result = statement_of(database.connect({}), sql).execute()
            told: tuple[Any, ...] = (rows_of(result),)
            result.close()
        except errors.Error as error:
            told = (type(error), str(error), error.status_code, error.sqlstate, error.details)
        database.close()
        eventually(lambda: small.count("clearOrCancelQuery") == small.count("prepareStatement"))
        counts = made(small)
        if (
            step == "getResultMetadata"
        ):  # whether the fetch beside it arrives before it is given up is chance
            del counts["getNextResultBatch"]
        return (*told, counts)

    usual = moved(step)
    once = [fail(code, text), usual, *([v1()] if step == STEPS[-1] else [])]
    for answers in (once, [fail(code, text)]):
        assert seen(TransportKind.NATIVE, *answers) == seen(TransportKind.GRPC, *answers)


def test_metadata_that_do_not_parse_are_an_error(
    native: None, small: ScriptedEngine, connect_scripted: Connect
) -> None:
    """It names the query, which is cleared."""
    small.answer("getResultMetadata", wire.GetResultMetadataResponse(resultMetaData=b"\xff"))
    error = error_of(statement_of(connect_scripted()).execute)

    assert error.status_code == Status.INVALID_DATA
    assert "q-1" in str(error)
    small.wait_for("clearOrCancelQuery")


def test_nothing_yet_is_asked_again(
    native: None, small: ScriptedEngine, connect_scripted: Connect
) -> None:
    """In V2 a response without a chunk and without the end is no part of the result."""
    answers = [v2(), v2(), v2(chunk(3), end=True)]
    small.answer("getNextResultBatchV2", *answers)
    result = statement_of(connect_scripted(result_protocol="v2")).execute()

    assert sum(rows_of(result)) == 3
    result.close()
    assert small.count("getNextResultBatchV2") == 3


@steps
def test_a_wait_can_be_cancelled(
    native: None, small: ScriptedEngine, open_db: Callable[..., Database], step: str
) -> None:
    """The query is cleared, and nothing was asked after the step that hung."""
    small.answer(step, small.hang)
    statement = statement_of(open_db(f"e6data://me:token@127.0.0.1:{small.port}").connect({}))
    running = Background(lambda: error_of(statement.execute))
    small.wait_for(step)
    statement.cancel()
    error = running.outcome()

    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED
    small.wait_for("clearOrCancelQuery")
    both = (
        STEPS if step == "getResultMetadata" else STEPS[: STEPS.index(step) + 1]
    )  # which leave together
    assert {name for name, count in made(small).items() if count} <= set(both)


@steps
def test_closing_the_connection_ends_a_wait(
    native: None, small: ScriptedEngine, open_db: Callable[..., Database], step: str
) -> None:
    """Whoever waits is told, and the query is cleared."""
    small.answer(step, small.hang)
    connection = open_db(f"e6data://me:token@127.0.0.1:{small.port}").connect({})
    statement = statement_of(connection)
    running = Background(lambda: error_of(statement.execute))
    small.wait_for(step)
    connection.close()
    error = running.outcome()

    assert isinstance(error, errors.Error)
    assert error.status_code in (Status.CANCELLED, Status.INVALID_STATE)
    small.wait_for("clearOrCancelQuery")


@pytest.mark.parametrize(
    ("step", "options"),
    [
        ("executeStatement", "execute_timeout_seconds=0.3"),
        ("executeStatement", "total_timeout_seconds=0.3"),
        ("getResultMetadata", "metadata_timeout_seconds=0.3"),
        ("getResultMetadata", "total_timeout_seconds=0.3"),
        ("getNextResultBatch", "fetch_timeout_seconds=0.3"),
    ],
)
def test_each_step_has_its_time(
    small: ScriptedEngine,
    open_db: Callable[..., Database],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    options: str,
) -> None:
    """A deadline that passes is the same error by both transports."""
    told = []
    for kind in (TransportKind.NATIVE, TransportKind.GRPC):
        transports.choose(kind, monkeypatch)
        small.answer(step, small.hang)
        uri = f"e6data://me:token@127.0.0.1:{small.port}?result_protocol=v1&{options}"

        def read(uri: str = uri) -> None:
            result = statement_of(open_db(uri).connect({})).execute()
            try:
                rows_of(result)
            finally:
                result.close()

        error = error_of(read)
        assert "q-1" in str(error)
        told.append((type(error), error.status_code, error.sqlstate))
    assert told[0] == told[1]
    assert told[0][1] == Status.TIMEOUT


def test_calls_that_are_watched_are_made_one_by_one(
    native: None,
    small: ScriptedEngine,
    open_db: Callable[..., Database],
    sent: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An observer that wants to see each call sees each."""
    monkeypatch.setattr(Observer, "headers_unseen", lambda *_: None)
    monkeypatch.setattr("e6data_adbc._driver.database.make_observer", lambda *_: Observer())
    result = statement_of(
        open_db(f"e6data://me:token@127.0.0.1:{small.port}").connect({})
    ).execute()
    assert sum(rows_of(result)) == 3
    result.close()
    assert [name for name in sent if name in STEPS] == [*STEPS, STEPS[-1]]


def test_tokens(native: None, sent: list[str]) -> None:
    """Where calls carry a token the beginning does so, too; one that is refused in it is replaced."""
    tokens = ["old", "new"]
    with LocalEngine(bearer="new") as engine:
        uri = f"e6data://{engine.target}?result_protocol=v1"
        taken: list[str] = []

        def provider() -> tuple[str, int]:
            taken.append(tokens[min(len(taken), 1)])
            return taken[-1], 900

        with e6data_adbc.connect(uri, token_provider=provider) as connection:
            for number in range(3):
                with connection.cursor() as cursor:
                    cursor.execute(f"select {number}")
                    assert cursor.fetchall() == [(number,)]
        assert engine.ledger.open_queries == []
    assert "executeStatement" not in sent


def test_what_a_signal_raises_does_not_execute_twice(
    native: None, small: ScriptedEngine, open_db: Callable[..., Database]
) -> None:
    """An error of ours that a handler raises while the execute is under way ends the call, like any other."""
    small.answer("executeStatement", small.hang)
    statement = statement_of(open_db(f"e6data://me:token@127.0.0.1:{small.port}").connect({}))
    raised = errors.make(Status.CANCELLED, "could not wait: the handler had enough of it")

    def raise_it(*_: object) -> None:
        raise raised

    before = signal.signal(signal.SIGUSR1, raise_it)
    try:

        def interrupt() -> None:
            small.wait_for("executeStatement")
            os.kill(os.getpid(), signal.SIGUSR1)

        sender = Background(interrupt)
        assert error_of(statement.execute) is raised
        sender.outcome()
    finally:
        signal.signal(signal.SIGUSR1, before)
    small.wait_for("clearOrCancelQuery")
    assert small.count("executeStatement") == 1
