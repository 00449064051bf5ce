"""The shortcut: what native code does of a query, and that any unusual answer is dealt with as Python deals with it."""

from __future__ import annotations

import decimal
import os
import signal
from typing import Any

import grpc
import pyarrow as pa
import pytest
from google.protobuf.message import Message

from e6data_adbc import errors
from e6data_adbc._driver.connection import Connection
from e6data_adbc._driver.query.shortcut_query import ShortcutQuery
from e6data_adbc._transport.observer import Observer
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.options import DatabaseOptions, TransportKind
from tests.support import transports
from tests.support.fake_server import fail
from tests.support.scripted import (
    DECIMAL,
    QUERY_ID,
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
from tests.support.warm import (
    CALLS,
    CLEAR,
    EXECUTE,
    FETCH,
    METADATA,
    PREPARE,
    STEPS,
    OpenDb,
    address,
    made,
    warm,
    warmed,
)

steps = pytest.mark.parametrize("step", STEPS)
calls = pytest.mark.parametrize("step", CALLS)


def answer_of(step: str, **more: str) -> bytes | Message:
    """Returns the answer of *step* that says *more* than is usual."""
    if step == PREPARE:
        return wire.PrepareStatementResponse(queryId="q-1", engineIP="10.0.0.1", **more)
    if step == EXECUTE:
        return wire.ExecuteStatementResponse(**more)
    if step == METADATA:
        answer = metadata(("n", "LONG"), rows=3)
        answer.MergeFrom(wire.GetResultMetadataResponse(**more))
        return answer
    if step == CLEAR:
        return wire.ClearOrCancelQueryResponse(**more)
    return v1(chunk(3), session_id=more.get("sessionId", ""), new_strategy=more.get("new_strategy"))


def requests(server: ScriptedEngine, method: str, kind: Any) -> list[Any]:
    """Returns what the server was asked by *method*."""
    return [kind.FromString(call.request) for call in server.received if call.method == method]


def test_a_small_result_is_had_without_a_call_of_python(
    native: None, small: ScriptedEngine, open_db: OpenDb, sent: list[str]
) -> None:
    """From the second query of a session on, and the server sees what it sees otherwise."""
    connection = warmed(small, open_db)
    sent.clear()
    result = statement_of(connection).execute()

    assert isinstance(result, ShortcutQuery)
    assert result.query_id == "q-1"
    assert sum(rows_of(result)) == 3
    result.close()
    assert sent == []
    assert made(small) == dict(zip(CALLS, (1, 1, 1, 2, 1), strict=True))
    assert requests(small, CLEAR, wire.ClearOrCancelQueryRequest) == [
        wire.ClearOrCancelQueryRequest(engineIP="10.0.0.1", sessionId="s-1", queryId="q-1")
    ]
    planners = {call.headers.get("plannerip") for call in small.received if call.method != PREPARE}
    assert planners == {"10.0.0.1"}


def test_a_catalog_and_the_second_protocol(
    native: None, small: ScriptedEngine, open_db: OpenDb, sent: list[str]
) -> None:
    """They have methods of their own."""
    small.answer("getNextResultBatchV2", v2(chunk(1), chunk(2), end=True))
    connection = open_db(f"{small.uri}?result_protocol=v2").connect({})
    for number in range(2):
        sent.clear()
        result = statement_of(connection, f"select {number};").execute()
        assert sum(rows_of(result)) == 3
        result.close()
    assert sent == []
    asked = requests(small, "prepareStatementV2", wire.PrepareStatementV2Request)
    assert asked[-1] == wire.PrepareStatementV2Request(
        sessionId="s-1", schema="s", catalog="c", queryString="select 1"
    )
    assert small.count("executeStatementV2") == 2


def test_names_options_and_sessions_are_those_of_the_moment(
    native: None, small: ScriptedEngine, open_db: OpenDb, sent: list[str]
) -> None:
    """What changed since the query before is seen by the next one, and the one after it."""
    connection = warmed(small, open_db)

    def run() -> wire.PrepareStatementRequest:
        small.answer(FETCH, v1(chunk(3)), v1())
        result = statement_of(connection).execute()
        assert sum(rows_of(result)) == 3
        result.close()
        return requests(small, PREPARE, wire.PrepareStatementRequest)[-1]

    connection.configure("adbc.connection.db_schema", "other")
    assert [run().schema, run().schema] == ["other", "other"]
    connection.configure(DatabaseOptions.QUERY_TAG.value, "mine")
    assert run().queryString.startswith("/* mine */")
    session = connection.workspace.sessions.state.sessions
    session.clear()
    small.answer("authenticate", wire.AuthenticateResponse(sessionId="s-2"))
    assert [run().sessionId, run().sessionId] == ["s-2", "s-2"]


def test_the_scale_of_a_decimal_is_read_from_its_rows(
    native: None, small: ScriptedEngine, open_db: OpenDb
) -> None:
    """Where the metadata do not tell it."""
    connection = warmed(small, open_db)
    rows = pa.array([decimal.Decimal("1.50"), None], pa.decimal128(38, 2))
    small.answer(METADATA, metadata(("d", "DECIMAL"), rows=2))
    small.answer(FETCH, v1(chunk(2, rows, DECIMAL)), v1())
    result = statement_of(connection).execute()

    assert isinstance(result, ShortcutQuery)
    assert result.schema.field(0).type == pa.decimal128(38, 2)
    result.close()


@calls
def test_a_session_that_an_answer_names_is_that_of_the_calls_after_it(
    native: None, small: ScriptedEngine, open_db: OpenDb, step: str
) -> None:
    """Native code stops there; nothing is done twice."""
    connection = warmed(small, open_db)
    more = [v1()] if step == FETCH else []
    small.answer(step, answer_of(step, sessionId="s-2"), *more)
    result = statement_of(connection).execute()
    assert sum(rows_of(result)) == 3
    result.close()

    assert made(small) == dict(zip(CALLS, (1, 1, 1, 2, 1), strict=True))
    (cleared,) = requests(small, CLEAR, wire.ClearOrCancelQueryRequest)
    assert cleared.sessionId == ("s-1" if step == CLEAR else "s-2")


@calls
def test_a_colour_that_an_answer_announces_is_noted(
    native: None, small: ScriptedEngine, open_db: OpenDb, step: str
) -> None:
    """The query stays where it is, and the next one goes to that colour."""
    connection = warmed(small, open_db)
    more = [v1()] if step == FETCH else []
    small.answer(step, answer_of(step, new_strategy="green"), *more)
    statement_of(connection).execute().close()
    assert made(small) == dict(zip(CALLS, (1, 1, 1, 2, 1), strict=True))

    small.answer(FETCH, v1(chunk(3)), v1())
    statement_of(connection).execute().close()
    colours = [call.headers.get("strategy") for call in small.received if call.method == PREPARE]
    assert colours == ["blue", "green"]


REFUSALS = [
    (grpc.StatusCode.INTERNAL, "something broke"),
    (grpc.StatusCode.INTERNAL, "Access denied"),
    (grpc.StatusCode.UNAVAILABLE, "try later"),
    (grpc.StatusCode.UNAUTHENTICATED, "who are you"),
    (grpc.StatusCode.UNKNOWN, "Stream removed"),
    (grpc.StatusCode.UNKNOWN, "status: 456"),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, "too much"),
    (grpc.StatusCode.UNIMPLEMENTED, "no such thing"),
]


@calls
@pytest.mark.parametrize(("code", "text"), REFUSALS)
@pytest.mark.parametrize("sql", ["select n from t", "insert into t values (1)"])
def test_a_failure_is_the_same_by_both_transports(
    short_pauses: None,
    small: ScriptedEngine,
    open_db: OpenDb,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    code: grpc.StatusCode,
    text: str,
    sql: str,
) -> None:
    """Its words, its details and the calls that were made; a step fails for ever, or the first time only."""

    def seen(kind: TransportKind, *answers: Any) -> tuple[Any, ...]:
        transports.choose(kind, monkeypatch)
        small.answer(step, answer_of(step))
        small.answer(FETCH, v1(chunk(3)), v1())
        options = "total_timeout_seconds=60&clear_timeout_seconds=2&"
        database = open_db(address(small, options))
        connection = warm(small, database.connect({}))
        small.answer(step, *answers)
        try:
            result = statement_of(connection, sql).execute()
            told: tuple[Any, ...] = (rows_of(result),)
            result.close()
        except errors.Error as error:
            told = (type(error), str(error), error.status_code, error.sqlstate, error.details)
        connection.close()
        database.close()
        if step not in (PREPARE, CLEAR):
            eventually(lambda: small.count(CLEAR) == small.count(PREPARE))
        counts = made(small)
        if step == METADATA:  # whether the fetch beside it arrives before it is given up is chance
            del counts[FETCH]
        if step == CLEAR:  # within its time it is repeated as often as the pauses have it
            counts[CLEAR] = min(counts[CLEAR], 2)
        return (*told, counts)

    usual = answer_of(step)
    once = [fail(code, text), usual, *([v1()] if step == FETCH else [])]
    for answers in (once, [fail(code, text)]):
        assert seen(TransportKind.NATIVE, *answers) == seen(TransportKind.GRPC, *answers)


@pytest.mark.parametrize(
    "answer",
    [
        wire.PrepareStatementResponse(queryId="q-1", engineIP="a\nb"),
        wire.PrepareStatementResponse(queryId="q-1", engineIP="x" * 256),
        wire.PrepareStatementResponse(queryId="q-1"),
        wire.PrepareStatementResponse(engineIP="10.0.0.1"),
        b"\xff",
    ],
    ids=["planner with a line", "long planner", "no planner", "no id", "no message"],
)
def test_a_broken_preparation_is_the_same_by_both_transports(
    small: ScriptedEngine, open_db: OpenDb, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    """No request is made of what it says."""
    told = []
    for kind in (TransportKind.NATIVE, TransportKind.GRPC):
        transports.choose(kind, monkeypatch)
        small.answer(PREPARE, answer_of(PREPARE))
        connection = warmed(small, open_db)
        small.answer(PREPARE, answer)
        error = error_of(statement_of(connection).execute)
        told.append((type(error), str(error), error.status_code, made(small)))
    assert told[0] == told[1]
    assert told[0][3][EXECUTE] == 0


def test_metadata_that_do_not_parse_are_an_error(
    native: None, small: ScriptedEngine, open_db: OpenDb
) -> None:
    """It names the query, which is cleared."""
    connection = warmed(small, open_db)
    small.answer(METADATA, wire.GetResultMetadataResponse(resultMetaData=b"\xff"))
    error = error_of(statement_of(connection).execute)

    assert error.status_code == Status.INVALID_DATA
    assert "q-1" in str(error)
    small.wait_for(CLEAR)


@steps
def test_a_wait_can_be_cancelled(
    native: None, small: ScriptedEngine, open_db: OpenDb, step: str
) -> None:
    """What was prepared is cleared, and nothing was asked after the step that hung."""
    connection = warmed(small, open_db)
    small.answer(step, small.hang)
    statement = statement_of(connection)
    running = Background(lambda: error_of(statement.execute))
    small.wait_for(step)
    if step == PREPARE:
        assert error_of(lambda: statement.get_option(QUERY_ID)).status_code == Status.NOT_FOUND
    else:
        assert statement.get_option(QUERY_ID) == "q-1"
    statement.cancel()
    error = running.outcome()

    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED
    if step != PREPARE:
        small.wait_for(CLEAR)
    both = STEPS if step == METADATA else STEPS[: STEPS.index(step) + 1]  # which leave together
    assert {name for name, count in made(small).items() if count} <= {*both, CLEAR}


@steps
def test_closing_the_connection_ends_a_wait(
    native: None, small: ScriptedEngine, open_db: OpenDb, step: str
) -> None:
    """Whoever waits is told, and what was prepared is cleared."""
    connection = warmed(small, open_db)
    small.answer(step, small.hang)
    statement = statement_of(connection)
    running = Background(lambda: error_of(statement.execute))
    small.wait_for(step)
    connection.close()
    error = running.outcome()

    assert isinstance(error, errors.Error)
    assert error.status_code in (Status.CANCELLED, Status.INVALID_STATE)
    if step != PREPARE:
        small.wait_for(CLEAR)


@pytest.mark.parametrize(
    ("step", "options"),
    [
        (PREPARE, "prepare_timeout_seconds=0.3"),
        (PREPARE, "total_timeout_seconds=0.3"),
        (EXECUTE, "execute_timeout_seconds=0.3"),
        (EXECUTE, "total_timeout_seconds=0.3"),
        (METADATA, "metadata_timeout_seconds=0.3"),
        (METADATA, "total_timeout_seconds=0.3"),
        (FETCH, "fetch_timeout_seconds=0.3"),
    ],
)
def test_each_step_has_its_time(
    small: ScriptedEngine,
    open_db: OpenDb,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    options: str,
) -> None:
    """A deadline that passes is the same error by both transports, and names the option."""
    told = []
    for kind in (TransportKind.NATIVE, TransportKind.GRPC):
        transports.choose(kind, monkeypatch)
        small.answer(step, answer_of(step))
        small.answer(FETCH, v1(chunk(3)), v1())
        connection = warmed(small, open_db, f"{options}&")
        small.answer(step, small.hang)

        def read(connection: Connection = connection) -> None:
            result = statement_of(connection).execute()
            try:
                rows_of(result)
            finally:
                result.close()

        error = error_of(read)
        told.append(
            (type(error), error.status_code, error.sqlstate, options.split("=", maxsplit=1)[0])
        )
        assert options.split("=", maxsplit=1)[0] in str(error)
    assert told[0] == told[1]
    assert told[0][1] == Status.TIMEOUT


def test_calls_that_are_watched_are_made_one_by_one(
    native: None,
    small: ScriptedEngine,
    open_db: OpenDb,
    sent: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An observer that wants to see each call sees each."""
    monkeypatch.setattr(Observer, "headers_unseen", lambda *_: None)
    monkeypatch.setattr("e6data_adbc._driver.database.make_observer", lambda *_: Observer())
    connection = warmed(small, open_db)
    sent.clear()
    result = statement_of(connection).execute()
    assert sum(rows_of(result)) == 3
    result.close()
    assert [name for name in sent if name in CALLS] == [*STEPS, FETCH, CLEAR]


@steps
def test_what_a_signal_raises_leaves_nothing_on_the_server(
    native: None, small: ScriptedEngine, open_db: OpenDb, step: str
) -> None:
    """An error that a handler raises while a call is under way ends the query, and nothing is sent twice."""
    connection = warmed(small, open_db)
    small.answer(step, small.hang)
    statement = statement_of(connection)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:

        def send() -> None:
            small.wait_for(step)
            os.kill(os.getpid(), signal.SIGUSR1)

        sender = Background(send)
        with pytest.raises(KeyboardInterrupt):
            statement.execute()
        sender.outcome()
    finally:
        signal.signal(signal.SIGUSR1, before)
    if step != PREPARE:
        small.wait_for(CLEAR)
    assert max(made(small).values()) == 1
    small.answer(step, answer_of(step))
    small.answer(FETCH, v1(chunk(3)), v1())
    assert sum(rows_of(statement_of(connection).execute())) == 3
