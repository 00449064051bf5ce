"""Queries that run: many at a time, slow readers, cancel, clear, stop."""

from __future__ import annotations

import threading
import time
from concurrent import futures

import pytest

from e6data_adbc.local import LocalEngine
from tests.local.wire import Query, Wire, refused

pytestmark = pytest.mark.seconds

#: Work for minutes; its first row comes at the end.
ENDLESS = (
    "select count(*) as n from range(1000000) a, range(1000000) b where (a.range * b.range) % 7 = 3"
)
#: Rows without end.
STREAM = "select range as n, 'some text ' || range as t from range(1000000000)"


def wait_for_call(engine: LocalEngine, method: str, count: int = 1) -> None:
    """Returns once *count* calls of *method* arrived."""
    while engine.ledger.calls[method] < count:
        time.sleep(0.001)


@pytest.mark.parametrize("version", [1, 2])
def test_cancel_ends_the_fetch_in_flight(make_wire, version: int) -> None:
    """The waiting fetch fails at once with the engine's words; the work has stopped."""
    wire = make_wire()
    query = wire.run(ENDLESS)
    method = "getNextResultBatch" if version == 1 else "getNextResultBatchV2"
    fetch = query.start(method)
    wait_for_call(wire.engine, method)
    query.cancel()

    assert refused(fetch) == ("INTERNAL", "Query cancelled")
    for other in (method, "getResultMetadata", "status", "executeStatementV2", "explain"):
        assert refused(query.start(other)) == ("INTERNAL", "Query cancelled")
    query.cancel()
    query.clear()
    assert (query.record.cancels, query.record.clears) == (2, 1)


def test_clear_stops_a_running_query(make_wire) -> None:
    """clearOrCancelQuery ends a query in any state."""
    wire = make_wire()
    query = wire.run(ENDLESS)
    query.clear()

    assert refused(query.start("status"))[1].endswith("not found")


def test_a_prepared_query_can_be_cancelled(wire: Wire) -> None:
    """It cannot be executed after that."""
    query = wire.prepare("select 1")
    query.cancel()

    assert refused(query.start("executeStatementV2")) == ("INTERNAL", "Query cancelled")
    query.clear()


def test_a_slow_reader_holds_few_chunks(make_wire) -> None:
    """The engine makes chunks_ahead chunks and then waits for the reader."""
    wire = make_wire(chunk_rows=2048, chunks_ahead=3)
    query = wire.run(STREAM)
    while not query.call("status").status:
        pass

    assert query.call("status").rowCount == 3 * 2048
    query.fetch()
    while not query.call("status").status:
        pass
    assert query.call("status").rowCount == 4 * 2048
    query.clear()


def test_200_queries_run_at_a_time(make_wire) -> None:
    """Each client gets its own rows."""
    wire = make_wire(chunk_rows=1000)

    def run(number: int) -> tuple[int, int]:
        table = wire.select(
            f"select range + {number} as n from range(3000)", version=number % 2 + 1
        )
        return table.num_rows, table.column("n")[0].as_py()

    with futures.ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(run, range(200)))

    assert answers == [(3000, number) for number in range(200)]
    assert wire.engine.ledger.open_queries == []


def test_waiting_fetches_leave_room_for_cancel(make_wire) -> None:
    """Although queries that run for ever hold all the run slots, others can be cancelled in the queue."""
    wire = make_wire(max_running=2)
    queries = [wire.run(ENDLESS) for _ in range(4)]
    fetches = [query.start("getNextResultBatch") for query in queries]
    wait_for_call(wire.engine, "getNextResultBatch", 4)
    for query in reversed(queries):
        query.cancel()

    assert [refused(fetch)[1] for fetch in fetches] == ["Query cancelled"] * 4


def test_a_client_that_leaves_frees_its_fetch(make_wire) -> None:
    """A fetch whose client gave up consumes nothing."""
    wire = make_wire()
    query = wire.run("select 5 as n")
    fault = wire.engine.faults.delay("getNextResultBatch", gate=threading.Event())
    fetch = query.start("getNextResultBatch")
    fault.reached.wait(30)
    fetch.cancel()
    while not wire.engine.ledger.refused:
        time.sleep(0.001)

    assert query.read().to_pylist() == [{"n": 5}]


def test_stop_does_not_wait_for_running_queries() -> None:
    """Everything is gone then, with queries in every state."""
    before = set(threading.enumerate())
    engine = LocalEngine().start()
    with Wire(engine).sign_in() as wire:
        running = [wire.run(ENDLESS), wire.run(ENDLESS), wire.run(STREAM), wire.prepare("select 1")]
        fetch = running[0].start("getNextResultBatch")
        wait_for_call(engine, "getNextResultBatch")
        engine.stop()

        assert refused(fetch)[0] in {"UNAVAILABLE", "CANCELLED"}
    assert engine.ledger.open_queries == []
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name == "e6data-local-query"]


def test_a_query_past_its_lifetime_is_dropped(make_wire) -> None:
    """As a planner does after a while; the query is not found any more."""
    wire = make_wire(query_lifetime_seconds=0.05)
    query = wire.run(ENDLESS)
    while query.record.is_open:
        time.sleep(0.01)

    assert refused(query.start("status"))[1].endswith("not found")


def test_a_failure_in_the_middle_comes_after_the_rows_before_it(make_wire) -> None:
    """Chunks made before the failure are handed out first."""
    wire = make_wire(chunk_rows=200000)
    query = wire.run(
        "select case when range = 5000000 then error('a bad row') else range end as n from range(9000000)"
    )
    rows = 0
    with pytest.raises(Exception, match="a bad row"):
        for _ in query.chunks(2):
            rows += 1
    assert 4 <= rows == query.record.chunks


def test_queries_are_pinned_to_their_session(make_wire) -> None:
    """Another session is denied, unless queries are shared."""
    for shared, expected in ((False, "Access denied"), (True, None)):
        wire = make_wire(share_queries=shared)
        query = wire.run("select 1")
        with Wire(wire.engine).sign_in() as other:
            stranger = Query.__new__(Query)
            stranger.__dict__.update(query.__dict__, wire=other, session_id=other.session_id)
            if expected is None:
                stranger.call("status")
            else:
                assert refused(stranger.start("status")) == ("INTERNAL", expected)


def test_rotation_gives_each_query_a_session(make_wire) -> None:
    """With rotate_sessions the session of prepare's response is the query's."""
    wire = make_wire(rotate_sessions=True)
    query = wire.prepare("select 1")

    assert query.session_id != wire.session_id
    query.execute()
    assert refused(query.start("status", sessionId=wire.session_id))[1] == "Access denied"
    assert query.call("status").sessionId == query.session_id
    wire.prepare("select 2")
