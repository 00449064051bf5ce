"""What is lost on the way: what is sent again, what goes on, and what is in doubt."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from e6data_adbc import errors
from e6data_adbc._driver.connection import Connection
from e6data_adbc._driver.results.rerun_query import RerunQuery
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.local import LocalEngine, When
from tests.support.fake_server import fail
from tests.support.recovering import UNAVAILABLE, OpenDb, detail, read, stats
from tests.support.scripted import ScriptedEngine, chunk, error_of, statement_of, v1

pytestmark = pytest.mark.seconds
Connect = Callable[..., Connection]
#: The refusals of a router: the engine has not seen the call.
REFUSALS = {
    "456": ("UNKNOWN", "status: 456"),
    "busy": ("RESOURCE_EXHAUSTED", ""),
    "token refused": ("UNAUTHENTICATED", "authentication denied"),
    "access denied": ("INTERNAL", "Access denied"),
}


@pytest.fixture
def live(cluster_engine: LocalEngine, open_db: OpenDb) -> Connection:
    """A connection to it."""
    return open_db(cluster_engine.uri).connect({})


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("method", ["authenticate", "prepareStatementV2", "getResultMetadata"])
def test_what_may_be_repeated_is_recovered(
    cluster_engine: LocalEngine, live: Connection, method: str, when: When
) -> None:
    """A call that broke, on its way there or back, is sent again; the statement runs once."""
    cluster_engine.faults.fail(method, when=when)

    assert read(live) == 1000
    assert sum(record.executes for record in cluster_engine.ledger.queries) == 1
    assert stats(live)["retries"] == 1


def test_an_execute_whose_answer_is_lost_goes_on(
    cluster_engine: LocalEngine, live: Connection
) -> None:
    """The status tells that the query runs; it is not executed again."""
    cluster_engine.faults.fail("executeStatementV2", when=When.AFTER)

    assert read(live) == 1000
    assert cluster_engine.ledger.calls["executeStatementV2"] == 1
    assert cluster_engine.ledger.calls["status"] == 1
    assert cluster_engine.ledger.open_queries == []


def test_an_execute_that_never_ran_is_in_doubt(
    cluster_engine: LocalEngine, live: Connection
) -> None:
    """The status does not tell; the first rows do: the error says that nobody knows, with the query id."""
    cluster_engine.faults.fail("executeStatementV2", when=When.BEFORE)

    error = error_of(lambda: read(live))

    assert cluster_engine.ledger.calls["executeStatementV2"] == 1
    assert isinstance(error, errors.OperationalError)
    assert detail(error, "ambiguous") == "true"
    assert detail(error, "retryable") == "false"
    assert error.sqlstate == "08007"
    assert cluster_engine.ledger.last.query_id in str(error)
    assert cluster_engine.ledger.open_queries == []


def test_an_execute_that_nobody_can_tell_of_is_in_doubt(
    cluster_engine: LocalEngine, live: Connection
) -> None:
    """Without a status the error says so; the query is cleared."""
    cluster_engine.faults.fail("executeStatementV2", when=When.AFTER)
    cluster_engine.faults.fail("status", times=None)

    error = error_of(lambda: read(live))

    assert detail(error, "ambiguous") == "true"
    assert detail(error, "query_id") == cluster_engine.ledger.last.query_id
    assert cluster_engine.ledger.last.executes == 1
    assert cluster_engine.ledger.open_queries == []
    assert stats(live)["queries_in_doubt"] == 1


@pytest.mark.parametrize("name", REFUSALS)
def test_an_execute_that_was_refused_is_prepared_anew(
    cluster_engine: LocalEngine, live: Connection, name: str
) -> None:
    """A refusal by the router is before the engine: a new prepare, one execute, the old query cleared."""
    code, text = REFUSALS[name]
    cluster_engine.faults.fail("executeStatementV2", code=code, details=text)

    assert read(live) == 1000
    assert [record.executes for record in cluster_engine.ledger.queries] == [0, 1]
    assert cluster_engine.ledger.open_queries == []


def test_metadata_never_lead_back_to_execute(cluster_engine: LocalEngine, live: Connection) -> None:
    """`Access denied` on the metadata: one sign-in, the same query; 456 there: the query is lost."""
    cluster_engine.faults.fail("getResultMetadata", code="INTERNAL", details="Access denied")
    assert read(live) == 1000
    assert cluster_engine.ledger.calls["authenticate"] == 2

    cluster_engine.faults.fail("getResultMetadata", code="UNKNOWN", details="status: 456")
    error = error_of(lambda: read(live))

    assert detail(error, "rpc") == "getResultMetadata"
    assert [record.executes for record in cluster_engine.ledger.queries] == [1, 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [("UNAVAILABLE", "gone"), REFUSALS["456"], REFUSALS["busy"]],
    ids=["lost", "456", "busy"],
)
def test_a_failed_fetch_fails_the_result_for_good(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, code: str, text: str
) -> None:
    """Whatever the failure: no repetition, no other route; the error says what had come before."""
    scripted_engine.answer(
        "getNextResultBatch", v1(chunk(3)), fail(grpc.StatusCode[code], text), v1()
    )
    connection = connect_scripted()
    result = statement_of(connection).execute()
    result.next_response()

    errors_seen = [error_of(result.next_response) for _ in range(2)]
    result.close()

    assert scripted_engine.count("getNextResultBatch") == 2
    for error in errors_seen:
        assert "the result is incomplete: 1 responses had come" in str(error)
        assert detail(error, "incomplete") == "true"
        assert detail(error, "query_id") == "q-1"
        assert detail(error, "rpc") == "getNextResultBatch"
        assert detail(error, "retryable") == "false"
        assert error.sqlstate is not None
    assert (scripted_engine.count("executeStatementV2"), scripted_engine.count("authenticate")) == (
        1,
        1,
    )
    assert stats(connection)["results_incomplete"] == 1


def test_a_lost_clear_is_repeated(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Clearing twice does no harm; after three tries it is counted and logged, not raised."""
    scripted_engine.answer("clearOrCancelQuery", UNAVAILABLE, wire.ClearOrCancelQueryResponse())
    connection = connect_scripted()
    statement_of(connection).execute().close()
    assert scripted_engine.count("clearOrCancelQuery") == 2

    scripted_engine.answer("clearOrCancelQuery", UNAVAILABLE)
    statement_of(connection).execute().close()

    assert scripted_engine.count("clearOrCancelQuery") == 5
    found = stats(connection)
    assert (found["queries_cleared"], found["queries_uncleared"]) == (1, 1)


@pytest.mark.parametrize(
    ("code", "text", "clears"),
    [
        ("UNKNOWN", "Stream removed", 3),
        ("INTERNAL", "Received RST_STREAM with error code 2", 3),
        ("CANCELLED", "", 3),
        ("INTERNAL", "Received http2 header with status: 400", 2),
    ],
)
def test_a_clear_that_a_broken_connection_ended_is_repeated(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, code: str, text: str, clears: int
) -> None:
    """Whatever words gRPC has for it: one broken connection leaves no query behind."""
    lost = fail(grpc.StatusCode[code], text)
    answers = [lost] * (clears - 1)
    scripted_engine.answer("clearOrCancelQuery", *answers, wire.ClearOrCancelQueryResponse())
    connection = connect_scripted()
    statement_of(connection).execute().close()

    assert scripted_engine.count("clearOrCancelQuery") == clears
    assert stats(connection)["queries_uncleared"] == 0


def test_an_interrupted_clear_is_counted(
    scripted_engine: ScriptedEngine,
    connect_scripted: Connect,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C in a close leaves the query on the server: that is said, and the interrupt goes on."""
    connection = connect_scripted()
    result = statement_of(connection).execute()
    assert isinstance(result, RerunQuery)

    def interrupted(*_: object, **__: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(result.current._handle, "call", interrupted)
    with pytest.raises(KeyboardInterrupt):
        result.close()

    assert stats(connection)["queries_uncleared"] == 1
    assert "stays on the server until it expires: KeyboardInterrupt" in caplog.text


def test_every_call_has_a_deadline(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A server that is silent on any call is left in time; nothing waits for ever."""
    methods = ["authenticate", "prepareStatementV2", "executeStatementV2", "getResultMetadata"]
    for method in [*methods, "getNextResultBatch", "status", "clearOrCancelQuery"]:
        usual, scripted_engine.answers[method] = (
            scripted_engine.answers.get(method),
            scripted_engine.hang,
        )
        short = {
            f"{name}_timeout_seconds": 0.15
            for name in ("authenticate", "prepare", "execute", "metadata", "fetch", "clear")
        }
        connection = connect_scripted(**short)
        with contextlib.suppress(errors.OperationalError):
            read(connection)
        if usual is None:
            del scripted_engine.answers[method]
        else:
            scripted_engine.answers[method] = usual
        connection.close()


def test_stats_are_json(cluster_engine: LocalEngine, live: Connection) -> None:
    """The counters of an endpoint are readable at any time, and only readable."""
    read(live)
    found = stats(live)

    assert found["strategy"]["active"] == "blue"
    assert (found["sign_ins"], found["queries_prepared"], found["queries_cleared"]) == (1, 1, 1)
    with pytest.raises(errors.NotSupportedError):
        live.set_option("adbc.e6data.connection.stats", "x")
