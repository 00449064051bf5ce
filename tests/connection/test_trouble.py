"""Trouble that `docs/reliability.md` speaks of and that belongs to no other file: restarts, GOAWAY, pools, habits."""

from __future__ import annotations

import gc
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

import e6data_adbc
from e6data_adbc import errors
from e6data_adbc._driver import Database
from e6data_adbc._driver.connection import Connection
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.local import LocalEngine
from e6data_adbc.options import DatabaseOptions
from tests.support.scripted import ScriptedEngine, chunk, rows_of, statement_of, v1

pytestmark = pytest.mark.seconds

OpenDb = Callable[..., Database]
#: The responses of one result of the scripted engine.
_RESULT = (v1(chunk(3)), v1(chunk(2)), v1())
MANY = "select * from range(1000) t(n)"


def read(connection: Connection, sql: str = "select n from t") -> int:
    """Runs *sql*; returns its number of rows."""
    result = statement_of(connection, sql).execute()
    try:
        return sum(rows_of(result))  # type: ignore[arg-type]
    finally:
        result.close()


@pytest.fixture
def living() -> Iterator[LocalEngine]:
    """An engine whose life is the test's."""
    with LocalEngine(token="t", chunk_rows=100) as running:
        yield running


# ---- limits


def test_a_limit_names_its_unit() -> None:
    """Nobody has to guess: a key that holds a time ends in `_seconds`, one that holds a size in `_bytes` or `_rows`."""
    keys = [option.value for option in DatabaseOptions]
    limits = [key for key in keys if "timeout" in key or ".max_" in key or "queue" in key]

    assert len(limits) >= 12
    assert [key for key in limits if not key.endswith(("_seconds", "_bytes", "_rows"))] == []


# ---- servers that come and go


def test_a_server_that_restarted_is_found_by_the_next_query(
    living: LocalEngine, open_db: OpenDb
) -> None:
    """The connection was idle, its session is gone: the first query after it works, and so does the one after that."""
    connection = open_db(living.uri).connect({})
    assert read(connection, MANY) == 1000
    living.restart()

    assert read(connection, MANY) == 1000
    assert read(connection, MANY) == 1000
    assert [record.executes for record in living.ledger.queries] == [1, 1, 1]


def test_a_server_that_restarted_in_mid_result_is_used_by_the_next_query(
    living: LocalEngine, open_db: OpenDb
) -> None:
    """The result is lost for good, and says so; the connection goes on."""
    connection = open_db(f"{living.uri}?prefetch_responses=0").connect({})
    result = statement_of(connection, MANY).execute()
    result.next_response()
    living.restart()

    with pytest.raises(errors.Error) as caught:
        rows_of(result)  # type: ignore[arg-type]
    result.close()

    assert errors.detail(caught.value, "e6data.incomplete") == "true"
    assert read(connection, MANY) == 1000


def test_connections_that_a_server_ends_are_replaced(open_db: OpenDb) -> None:
    """A server that sends GOAWAY now and then costs no query: each is right, over one connection after the other."""
    peers: set[str] = set()
    with ScriptedEngine(("grpc.max_connection_age_ms", 100)) as server:
        usual = server.answers["prepareStatementV2"]

        def prepare(request: bytes, context: grpc.ServicerContext) -> Any:
            peers.add(context.peer())
            return usual(request, context)

        server.answers["prepareStatementV2"] = prepare
        connection = open_db(server.uri).connect({})
        read_rows = []
        while len(peers) < 4:
            server.answer("getNextResultBatch", *_RESULT)
            read_rows.append(read(connection))
        connection.close()

    assert set(read_rows) == {5}


# ---- colours


def test_each_connection_follows_a_switch(living: LocalEngine, open_db: OpenDb) -> None:
    """Three connections through an announced switch: none keeps a session of the old colour, one sign-in for all."""
    opened = [open_db(living.uri).connect({}) for _ in range(3)]
    assert [read(connection, MANY) for connection in opened] == [1000] * 3
    living.switch(announce=True)

    for _ in range(2):
        assert [read(connection, MANY) for connection in opened] == [1000] * 3
    assert living.ledger.last.strategy == "green"
    assert living.ledger.calls["authenticate"] == 2


@pytest.mark.parametrize("announced", ["the other one", "purple"])
def test_announcements_without_end_are_bounded(
    scripted_engine: ScriptedEngine, connect_scripted: Callable[..., Connection], announced: str
) -> None:
    """Each sign-in announces the colour it was not asked on, or none that exists: one session a colour, no loop."""

    def authenticate(request: bytes, context: grpc.ServicerContext) -> Any:
        headers = {key: str(value) for key, value in context.invocation_metadata()}
        other = "green" if headers["strategy"] == "blue" else "blue"
        colour = other if announced == "the other one" else announced
        return wire.AuthenticateResponse(sessionId="s", new_strategy=colour)

    scripted_engine.answers["authenticate"] = authenticate
    connection = connect_scripted()
    for _ in range(10):
        scripted_engine.answer("getNextResultBatch", *_RESULT)
        assert read(connection) == 5

    assert scripted_engine.count("authenticate") <= 2
    assert scripted_engine.count("prepareStatementV2") == 10


# ---- cursors


def test_fetching_what_does_not_exist_asks_nobody(scripted_engine: ScriptedEngine) -> None:
    """Before the first execute and after close a fetch is the program's mistake, and no call is made for it."""
    with e6data_adbc.connect(scripted_engine.uri) as connection:
        with connection.cursor() as cursor:
            for fetch in (cursor.fetchone, cursor.fetchall, cursor.fetch_arrow_table):
                with pytest.raises(e6data_adbc.ProgrammingError):
                    fetch()
            assert scripted_engine.received == []
            cursor.execute("select n from t")
            assert len(cursor.fetchall()) == 5
        calls = len(scripted_engine.received)
        for fetch in (cursor.fetchone, cursor.fetchall, cursor.fetch_arrow_table):
            with pytest.raises(e6data_adbc.ProgrammingError):
                fetch()

        assert len(scripted_engine.received) == calls


# ---- pools


@pytest.fixture
def pool(living: LocalEngine) -> Iterator[Any]:
    """The pool of the recipe, of two connections."""
    from sqlalchemy.pool import QueuePool

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Cannot disable autocommit")
        with e6data_adbc.connect(living.uri) as connection:
            pool = QueuePool(
                connection.adbc_clone,
                pool_size=2,
                max_overflow=0,
                timeout=0.1,
                reset_on_return=None,
            )
            yield pool
            pool.dispose()


def test_two_checkouts_of_a_thread_are_two_connections(pool: Any) -> None:
    """One thread may hold two connections, each with cursors of its own: none sees rows of another."""
    one, other = pool.connect(), pool.connect()
    cursors = [one.cursor(), one.cursor(), other.cursor()]
    for number, cursor in enumerate(cursors):
        cursor.execute(f"select {number} as n from range(3)")

    assert one.dbapi_connection is not other.dbapi_connection
    assert [cursor.fetchall() for cursor in cursors] == [[(n,)] * 3 for n in range(3)]
    for closing in (*cursors, one, other):
        closing.close()


def test_the_connection_of_a_dead_thread_comes_back(pool: Any) -> None:
    """A thread that ended without giving its connection back does not make the pool smaller."""

    def forget() -> None:
        mine = pool.connect()
        with mine.cursor() as cursor:
            cursor.execute("select 1 as one")
            cursor.fetchall()

    for _ in range(5):
        thread = threading.Thread(target=forget)
        thread.start()
        thread.join()
    gc.collect()

    held = [pool.connect() for _ in range(2)]
    assert pool.checkedout() == 2
    for connection in held:
        connection.close()


# ---- habits


def test_nothing_of_the_process_is_changed(living: LocalEngine) -> None:
    """Neither environment variables nor the levels and handlers of any logger but the driver's own are touched."""
    root = logging.getLogger()
    others = {
        name: logger
        for name, logger in logging.Logger.manager.loggerDict.items()
        if isinstance(logger, logging.Logger) and not name.startswith("e6data_adbc")
    }

    def state() -> Any:
        loggers = {"": root, **others}
        return dict(os.environ), {
            name: (logger.level, list(logger.handlers), logger.propagate)
            for name, logger in loggers.items()
        }

    before = state()
    with e6data_adbc.connect(living.uri) as connection, connection.cursor() as cursor:
        cursor.execute("select 1 as one")
        cursor.fetchall()
        with pytest.raises(e6data_adbc.ProgrammingError):
            cursor.execute("select * from nowhere")

    assert state() == before


@pytest.mark.parametrize("value", [12345, "12345", b"12345", "/nowhere/ca.pem"])
def test_certificates_that_are_none_are_refused(value: Any) -> None:
    """What cannot be certificates is a mistake of the program's, not a reason to trust the built-in ones."""
    with pytest.raises(e6data_adbc.ProgrammingError, match="tls_root_certs"):
        e6data_adbc.connect(
            "e6data://u:t@engine.example.com",
            db_kwargs={"adbc.e6data.tls.tls_root_certs": value},
        )
