"""Ctrl-C is `KeyboardInterrupt`, wherever it comes, and no row is lost without a word."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e6data_adbc import dbapi, pandas, polars
from e6data_adbc._dbapi import interruptible, result
from e6data_adbc._dbapi.handles import ConnectionHandle, StatementHandle
from e6data_adbc.local import LocalEngine

pytestmark = [
    pytest.mark.seconds,
    pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX"),
]

#: What each child begins with. `interrupt(when)` sends one SIGINT to the main thread, once *when* holds.
PRELUDE = """
import contextlib, os, signal, sys, threading, time
import pyarrow as pa
import e6data_adbc
from e6data_adbc import aio, dbapi
from e6data_adbc.local import LocalEngine

signal.signal(signal.SIGINT, signal.default_int_handler)
LONG = 50.0
SQL = "select range as n from range(200000)"

def interrupt(when):
    def send():
        deadline = time.monotonic() + 30
        while not when():
            if time.monotonic() > deadline:
                os._exit(3)
            time.sleep(0.001)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    threading.Thread(target=send, daemon=True).start()

def is_inside():
    'Whether the main thread is in a call of the driver.'
    frame = sys._current_frames()[threading.main_thread().ident]
    while frame is not None and not frame.f_code.co_filename.endswith("_dbapi/interrupts.py"):
        frame = frame.f_back
    return frame is not None

def held(engine, *methods):
    'Makes the engine keep these calls waiting; returns what tells that one is.'
    faults = [engine.faults.delay(name, seconds=LONG) for name in methods]
    return lambda: any(fault.hits for fault in faults)

def calls_left(engine):
    'How many calls the engine gave up because their client had.'
    return sum(n for (_, code, _), n in engine.ledger.refused.items() if code == "CANCELLED")

def given_up(engine, before):
    'Waits until the engine has given up one more: what it prepares before that, nobody could clear.'
    deadline = time.monotonic() + 30
    while calls_left(engine) <= before:
        assert time.monotonic() < deadline
        time.sleep(0.001)
"""


def run(script: str) -> None:
    """Runs *script* in a child; it has to end by itself, within the time, with the word done and nothing more."""
    result = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "done\n", ""), result.stderr


#: Calls of `connection` and `cursor`, and the methods of the wire that each waits for.
CALLS = [
    ("cursor.execute('select 1')", ["prepareStatement", "prepareStatementV2"]),
    ("cursor.execute('select 1')", ["executeStatement", "executeStatementV2"]),
    ("cursor.execute('select ?', [1])", ["executeStatement", "executeStatementV2"]),
    ("cursor.executemany(INSERT, [(1,)])", ["executeStatement", "executeStatementV2"]),
    ("cursor.explain('select 1')", ["prepareStatement", "prepareStatementV2"]),
    (
        "cursor.adbc_ingest('u', BATCH, catalog_name='scratch', db_schema_name='main')",
        ["executeStatement", "executeStatementV2"],
    ),
    ("cursor.adbc_execute_schema('select 1')", ["prepareStatement", "prepareStatementV2"]),
    ("cursor.adbc_execute_partitions('select 1')", ["executeStatement", "executeStatementV2"]),
    ("timed('select 1')", ["explainAnalyze"]),
    ("connection.execute('select 1')", ["executeStatement", "executeStatementV2"]),
    ("connection.adbc_get_objects(depth='db_schemas')", ["getSchemaNamesV2"]),
    ("connection.adbc_get_table_schema('t')", ["getColumnsV2"]),
    ("polars.read('select 1', connection=connection)", ["executeStatement", "executeStatementV2"]),
    ("pandas.read('select 1', connection=connection)", ["executeStatement", "executeStatementV2"]),
]


def test_a_call_that_waits() -> None:
    """The call ends at once by KeyboardInterrupt, without a query left on the server, and the connection works on."""
    listed = ", ".join(f"({call!r}, lambda: {call}, {methods!r})" for call, methods in CALLS)
    run(f"""
        from e6data_adbc import pandas, polars
        INSERT = "insert into scratch.main.t values (?)"
        BATCH = pa.table({{"a": [1]}})
        def timed(sql):
            cursor.adbc_statement.set_options(**{{"adbc.e6data.statement.timings": "true"}})
            cursor.execute(sql).fetchall()
            cursor.timings()
        with LocalEngine() as engine, dbapi.connect(engine.uri) as connection:
            for name, call, methods in [{listed}]:
                with connection.cursor() as cursor:
                    cursor.execute("create or replace table scratch.main.t (a int)")
                    before = calls_left(engine)
                    interrupt(held(engine, *methods))
                    began = time.monotonic()
                    try:
                        call()
                    except KeyboardInterrupt:
                        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
                        assert time.monotonic() - began < LONG / 2, name
                        given_up(engine, before)
                        engine.faults.clear()
                    else:
                        sys.exit(f"{{name}} was not interrupted")
                    assert cursor.execute("select 7").fetchall() == [(7,)]
            deadline = time.monotonic() + 30
            while engine.ledger.open_queries and time.monotonic() < deadline:
                time.sleep(0.01)
            assert not engine.ledger.open_queries
        print("done")
        """)


def test_a_fetch_that_waits() -> None:
    """It is KeyboardInterrupt, and every further fetch says that the result has failed."""
    run("""
        fetches = ("fetchone", "fetchmany", "fetchall", "__next__", "fetch_arrow_table", "fetch_df", "fetch_polars",
                   "fetch_batch")
        with LocalEngine() as engine, dbapi.connect(engine.uri) as connection:
            for fetch in fetches:
                with connection.cursor() as cursor:
                    waits = held(engine, "getNextResultBatch", "getNextResultBatchV2")
                    cursor.execute(SQL)
                    reader = cursor.fetch_record_batch()
                    interrupt(lambda: waits() and is_inside())
                    try:
                        getattr(cursor, fetch)()
                    except KeyboardInterrupt:
                        engine.faults.clear()
                    for again in (cursor.fetchone, cursor.fetchall, cursor.fetch_arrow_table, cursor.fetch_df,
                                  cursor.fetch_polars, cursor.fetch_record_batch, cursor.fetch_arrow):
                        try:
                            again()
                        except dbapi.OperationalError as error:
                            assert "interrupted" in str(error) and "execute the statement again" in str(error), error
                        else:
                            sys.exit(f"{again} gave rows")
                    try:
                        reader.read_all()
                    except OSError as error:
                        assert "CANCELLED" in str(error), error
                    else:
                        sys.exit("the reader gave rows")
                    assert cursor.execute("select 7").fetchall() == [(7,)]
        print("done")
        """)


def test_connecting() -> None:
    """An interrupt while the local engine starts, or while a connection is opened, is a KeyboardInterrupt."""
    run("""
        import e6data_adbc._driver.database as database
        seen = threading.Event()
        def begin(frame, event, argument):
            if frame.f_code.co_filename == database.__file__:
                sys.setprofile(None)
                signal.raise_signal(signal.SIGINT)
        for connect in (dbapi.connect, e6data_adbc.connect):
            sys.setprofile(begin)
            try:
                connect("e6data:local")
            except KeyboardInterrupt:
                continue
            sys.exit("not interrupted")
        print("done")
        """)


def test_a_handler_of_the_programs_own() -> None:
    """What it raises ends the call and is raised; where it raises nothing the call goes on."""
    run("""
        class Stop(Exception):
            pass
        calls = []
        def handler(number, frame):
            calls.append(number)
            if len(calls) > 1:
                raise Stop
        signal.signal(signal.SIGINT, handler)
        with LocalEngine() as engine, dbapi.connect(engine.uri) as connection:
            methods = ("executeStatement", "executeStatementV2")
            with connection.cursor() as cursor:
                fault = engine.faults.delay("executeStatement", seconds=1.0)
                other = engine.faults.delay("executeStatementV2", seconds=1.0)
                interrupt(lambda: fault.hits + other.hits)
                assert cursor.execute("select 7").fetchall() == [(7,)]
                assert len(calls) == 1
                engine.faults.clear()
                interrupt(held(engine, *methods))
                try:
                    cursor.execute("select 7")
                except Stop:
                    assert signal.getsignal(signal.SIGINT) is handler
                    print("done")
        """)


# ---- the moment when rows become objects


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    """One engine for the module."""
    with LocalEngine(chunk_rows=1000) as engine:
        yield engine


@pytest.fixture
def cursor(engine: LocalEngine) -> Iterator[dbapi.Cursor]:
    """A cursor with a result of 5000 rows."""
    options = {"adbc.e6data.fetch.batch_rows": "1000"}
    with (
        dbapi.connect(engine.uri) as connection,
        connection.cursor(adbc_stmt_kwargs=options) as cursor,
    ):
        yield cursor.execute("select range as n from range(5000)")


ROWS: dict[str, Callable[[Any], Any]] = {
    "fetchone": lambda cursor: cursor.fetchone(),
    "fetchmany": lambda cursor: cursor.fetchmany(1500),
    "fetchall": lambda cursor: cursor.fetchall(),
    "iteration": list,
}


@pytest.mark.parametrize("again", ROWS)
@pytest.mark.parametrize("fetch", ROWS)
def test_an_interrupt_while_rows_become_objects(
    cursor: dbapi.Cursor, monkeypatch: pytest.MonkeyPatch, fetch: str, again: str
) -> None:
    """The result has failed, for rows and for Arrow."""
    reader = cursor.fetch_record_batch()
    cursor.fetchone()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(result, "to_rows", interrupted)
        ROWS[fetch](cursor)

    with pytest.raises(dbapi.OperationalError, match="interrupted"):
        ROWS[again](cursor)
    with pytest.raises(dbapi.OperationalError, match="interrupted"):
        cursor.fetch_arrow_table()
    with pytest.raises(OSError, match="interrupted"):
        reader.read_all()


def interrupted(*_: object, **__: object) -> Any:
    """Stands for what Ctrl-C hits."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("module", [polars, pandas])
def test_an_interrupt_in_a_frame_iterator(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, module: Any
) -> None:
    """The iterator has failed: it does not end as if there were no more rows."""
    sql = "select range as n from range(5000)"
    frames = (
        polars.read_batches(sql, engine.uri)
        if module is polars
        else pandas.read(sql, engine.uri, chunksize=500)
    )
    next(frames)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "_frame", interrupted)
        next(frames)

    for _ in range(2):
        with pytest.raises(dbapi.OperationalError, match="interrupted"):
            next(frames)
    assert not engine.ledger.open_queries


def test_an_interrupt_while_an_iterator_waits(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch that was on its way may be lost, so the iterator has failed."""
    frames = polars.read_batches("select range as n from range(5000)", engine.uri)
    next(frames)
    get = frames._batches._feed.get

    def get_once(*, block: bool = True, timeout: float | None = None) -> object:
        patch.setattr(frames._batches._feed, "get", get)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(frames._batches._feed, "get", get_once)
        next(frames)
    assert not engine.ledger.open_queries

    for source in (frames, frames._batches):
        with pytest.raises(dbapi.OperationalError, match="interrupted"):
            next(source)


def test_a_failed_iterator_stays_failed(engine: LocalEngine) -> None:
    """An error is not followed by the end, which would look like all rows."""
    engine.faults.fail("getNextResultBatch", times=None)
    engine.faults.fail("getNextResultBatchV2", times=None)
    try:
        frames = polars.read_batches("select range as n from range(5000)", engine.uri)
        for _ in range(3):
            with pytest.raises(dbapi.Error):
                next(frames)
    finally:
        engine.faults.clear()


@pytest.mark.parametrize("kind", [interruptible.Cursor, StatementHandle])
def test_an_interrupt_while_a_cursor_is_made(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, kind: type[Any]
) -> None:
    """There is no cursor, and the driver manager's count of statements is right: the connection closes."""
    make = kind.__init__

    def interrupted_between(*arguments: Any, **keywords: Any) -> None:
        make(*arguments, **keywords)
        signal.raise_signal(signal.SIGINT)

    with dbapi.connect(engine.uri) as connection:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(dbapi.Cursor, "_at_first", None)  # the first of the process
            patch.setattr(kind, "__init__", interrupted_between)
            connection.cursor()
        with connection.cursor() as cursor:
            assert cursor.execute("select 1").fetchall() == [(1,)]


@pytest.mark.parametrize("kind", [ConnectionHandle, StatementHandle])
def test_an_interrupt_while_something_closes(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, kind: type[Any]
) -> None:
    """It is closed, and the interrupt comes after that."""
    release = kind._native_release

    def interrupted_before(self: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        release(self)

    connection = dbapi.connect(engine.uri)
    cursor = connection.cursor().execute("select 1")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(kind, "_native_release", interrupted_before)
        cursor.close() if kind is StatementHandle else connection.close()
    cursor.close()
    if not connection._closed:
        connection.close()
    assert not engine.ledger.open_queries
