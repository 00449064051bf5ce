"""What queries live through on a cluster that changes: flips, lost sessions, suspensions, lost answers."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

import e6data_adbc
from e6data_adbc import cluster, errors
from e6data_adbc._driver import Database
from e6data_adbc._driver.connection import Connection
from e6data_adbc._driver.results.rerun_query import RerunQuery
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine, When
from tests.support.fake_server import fail
from tests.support.scripted import ScriptedEngine, chunk, error_of, rows_of, statement_of, v1

pytestmark = pytest.mark.seconds

Connect = Callable[..., Connection]
OpenDb = Callable[..., Database]

SQL = "select * from range(1000) t(n)"
UNAVAILABLE = fail(grpc.StatusCode.UNAVAILABLE, "gone")
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


def read(connection: Connection, sql: str = SQL) -> int:
    """Runs *sql* and returns its number of rows."""
    result = statement_of(connection, sql).execute()
    try:
        return sum(rows_of(result))
    finally:
        result.close()


def stats(connection: Connection) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(str(connection.get_option("adbc.e6data.connection.stats")))
    return found


def detail(error: errors.Error, name: str) -> str | None:
    return errors.detail(error, f"e6data.{name}")


# ---- what is lost on the way


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


# ---- colours


def test_a_flip_is_not_noticed(cluster_engine: LocalEngine, live: Connection) -> None:
    """Before each query the colour changes, now abruptly, now announced; each query works, and runs once."""
    for number in range(6):
        cluster_engine.switch(announce=number % 2 == 0)
        assert read(live) == 1000

    assert all(record.executes == 1 for record in cluster_engine.ledger.queries)
    assert cluster_engine.ledger.calls["prepareStatementV2"] <= 6 + 3


def test_a_running_query_stays_where_it_is(cluster_engine: LocalEngine, live: Connection) -> None:
    """Colour, session and planner of a result outlive the switch, also when others have gone on."""
    old = statement_of(live, SQL).execute()
    first = old.next_response()
    cluster_engine.switch(drain=True)

    assert read(live) == 1000
    assert first is not None
    assert 100 + sum(rows_of(old)) == 1000
    old.close()
    assert [record.strategy for record in cluster_engine.ledger.queries] == ["blue", "green"]
    assert cluster_engine.ledger.open_queries == []


def test_a_result_whose_deployment_is_gone_is_lost(
    cluster_engine: LocalEngine, live: Connection
) -> None:
    """456 in the middle of a result: it fails for good, and the next query goes to the new colour."""
    old = statement_of(live, "select * from range(100000) t(n)").execute()
    old.next_response()
    cluster_engine.switch()
    error = error_of(lambda: rows_of(old))
    old.close()

    assert "the deployment that this call is bound to is gone" in str(error)
    assert read(live) == 1000


def test_an_abandoned_cursor_holds_up_nobody(cluster_engine: LocalEngine, live: Connection) -> None:
    """An announced colour is used by the next query although an old result is still open."""
    abandoned = statement_of(live, SQL).execute()
    cluster_engine.switch(announce=True)
    for _ in range(3):
        read(live)

    assert cluster_engine.ledger.last.strategy == "green"
    abandoned.close()


def test_clusters_of_opposite_colour_do_not_meet(open_db: OpenDb) -> None:
    """Two endpoints in one process: each is probed once, and then never refuses again."""
    with LocalEngine(strategy="blue") as one, LocalEngine(strategy="green") as two:
        connections = [open_db(engine.uri).connect({}) for engine in (one, two)]
        for _ in range(5):
            for connection in connections:
                assert read(connection) == 1000
        for connection in connections:
            connection.close()

        assert sum(one.ledger.refused.values()) == 0
        assert sum(two.ledger.refused.values()) == 1


# ---- sessions


@pytest.mark.parametrize("connections", [1, 16])
def test_lost_sessions_cost_one_sign_in(
    cluster_engine: LocalEngine, open_db: OpenDb, connections: int
) -> None:
    """Sessions end under 16 threads, on one connection or on as many: every query works, and is cleared."""
    opened = [open_db(cluster_engine.uri).connect({}) for _ in range(connections)]
    losses = 3
    for _ in range(losses):
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda n: read(opened[n % connections]), range(32)))
        assert answers == [1000] * 32
        cluster_engine.expire_sessions()

    assert cluster_engine.ledger.calls["authenticate"] == losses
    assert cluster_engine.ledger.open_queries == []


def test_an_endless_session_trouble_ends(cluster_engine: LocalEngine, live: Connection) -> None:
    """A permanent `Access denied` costs two sign-ins more, then it is the user's."""
    read(live)
    cluster_engine.faults.fail(
        "prepareStatementV2", times=None, code="INTERNAL", details="Access denied"
    )

    assert error_of(lambda: read(live)).status_code == Status.UNAUTHORIZED
    assert cluster_engine.ledger.calls["authenticate"] == 3


# ---- suspended clusters


@pytest.mark.parametrize("has_session", [False, True])
def test_a_suspended_cluster_is_resumed(
    cluster_engine: LocalEngine,
    live: Connection,
    caplog: pytest.LogCaptureFixture,
    has_session: bool,
) -> None:
    """503 on authenticate or on prepare: one resume, told in the log, and the query goes on."""
    if has_session:
        read(live)
    cluster_engine.suspend()
    with caplog.at_level(logging.INFO, "e6data_adbc.resume"):
        assert read(live) == 1000

    assert cluster_engine.ledger.calls["cluster.resume"] == 1
    assert "status 'suspended'" in caplog.text
    assert stats(live)["resumes"] == 1


def test_the_next_suspension_is_another_one(cluster_engine: LocalEngine, live: Connection) -> None:
    """Once the cluster has answered, it may be resumed again without waiting a minute."""
    for count in (1, 2):
        cluster_engine.suspend()
        assert read(live) == 1000
        assert cluster_engine.ledger.calls["cluster.resume"] == count


def test_many_clients_resume_once(cluster_engine: LocalEngine, open_db: OpenDb) -> None:
    """16 clients with a connection each find the cluster suspended: one resume, all are served."""
    opened = [open_db(cluster_engine.uri).connect({}) for _ in range(16)]
    cluster_engine.suspend()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(read, opened))

    assert answers == [1000] * 16
    assert cluster_engine.ledger.calls["cluster.resume"] == 1


def test_the_resume_limit_holds(cluster_engine: LocalEngine, open_db: OpenDb) -> None:
    """A cluster service that does not answer cannot hold a query beyond the limit."""
    gate = threading.Event()
    cluster_engine.faults.delay("cluster.status", gate=gate, times=None)
    cluster_engine.suspend()
    connection = open_db(f"{cluster_engine.uri}?resume_timeout_seconds=0.3").connect({})

    error = error_of(lambda: read(connection))

    assert error.status_code == Status.TIMEOUT
    assert "adbc.e6data.cluster.resume_timeout_seconds" in str(error)
    assert cluster_engine.ledger.calls["cluster.resume"] == 0
    gate.set()


def test_an_active_cluster_that_refuses_is_named(
    cluster_engine: LocalEngine, open_db: OpenDb
) -> None:
    """ "Active, but still 503" is repeated until the limit, and told as what it is."""
    read(open_db(cluster_engine.uri).connect({}))
    cluster_engine.faults.fail(
        "prepareStatementV2",
        times=None,
        code="UNAVAILABLE",
        details="status: 503, cluster is suspended",
    )
    connection = open_db(f"{cluster_engine.uri}?resume_timeout_seconds=0.4").connect({})

    error = error_of(lambda: read(connection))

    assert "it is active, but calls are still answered with 503" in str(error)
    assert cluster_engine.ledger.calls["cluster.resume"] == 0


def test_waiting_for_a_resume_can_be_cancelled(
    cluster_engine: LocalEngine, live: Connection
) -> None:
    """Cancelling ends the wait at once."""
    gate = threading.Event()
    fault = cluster_engine.faults.delay("cluster.status", gate=gate, times=None)
    cluster_engine.suspend()
    statement = statement_of(live, SQL)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(statement.execute)
        assert fault.reached.wait(10)
        statement.cancel()
        error = running.exception(10)
    gate.set()

    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED


def test_the_cluster_helper(cluster_engine: LocalEngine) -> None:
    """Status, suspend and resume by hand; the progress is told."""
    seen: list[str] = []

    assert cluster.status(cluster_engine.uri) == "active"
    assert cluster.resume(cluster_engine.uri) == "active"
    assert cluster.suspend(cluster_engine.uri) == "suspended"
    assert cluster.status(cluster_engine.uri) == "suspended"
    assert cluster.resume(cluster_engine.uri, on_progress=seen.append) == "active"
    assert seen == ["suspended", "resuming", "active"]
    assert cluster_engine.ledger.calls["cluster.resume"] == 1
    with pytest.raises(errors.ProgrammingError, match="Access denied"):
        cluster.status(cluster_engine.uri, password="wrong")


def test_the_cluster_helper_finds_the_colour() -> None:
    """The cluster service is behind the same router: 456 leads to the other colour."""
    with LocalEngine(strategy="green") as engine:
        assert cluster.status(engine.uri) == "active"


# ---- tokens


def test_queries_with_a_bearer() -> None:
    """With a token there is no sign-in, through a flip and a suspension; the signer sees every call."""
    paths: list[str] = []

    def sign(path: str) -> dict[str, str]:
        paths.append(path)
        return {"x-gateway": "yes"}

    with LocalEngine(bearer="b-1") as engine:
        with (
            e6data_adbc.connect(
                f"e6data://{engine.target}",
                token_provider=lambda: ("b-1", 900),
                request_signer=sign,
            ) as connection,
            connection.cursor() as cursor,
        ):
            for change in (lambda: None, engine.switch, engine.suspend):
                change()
                cursor.execute("select 42")
                assert cursor.fetchone() == (42,)

        assert engine.ledger.calls["authenticate"] == 0
        assert engine.ledger.open_queries == []
        # A fetch ahead of the reader may be signed and then not sent.
        assert len(paths) >= sum(engine.ledger.calls.values())
        assert {path.rsplit("/", 1)[-1] for path in paths} == {
            method.removeprefix("cluster.") for method in engine.ledger.calls
        }


def test_one_way_to_sign_in(cluster_engine: LocalEngine) -> None:
    """Two ways at once are refused by name, before anything is sent."""
    with pytest.raises(errors.ProgrammingError, match="more than one way") as caught:
        e6data_adbc.connect(cluster_engine.uri, token_provider=lambda: "secret-token")

    assert "secret-token" not in str(caught.value)
    assert sum(cluster_engine.ledger.calls.values()) == 0


def test_stats_are_json(cluster_engine: LocalEngine, live: Connection) -> None:
    """The counters of an endpoint are readable at any time, and only readable."""
    read(live)
    found = stats(live)

    assert found["strategy"]["active"] == "blue"
    assert (found["sign_ins"], found["queries_prepared"], found["queries_cleared"]) == (1, 1, 1)
    with pytest.raises(errors.NotSupportedError):
        live.set_option("adbc.e6data.connection.stats", "x")


def test_an_execute_whose_token_was_refused_is_prepared_with_another() -> None:
    """The router refused the token of an execute: another token, another prepare, one execute."""
    given: list[str] = []

    def provide() -> str:
        given.append(f"b-{len(given)}")
        return given[-1]

    with LocalEngine(bearer_check=lambda token: token in given) as engine:
        engine.faults.fail("executeStatement", code="UNAUTHENTICATED", details="denied")
        with (
            e6data_adbc.connect(f"e6data://{engine.target}", token_provider=provide) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("select 42")
            assert cursor.fetchone() == (42,)

        assert [record.executes for record in engine.ledger.queries] == [0, 1]
        assert given == ["b-0", "b-1"]


def test_an_execute_whose_token_cannot_be_renewed_fails(open_db: OpenDb) -> None:
    """A token that was given once and for all: the refusal is the error, and the query is cleared."""
    with LocalEngine(bearer="b-1") as engine:
        engine.faults.fail("executeStatement", code="UNAUTHENTICATED", details="denied")
        database = open_db(f"e6data://{engine.target}", adbc__e6data__auth__access_token="b-1")
        error = error_of(lambda: read(database.connect({})))

        assert error.status_code == Status.UNAUTHENTICATED
        assert detail(error, "rpc") == "executeStatement"
        assert detail(error, "retryable") == "false"
        assert [record.executes for record in engine.ledger.queries] == [0]
        assert engine.ledger.open_queries == []


@pytest.mark.parametrize("sent", [False, True])
def test_a_resume_whose_answer_is_lost(
    cluster_engine: LocalEngine, live: Connection, sent: bool
) -> None:
    """What may have worked is not sent again, the status tells; what never left is."""
    text = "gone" if sent else "failed to connect to all addresses; last error: refused"
    cluster_engine.faults.fail(
        "cluster.resume", details=text, when=When.AFTER if sent else When.BEFORE
    )
    cluster_engine.suspend()

    assert read(live) == 1000
    assert cluster_engine.ledger.calls["cluster.resume"] == (1 if sent else 2)


def test_a_cluster_call_that_fails_is_told(cluster_engine: LocalEngine) -> None:
    """A refused suspend is an error at once; one that found no connection is tried again."""
    cluster_engine.faults.fail("cluster.suspend", code="PERMISSION_DENIED", details="no")
    error = error_of(lambda: cluster.suspend(cluster_engine.uri))
    assert (error.status_code, detail(error, "rpc")) == (Status.UNAUTHORIZED, "cluster suspend")

    cluster_engine.faults.fail("cluster.suspend", details="failed to connect to all addresses; x")
    assert cluster.suspend(cluster_engine.uri) == "suspended"
    assert cluster_engine.ledger.calls["cluster.suspend"] == 3
