"""A result that is lost before its first row: with `on_loss=rerun_reads` a statement that only reads runs anew."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import pyarrow as pa
import pytest

import e6data_adbc
from e6data_adbc import errors
from e6data_adbc._driver import Database
from e6data_adbc._driver.connection import Connection
from e6data_adbc._driver.results.rerun_query import MOST_RERUNS, RerunQuery
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine, When
from tests.support.fake_server import fail
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
OpenDb = Callable[..., Database]

ON_LOSS = "adbc.e6data.result.on_loss"
MANY = "select * from range(1000) t(n)"
ONE = "select 1 as one"
GONE = fail(grpc.StatusCode.UNAVAILABLE, "gone")

#: How a fetch, or another call about a query, tells that the result is lost.
LOSSES = {
    "connection lost": ("UNAVAILABLE", "gone"),
    "ended by a proxy": ("CANCELLED", ""),
    "busy": ("RESOURCE_EXHAUSTED", ""),
    "query unknown": ("NOT_FOUND", "no such query"),
    "deployment gone": ("UNKNOWN", "status: 456"),
    "session lost": ("INTERNAL", "Access denied"),
    "token refused": ("UNAUTHENTICATED", "authentication denied"),
}


@pytest.fixture
def rereading(cluster_engine: LocalEngine, open_db: OpenDb) -> Connection:
    """A connection to it that runs reads anew."""
    return open_db(f"{cluster_engine.uri}?on_loss=rerun_reads").connect({})


def read(connection: Connection, sql: str = MANY, **options: Any) -> int:
    """Runs *sql*; returns its number of rows."""
    statement = statement_of(connection, sql)
    for key, value in options.items():
        statement.set_option(key, value)
    result = statement.execute()
    try:
        return sum(rows_of(result))  # type: ignore[arg-type]
    finally:
        result.close()


def prepare_only_once(server: ScriptedEngine) -> None:
    """Has the first prepare answered as ever, and none after it."""
    usual = server.answers["prepareStatementV2"]

    def prepare_once(request: bytes, context: grpc.ServicerContext) -> Any:
        first = server.count("prepareStatementV2") == 1
        return (usual if first else server.hang)(request, context)

    server.answers["prepareStatementV2"] = prepare_once


def reruns(connection: Connection) -> int:
    stats = json.loads(str(connection.get_option("adbc.e6data.connection.stats")))
    return int(stats["queries_rerun"])


def executes(engine: LocalEngine) -> list[int]:
    """Returns how often each query was executed."""
    return [record.executes for record in engine.ledger.queries]


#: A refusal for the session or the token comes before anything is handed out, so that fetch is sent again.
REFUSALS = ("session lost", "token refused")


@pytest.mark.parametrize(
    ("name", "when"),
    [(name, when) for name in LOSSES for when in When if name not in REFUSALS],
)
@pytest.mark.parametrize("sql", [MANY, ONE], ids=["many rows", "one row"])
def test_a_lost_first_response_runs_the_statement_anew(
    cluster_engine: LocalEngine, rereading: Connection, name: str, when: When, sql: str
) -> None:
    """Whatever lost it, on its way there or back: every row comes once, no query runs twice, all are cleared."""
    code, text = LOSSES[name]
    cluster_engine.faults.fail("getNextResultBatch", code=code, details=text, when=when)

    assert read(rereading, sql) == (1000 if sql == MANY else 1)
    assert executes(cluster_engine) == [1, 1]
    assert cluster_engine.ledger.open_queries == []
    assert reruns(rereading) == 1


@pytest.mark.parametrize("name", ["query unknown", "deployment gone"])
def test_a_query_lost_at_its_metadata_runs_anew(
    cluster_engine: LocalEngine, rereading: Connection, name: str
) -> None:
    """The server does not know the query any more, or the deployment is gone: another query takes its place."""
    code, text = LOSSES[name]
    cluster_engine.faults.fail("getResultMetadata", code=code, details=text)

    assert read(rereading) == 1000
    assert executes(cluster_engine) == [1, 1]


def test_a_lost_end_of_an_unseen_result_runs_anew(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """The only rows had come, nobody had them yet, and the end was lost: they come once."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG"), rows=3))
    scripted_engine.answer("getNextResultBatch", v1(chunk(3)), GONE, v1(chunk(3)), v1())
    connection = connect_scripted(on_loss="rerun_reads")

    assert read(connection) == 3
    assert (
        scripted_engine.count("executeStatementV2")
        == scripted_engine.count("clearOrCancelQuery")
        == 2
    )


@pytest.mark.parametrize("when", When)
def test_an_execute_in_doubt_runs_anew(
    cluster_engine: LocalEngine, rereading: Connection, when: When
) -> None:
    """Nobody knows whether the query ran: a read may run again, under another id, and the first is cleared."""
    cluster_engine.faults.fail("executeStatementV2", when=when)
    cluster_engine.faults.fail("status", times=4)

    assert read(rereading) == 1000
    assert executes(cluster_engine) == [int(when is When.AFTER), 1]
    assert cluster_engine.ledger.open_queries == []


def test_rows_that_went_on_are_never_fetched_again(
    cluster_engine: LocalEngine, rereading: Connection
) -> None:
    """Once a response was handed out the result fails for good, as it does without the option."""
    rereading.configure("adbc.e6data.fetch.batch_bytes", "1")  # so that no more is held back
    cluster_engine.faults.fail("getNextResultBatch", after=1)
    result = statement_of(rereading, MANY).execute()
    assert result.next_response() is not None

    for _ in range(2):
        error = error_of(result.next_response)
        assert errors.detail(error, "e6data.incomplete") == "true"
    result.close()
    assert executes(cluster_engine) == [1]
    assert reruns(rereading) == 0


def test_it_is_off_unless_asked_for(cluster_engine: LocalEngine, open_db: OpenDb) -> None:
    """By default a lost result is an error; the option works on each level, and the lowest one counts."""
    code, text = LOSSES["query unknown"]
    cluster_engine.faults.fail("getNextResultBatch", times=2, code=code, details=text)
    connection = open_db(cluster_engine.uri).connect({})
    assert statement_of(connection).get_option(ON_LOSS) == "fail"
    error_of(lambda: read(connection))
    connection.configure(ON_LOSS, "rerun_reads")
    error_of(lambda: read(connection, **{ON_LOSS: "fail"}))
    assert executes(cluster_engine) == [1, 1]

    cluster_engine.faults.fail("getNextResultBatch")
    assert read(connection) == 1000
    assert executes(cluster_engine) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "sql",
    [
        "create table lost as select 1 as n",
        "insert into lost_too select 1 as n",
        "with gone as (delete from lost_too returning n) select n from gone",
        "select 1 as n; select 2 as n",
        r"select 'a\' as n, '; drop table lost_too; --' as m",
    ],
)
def test_what_is_not_surely_a_read_never_runs_anew(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, sql: str
) -> None:
    """A change, several statements, a text that another lexer reads as a change: one execute, and the error."""
    scripted_engine.answer("getNextResultBatch", GONE)
    connection = connect_scripted(on_loss="rerun_reads")

    error = error_of(lambda: read(connection, sql))

    assert errors.detail(error, "e6data.incomplete") == "true"
    assert scripted_engine.count("executeStatementV2") == 1


def test_a_change_in_doubt_is_not_repeated(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """The option does nothing for an update."""
    scripted_engine.answer("executeStatementV2", GONE)
    connection = connect_scripted(on_loss="rerun_reads")

    error = error_of(statement_of(connection, "delete from t").execute_update)

    assert errors.detail(error, "e6data.ambiguous") == "true"
    assert scripted_engine.count("executeStatementV2") == 1


def test_it_ends_after_the_second_time(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A result that is lost again and again is an error in the end; each query was executed once and cleared."""
    scripted_engine.answer("getNextResultBatch", GONE)
    connection = connect_scripted(on_loss="rerun_reads")

    error = error_of(lambda: read(connection))

    assert errors.detail(error, "e6data.incomplete") == "true"
    assert reruns(connection) == MOST_RERUNS == 2
    for method in ("prepareStatementV2", "executeStatementV2", "clearOrCancelQuery"):
        assert scripted_engine.count(method) == 1 + MOST_RERUNS


@pytest.mark.parametrize(
    "answer",
    [
        fail(grpc.StatusCode.INTERNAL, "division by zero"),
        fail(grpc.StatusCode.UNKNOWN, "status: 4567"),
        fail(grpc.StatusCode.INVALID_ARGUMENT, "no"),
        b"\xff\xff\xff",
    ],
    ids=["engine error", "unknown", "invalid", "broken response"],
)
def test_what_the_engine_says_is_final(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, answer: Any
) -> None:
    """What would be the same the next time is told at once."""
    scripted_engine.answer("getNextResultBatch", answer)
    connection = connect_scripted(on_loss="rerun_reads")

    error_of(lambda: read(connection))

    assert scripted_engine.count("executeStatementV2") == 1
    assert reruns(connection) == 0


def test_the_limit_of_a_fetch_stays_the_users(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A response that takes longer than the user waits is TIMEOUT, not a reason to have the engine compute twice."""
    scripted_engine.answers["getNextResultBatch"] = scripted_engine.hang
    connection = connect_scripted(on_loss="rerun_reads", fetch_timeout_seconds=0.2)

    assert error_of(lambda: read(connection)).status_code is Status.TIMEOUT
    assert scripted_engine.count("executeStatementV2") == 1


def test_all_runs_share_one_budget(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """The statement that runs anew has what the first left of the total; then the error says TIMEOUT."""
    scripted_engine.answer("getNextResultBatch", GONE)
    prepare_only_once(scripted_engine)
    connection = connect_scripted(on_loss="rerun_reads", total_timeout_seconds=0.5)
    began = time.monotonic()

    error = error_of(lambda: read(connection))

    assert error.status_code is Status.TIMEOUT
    assert time.monotonic() - began < 10
    assert scripted_engine.count("executeStatementV2") == 1


@pytest.mark.parametrize(
    ("columns", "rows"), [(("m", "LONG"), 5), (("n", "LONG"), 6)], ids=["columns", "rows"]
)
def test_another_result_does_not_take_its_place(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, columns: tuple[str, str], rows: int
) -> None:
    """The reader knows columns and number of rows by then; where they have changed, the loss is what he is told."""
    scripted_engine.answer(
        "getResultMetadata", metadata(("n", "LONG"), rows=5), metadata(columns, rows=rows)
    )
    scripted_engine.answer("getNextResultBatch", GONE, v1(chunk(3)), v1(chunk(2)), v1())
    # Without fetching ahead the loss comes when the reader has the schema.
    connection = connect_scripted(on_loss="rerun_reads", prefetch_responses=0)

    error = error_of(lambda: read(connection))

    assert errors.detail(error, "e6data.incomplete") == "true"
    assert (
        scripted_engine.count("clearOrCancelQuery")
        == scripted_engine.count("prepareStatementV2")
        == 2
    )


@pytest.mark.parametrize("first", [-1, 5])
@pytest.mark.parametrize("second", [-1, 5])
def test_a_loss_that_the_reader_meets_is_mended(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, first: int, second: int
) -> None:
    """Also where the first fetch is the reader's, and whether the server knows the number of rows or not."""
    shape = ("n", "LONG")
    scripted_engine.answer(
        "getResultMetadata", metadata(shape, rows=first), metadata(shape, rows=second)
    )
    scripted_engine.answer("getNextResultBatch", GONE, v1(chunk(3)), v1(chunk(2)), v1())
    connection = connect_scripted(on_loss="rerun_reads", prefetch_responses=0)

    assert read(connection) == 5
    assert reruns(connection) == 1


@pytest.mark.parametrize("allowed", ["false", "true"])
def test_missing_rows_are_missed(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, allowed: str
) -> None:
    """A number of rows that only the second run announced counts as well, unless rows may be missing."""
    shape = ("n", "LONG")
    scripted_engine.answer("getResultMetadata", metadata(shape), metadata(shape, rows=9))
    scripted_engine.answer("getNextResultBatch", GONE, v1(chunk(3)), v1(chunk(2)), v1())
    connection = connect_scripted(
        on_loss="rerun_reads", prefetch_responses=0, allow_missing_rows=allowed
    )

    if allowed == "true":
        assert read(connection) == 5
        return
    error = error_of(lambda: read(connection))
    assert error.status_code is Status.INVALID_DATA
    assert "announced 9 rows and ended after 5" in str(error)


def test_a_cancelled_result_does_not_run_anew(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Cancel wins: while the statement is being prepared anew, and for good."""
    scripted_engine.answer("getNextResultBatch", GONE)
    prepare_only_once(scripted_engine)
    connection = connect_scripted(on_loss="rerun_reads", prefetch_responses=0)
    result = statement_of(connection).execute()
    assert isinstance(result, RerunQuery)
    failed: list[errors.Error] = []
    reader = threading.Thread(target=lambda: failed.append(error_of(result.next_response)))
    reader.start()
    scripted_engine.wait_for("prepareStatementV2", 2)
    result.cancel()
    reader.join()

    assert failed[0].status_code is Status.CANCELLED
    error_of(result.next_response)
    assert scripted_engine.count("prepareStatementV2") == 2
    result.close()


def test_a_closed_result_leaves_nothing(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Closed while the statement is being executed anew: the new query is cleared, too."""
    scripted_engine.answer("getNextResultBatch", GONE)
    going_on = threading.Event()
    usual = scripted_engine.answers["executeStatementV2"]

    def execute(request: bytes, context: grpc.ServicerContext) -> Any:
        if scripted_engine.count("executeStatementV2") == 2:
            going_on.wait(10)
        return usual(request, context)

    scripted_engine.answers["executeStatementV2"] = execute
    connection = connect_scripted(on_loss="rerun_reads", prefetch_responses=0)
    result = statement_of(connection).execute()
    failed: list[errors.Error] = []
    reader = threading.Thread(target=lambda: failed.append(error_of(result.next_response)))
    reader.start()
    scripted_engine.wait_for("executeStatementV2", 2)
    result.close()
    going_on.set()
    reader.join()

    assert failed[0].status_code is Status.CANCELLED
    assert scripted_engine.count("clearOrCancelQuery") == 2


def test_each_row_of_parameters_is_a_query_of_its_own(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A statement that runs once a row: the query of one row may run anew, whatever the others have handed out."""
    once = (v1(chunk(1)), v1())
    scripted_engine.answer("getNextResultBatch", *once, GONE, *once, *once)
    statement = statement_of(connect_scripted(on_loss="rerun_reads"), "select ? as n")
    batch = pa.record_batch({"0": pa.array([1, 2, 3])})
    statement.bind(pa.RecordBatchReader.from_batches(batch.schema, [batch]))
    result = statement.execute()

    assert sum(rows_of(result)) == 3  # type: ignore[arg-type]
    result.close()
    assert (
        scripted_engine.count("executeStatementV2")
        == scripted_engine.count("clearOrCancelQuery")
        == 4
    )


def test_it_works_through_the_driver_manager(cluster_engine: LocalEngine) -> None:
    """The stream of a cursor sees one result, whole; the query that is told is the one that ran last."""
    cluster_engine.faults.fail("getNextResultBatch", when=When.AFTER)
    with e6data_adbc.connect(f"{cluster_engine.uri}?on_loss=rerun_reads") as connection:
        with connection.cursor() as cursor:
            cursor.execute(MANY)
            table = cursor.fetch_arrow_table()
            query_id = cursor.adbc_statement.get_option("adbc.e6data.statement.query_id")

    assert table["n"].to_pylist() == list(range(1000))
    assert query_id == cluster_engine.ledger.last.query_id
    assert cluster_engine.ledger.open_queries == []


def test_a_result_closed_between_two_runs_leaves_nothing(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Closed in the moment in which the other query is there and has not taken its place: both are cleared."""
    scripted_engine.answer("getNextResultBatch", GONE)
    connection = connect_scripted(on_loss="rerun_reads", prefetch_responses=0)
    result = statement_of(connection).execute()
    assert isinstance(result, RerunQuery)
    open_again = result._open

    def open_and_be_closed() -> Any:
        scripted_engine.answer("getNextResultBatch", v1(chunk(3)), v1())
        query = open_again()
        closing = threading.Thread(target=result.close)
        closing.start()
        closing.join()
        return query

    result._open = open_and_be_closed  # type: ignore[method-assign]
    assert error_of(result.next_response).status_code is Status.CANCELLED
    assert (
        scripted_engine.count("clearOrCancelQuery")
        == scripted_engine.count("prepareStatementV2")
        == 2
    )


def test_the_counters_go_on_with_the_other_query(scripted_engine: ScriptedEngine) -> None:
    """The stream that reads the result counts for whichever query runs; what has failed is closed."""
    scripted_engine.answer("getNextResultBatch", GONE, v1(chunk(3)), GONE)
    uri = f"{scripted_engine.uri}?on_loss=rerun_reads&prefetch_responses=0&batch_bytes=1"
    with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute("select n from t")
        rows = [cursor.fetchone() for _ in range(3)]
        with pytest.raises(e6data_adbc.OperationalError) as caught:
            cursor.fetchone()
        progress = cursor.adbc_statement.get_option_float("adbc.statement.exec.progress")

    assert rows == [(0,), (1,), (2,)]
    assert progress == 3.0
    assert errors.detail(caught.value, "e6data.rows_delivered") == "3"
