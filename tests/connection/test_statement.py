"""Statements: text, parameters, options, and what may happen at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import pyarrow as pa
import pytest

from e6data_adbc import errors
from e6data_adbc._driver.connection import Connection
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine
from tests.support.fake_server import fail
from tests.support.scripted import (
    QUERY_ID,
    ScriptedEngine,
    chunk,
    error_of,
    metadata,
    rows_of,
    statement_of,
    v1,
)

Connect = Callable[..., Connection]


def bound(**columns: list[object]) -> pa.RecordBatchReader:
    """Returns a stream of one batch."""
    batch = pa.record_batch(columns)
    return pa.RecordBatchReader.from_batches(batch.schema, [batch])


def sent_texts(server: ScriptedEngine) -> list[str]:
    """Returns the texts that were prepared, in order."""
    return [
        wire.PrepareStatementV2Request.FromString(call.request).queryString
        for call in server.received
        if call.method == "prepareStatementV2"
    ]


def test_preparing_calls_nobody(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """`prepare` is local, needs a text and says so."""
    statement = connect_scripted().statement()

    assert error_of(statement.prepare).status_code == Status.INVALID_STATE
    statement.set_sql_query("select 1")
    statement.prepare()
    assert scripted_engine.received == []


def test_one_row_of_parameters_is_one_query(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Values stand in the text as typed literals."""
    statement = statement_of(connect_scripted(), "select ? where x = ?")
    statement.bind(bound(a=["it's"], b=[1]))
    result = statement.execute()
    result.close()

    (text,) = sent_texts(scripted_engine)
    assert "?" not in text
    assert "'it''s'" in text


def test_parameters_by_name(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """The option decides when the statement runs, set before or after binding."""
    statement = statement_of(connect_scripted(), "select :b, :a")
    statement.bind(bound(a=[1], b=[2]))
    statement.set_option("adbc.statement.bind_by_name", "true")
    statement.execute().close()
    statement.set_option("adbc.statement.bind_by_name", "false")
    statement.bind(bound(a=[1], b=[2]))
    statement.execute().close()

    by_name, by_position = sent_texts(scripted_engine)
    assert by_name.index("2") < by_name.index("1")
    assert by_position.index("1") < by_position.index("2")


def test_many_rows_of_parameters_are_one_result(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """The statement runs once a row, each query is cleared before the next, and the rows follow each other."""
    responses = [v1(chunk(1)), v1(), v1(chunk(2)), v1(), v1(chunk(3)), v1(chunk(4)), v1()]
    scripted_engine.answer("getNextResultBatch", *responses)
    statement = statement_of(connect_scripted(), "select ?")
    statement.bind(bound(a=[1, 2, 3]))
    result = statement.execute()

    assert result.announced_rows == -1
    assert rows_of(result) == [1, 2, 3, 4]
    result.close()
    assert len(sent_texts(scripted_engine)) == 3
    assert scripted_engine.count("clearOrCancelQuery") == 3
    order = [
        call.method
        for call in scripted_engine.received
        if "repare" in call.method or "clear" in call.method
    ]
    assert order == 3 * ["prepareStatementV2", "clearOrCancelQuery"]


def test_joined_results_must_agree(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A later row whose result has other columns is an error that names the row."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG")), metadata(("n", "STRING")))
    scripted_engine.answer("getNextResultBatch", v1())
    statement = statement_of(connect_scripted(), "select ?")
    statement.bind(bound(a=[1, 2]))
    result = statement.execute()

    error = error_of(result.next_response)

    assert error.status_code == Status.INVALID_DATA
    assert "row 2 of the parameters" in str(error)
    result.close()
    assert scripted_engine.count("clearOrCancelQuery") == 2


def test_rows_missing_in_the_middle_are_noticed(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Each joined query must bring the rows that it announced."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG"), rows=3))
    scripted_engine.answer("getNextResultBatch", v1(chunk(2)), v1())
    statement = statement_of(connect_scripted(), "select ?")
    statement.bind(bound(a=[1, 2]))
    result = statement.execute()

    assert result.next_response() is not None
    assert "2 rows came of 3 announced" in str(error_of(result.next_response))
    result.close()


def test_a_joined_result_can_be_cancelled_between_queries(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Cancelling reaches the query that is being opened for the next row."""
    prepared = wire.PrepareStatementResponse(queryId="q-1", engineIP="10.0.0.1")
    scripted_engine.answer("prepareStatementV2", prepared, scripted_engine.hang)
    scripted_engine.answer("getNextResultBatch", v1())
    statement = statement_of(connect_scripted(), "select ?")
    statement.bind(bound(a=[1, 2]))
    result = statement.execute()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(result.next_response)
        scripted_engine.wait_for("prepareStatementV2", 2)
        statement.cancel()
        error = running.exception(10)

    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED
    result.close()
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_parameters_are_used_once(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """An execution takes the bound rows; a new text drops them."""
    statement = statement_of(connect_scripted(), "select ?")
    statement.bind(bound(a=[1]))
    statement.set_sql_query("select 2")
    statement.execute().close()

    assert sent_texts(scripted_engine) == ["select 2"]


def test_no_rows_of_parameters(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """There is no result without a row to run with; an update of no rows is done."""
    statement = statement_of(connect_scripted(), "select ?")
    statement.bind(bound(a=[]))
    assert error_of(statement.execute).status_code == Status.INVALID_STATE
    statement.bind(bound(a=[]))
    assert statement.execute_update() == 0
    assert sent_texts(scripted_engine) == []


def test_unreadable_parameters_are_an_error(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A stream that fails while it is read fails the execution in our words."""

    def broken() -> object:
        raise OSError("disk")
        yield

    statement = statement_of(connect_scripted(), "select ?")
    schema = pa.schema([("a", pa.int64())])
    statement.bind(pa.RecordBatchReader.from_batches(schema, broken()))

    assert "could not read the bound parameters" in str(error_of(statement.execute))


def test_the_parameter_schema(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """One field of type null for each parameter."""
    connection = connect_scripted()

    positional = statement_of(connection, "select ?, '?', ?").get_parameter_schema()
    named = statement_of(connection, "select :a, :b, :a").get_parameter_schema()
    assert (positional.names, positional.types) == (["0", "1"], [pa.null(), pa.null()])
    assert named.names == ["a", "b"]
    assert scripted_engine.received == []


def test_an_update_runs_to_its_end(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """`execute_update` waits for the end of each execution, clears it, and knows no count."""
    statement = statement_of(connect_scripted(), "delete from t where a = ?")
    statement.bind(bound(a=[1, 2]))

    assert statement.execute_update() == -1
    assert scripted_engine.count("executeStatementV2") == 2
    assert scripted_engine.count("clearOrCancelQuery") == 2
    assert (
        scripted_engine.count("getNextResultBatch") == 4
    )  # two chunks and the end, then the end alone


def test_an_update_fails_with_its_query(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """What goes wrong while the statement runs is the error of the update; it is cleared."""
    scripted_engine.answer("getNextResultBatch", fail(grpc.StatusCode.INTERNAL, "division by zero"))
    statement = statement_of(connect_scripted(), "insert into t select 1/0")

    assert "division by zero" in str(error_of(statement.execute_update))
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_the_schema_without_running(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """`execute_schema` prepares, reads the columns and clears; nothing is executed."""
    scripted_engine.answer("getResultMetadata", metadata(("a", "LONG"), ("b", "STRING")))
    statement = statement_of(connect_scripted(), "select ?")
    statement.bind(bound(a=[5, 6]))

    schema = statement.execute_schema()

    assert (schema.names, schema.types) == (["a", "b"], [pa.int64(), pa.utf8()])
    assert scripted_engine.count("executeStatementV2") == 0
    assert scripted_engine.count("clearOrCancelQuery") == 1
    rows_of(statement.execute())
    assert len(sent_texts(scripted_engine)) == 3, "the parameters are still there for the execution"


def test_no_schema_is_better_than_a_wrong_one(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Where the type shows only with the rows, `execute_schema` says so instead of guessing."""
    scripted_engine.answer("getResultMetadata", metadata(("price", "DECIMAL128")))

    error = error_of(statement_of(connect_scripted()).execute_schema)

    assert error.status_code == Status.NOT_IMPLEMENTED
    assert "'price' (DECIMAL128)" in str(error)
    assert sent_texts(scripted_engine)[1:] == [
        "SELECT COALESCE(MAX(c0), CAST(0 AS DECIMAL(1, 0))) AS c0 FROM (\nselect n from t\n) AS q (c0) WHERE 1 = 0"
    ]
    assert scripted_engine.count("clearOrCancelQuery") == 2


def test_a_statement_runs_one_thing_at_a_time(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A second thread is refused instead of mixing two executions; afterwards the statement is free."""
    scripted_engine.answer(
        "executeStatementV2", scripted_engine.hang, wire.ExecuteStatementResponse()
    )
    statement = statement_of(connect_scripted())
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(statement.execute)
        scripted_engine.wait_for("executeStatementV2")

        assert "runs in another thread" in str(error_of(statement.execute))
        statement.cancel()
        running.exception(10)
    statement.execute().close()


def test_statements_of_a_connection_run_beside_each_other(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Two statements are two queries; neither waits for the other."""
    barrier = threading.Barrier(2)

    def meet(request: bytes, context: grpc.ServicerContext) -> wire.ExecuteStatementResponse:
        barrier.wait(10)
        return wire.ExecuteStatementResponse()

    scripted_engine.answer("executeStatementV2", meet)
    connection = connect_scripted()
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(statement_of(connection).execute) for _ in range(2)]
        for future in running:
            future.result(10).close()


def test_executing_again_cancels_the_earlier_result(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """The earlier stream ends with CANCELLED; its owner clears it."""
    asked = threading.Event()

    def nine(*_: object) -> bytes:
        asked.set()
        return v1(chunk(9))

    scripted_engine.answer("getNextResultBatch", nine, v1(chunk(3)), v1(chunk(2)), v1())
    statement = statement_of(connect_scripted())
    first = statement.execute()
    # Its first fetch is on its way: the answers are in the order of the two results only once that has been taken up.
    assert asked.wait(10)
    second = statement.execute()

    assert error_of(first.next_response).status_code == Status.CANCELLED
    assert rows_of(second) == [3, 2]
    first.close()
    second.close()
    assert scripted_engine.count("clearOrCancelQuery") == 2


def test_a_result_outlives_its_statement(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Users drop cursors and keep streams: closing the statement leaves the result alone."""
    statement = statement_of(connect_scripted())
    result = statement.execute()
    statement.close()

    assert rows_of(result) == [3, 2]
    result.close()


def test_cancelling_an_idle_statement_is_an_error(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Before the first execution and after the last there is nothing to cancel."""
    statement = statement_of(connect_scripted())
    assert error_of(statement.cancel).status_code == Status.INVALID_STATE
    statement.execute().close()
    assert error_of(statement.cancel).status_code == Status.INVALID_STATE


def test_the_query_id_is_readable(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Not set before, known while the query starts, kept after it failed."""
    scripted_engine.answer("executeStatementV2", scripted_engine.hang)
    statement = statement_of(connect_scripted())
    assert error_of(lambda: statement.get_option(QUERY_ID)).status_code == Status.NOT_FOUND
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(statement.execute)
        scripted_engine.wait_for("executeStatementV2")
        assert statement.get_option(QUERY_ID) == "q-1"
        statement.cancel()
        running.exception(10)
    assert statement.get_option(QUERY_ID) == "q-1"


class Stats:
    """The counters of a stream."""

    rows_decoded = batches_delivered = bytes_received = 0
    rows_delivered = 5


def test_progress(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """Rows delivered of rows announced, as floats; 0 where unknown."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG"), rows=8))
    statement = statement_of(connect_scripted())
    options = ("adbc.statement.exec.progress", "adbc.statement.exec.max_progress")
    assert [statement.get_option(key) for key in options] == [0.0, 0.0]
    result = statement.execute()
    result.attach(Stats())  # type: ignore[arg-type]

    assert [statement.get_option(key) for key in options] == [5.0, 8.0]
    result.close()


def test_what_is_not_there_is_named(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Substrait, temporary tables and incremental execution are refused in plain words."""
    statement = statement_of(connect_scripted())

    for action in (
        lambda: statement.set_substrait_plan(b""),
        lambda: statement.set_option("adbc.ingest.temporary", "true"),
        lambda: statement.set_option("adbc.statement.exec.incremental", "true"),
    ):
        assert error_of(action).status_code == Status.NOT_IMPLEMENTED


@pytest.mark.parametrize("text", ["select 1", "-- c\n ( /* d */ with a as (select 1) select 1)"])
def test_a_read_only_connection_runs_queries(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, text: str
) -> None:
    """Comments and parentheses before the first word do not matter."""
    connection = connect_scripted()
    connection.set_option("adbc.connection.readonly", "true")

    statement_of(connection, text).execute().close()


@pytest.mark.parametrize("text", ["drop table t", "/* select */ insert into t select 1", ""])
def test_a_read_only_connection_refuses_the_rest(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, text: str
) -> None:
    """What is not a query does not reach the server."""
    connection = connect_scripted()
    connection.set_option("adbc.connection.readonly", "true")

    assert "read-only" in str(error_of(statement_of(connection, text).execute))
    assert scripted_engine.received == []


# ---- against the real engine


def test_a_real_query(quiet_engine: LocalEngine, quiet_connection: Connection) -> None:
    """Schema, rows and the clear, as the engine counts them."""
    sql = "select order_id, status from orders order by order_id limit 20000"
    result = statement_of(quiet_connection, sql).execute()
    rows = sum(rows_of(result))
    result.close()

    record = quiet_engine.ledger.query(result.query_id)
    assert record is not None
    assert (rows, record.rows, record.clears, record.executes) == (record.rows, rows, 1, 1)


def test_a_real_mistake(quiet_engine: LocalEngine, quiet_connection: Connection) -> None:
    """The engine's words about the text arrive, with the status of the mistake."""
    error = error_of(statement_of(quiet_connection, "select * from nowhere").execute)

    assert error.status_code == Status.NOT_FOUND
    assert "nowhere" in str(error)


@pytest.mark.parametrize("sql", ["select 1;", "select 1 ; ; -- done", " select ';' as x"])
def test_trailing_semicolons(
    quiet_engine: LocalEngine, quiet_connection: Connection, sql: str
) -> None:
    """The engine refuses a trailing semicolon, so none arrives."""
    result = statement_of(quiet_connection, sql).execute()

    assert rows_of(result) == [1]
    result.close()


@pytest.mark.parametrize("protocol", ["v1", "v2", "auto"])
def test_every_protocol_brings_the_same_rows(
    quiet_engine: LocalEngine, quiet_connection: Connection, protocol: str
) -> None:
    """The way a result travels does not change it."""
    statement = statement_of(quiet_connection, "select * from order_items limit 30000")
    statement.set_option("adbc.e6data.result.result_protocol", protocol)
    result = statement.execute()
    rows = sum(rows_of(result))
    result.close()

    assert rows == 30000
    calls = quiet_engine.ledger.query(result.query_id)
    assert calls is not None
    assert calls.rows == 30000


def test_a_lost_session_is_replaced(
    quiet_engine: LocalEngine, quiet_connection: Connection
) -> None:
    """A query after the session expired works as if nothing had happened."""
    statement_of(quiet_connection, "select 1").execute().close()
    before = quiet_engine.ledger.calls["authenticate"]
    quiet_engine.expire_sessions()
    statement_of(quiet_connection, "select 1").execute().close()

    assert quiet_engine.ledger.calls["authenticate"] == before + 1
