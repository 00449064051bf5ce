"""What a statement tells of how the server ran it, once its rows are read; and how the wait for that ends."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest
from adbc_driver_manager import AdbcStatusCode, OperationalError, ProgrammingError

import e6data_adbc
from e6data_adbc import aio, dbapi
from e6data_adbc.local import LocalEngine
from e6data_adbc.local.faults import Fault
from e6data_adbc.options import DatabaseOptions

pytestmark = pytest.mark.seconds

PREFIX = "adbc.e6data.statement"
OPTION = f"{PREFIX}.timings"
LONG = 60.0  # seconds: longer than any test may take
CHUNK = 1000
#: Results of one response, of several, and none.
STATEMENTS = [
    "SELECT 1",
    f"SELECT * FROM range({5 * CHUNK})",
    "CREATE OR REPLACE TABLE scratch.main.timed (a INT)",
]


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalEngine]:
    """An engine with small chunks."""
    with LocalEngine(chunk_rows=CHUNK, row_count="exact") as running:
        yield running


@pytest.fixture
def engine(shared: LocalEngine) -> Iterator[LocalEngine]:
    """The engine without the faults of another test; no query may be left on it."""
    yield shared
    shared.faults.clear()
    assert [record.query_id for record in shared.ledger.open_queries] == []


@pytest.fixture
def cursor(engine: LocalEngine) -> Iterator[dbapi.Cursor]:
    """A cursor."""
    options = {"adbc.e6data.fetch.batch_rows": 0, "adbc.e6data.fetch.prefetch_responses": 1}
    with e6data_adbc.dbapi.connect(engine.uri, db_kwargs=options) as connection:
        with connection.cursor() as opened:
            yield opened


# ---- timings


@pytest.mark.parametrize("rows", [0, 1, 20 * CHUNK])
@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_timings(engine: LocalEngine, cursor: dbapi.Cursor, rows: int, protocol: str) -> None:
    """With the option on, each option tells the server's word once the rows are read, however many there are."""
    statement = cursor.adbc_statement
    statement.set_options(
        **{f"{PREFIX}.timings": "true", "adbc.e6data.result.result_protocol": protocol}
    )
    before = engine.ledger.calls["explainAnalyze"]
    cursor.execute("SELECT * FROM range(?)", [rows])
    assert len(cursor.fetchall()) == rows
    found = cursor.timings()

    assert engine.ledger.calls["explainAnalyze"] == before + 1
    assert found.is_cached is False
    assert min(found.parsing_milliseconds, found.queueing_milliseconds) >= 0
    assert statement.get_option(f"{PREFIX}.is_cached") == "false"
    assert statement.get_option_int(f"{PREFIX}.is_cached") == 0
    for name in ("parsing_milliseconds", "queueing_milliseconds"):
        value = getattr(found, name)
        assert statement.get_option(f"{PREFIX}.{name}") == str(value)
        assert statement.get_option_int(f"{PREFIX}.{name}") == value
        assert statement.get_option_float(f"{PREFIX}.{name}") == float(value)


def test_timings_are_the_servers(engine: LocalEngine, cursor: dbapi.Cursor) -> None:
    """What the server says arrives as it is."""
    from e6data_adbc._wire import e6x_engine_pb2 as wire

    answer = wire.ExplainAnalyzeResponse(isCached=True, parsingTime=17, queueingTime=2**40)
    engine.faults.mutate("explainAnalyze", lambda _: answer.SerializeToString())
    cursor.adbc_statement.set_options(**{f"{PREFIX}.timings": True})
    cursor.execute("SELECT 1").fetchall()

    assert cursor.timings() == dbapi.Timings(True, 17, 2**40)


def test_timings_of_a_change(engine: LocalEngine, cursor: dbapi.Cursor) -> None:
    """What changes something has them as well, with a result and without."""
    cursor.adbc_statement.set_options(**{f"{PREFIX}.timings": 1})
    cursor.execute("CREATE OR REPLACE TABLE scratch.main.timed (a INT)")
    assert cursor.fetch_arrow_table().num_columns == 0
    assert cursor.timings().is_cached is False
    cursor.executemany("INSERT INTO scratch.main.timed VALUES (?)", [(1,), (2,)])
    assert cursor.timings().is_cached is False


def test_timings_that_nobody_asked_for(engine: LocalEngine, cursor: dbapi.Cursor) -> None:
    """Without the option there is no call, and reading them is a NOT_FOUND that names it."""
    before = engine.ledger.calls["explainAnalyze"]
    cursor.execute("SELECT 1").fetchall()
    with pytest.raises(
        ProgrammingError, match=rf"set '{PREFIX}\.timings' to 'true' before"
    ) as caught:
        cursor.timings()

    assert caught.value.status_code == AdbcStatusCode.NOT_FOUND
    assert engine.ledger.calls["explainAnalyze"] == before


def test_timings_of_a_result_that_is_given_up(engine: LocalEngine, cursor: dbapi.Cursor) -> None:
    """A result that is not read to its end is cleared at once, without being asked about."""
    # Nothing of the rest is fetched before somebody wants it.
    cursor.adbc_statement.set_options(
        **{f"{PREFIX}.timings": "true", "adbc.e6data.fetch.queue_bytes": 1}
    )
    before = engine.ledger.calls["explainAnalyze"]
    cursor.execute(f"SELECT * FROM range({50 * CHUNK})")
    cursor.fetchone()
    with pytest.raises(ProgrammingError, match="read the result to its end"):
        cursor.timings()
    cursor.close()
    cursor.connection.close()

    assert engine.ledger.calls["explainAnalyze"] == before


def test_timings_that_the_server_refuses(engine: LocalEngine, cursor: dbapi.Cursor) -> None:
    """They are no part of the result: without them it is whole, and the query is cleared."""
    engine.faults.fail("explainAnalyze", code="UNIMPLEMENTED", times=None)
    cursor.adbc_statement.set_options(**{f"{PREFIX}.timings": "true"})
    assert cursor.execute("SELECT 1").fetchall() == [(1,)]

    with pytest.raises(ProgrammingError, match="the server did not tell it"):
        cursor.timings()


# ---- a server that hangs in it


def hang(engine: LocalEngine) -> Fault:
    """Returns the fault by which the engine keeps whoever asks for timings waiting."""
    return engine.faults.delay("explainAnalyze", seconds=LONG, times=None)


def when_reached(fault: Fault, act: Callable[[], object]) -> threading.Thread:
    """Returns a thread that does *act* while the engine keeps a call waiting."""

    def wait() -> None:
        assert fault.reached.wait(LONG)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.parametrize("transport", ["native", "grpc"])
@pytest.mark.parametrize("sql", STATEMENTS)
def test_a_wait_that_is_cancelled(engine: LocalEngine, sql: str, transport: str) -> None:
    """Another thread ends it, wherever it is: in what runs a change, or in the reading of the timings."""
    options = {DatabaseOptions.TRANSPORT.value: transport, OPTION: "true"}
    with dbapi.connect(engine.uri, db_kwargs=options) as connection, connection.cursor() as cursor:
        fault = hang(engine)

        def cancel() -> None:
            # Until somebody waits there is nothing to cancel.
            while not ended.wait(0.01):
                with contextlib.suppress(ProgrammingError):
                    cursor.adbc_cancel()

        ended = threading.Event()
        thread = when_reached(fault, cancel)
        try:
            if sql.startswith("CREATE"):
                cursor.executescript(sql)
            else:
                cursor.execute(sql).fetchall()
            with pytest.raises(OperationalError, match="could not read the timings") as caught:
                cursor.timings()
        finally:
            ended.set()
            thread.join()

        assert caught.value.status_code == AdbcStatusCode.CANCELLED
        engine.faults.clear()
        assert cursor.execute("SELECT 7").fetchall() == [(7,)]
        assert cursor.timings().is_cached is False


@pytest.mark.parametrize("transport", ["native", "grpc"])
def test_a_deadline(engine: LocalEngine, transport: str) -> None:
    """It is that for clearing, which the error names; the result is whole."""
    limit = DatabaseOptions.CLEAR_TIMEOUT.value
    options = {DatabaseOptions.TRANSPORT.value: transport, OPTION: "true", limit: 0.3}
    with dbapi.connect(engine.uri, db_kwargs=options) as connection, connection.cursor() as cursor:
        hang(engine)
        assert cursor.execute("SELECT 1").fetchall() == [(1,)]
        with pytest.raises(OperationalError, match=limit) as caught:
            cursor.timings()
        engine.faults.clear()

    assert caught.value.status_code == AdbcStatusCode.TIMEOUT


@pytest.mark.parametrize("close", ["cursor", "connection"])
def test_a_wait_whose_cursor_is_closed(engine: LocalEngine, close: str) -> None:
    """It ends, and its query is cleared."""
    with dbapi.connect(engine.uri, db_kwargs={OPTION: "true"}) as connection:
        cursor = connection.cursor()
        fault = hang(engine)
        cursor.execute("SELECT 1").fetchall()
        thread = when_reached(fault, cursor.close if close == "cursor" else connection.close)
        with pytest.raises(dbapi.Error) as caught:
            cursor.timings()
        thread.join()

    # Whoever was not in the wait yet finds a closed cursor.
    assert caught.value.status_code in (AdbcStatusCode.CANCELLED, AdbcStatusCode.INVALID_STATE)


def test_what_nobody_can_ask_for_is_not_waited_for(
    engine: LocalEngine, cursor: dbapi.Cursor
) -> None:
    """Another statement, and the end of the cursor, give the server's answer up."""
    cursor.adbc_statement.set_options(**{OPTION: "true"})
    fault = engine.faults.delay("explainAnalyze", seconds=LONG)
    cursor.execute("SELECT 1").fetchall()
    assert fault.reached.wait(LONG)
    given_up = cursor.query_id
    assert cursor.execute("SELECT 2").fetchall() == [(2,)]

    assert cursor.timings().is_cached is False
    assert given_up not in [record.query_id for record in engine.ledger.open_queries]


def test_a_call_that_fails_is_told(engine: LocalEngine, cursor: dbapi.Cursor) -> None:
    """The error is the call's own, however often it is asked for."""
    engine.faults.fail(
        "explainAnalyze", code="PERMISSION_DENIED", details="not for you", times=None
    )
    cursor.adbc_statement.set_options(**{OPTION: "true"})
    assert cursor.execute("SELECT 1").fetchall() == [(1,)]
    for _ in range(2):
        with pytest.raises(ProgrammingError, match="not for you") as caught:
            cursor.timings()
        assert e6data_adbc.errors.query_id(caught.value) == cursor.query_id


def test_a_task_that_is_cancelled(engine: LocalEngine) -> None:
    """The wait ends with it, and the result, all of which was read, has not failed."""

    async def main() -> None:
        async with (
            aio.connect(engine.uri, db_kwargs={OPTION: "true"}) as connection,
            connection.cursor() as cursor,
        ):
            fault = hang(engine)
            await cursor.execute("SELECT 1")
            assert await cursor.fetchall() == [(1,)]
            waiting = asyncio.create_task(cursor.timings())
            assert await asyncio.to_thread(fault.reached.wait, LONG)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert await cursor.fetchall() == []
            engine.faults.clear()
            await cursor.execute("SELECT 2")
            assert await cursor.fetchall() == [(2,)]
            assert (await cursor.timings()).is_cached is False

    asyncio.run(main())
