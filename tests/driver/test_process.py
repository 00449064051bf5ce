"""The process around the driver: Ctrl-C, exit, fork, threads that are not Python's."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals and fork of POSIX")
pytestmark = [pytest.mark.seconds, POSIX]


def assert_clean(result, *, is_closed=True):
    """The script ended by itself, said so, and nothing complained.

    If it left connections open, the manager's finalizers say that they cannot close them.
    """
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().endswith("done"), (result.stdout, result.stderr)
    if is_closed:
        assert result.stderr == ""
    else:
        complaints = [line for line in result.stderr.splitlines() if line.startswith("Exception")]
        assert all("<function Connection.__del__" in line for line in complaints), result.stderr
        told = result.stderr.replace(str(ROOT), "")  # the folder of the checkout may have any name
        for word in ("panicked", "Fatal", "Segmentation", "native"):
            assert word not in told, result.stderr


def test_ctrl_c_during_execute(run_script):
    """SIGINT in `execute` calls the statement's `cancel`; execute is CANCELLED."""
    assert_clean(
        run_script(
            """
            def execute(statement):
                threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
                statement.wait_for(lambda: statement.cancels == 1)
                raise errors.make(errors.Status.CANCELLED, "could not execute: it was cancelled")
            backend.queries["q"] = execute
            with connect() as connection, connection.cursor() as cursor:
                try:
                    cursor.execute("q")
                except adbc_driver_manager.OperationalError as error:
                    assert "CANCELLED" in str(error), error
                    print("done")
            """
        )
    )


@pytest.mark.parametrize("fetch", ["fetchone", "fetchall", "fetch_arrow_table"])
def test_ctrl_c_during_fetch(run_script, fetch):
    """SIGINT in a fetch cancels the stream, and the query is closed."""
    assert_clean(
        run_script(
            f"""
            gate = fakes.Gate()
            query = backend.queries["q"] = fakes.Query([gate])
            with connect() as connection, connection.cursor() as cursor:
                cursor.execute("q")
                gate.wait_for(lambda: gate.entered == 1)
                threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
                try:
                    cursor.{fetch}()
                except adbc_driver_manager.OperationalError as error:
                    assert error.status_code == 11, error
                    query.wait_for(lambda: query.closes == 1)
                    print("done")
            """
        )
    )


def test_ctrl_c_in_a_reader_loop(run_script):
    """SIGINT while a plain reader waits, where the manager does not look, is a KeyboardInterrupt."""
    assert_clean(
        run_script(
            """
            gate = fakes.Gate()
            query = backend.queries["q"] = fakes.Query([fakes.batch(3), gate])
            with connect() as connection, connection.cursor() as cursor:
                cursor.execute("q")
                reader = pa.RecordBatchReader.from_stream(cursor.fetch_arrow())
                gate.wait_for(lambda: gate.entered == 1)
                threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
                try:
                    try:
                        for batch in reader:
                            pass
                    except OSError as error:
                        time.sleep(1)
                except KeyboardInterrupt:
                    query.wait_for(lambda: query.closes == 1)
                    try:
                        reader.read_next_batch()
                    except OSError as error:
                        assert "interrupted (CANCELLED)" in str(error), error
                        print("done")
            """
        )
    )


def test_an_interrupt_does_not_stop_the_cleaning_up(run_script):
    """An interrupt that hits `cancel` or `close` of a query does not keep them from being done."""
    assert_clean(
        run_script(
            """
            class Impatient(fakes.Query):
                def cancel(self):
                    if not self.cancels:
                        self.cancels = -1
                        raise KeyboardInterrupt
                    self.cancels = 0
                    super().cancel()
            gate = fakes.Gate(ignores_cancel=True)
            query = backend.queries["q"] = Impatient([gate])
            with connect() as connection, connection.cursor() as cursor:
                cursor.execute("q")
                reader = pa.RecordBatchReader.from_stream(cursor.fetch_arrow())
                gate.wait_for(lambda: gate.entered == 1)
                threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
                try:
                    try:
                        reader.read_next_batch()
                    except OSError:
                        time.sleep(1)
                except KeyboardInterrupt:
                    assert query.cancels == 1
                    gate.open()
                    query.wait_for(lambda: query.closes == 1)
                    print("done")
            """
        )
    )


def test_a_signal_handler_may_cancel_what_waits(run_script):
    """A handler that runs inside the driver's own wait may call the driver."""
    assert_clean(
        run_script(
            """
            gate = fakes.Gate()
            query = backend.queries["q"] = fakes.Query([gate])
            with connect() as connection, connection.cursor() as cursor:
                cursor.execute("q")
                handle = cursor.fetch_arrow()
                reader = pa.RecordBatchReader.from_stream(handle)
                def handler(*_):
                    cursor.adbc_cancel()
                signal.signal(signal.SIGUSR1, handler)
                threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR1)).start()
                try:
                    reader.read_all()
                except OSError as error:
                    assert "CANCELLED" in str(error)
                    print("done")
            """
        )
    )


@pytest.mark.parametrize(
    "script", ["[gate]", "[fakes.batch(3), gate]", "[fakes.batch(3)] * 50", "[fakes.batch(3)]"]
)
@pytest.mark.parametrize("close", ["", "connection.close()"])
def test_exit_with_open_results(run_script, script, close):
    """A process that ends with results open ends at once, without a word, in success."""
    result = run_script(
        f"""
        gate = fakes.Gate()
        query = backend.queries["q"] = fakes.Query({script}, queue_bytes=1)
        connection = connect()
        cursor = connection.cursor()
        cursor.execute("q")
        readers = [pa.RecordBatchReader.from_stream(cursor.fetch_arrow())]
        if {bool(close)}:
            cursor.close()
            {close or "pass"}
        import atexit
        atexit.register(lambda: print(query.closes, "done"))
        """
    )
    assert_clean(result, is_closed=bool(close))


def test_exit_closes_open_queries(run_script):
    """`shutdown` cancels and closes what is open, and everything is refused afterwards."""
    assert_clean(
        run_script(
            """
            gate = fakes.Gate()
            query = backend.queries["q"] = fakes.Query([fakes.batch(3), gate])
            connection = connect()
            cursor = connection.cursor()
            cursor.execute("q")
            reader = pa.RecordBatchReader.from_stream(cursor.fetch_arrow())
            gate.wait_for(lambda: gate.entered == 1)
            assert _native.shutdown(5.0)
            assert _native.thread_count() == 0
            assert (query.cancels, query.closes) == (1, 1)
            try:
                reader.read_next_batch()
            except OSError as error:
                assert "shutting down (CANCELLED)" in str(error), error
            for attempt in (lambda: cursor.execute("q"), connect):
                try:
                    attempt()
                except adbc_driver_manager.ProgrammingError as error:
                    assert "INVALID_STATE" in str(error), error
                else:
                    raise AssertionError
            assert _native.shutdown(0)
            cursor.close()
            connection.close()
            print("done")
            """
        )
    )


def test_exit_does_not_wait_for_ever(run_script):
    """A call that cannot be ended does not keep the process: it is left behind, silently."""
    assert_clean(
        run_script(
            """
            gate = fakes.Gate(ignores_cancel=True)
            query = backend.queries["q"] = fakes.Query([gate])
            connection = connect()
            cursor = connection.cursor()
            cursor.execute("q")
            reader = pa.RecordBatchReader.from_stream(cursor.fetch_arrow())
            gate.wait_for(lambda: gate.entered == 1)
            began = time.monotonic()
            assert not _native.shutdown(0.1)
            assert time.monotonic() - began >= 0.1
            cursor.close()
            connection.close()
            print("done")
            sys.stdout.flush()
            # Come back into the interpreter while it is being finalised.
            class Late:
                def __del__(self):
                    gate.open()
                    time.sleep(0.3)
            sys.late = Late()
            """
        )
    )


def test_exit_from_a_thread_that_is_reading(run_script):
    """A daemon thread that waits for rows does not keep the process or bring it down."""
    assert_clean(
        run_script(
            """
            gate = fakes.Gate()
            query = backend.queries["q"] = fakes.Query([gate])
            connection = connect()
            cursor = connection.cursor()
            cursor.execute("q")
            reader = pa.RecordBatchReader.from_stream(cursor.fetch_arrow())
            def read():
                try:
                    reader.read_all()
                except OSError:
                    pass
            threading.Thread(target=read, daemon=True).start()
            gate.wait_for(lambda: gate.entered == 1)
            print("done")
            """,
            timeout=60,
        ),
        is_closed=False,
    )


def test_exit_from_a_thread_that_is_loading_the_driver(run_script):
    """A daemon thread inside its first `connect`, which imports the driver, does not bring the process down."""
    assert_clean(
        run_script(
            """
            entered = threading.Event()
            class Slow:
                def find_spec(self, name, path, target=None):
                    if name == "e6data_adbc._driver":
                        entered.set()
                        while True:
                            threading.Event().wait(0.001)
            del sys.modules["e6data_adbc._driver"]
            sys.meta_path.insert(0, Slow())
            threading.Thread(target=connect, daemon=True).start()
            entered.wait()
            class Late:
                def __del__(self):
                    time.sleep(0.1)
            sys.late = Late()
            print("done")
            """,
            timeout=60,
        ),
        is_closed=False,
    )


def test_exit_from_a_thread_that_is_executing(run_script):
    """A daemon thread inside `execute` does not bring the process down when it ends."""
    assert_clean(
        run_script(
            """
            entered = threading.Event()
            def execute(_):
                entered.set()
                while True:
                    threading.Event().wait(0.001)
            backend.queries["q"] = execute
            connection = connect()
            cursor = connection.cursor()
            threading.Thread(target=cursor.execute, args=["q"], daemon=True).start()
            entered.wait()
            class Late:
                def __del__(self):
                    time.sleep(0.1)
            sys.late = Late()
            print("done")
            """,
            timeout=60,
        ),
        is_closed=False,
    )


FORK = """
import warnings
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
def in_child(body):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            body()
            status = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    for _ in range(1000):
        waited, status = os.waitpid(pid, os.WNOHANG)
        if waited:
            break
        time.sleep(0.01)
    else:
        os.kill(pid, signal.SIGKILL)
        raise AssertionError("the child hangs")
    assert status == 0, status
def refused(call, kind=adbc_driver_manager.ProgrammingError):
    try:
        call()
    except kind as error:
        assert "opened before a fork; reconnect in this process" in str(error), error
    else:
        raise AssertionError("not refused")
"""


def fork_script(body):
    """Returns a script that can fork, and tell how its child ended."""
    import textwrap

    return textwrap.dedent(FORK) + textwrap.dedent(body)


def test_a_child_is_told_to_reconnect(run_script):
    """After a fork the parent's objects are INVALID_STATE in the child, and go on in the parent."""
    assert_clean(
        run_script(
            fork_script(
                """
                backend.queries["q"] = lambda _: fakes.Query([fakes.batch(3)])
                connection = connect()
                cursor = connection.cursor()
                cursor.execute("q")
                def child():
                    refused(lambda: cursor.adbc_statement.execute_query())
                    refused(lambda: cursor.adbc_statement.cancel())
                    refused(lambda: connection.adbc_connection.get_table_types())
                    refused(lambda: connection.adbc_database.get_option("uri"))
                    refused(lambda: cursor.fetchall(), Exception)
                in_child(child)
                assert len(cursor.fetchall()) == 3
                cursor.close()
                connection.close()
                print("done")
                """
            )
        )
    )


def test_a_child_may_release_and_connect_anew(run_script):
    """Releasing in a child is silent and touches nothing; new connections of the child work."""
    assert_clean(
        run_script(
            fork_script(
                """
                gate = fakes.Gate()
                query = backend.queries["q"] = fakes.Query([gate, fakes.batch(3)])
                connection = connect()
                cursor = connection.cursor()
                cursor.execute("q")
                reader = pa.RecordBatchReader.from_stream(cursor.fetch_arrow())
                gate.wait_for(lambda: gate.entered == 1)
                def child():
                    global reader
                    refused(reader.read_next_batch, Exception)
                    reader.close()
                    cursor.close()
                    connection.close()
                    assert query.closes == 0
                    assert _native.thread_count() == 0
                    backend.queries["q"] = fakes.Query([fakes.batch(4)])
                    with connect() as own, own.cursor() as fresh:
                        fresh.execute("q")
                        assert len(fresh.fetchall()) == 4
                    assert _native.shutdown(5)
                in_child(child)
                gate.open()
                assert reader.read_all().num_rows == 3
                cursor.close()
                connection.close()
                print("done")
                """
            )
        )
    )


def test_two_copies_of_the_driver_in_one_process(run_script):
    """The manager's library and the imported module are the same file, loaded once."""
    assert_clean(
        run_script(
            """
            import ctypes
            one = ctypes.CDLL(_native.__file__)
            two = ctypes.PyDLL(_native.__file__)
            first = ctypes.cast(one.AdbcDriverInit, ctypes.c_void_p).value
            assert first == ctypes.cast(two.AdbcDriverInit, ctypes.c_void_p).value
            with connect() as connection:
                pass
            print("done")
            """
        )
    )


def test_a_finalizer_inside_a_callback_may_release(run_script):
    """Garbage that is collected while the driver is inside Python may be the driver's own."""
    assert_clean(
        run_script(
            """
            import gc
            gc.disable()
            backend.queries["q"] = lambda _: fakes.Query([fakes.batch(3)] * 3)
            connection = connect()
            def leave_garbage():
                cursor = connection.cursor()
                cursor.execute("q")
                handle = cursor.fetch_arrow()
                ring = [cursor, handle]
                ring.append(ring)
                statement = adbc_driver_manager.AdbcStatement(connection.adbc_connection)
                statement.set_sql_query("q")
                return statement
            def execute(_):
                assert gc.collect() > 0
                return fakes.Query([fakes.batch(4)])
            backend.queries["collecting"] = execute
            for _ in range(50):
                leave_garbage().close()
                with connection.cursor() as cursor:
                    cursor.execute("collecting")
                    assert len(cursor.fetchall()) == 4
            connection.close()
            assert all(statement.closes == 1 for statement in backend.connection.statements)
            print("done")
            """
        )
    )
