"""The result stream: schema, batches, merging, bounds, lifetime."""

import gc
import threading
import weakref

import adbc_driver_manager
import pyarrow as pa
import pytest

from e6data_adbc import _native
from tests.driver.fakes import Gate, Query, Reader, batch
from tests.support.waiting import eventually

pytestmark = pytest.mark.seconds


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """Every test ends with as many threads of the driver as it began with."""
    before = _native.thread_count()
    yield
    gc.collect()
    eventually(lambda: _native.thread_count() <= before)


def stream(cursor, sql="q"):
    """Returns the result as a reader over the bare C stream."""
    cursor.execute(sql)
    return pa.RecordBatchReader.from_stream(cursor.fetch_arrow())


@pytest.mark.parametrize("version", [1, 2])
def test_rows_arrive_in_order(backend, fake_cursor, version):
    """Chunk after chunk, all rows, with the schema's metadata."""
    field = pa.field("n", pa.int64(), metadata={"E6DATA:type": "LONG"})
    schema = pa.schema([field], metadata={"k": "v"})
    backend.queries["q"] = Query(
        [batch(10), batch(5, 10), batch(1, 15)], schema=schema, version=version
    )
    fake_cursor.execute("q")
    table = fake_cursor.fetch_arrow_table()

    assert table.column("n").to_pylist() == list(range(16))
    assert table.schema.equals(schema, check_metadata=True)


@pytest.mark.parametrize("prefetch", [0, 1, 2, 10])
def test_every_prefetch_gives_the_same_rows(backend, fake_cursor, prefetch):
    """0 fetches on demand only; more fetches ahead."""
    backend.queries["q"] = Query([batch(10, 10 * n) for n in range(20)], prefetch=prefetch)
    fake_cursor.execute("q")

    assert fake_cursor.fetchall() == [(n,) for n in range(200)]


def test_nothing_is_fetched_ahead_on_demand(backend, fake_cursor):
    """With prefetch 0, a response is asked for only while somebody waits for it."""
    query = Query([batch(10, 10 * n) for n in range(20)], prefetch=0)
    backend.queries["q"] = query
    reader = stream(fake_cursor)
    assert query.calls == 0
    for calls in (1, 2, 3):
        reader.read_next_batch()
        assert query.calls == calls


@pytest.mark.parametrize("script", [[], [batch(0)], [[]], [batch(0), batch(0)]])
def test_a_result_without_rows_has_its_schema(backend, fake_cursor, script):
    """Also when chunks without rows come."""
    backend.queries["q"] = Query(script, version=2)
    fake_cursor.execute("q")
    table = fake_cursor.fetch_arrow_table()

    assert table.schema == batch(0).schema
    assert table.num_rows == 0


def test_chunks_without_rows_are_skipped(backend, fake_cursor):
    """No empty batch reaches the consumer."""
    script = [batch(0), batch(2), batch(0), batch(0), batch(2, 2), batch(0)]
    backend.queries["q"] = Query(script, version=2, batch_rows=1)

    assert [one.num_rows for one in stream(fake_cursor)] == [2, 2]


def test_a_statement_without_columns_gives_an_empty_stream(backend, fake_cursor):
    """DDL through `execute` is a valid stream without columns and rows."""
    backend.queries["q"] = Query([], schema=pa.schema([]))
    fake_cursor.execute("q")

    assert fake_cursor.description == []
    assert fake_cursor.fetchall() == []


def test_the_schema_never_waits(backend, fake_cursor):
    """Schema and description are there while the first response still is not."""
    gate = Gate()
    backend.queries["q"] = Query([gate, batch(3)])
    fake_cursor.execute("q")
    gate.wait_for(lambda: gate.entered == 1)

    assert [column[0] for column in fake_cursor.description] == ["n"]
    gate.open()
    assert len(fake_cursor.fetchall()) == 3


def test_the_first_batch_does_not_wait_for_more(backend, fake_cursor):
    """Rows are delivered as soon as the first response is decoded."""
    gate = Gate()
    backend.queries["q"] = Query([batch(3), gate, batch(4, 3)])
    reader = stream(fake_cursor)

    assert reader.read_next_batch().num_rows == 3
    gate.open()
    assert reader.read_next_batch().num_rows == 4


def test_rows_are_not_held_back_for_merging(backend, fake_cursor):
    """Rows that wait to be merged are delivered once the consumer has nothing else."""
    gate = Gate()
    script = [batch(10, 10 * n) for n in range(5)]
    query = Query([*script, gate, batch(10, 50)])
    backend.queries["q"] = query
    reader = stream(fake_cursor)
    gate.wait_for(lambda: gate.entered == 1)
    rows = 0
    while rows < 50:
        rows += reader.read_next_batch().num_rows

    assert rows == 50
    gate.open()
    assert reader.read_all().num_rows == 10


def test_small_chunks_are_merged(backend, fake_cursor):
    """100 chunks of 100 rows are few batches for a consumer that comes late."""
    query = Query([batch(100, 100 * n) for n in range(100)], prefetch=4)
    backend.queries["q"] = query
    reader = stream(fake_cursor)
    query.wait_for(lambda: query.closes == 1)
    eventually(lambda: query.stats.rows_decoded == 10_000)
    batches = list(reader)

    assert len(batches) <= 3
    assert pa.Table.from_batches(batches)["n"].to_pylist() == list(range(10_000))


def test_merging_stops_at_the_wanted_size(backend, fake_cursor):
    """No batch grows beyond `batch_rows` if the chunks are smaller."""
    query = Query([batch(100, 100 * n) for n in range(100)], batch_rows=1000)
    backend.queries["q"] = query
    reader = stream(fake_cursor)
    query.wait_for(lambda: query.closes == 1)
    sizes = [one.num_rows for one in reader]

    assert sum(sizes) == 10_000
    assert max(sizes) <= 1000
    assert len(sizes) <= 13


def test_a_large_chunk_is_one_batch(backend, fake_cursor):
    """A chunk beyond the wanted size is delivered as it is."""
    backend.queries["q"] = Query([batch(5000), batch(10, 5000)], batch_rows=100)

    assert [one.num_rows for one in stream(fake_cursor)] == [5000, 10]


@pytest.mark.parametrize("prefetch", [1, 3])
def test_a_slow_reader_bounds_what_is_fetched(backend, fake_cursor, prefetch):
    """The queue is bounded by bytes: a reader that does not read stops the fetching."""
    query = Query(
        [batch(1000, 1000 * n) for n in range(200)],
        queue_bytes=40_000,
        prefetch=prefetch,
        batch_rows=1000,
    )
    backend.queries["q"] = query
    reader = stream(fake_cursor)
    # 8000 bytes a batch: 5 fill the queue, one is decoded beyond, the rest waits raw or in the call.
    limit = 6 + prefetch + 1
    eventually(lambda: query.stats.rows_decoded >= 5000)
    reader.read_next_batch()
    eventually(lambda: query.stats.rows_decoded >= 6000)

    assert query.calls <= limit + 1
    assert reader.read_all().num_rows == 199_000


def test_raw_responses_are_bounded_by_bytes(backend, fake_cursor):
    """However many responses may wait, they hold `queue_bytes` at most, or are one."""
    query = Query([batch(1000, 1000 * n) for n in range(200)], queue_bytes=10_000, prefetch=100)
    backend.queries["q"] = query
    reader = stream(fake_cursor)
    eventually(lambda: query.stats.rows_decoded >= 1000)
    reader.read_next_batch()
    eventually(lambda: query.stats.rows_decoded >= 2000)

    assert query.calls <= 8
    assert reader.read_all().num_rows == 199_000


def test_the_counters_tell_what_happened(backend, fake_cursor):
    """Rows, batches and bytes are counted where they pass."""
    query = Query([batch(100), batch(50, 100)], batch_rows=1)
    backend.queries["q"] = query
    reader = stream(fake_cursor)
    reader.read_next_batch()
    eventually(lambda: query.stats.rows_decoded == 150)
    stats = query.stats

    assert (stats.rows_delivered, stats.batches_delivered) == (100, 1)
    assert stats.bytes_received > 150 * 8
    reader.read_all()
    assert (stats.rows_delivered, stats.batches_delivered) == (150, 2)
    assert "150 rows decoded" in repr(stats)


def test_the_end_stays_the_end(backend, fake_cursor):
    """After the last batch every further call is the end."""
    backend.queries["q"] = Query([batch(2)])
    reader = stream(fake_cursor)
    reader.read_all()
    for _ in range(3):
        with pytest.raises(StopIteration):
            reader.read_next_batch()


def test_the_query_is_closed_once_it_is_fetched(backend, fake_cursor):
    """The query is given back when the last response has come, not when the reader is done."""
    query = Query([batch(2), batch(2, 2)])
    backend.queries["q"] = query
    reader = stream(fake_cursor)
    query.wait_for(lambda: query.closes == 1)

    assert reader.read_all().num_rows == 4
    assert (query.closes, query.cancels) == (1, 0)


# ---- lifetime


def test_a_stream_outlives_cursor_and_connection(backend, connect_fake):
    """The stream owns itself: cursor, connection and database may be closed before it is read."""
    gate = Gate()
    query = Query([batch(3), gate, batch(4, 3)])
    backend.queries["q"] = query
    connection = connect_fake()
    cursor = connection.cursor()
    reader = stream(cursor)
    cursor.close()
    connection.close()
    backend.databases.clear()
    del cursor, connection
    gc.collect()
    gate.open()

    assert reader.read_all().num_rows == 7
    query.wait_for(lambda: query.closes == 1)


@pytest.mark.parametrize("read", [0, 1])
def test_an_unfinished_stream_is_released_at_once(backend, fake_cursor, read):
    """Releasing never waits for a blocked call, which is cancelled and closed behind its back."""
    gate = Gate()
    query = Query([batch(3), gate, batch(4, 3)])
    backend.queries["q"] = query
    reader = stream(fake_cursor)
    for _ in range(read):
        reader.read_next_batch()
    gate.wait_for(lambda: gate.entered == 1)
    del reader
    query.wait_for(lambda: query.closes == 1)

    assert (query.cancels, query.closes) == (1, 1)


def test_release_does_not_wait_for_a_call_that_ignores_cancel(backend, fake_cursor):
    """Even a call that cannot be cancelled does not hold up the release; it is closed later."""
    gate = Gate(ignores_cancel=True)
    query = Query([gate, batch(4)])
    backend.queries["q"] = query
    reader = stream(fake_cursor)
    gate.wait_for(lambda: gate.entered == 1)
    reader.close()
    del reader
    query.wait_for(lambda: query.cancels == 1)

    assert query.closes == 0
    gate.open()
    query.wait_for(lambda: query.closes == 1)


def test_a_handle_that_nobody_imports_is_released_with_the_interpreter_held(backend, fake_cursor):
    """`ArrowArrayStreamHandle.release` holds the interpreter: no deadlock, and the query is closed."""
    gate = Gate()
    query = Query([gate, batch(4)])
    backend.queries["q"] = query
    fake_cursor.execute("q")
    handle = fake_cursor.fetch_arrow()
    gate.wait_for(lambda: gate.entered == 1)
    schema = pa.schema(handle)
    handle.release()
    query.wait_for(lambda: query.closes == 1)

    assert schema == query.schema


def test_a_full_queue_is_released_at_once(backend, fake_cursor):
    """A stream whose threads wait for room is released and closed, without a call to cancel."""
    query = Query([batch(1000, 1000 * n) for n in range(100)], queue_bytes=1)
    backend.queries["q"] = query
    reader = stream(fake_cursor)
    eventually(lambda: query.stats.rows_decoded >= 1000)
    reader.close()
    query.wait_for(lambda: query.closes == 1)

    assert query.calls < 100


def test_a_released_stream_is_freed(backend, fake_cursor):
    """Neither query nor responses stay in memory."""
    query = Query([batch(3), batch(3, 3)])
    watched = weakref.ref(query)
    backend.queries["q"] = query
    reader = stream(fake_cursor)
    reader.close()
    backend.queries.clear()
    del query, reader
    eventually(lambda: gc.collect() is not None and watched() is None)


def test_many_results_leave_nothing(backend, fake_connection):
    """2,000 results, read or dropped half-way, leave no thread behind."""
    before = threading.active_count()
    queries = []
    for number in range(2000):
        query = Query([batch(2), batch(2, 2)])
        queries.append(query)
        backend.queries["q"] = query
        with fake_connection.cursor() as cursor:
            cursor.execute("q")
            if number % 2:
                assert len(cursor.fetchall()) == 4
    eventually(lambda: _native.thread_count() == 0)

    assert {query.closes for query in queries} == {1}
    assert threading.active_count() == before


# ---- executing again, and beside each other


def test_executing_again_invalidates_the_earlier_result(backend, fake_connection):
    """The earlier stream of a statement is cancelled when the statement is executed again."""
    gate = Gate()
    first = Query([batch(3), gate], query_id="q-first")
    second = Query([batch(5)])
    backend.queries.update(first=first, second=second)
    statement = adbc_driver_manager.AdbcStatement(fake_connection.adbc_connection)
    statement.set_sql_query("first")
    one = pa.RecordBatchReader.from_stream(statement.execute_query()[0])
    gate.wait_for(lambda: gate.entered == 1)
    statement.set_sql_query("second")
    two = pa.RecordBatchReader.from_stream(statement.execute_query()[0])
    first.wait_for(lambda: first.closes == 1)
    with pytest.raises(OSError, match=r"'q-first'.*executed again.*CANCELLED"):
        one.read_next_batch()

    assert two.read_all().num_rows == 5
    statement.close()


def test_releasing_the_statement_leaves_its_result(backend, fake_connection):
    """The bare statement may go before its stream is read."""
    backend.queries["q"] = Query([batch(3)])
    statement = adbc_driver_manager.AdbcStatement(fake_connection.adbc_connection)
    statement.set_sql_query("q")
    reader = pa.RecordBatchReader.from_stream(statement.execute_query()[0])
    statement.close()

    assert reader.read_all().num_rows == 3


def test_statements_of_one_connection_run_beside_each_other(backend, fake_connection):
    """One blocked result does not hold up another."""
    gate = Gate()
    backend.queries["slow"] = Query([gate, batch(1)])
    backend.queries["fast"] = Query([batch(2)])
    with fake_connection.cursor() as slow, fake_connection.cursor() as fast:
        slow.execute("slow")
        fast.execute("fast")
        assert len(fast.fetchall()) == 2
        gate.open()
        assert len(slow.fetchall()) == 1


def test_a_consumer_in_python_may_hold_the_interpreter(backend, fake_cursor):
    """A consumer that calls `get_next` with the interpreter held does not deadlock."""
    import ctypes

    class Stream(ctypes.Structure):
        pass

    class Array(ctypes.Structure):
        _fields_ = [("head", ctypes.c_int64 * 5), ("pointers", ctypes.c_void_p * 5)]

    get_next = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.POINTER(Stream), ctypes.POINTER(Array))
    Stream._fields_ = [
        ("get_schema", ctypes.c_void_p),
        ("get_next", get_next),
        ("get_last_error", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    ]
    gate = Gate()
    backend.queries["q"] = Query([gate, batch(3)])
    fake_cursor.execute("q")
    handle = fake_cursor.fetch_arrow()
    held = Stream.from_address(handle.address)
    gate.wait_for(lambda: gate.entered == 1)
    threading.Thread(target=gate.open).start()
    array = Array()
    status = held.get_next(ctypes.byref(held), ctypes.byref(array))

    assert (status, array.head[0]) == (0, 3)
    release = array.pointers[3]
    ctypes.CFUNCTYPE(None, ctypes.POINTER(Array))(release)(ctypes.byref(array))
    handle.release()


def test_partitions_are_streams_too(backend, fake_connection, fake_cursor):
    """`ReadPartition` streams like a query."""
    backend.queries[b"ticket"] = Query([batch(3), batch(4, 3)])
    fake_cursor.adbc_read_partition(b"ticket")

    assert len(fake_cursor.fetchall()) == 7


def test_a_metadata_stream_is_moved(backend, fake_connection):
    """The stream of a metadata call is the Python object's own, moved out of its capsule."""
    capsule = Reader(pa.table({"a": [1]})).__arrow_c_stream__()
    assert pa.RecordBatchReader._import_from_c_capsule(capsule).read_all().num_rows == 1
    assert fake_connection.adbc_get_table_types() == ["TABLE", "VIEW"]
