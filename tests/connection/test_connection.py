"""Databases and connections: options, closing, forking, the engine in this process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from e6data_adbc import cluster, errors
from e6data_adbc._driver import Database, open_database
from e6data_adbc._driver.connection import Connection
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine
from tests.support.scripted import (
    ScriptedEngine,
    chunk,
    error_of,
    metadata,
    rows_of,
    statement_of,
    v1,
)

pytestmark = pytest.mark.seconds

Connect = Callable[..., Connection]
CATALOG = "adbc.connection.catalog"
DB_SCHEMA = "adbc.connection.db_schema"


# ---- options


def test_opening_calls_nobody(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """Databases, connections and statements are made without a call; the first query signs in."""
    statement_of(connect_scripted())

    assert scripted_engine.received == []


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"uri": "e6data://127.0.0.1:1"}, "user"),
        ({"uri": "e6data://me@127.0.0.1:1"}, "token"),
        ({"uri": "e6data://me:t@127.0.0.1:1", "adbc.e6data.no.such": "1"}, "adbc.e6data.no.such"),
        ({"uri": "e6data://me:t@h:1?cluster_name=a%0Ab"}, "cluster name"),
        ({"uri": "e6data:local?no_such_setting=1"}, "no_such_setting"),
    ],
)
def test_wrong_options_are_told_at_once(options: dict[str, str], word: str) -> None:
    """What cannot work is refused when the database is opened, in words that name it."""
    assert word in str(error_of(lambda: open_database(options)))


def test_options_are_read_as_they_were_set(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Set as text, number or float; read back with the value in force, over three levels."""
    connection = connect_scripted(prefetch_responses=3)
    statement = connection.statement()
    key = "adbc.e6data.fetch.prefetch_responses"

    assert statement.get_option(key) == 3
    connection.set_option(key, 5.0)
    assert (connection.get_option(key), statement.get_option(key)) == (5, 5)
    statement.set_option(key, "7")
    assert (connection.get_option(key), statement.get_option(key)) == (5, 7)
    statement.set_sql_query("select 1")
    result = statement.execute()
    assert result.options.prefetch == 7
    result.close()
    statement.set_option(key, None)
    assert statement.get_option(key) == 5
    connection.set_option(key, None)
    assert statement.get_option(key) == 3


def test_a_database_sets_defaults(
    scripted_engine: ScriptedEngine, open_db: Callable[..., Database]
) -> None:
    """What is set on the open database holds for its statements; what belongs to the channel is fixed."""
    database = open_db(scripted_engine.uri)
    statement = database.connect({}).statement()
    database.set_option("adbc.e6data.fetch.batch_rows", "10")

    assert statement.get_option("adbc.e6data.fetch.batch_rows") == 10
    error = error_of(lambda: database.set_option("adbc.e6data.rpc.connect_timeout_seconds", "1"))
    assert error.status_code == Status.NOT_IMPLEMENTED


def test_a_database_tells_no_secret(
    scripted_engine: ScriptedEngine, open_db: Callable[..., Database]
) -> None:
    """The URI is told without the token, the token not at all."""
    database = open_db(scripted_engine.uri)

    assert database.get_option("uri") == f"e6data://me@127.0.0.1:{scripted_engine.port}/c/s"
    assert database.get_option("username") == "me"
    assert error_of(lambda: database.get_option("password")).status_code == Status.NOT_FOUND


def test_unknown_options(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """Setting one is NOT_IMPLEMENTED and names the nearest, reading one is NOT_FOUND, on every level."""
    connection = connect_scripted()
    statement = connection.statement()

    for level in (connection, statement):
        error = error_of(lambda level=level: level.set_option("adbc.e6data.fetch.batch_row", 1))
        assert error.status_code == Status.NOT_IMPLEMENTED
        assert "adbc.e6data.fetch.batch_rows" in str(error)
        error = error_of(lambda level=level: level.get_option("adbc.no.such"))
        assert error.status_code == Status.NOT_FOUND


def test_autocommit_is_always_on(
    scripted_engine: ScriptedEngine, open_db: Callable[..., Database]
) -> None:
    """Switching it on is fine, off is NOT_IMPLEMENTED; there is nothing to commit or to roll back."""
    database = open_db(scripted_engine.uri)
    connection = database.connect({"adbc.connection.autocommit": "true"})

    assert connection.get_option("adbc.connection.autocommit") == "true"
    off = {"adbc.connection.autocommit": b"false"}
    for action in (
        lambda: connection.set_option("adbc.connection.autocommit", "false"),
        lambda: database.connect(off),
    ):
        assert error_of(action).status_code == Status.NOT_IMPLEMENTED
    for action in (connection.commit, connection.rollback):
        assert error_of(action).status_code == Status.INVALID_STATE


def test_the_current_names(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """From the URI at first; setting one asks the server whether it exists, and the next query uses it."""
    catalogs = [wire.CatalogResponse(name="c"), wire.CatalogResponse(name="d")]
    scripted_engine.answer("getCataloges", wire.GetCatalogesResponse(catalogResponses=catalogs))
    scripted_engine.answer("getSchemaNamesV2", wire.GetSchemaNamesResponse(schemas=["x"]))
    connection = connect_scripted()

    assert (connection.get_option(CATALOG), connection.get_option(DB_SCHEMA)) == ("c", "s")
    for key in (CATALOG, DB_SCHEMA):
        error = error_of(lambda key=key: connection.set_option(key, "nowhere"))
        assert error.status_code == Status.NOT_FOUND
        assert "'nowhere'" in str(error)
    connection.set_option(CATALOG, "d")
    connection.set_option(DB_SCHEMA, "x")
    statement_of(connection).execute().close()
    request = next(
        call for call in scripted_engine.received if call.method == "prepareStatementV2"
    ).request
    prepared = wire.PrepareStatementV2Request.FromString(request)
    assert (prepared.catalog, prepared.schema) == ("d", "x")


def test_names_given_when_connecting_are_not_looked_up(
    scripted_engine: ScriptedEngine, open_db: Callable[..., Database]
) -> None:
    """Connecting calls nobody, and an empty name is no name."""
    connection = open_db(scripted_engine.uri).connect({CATALOG: "d", DB_SCHEMA: ""})

    assert connection.get_option(CATALOG) == "d"
    assert error_of(lambda: connection.get_option(DB_SCHEMA)).status_code == Status.NOT_FOUND
    assert scripted_engine.received == []


# ---- sessions


def test_connections_share_the_session(
    scripted_engine: ScriptedEngine, open_db: Callable[..., Database]
) -> None:
    """One database signs in once, whoever of its connections is first, in 32 threads."""
    database = open_db(scripted_engine.uri)
    connections = [database.connect({}) for _ in range(32)]
    with ThreadPoolExecutor(32) as pool:
        for result in pool.map(lambda connection: statement_of(connection).execute(), connections):
            result.close()

    assert scripted_engine.count("authenticate") == 1


def test_wrong_credentials(quiet_engine: LocalEngine, open_db: Callable[..., Database]) -> None:
    """The real engine's refusal names user and host, never the token."""
    database = open_db(f"e6data://local:wrong-canary@{quiet_engine.target}/sample/sales")

    error = error_of(statement_of(database.connect({})).execute)

    assert error.status_code == Status.UNAUTHENTICATED
    assert "'local'" in str(error)
    assert quiet_engine.target in str(error)
    assert "wrong-canary" not in str(error)


@pytest.mark.parametrize("strategy", ["blue", "green"])
def test_both_deployments_are_found(strategy: str, open_db: Callable[..., Database]) -> None:
    """Which strategy a cluster runs is not the user's business."""
    with LocalEngine(strategy=strategy) as engine:
        database = open_db(engine.uri)
        result = statement_of(database.connect({}), "select 1").execute()
        assert rows_of(result) == [1]
        result.close()
        database.close()

        assert engine.ledger.calls["authenticate"] == (1 if strategy == "blue" else 2)


def test_a_suspended_cluster_that_is_not_to_be_resumed(open_db: Callable[..., Database]) -> None:
    """Before and after signing in, the user is told that the cluster is suspended, and what to do."""
    with LocalEngine() as engine:
        connection = open_db(f"{engine.uri}?auto_resume=false").connect({})
        for suspension in (1, 2):
            engine.suspend()
            error = error_of(statement_of(connection, "select 1").execute)

            assert error.status_code == Status.IO
            assert "the cluster is suspended" in str(error)
            assert "e6data_adbc.cluster.resume(uri)" in str(error)
            assert errors.detail(error, "e6data.retryable") == "true"
            assert engine.ledger.calls["cluster.resume"] == suspension - 1
            assert cluster.resume(engine.uri) == "active"
            statement_of(connection, "select 1").execute().close()
        connection.close()


# ---- closing


def test_closing_a_connection_ends_its_queries(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Open results are cancelled and cleared, once each; afterwards the connection refuses."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG"), rows=1_000_000))
    connection = connect_scripted()
    first, second = (statement_of(connection).execute() for _ in range(2))
    statement = statement_of(connection)
    connection.close()

    assert scripted_engine.count("clearOrCancelQuery") == 2
    for action in (
        first.next_response,
        second.next_response,
        statement.execute,
        connection.statement,
        lambda: connection.set_option(CATALOG, "c"),
    ):
        error_of(action)
    connection.close()
    assert scripted_engine.count("clearOrCancelQuery") == 2


def test_closing_waits_for_a_running_execute(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """What runs in another thread is cancelled; close returns once it is cleared."""
    scripted_engine.answer("executeStatementV2", scripted_engine.hang)
    connection = connect_scripted()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(statement_of(connection).execute)
        scripted_engine.wait_for("executeStatementV2")
        connection.close()
        assert scripted_engine.count("clearOrCancelQuery") == 1
        error = running.exception(10)

    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED


def test_closing_while_preparing_leaves_nothing(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A query that gets its id after the connection was closed is cleared."""
    gate = threading.Event()
    reply = wire.PrepareStatementResponse(queryId="q-1", engineIP="10.0.0.1")

    def slow(request: bytes, context: grpc.ServicerContext) -> wire.PrepareStatementResponse:
        gate.wait(10)
        return reply

    scripted_engine.answer("prepareStatementV2", slow)
    connection = connect_scripted()
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(statement_of(connection).execute)
        scripted_engine.wait_for("prepareStatementV2")
        closing = pool.submit(connection.close)
        closing.result(10)
        gate.set()

        assert isinstance(running.exception(10), errors.Error)
    # Either the call was cancelled before the id came, or the id was cleared: nothing else is sent.
    assert scripted_engine.count("executeStatementV2") == 0


def test_closing_is_bounded(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """A server that does not answer does not hold `close` for longer than clearing may take."""
    scripted_engine.answer("clearOrCancelQuery", scripted_engine.hang)
    connection = connect_scripted(clear_timeout_seconds=0.2)
    for _ in range(3):
        statement_of(connection).execute()
    connection.close()


def test_closing_a_database_closes_everything(
    scripted_engine: ScriptedEngine, open_db: Callable[..., Database]
) -> None:
    """Connections left open are closed, their queries cleared, then the channel; again is harmless."""
    database = open_db(scripted_engine.uri)
    connection = database.connect({})
    statement_of(connection).execute()
    database.close()
    database.close()

    assert scripted_engine.count("clearOrCancelQuery") == 1
    assert error_of(lambda: database.connect({})).status_code == Status.INVALID_STATE
    assert error_of(connection.statement).status_code == Status.INVALID_STATE


# ---- the engine in this process


@pytest.mark.parametrize(
    "uri", ["e6data:local", "local", "local?chunk_rows=1", "e6data:local?chunk_rows=1"]
)
def test_the_local_engine(uri: str, open_db: Callable[..., Database]) -> None:
    """It starts with the database, signs in by itself, takes its options from the URI, and ends with it."""
    database = open_db(uri)
    connection = database.connect({})
    result = statement_of(connection, "select order_id from orders limit 2").execute()

    assert rows_of(result) == ([1, 1] if "chunk_rows" in uri else [2])
    result.close()
    assert connection.get_option(CATALOG) == "sample"
    assert database.get_option("uri") == "e6data:local"
    database.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", database.transport.endpoint.port))


def test_a_failed_opening_stops_the_local_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left running when the database cannot be made."""
    stopped = []
    stop = LocalEngine.stop
    monkeypatch.setattr(LocalEngine, "stop", lambda engine: (stopped.append(1), stop(engine)))

    error_of(lambda: open_database({"uri": "e6data:local?cluster_name=a%0Ab"}))

    assert stopped == [1]


# ---- forking and leaving


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_a_forked_child_is_refused(scripted_engine: ScriptedEngine) -> None:
    """Every object of the parent refuses in the child; closing there sends nothing; a new one works."""
    responses = [v1(chunk(3)), v1(chunk(2)), v1()]
    scripted_engine.answer("getNextResultBatch", *responses, *responses)

    printed = run(
        FORK, f"{scripted_engine.uri}?prefetch_responses=0"
    )  # no call is open when it forks

    assert printed == "refused 4\nchild 5\nparent 5\n"
    assert scripted_engine.count("clearOrCancelQuery") == 2


def test_leaving_with_everything_open(scripted_engine: ScriptedEngine) -> None:
    """A process that ends without closing clears its queries first."""
    assert run(LEAVE, scripted_engine.uri) == "left\n"
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_leaving_with_a_local_engine_open() -> None:
    """The engine in the process outlives the queries on it, also at exit."""
    assert run(LEAVE, "e6data:local") == "left\n"


def run(code: str, *arguments: Any) -> str:
    """Runs *code* in a process of its own; it must end well and print nothing to stderr."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


LEAVE = """
import sys
from e6data_adbc._driver import open_database
statement = open_database({"uri": sys.argv[1]}).connect({}).statement()
statement.set_sql_query("select 1 as n")
result = statement.execute()
print("left", flush=True)
"""

FORK = """
import os, sys, warnings
from e6data_adbc import cluster, errors
from e6data_adbc._driver import open_database

warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of forking with threads
database = open_database({"uri": sys.argv[1]})
connection = database.connect({})
statement = connection.statement()
statement.set_sql_query("select 1 as n")
result = statement.execute()

def refuses(action):
    try:
        action()
    except errors.Error as error:
        return error.status_code.name == "INVALID_STATE"
    return False

def read(result):
    rows = 0
    while (response := result.next_response()) is not None:
        rows += sum(count for count, _ in response.probe())
    result.close()
    return rows

pid = os.fork()
if pid == 0:
    actions = (statement.execute, result.next_response, connection.statement, lambda: database.connect({}))
    print("refused", sum(map(refuses, actions)), flush=True)
    result.close(); connection.close(); database.close()
    own = open_database({"uri": sys.argv[1]})
    second = own.connect({}).statement()
    second.set_sql_query("select 1 as n")
    print("child", read(second.execute()), flush=True)
    own.close()
    os._exit(0)
os.waitpid(pid, 0)
print("parent", read(result), flush=True)
database.close()
"""
