"""Cancelling: from other threads, during execute, during fetch, and when nothing runs."""

import contextlib
import threading

import adbc_driver_manager
import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode

from e6data_adbc import errors
from e6data_adbc.errors import Status
from tests.driver.fakes import TIMEOUT, Gate, Query, batch
from tests.support.waiting import Background

pytestmark = pytest.mark.seconds


def blocking_execute(gate):
    """Returns an `execute` that blocks until the statement is cancelled."""

    def execute(statement):
        gate.note(entered=1)
        statement.wait_for(lambda: statement.cancels > 0)
        raise errors.make(Status.CANCELLED, "could not execute: it was cancelled")

    return execute


def test_cancel_ends_a_running_execute(backend, fake_cursor):
    """Cancel reaches Python while `execute` runs, takes no lock of it, and execute is CANCELLED."""
    gate = Gate()
    backend.queries["q"] = blocking_execute(gate)
    running = Background(lambda: fake_cursor.execute("q"))
    gate.wait_for(lambda: gate.entered == 1)
    fake_cursor.adbc_cancel()
    with pytest.raises(adbc_driver_manager.OperationalError, match="CANCELLED"):
        running.outcome()


def test_a_cancel_that_ends_an_execution_before_it_gets_to_python_has_worked(backend, fake_cursor):
    """Python then says that nothing runs, which is because of that cancellation."""
    gate = Gate()

    def execute(statement):
        gate.note(entered=1)
        gate.wait_for(lambda: gate.is_open)
        return Query([batch(3)])

    def too_late():
        gate.open()
        with pytest.raises(adbc_driver_manager.OperationalError, match="CANCELLED"):
            running.outcome()
        raise errors.make(Status.INVALID_STATE, "could not cancel: nothing is running")

    backend.queries["q"] = execute
    running = Background(lambda: fake_cursor.execute("q"))
    gate.wait_for(lambda: gate.entered == 1)
    backend.statement.cancel = too_late
    fake_cursor.adbc_cancel()


@pytest.mark.parametrize("ignores_cancel", [False, True])
def test_cancel_ends_a_waiting_read(backend, fake_cursor, ignores_cancel):
    """A blocked read is answered at once, whether or not the source gives way."""
    gate = Gate(ignores_cancel=ignores_cancel)
    query = Query([batch(3), gate, batch(4, 3)])
    backend.queries["q"] = query
    fake_cursor.execute("q")

    def read():
        while True:
            fake_cursor.fetchone()

    running = Background(read)
    gate.wait_for(lambda: gate.entered == 1)
    fake_cursor.adbc_cancel()
    with pytest.raises(adbc_driver_manager.OperationalError, match="it was cancelled") as failure:
        running.outcome()

    assert failure.value.status_code == AdbcStatusCode.CANCELLED
    assert dict(failure.value.details)[b"e6data.query_id"] == b"q-1"
    query.wait_for(lambda: query.cancels == 1)
    gate.open()
    query.wait_for(lambda: query.closes == 1)


def test_a_cancelled_stream_stays_cancelled(backend, fake_cursor):
    """Rows that were queued are not delivered after a cancellation."""
    query = Query([batch(3), batch(4, 3)], batch_rows=1)
    backend.queries["q"] = query
    fake_cursor.execute("q")
    query.wait_for(lambda: query.closes == 1)
    fake_cursor.adbc_cancel()
    for _ in range(3):
        with pytest.raises(adbc_driver_manager.OperationalError, match="CANCELLED"):
            fake_cursor.fetchone()


def test_cancel_of_nothing_is_an_invalid_state(backend, fake_cursor):
    """Before the first execution and after the last row there is nothing to cancel."""
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="INVALID_STATE"):
        fake_cursor.adbc_cancel()
    backend.queries["q"] = Query([batch(1)])
    fake_cursor.execute("q")
    fake_cursor.fetchall()
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="INVALID_STATE"):
        fake_cursor.adbc_cancel()


def test_cancel_between_execute_and_stream_counts(backend, fake_cursor):
    """A cancellation that Python hears too late for `execute` still cancels the result."""
    query = Query([batch(3)])

    def execute(statement):
        Background(fake_cursor.adbc_cancel)
        statement.wait_for(lambda: statement.cancels == 1)
        return query

    backend.queries["q"] = execute
    with pytest.raises(adbc_driver_manager.OperationalError, match=r"'q-1'.*CANCELLED"):
        fake_cursor.execute("q")
    query.wait_for(lambda: query.closes == 1)


def test_an_update_that_succeeded_is_not_called_cancelled(backend, fake_cursor):
    """If the server did the work, a late cancellation does not deny it."""

    def update(statement):
        Background(fake_cursor.adbc_cancel).join()
        return 3

    backend.updates["u"] = update
    fake_cursor.adbc_statement.set_sql_query("u")

    assert fake_cursor.adbc_statement.execute_update() == 3


def test_the_statement_can_be_used_after_a_cancellation(backend, fake_cursor):
    """A cancellation ends what runs, not the statement."""
    gate = Gate()
    backend.queries["slow"] = Query([gate])
    backend.queries["fast"] = Query([batch(2)])
    fake_cursor.execute("slow")
    fake_cursor.adbc_cancel()
    with pytest.raises(adbc_driver_manager.OperationalError):
        fake_cursor.fetchone()
    fake_cursor.execute("fast")

    assert len(fake_cursor.fetchall()) == 2


def test_cancel_of_a_connection_reaches_python(backend, fake_connection):
    """`ConnectionCancel` is the Python connection's business."""
    fake_connection.adbc_cancel()

    assert backend.connection.cancels == 1


def test_cancel_leaves_other_statements_alone(backend, fake_connection):
    """Only the stream of the cancelled statement ends."""
    gate = Gate()
    backend.queries["one"] = Query([gate, batch(1)])
    backend.queries["two"] = Query([batch(2)])
    with fake_connection.cursor() as one, fake_connection.cursor() as two:
        one.execute("one")
        two.execute("two")
        one.adbc_cancel()
        assert len(two.fetchall()) == 2


def test_options_are_readable_while_a_statement_runs(backend, fake_cursor):
    """`GetOption` waits for no running call."""
    gate = Gate()
    backend.queries["q"] = blocking_execute(gate)
    running = Background(lambda: fake_cursor.execute("q"))
    gate.wait_for(lambda: gate.entered == 1)
    backend.statement.values["adbc.statement.exec.progress"] = 0.5

    assert fake_cursor.adbc_statement.get_option_float("adbc.statement.exec.progress") == 0.5
    fake_cursor.adbc_cancel()
    with pytest.raises(adbc_driver_manager.OperationalError):
        running.outcome()


def test_a_keyboard_interrupt_in_the_fetch_thread_cancels_the_query(backend, fake_cursor):
    """It is an error of the stream, and the query is cancelled and closed."""
    query = Query([batch(1), KeyboardInterrupt()])
    backend.queries["q"] = query
    fake_cursor.execute("q")
    fake_cursor.fetchone()
    with pytest.raises(adbc_driver_manager.OperationalError, match=r"interrupted.*CANCELLED"):
        fake_cursor.fetchone()
    query.wait_for(lambda: query.closes == 1)

    assert query.cancels == 1


def test_a_keyboard_interrupt_in_a_call_is_not_swallowed(backend, fake_connection):
    """On the main thread, the interrupt comes back once the call has returned."""

    def interrupted(*_):
        raise KeyboardInterrupt

    backend.connection.get_table_types = interrupted
    with pytest.raises(KeyboardInterrupt):
        try:
            fake_connection.adbc_connection.get_table_types()
        except adbc_driver_manager.OperationalError:
            threading.Event().wait(30)


def test_cancel_under_load(backend, fake_connection):
    """100 streams, cancelled from another thread while they are read, all end; none hangs."""
    for number in range(100):
        query = Query([batch(10, 10 * n) for n in range(20)], queue_bytes=200)
        backend.queries["q"] = query
        with fake_connection.cursor() as cursor:
            cursor.execute("q")
            reader = pa.RecordBatchReader.from_stream(cursor.fetch_arrow())
            running = Background(reader.read_all)
            if number % 2:
                query.wait_for(lambda query=query: query.calls > 5)
            with contextlib.suppress(adbc_driver_manager.ProgrammingError):  # it was done before
                cursor.adbc_cancel()
            running.join(TIMEOUT)
            if running.error:
                assert "CANCELLED" in str(running.error)
            else:
                assert running.result.num_rows == 200
        query.wait_for(lambda query=query: query.closes == 1)
