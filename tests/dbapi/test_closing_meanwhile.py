"""Closing while something runs: from another thread, from a signal handler, by the garbage collector, by a task."""

from __future__ import annotations

import asyncio
import gc
import os
import pathlib
import re
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from e6data_adbc import aio, dbapi
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine
from e6data_adbc.options import DatabaseOptions
from tests.support.waiting import Background, eventually

pytestmark = pytest.mark.seconds

ROOT = pathlib.Path(__file__).parents[2]
#: More rows than any test reads.
LONG = "select * from range(100000000)"
#: The calls that bring rows, and those that start a statement.
FETCHES = ("getNextResultBatch", "getNextResultBatchV2")
STARTS = ("prepareStatement", "prepareStatementV2", "executeStatement", "executeStatementV2")
TIMEOUT = 60.0

#: How a result is read, each in a loop or to its end.
READS: dict[str, Callable[[dbapi.Cursor, Any], object]] = {
    "fetchone": lambda cursor, _: [None for _ in iter(cursor.fetchone, None)],
    "fetchmany": lambda cursor, _: [None for _ in iter(lambda: cursor.fetchmany(1000), [])],
    "fetch_arrow_table": lambda cursor, _: cursor.fetch_arrow_table(),
    "reader": lambda _, reader: [None for _ in reader],
    "read_all": lambda _, reader: reader.read_all(),
}
CLOSES: dict[str, Callable[[dbapi.Connection, dbapi.Cursor, Any], object]] = {
    "cursor": lambda connection, cursor, reader: cursor.close(),
    "connection": lambda connection, cursor, reader: connection.close(),
    "reader": lambda connection, cursor, reader: reader.close(),
}
#: Of reading a stream that was closed meanwhile: ours, or pyarrow's where it did not ask the stream again.
FAILURES = (dbapi.Error, pa.ArrowInvalid, OSError)


def hold(
    engine: LocalEngine, methods: tuple[str, ...], gate: threading.Event
) -> Callable[[], bool]:
    """Has calls of *methods* wait for *gate*; returns what tells whether one does."""
    faults = [engine.faults.delay(method, gate=gate, times=None) for method in methods]
    return lambda: any(fault.reached.is_set() for fault in faults)


def calls_left(engine: LocalEngine) -> int:
    """Returns how many calls the engine gave up because their client had."""
    return sum(n for (_, code, _), n in engine.ledger.refused.items() if code == "CANCELLED")


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalEngine]:
    """One engine for the module."""
    with LocalEngine(chunk_rows=1000) as engine:
        yield engine


@pytest.fixture
def engine(shared: LocalEngine) -> Iterator[LocalEngine]:
    """The engine without the faults of another test; each test leaves no query on it."""
    yield shared
    shared.faults.clear()
    eventually(lambda: not shared.ledger.open_queries, TIMEOUT)


@pytest.mark.parametrize("closes", CLOSES)
@pytest.mark.parametrize("reads", READS)
def test_a_close_while_another_thread_waits_for_rows(
    engine: LocalEngine, reads: str, closes: str
) -> None:
    """The fetch ends with an error, at once, and nothing is left on the server."""
    gate = threading.Event()
    connection = dbapi.connect(engine.uri)
    cursor = connection.cursor().execute(LONG)
    needs_reader = reads in ("reader", "read_all") or closes == "reader"
    reader = cursor.fetch_record_batch() if needs_reader else None
    is_held = hold(engine, FETCHES, gate)
    reading = Background(lambda: READS[reads](cursor, reader))
    eventually(is_held, TIMEOUT)
    closing = Background(lambda: CLOSES[closes](connection, cursor, reader))
    with pytest.raises(FAILURES, match=r"CANCELLED|INVALID_STATE|closed|before execute"):
        reading.outcome(TIMEOUT)
    gate.set()
    closing.outcome(TIMEOUT)
    if closes != "connection":
        connection.close()


@pytest.mark.parametrize("closes", ["cursor", "connection"])
def test_a_close_while_another_thread_executes(engine: LocalEngine, closes: str) -> None:
    """The execution is CANCELLED, and the close waits for it; a second close of the cursor does nothing."""
    gate = threading.Event()
    connection = dbapi.connect(engine.uri)
    cursor = connection.cursor()
    is_held, before = hold(engine, STARTS, gate), calls_left(engine)
    running = Background(lambda: cursor.execute(LONG))
    eventually(is_held, TIMEOUT)
    CLOSES[closes](connection, cursor, None)
    with pytest.raises(dbapi.Error) as failure:
        running.outcome(TIMEOUT)
    # What the engine prepares for a client whose cancel has not come yet, nobody could clear.
    eventually(lambda: calls_left(engine) > before, TIMEOUT)
    gate.set()

    assert failure.value.status_code in (Status.CANCELLED, Status.INVALID_STATE)
    cursor.close()
    with pytest.raises(dbapi.ProgrammingError):
        cursor.execute("select 1")
    if closes == "cursor":
        connection.close()


def test_many_threads_close_at_once(engine: LocalEngine) -> None:
    """One of them closes the connection, the others hear that it is closed; none is stuck."""
    connection = dbapi.connect(engine.uri)
    cursor = connection.cursor().execute(LONG)
    reading = Background(lambda: READS["fetchmany"](cursor, None))
    start = threading.Barrier(8)

    def close() -> None:
        start.wait(TIMEOUT)
        cursor.close()
        connection.close()

    closing = [Background(close) for _ in range(8)]
    for one in closing:
        one.join(TIMEOUT)

    assert not any(one.is_alive() for one in closing)
    assert sum(one.error is None for one in closing) == 1
    assert all(isinstance(one.error, dbapi.ProgrammingError) for one in closing if one.error)
    with pytest.raises(FAILURES):
        reading.outcome(TIMEOUT)


def leak_reader(uri: str, *, in_cycle: bool) -> pa.RecordBatchReader:
    """Returns the reader of a cursor and a connection that nobody refers to."""
    connection: Any = dbapi.connect(uri)
    cursor: Any = connection.cursor().execute("select * from range(100000)")
    if in_cycle:
        connection.mine = cursor.mine = [cursor, connection]
    return cursor.fetch_record_batch()


@pytest.mark.parametrize("in_cycle", [False, True])
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_reader_reads_on_when_its_cursor_is_collected(
    engine: LocalEngine, *, in_cycle: bool
) -> None:
    """It keeps what it needs, while a thread reads it, and the connection closes with it."""
    readers = [leak_reader(engine.uri, in_cycle=in_cycle)]
    gone = weakref.ref(readers[0])
    reading = Background(lambda: sum(batch.num_rows for batch in readers.pop()))
    while reading.is_alive():
        gc.collect()
        reading.join(0.01)

    assert reading.outcome(TIMEOUT) == 100_000
    gc.collect()
    assert gone() is None


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_collected_reader_ends_its_query(engine: LocalEngine) -> None:
    """With the last reference to the reader of a collected cursor its query is off the server."""
    reader = leak_reader(engine.uri, in_cycle=False)
    reader.read_next_batch()
    del reader
    gc.collect()


@pytest.mark.parametrize("closes", ["connection", "cursor"])
@pytest.mark.parametrize("reads", ["batches", "fetch_arrow_table", "fetchmany", "execute"])
def test_an_asynchronous_close_while_a_task_reads(
    engine: LocalEngine, reads: str, closes: str
) -> None:
    """The task gets an error, and the close returns."""

    async def main() -> None:
        gate = threading.Event()
        async with aio.connect(engine.uri) as connection:
            cursor = connection.cursor()
            if reads != "execute":
                await cursor.execute(LONG)
            is_held = hold(engine, STARTS if reads == "execute" else FETCHES, gate)
            before = calls_left(engine)

            async def read() -> None:
                if reads == "batches":
                    async for _ in cursor:
                        pass
                elif reads == "execute":
                    await cursor.execute(LONG)
                elif reads == "fetchmany":
                    while await cursor.fetchmany(1000):
                        pass
                else:
                    await cursor.fetch_arrow_table()

            task = asyncio.create_task(read())
            await asyncio.to_thread(eventually, is_held, TIMEOUT)
            closing = asyncio.create_task(
                cursor.close() if closes == "cursor" else connection.close()
            )
            with pytest.raises(FAILURES):
                await asyncio.wait_for(task, TIMEOUT)
            if reads == "execute":  # as above
                await asyncio.to_thread(eventually, lambda: calls_left(engine) > before, TIMEOUT)
            gate.set()
            await asyncio.wait_for(closing, TIMEOUT)

    asyncio.run(main())


def run_script(script: str, *arguments: str, timeout: float = 170) -> str:
    """Runs *script* in a process of its own, which must end well; returns what it printed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"}
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=environment,
        cwd=ROOT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


HANDLER = """
    import signal, sys, threading
    from adbc_driver_manager import dbapi as manager
    import e6data_adbc
    from e6data_adbc import _native
    from e6data_adbc.local import LocalEngine
    from tests.dbapi.test_closing_meanwhile import FETCHES, LONG, STARTS, hold
    from tests.support.waiting import eventually

    def close_meanwhile(engine, how, what, reads):
        if how == "ours":
            connection = e6data_adbc.connect(engine.uri)
        else:
            connection = manager.connect(_native.__file__, uri=engine.uri, autocommit=True)
        cursor = connection.cursor()
        gate = threading.Event()
        if reads != "execute":
            cursor.execute(LONG)
        reader = cursor.fetch_record_batch() if "reader" in (what, reads) else None
        is_held = hold(engine, STARTS if reads == "execute" else FETCHES, gate)
        closing = {"cursor": cursor, "connection": connection, "reader": reader}[what]
        signal.signal(signal.SIGUSR1, lambda *_: closing.close())

        def send():
            eventually(is_held, 60)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
            gate.wait(60)

        sender = threading.Thread(target=send)
        sender.start()
        said = "no error"
        try:
            if reads == "execute":
                cursor.execute(LONG)
            elif reads == "reader":
                for batch in reader:
                    pass
            elif reads == "rows":
                while cursor.fetchmany(1000):
                    pass
            else:
                cursor.fetch_arrow_table()
            str(said)  # a call, before which the interpreter raises what waits
        except Exception as error:
            said = f"{type(error).__name__} {error}"
        gate.set()
        sender.join()
        engine.faults.clear()
        for one in (cursor, connection):
            try:
                one.close()
            except manager.Error as error:
                assert "closed" in str(error), error
        print(how, what, reads, said)

    with LocalEngine(chunk_rows=1000) as engine:
        for what in ("cursor", "connection", "reader"):
            for reads in sys.argv[2:]:
                if (what, reads) != ("reader", "execute"):
                    close_meanwhile(engine, sys.argv[1], what, reads)
"""


def test_a_close_in_a_signal_handler_of_the_thread_that_waits() -> None:
    """It cannot wait for the call, so the call fails; what the manager's own module does is in docs/dbapi.md."""
    reads = ["rows", "table", "reader", "execute"]
    said = run_script(HANDLER, "ours", *reads).splitlines()

    assert len(said) == 3 * len(reads) - 1
    assert all(
        re.search(r"CANCELLED|INVALID_STATE|closed|before execute", line) for line in said
    ), said


def test_finalizers_at_exit_need_no_module() -> None:
    """Connections and cursors that were closed, or never made, are silent although their module's names are gone."""
    run_script(
        """
        import e6data_adbc
        from e6data_adbc import dbapi
        from e6data_adbc._dbapi import dbapi_objects
        connection = e6data_adbc.connect("e6data:local")
        cursor = connection.cursor()
        connection.close()
        half, other = dbapi.Connection.__new__(dbapi.Connection), dbapi.Cursor.__new__(dbapi.Cursor)
        for name in list(vars(dbapi_objects)):
            if not name.startswith("__"):
                setattr(dbapi_objects, name, None)
        del cursor, connection, half, other
        """
    )


@pytest.mark.parametrize("asks", ["explain", "explain_analyze", "dry_run"])
def test_a_close_while_another_thread_asks_for_a_plan(engine: LocalEngine, asks: str) -> None:
    """The call says that it was CANCELLED, not that its option could not be set back."""
    gate = threading.Event()
    connection = dbapi.connect(engine.uri)
    cursor = connection.cursor()
    is_held = hold(engine, ("explain", "explainAnalyze", "dryRun", "dryRunV2"), gate)
    asking = Background(lambda: getattr(cursor, asks)("select 1"))
    eventually(is_held, TIMEOUT)
    connection.close()
    with pytest.raises(dbapi.OperationalError) as failure:
        asking.outcome(TIMEOUT)
    gate.set()

    assert failure.value.status_code == Status.CANCELLED


def test_a_close_while_the_server_does_not_clear() -> None:
    """A cursor waits for no answer; a connection waits for all of them together, as long as the option says."""
    gate = threading.Event()
    with LocalEngine(chunk_rows=1000) as engine:
        connection = dbapi.connect(engine.uri, db_kwargs={DatabaseOptions.CLEAR_TIMEOUT.value: 0.5})
        cursors = [connection.cursor().execute(LONG) for _ in range(8)]
        is_held = hold(engine, ("clear", "clearOrCancelQuery"), gate)
        cursors[0].close()
        assert not connection._closed
        connection.close()

        assert is_held()
        assert len(engine.ledger.open_queries) == len(cursors)
        gate.set()
