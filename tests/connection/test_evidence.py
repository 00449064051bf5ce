"""What every error about a query says for programs, whatever failed and whoever noticed: query, call, class, retry."""

from __future__ import annotations

import dataclasses
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import adbc_driver_manager
import grpc
import pyarrow as pa
import pytest

import e6data_adbc
from e6data_adbc import errors
from e6data_adbc._session.retry.retry_table import ROWS
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from tests.support.fake_server import fail
from tests.support.scripted import STRING, ScriptedEngine, chunk, metadata, v1, v2

pytestmark = pytest.mark.seconds

CODE = grpc.StatusCode
#: What every failed call may be answered with.
ANSWERS: dict[str, Any] = {
    "lost": fail(CODE.UNAVAILABLE, "gone"),
    "busy": fail(CODE.RESOURCE_EXHAUSTED, ""),
    "456": fail(CODE.UNKNOWN, "status: 456"),
    "denied": fail(CODE.INTERNAL, "Access denied"),
    "token refused": fail(CODE.UNAUTHENTICATED, "authentication denied"),
    "forbidden": fail(CODE.PERMISSION_DENIED, "no"),
    "engine": fail(CODE.INTERNAL, "division by zero"),
    "cancelled there": fail(CODE.INTERNAL, "Query cancelled"),
    "unknown query": fail(CODE.NOT_FOUND, "no such query"),
    "unknown": fail(CODE.UNKNOWN, ""),
    "not there": fail(CODE.UNIMPLEMENTED, "no such method"),
    "no message": b"\xff\xff\xff\xff",
}
STEPS = {
    "authenticate": False,
    "prepareStatementV2": False,
    "executeStatementV2": True,
    "getResultMetadata": True,
    "getNextResultBatch": True,
}


@dataclasses.dataclass
class Fault:
    """One way to fail after the query has its id.

    Attributes:
        answers: What is answered by which method.
        rpc: The call that the error has to name.
        status: The error's status.
        options: More of the URI.
        sql: The statement.
    """

    answers: dict[str, list[Any]]
    rpc: str
    status: Status
    options: str = ""
    sql: str = "select n from t"


FETCH, FETCH_V2, METADATA = "getNextResultBatch", "getNextResultBatchV2", "getResultMetadata"
BROKEN = chunk(3)[:-2]
DATA = Status.INVALID_DATA
FAULTS = {
    "no engine": Fault(
        {"prepareStatementV2": [wire.PrepareStatementResponse(queryId="q-1", engineIP="a\nb")]},
        "prepareStatementV2",
        DATA,
    ),
    "broken metadata": Fault(
        {METADATA: [wire.GetResultMetadataResponse(resultMetaData=b"\x00\x01")]}, METADATA, DATA
    ),
    "broken first chunk": Fault({FETCH: [v1(BROKEN), v1()]}, FETCH, DATA),
    "broken later chunk": Fault({FETCH: [v1(chunk(3)), v1(BROKEN), v1()]}, FETCH, DATA),
    "broken only chunk": Fault(
        {METADATA: [metadata(("n", "LONG"), rows=3)], FETCH: [v1(BROKEN), v1()]}, FETCH, DATA
    ),
    "broken chunk of V2": Fault(
        {FETCH_V2: [v2(chunk(2)), v2(BROKEN, end=True)]}, FETCH_V2, DATA, "result_protocol=v2"
    ),
    "broken chunk of either": Fault(
        {FETCH: [v1(BROKEN), v1()]}, FETCH, DATA, "result_protocol=auto"
    ),
    "broken response": Fault({FETCH: [v1(chunk(3)), b"\xff\xff\xff"]}, FETCH, DATA),
    "broken response of V2": Fault(
        {FETCH_V2: [b"\xff\xff\xff"]}, FETCH_V2, DATA, "result_protocol=v2"
    ),
    "broken chunk before the schema": Fault(
        {METADATA: [metadata(("n", "DECIMAL128"))], FETCH: [v1(BROKEN), v1()]}, FETCH, DATA
    ),
    "another type": Fault({FETCH: [v1(chunk(2, pa.array(["a", "b"]), STRING)), v1()]}, FETCH, DATA),
    "too few rows": Fault(
        {METADATA: [metadata(("n", "LONG"), rows=9)], FETCH: [v1(chunk(3)), v1()]}, FETCH, DATA
    ),
    "too many rows in a chunk": Fault(
        {FETCH: [v1(chunk(9)), v1()]}, FETCH, DATA, "max_chunk_rows=4"
    ),
    "lost after rows": Fault({FETCH: [v1(chunk(3)), ANSWERS["lost"]]}, FETCH, Status.IO),
    "lost after rows, of V2": Fault(
        {FETCH_V2: [v2(chunk(2)), ANSWERS["lost"]]}, FETCH_V2, Status.IO, "result_protocol=v2"
    ),
    "silent": Fault({FETCH: ["hang"]}, FETCH, Status.TIMEOUT, "fetch_timeout_seconds=0.2"),
    "nothing new for V2": Fault(
        {FETCH_V2: [v2()]},
        FETCH_V2,
        Status.TIMEOUT,
        "result_protocol=v2&fetch_timeout_seconds=0.2",
    ),
    "silent metadata": Fault(
        {METADATA: ["hang"]}, METADATA, Status.TIMEOUT, "metadata_timeout_seconds=0.2"
    ),
    "too large": Fault({FETCH: [v1(chunk(900))]}, FETCH, Status.INTERNAL, "max_message_bytes=1024"),
    "lost again and again": Fault(
        {FETCH: [ANSWERS["lost"]]}, FETCH, Status.IO, "on_loss=rerun_reads"
    ),
    "a change that fails": Fault(
        {FETCH: [ANSWERS["engine"]]}, FETCH, Status.INTERNAL, sql="delete from t"
    ),
    "a broken count": Fault({FETCH: [v1(BROKEN), v1()]}, FETCH, DATA, sql="delete from t"),
}


@pytest.fixture
def server() -> Iterator[ScriptedEngine]:
    """One whose `status` is missing, so that a lost execute stays in doubt."""
    with ScriptedEngine() as running:
        yield running


def read(uri: str, sql: str = "select n from t") -> None:
    """Runs a statement through the driver manager and reads its rows, batch by batch."""
    with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        while cursor.fetchone() is not None:
            pass


def failure_of(action: Callable[[], object]) -> errors.Error:
    """Returns the error that *action* raises: one of ours, and nothing of gRPC."""
    with pytest.raises(adbc_driver_manager.Error) as caught:
        action()
    return caught.value


def check(error: errors.Error, *, has_query: bool = True) -> None:
    """Fails unless *error* says everything that an error about a query has to say, once."""
    keys = [key.decode() if isinstance(key, bytes) else key for key, _ in error.details]
    assert len(keys) == len(set(keys)), keys
    assert errors.detail(error, "e6data.rpc") in ROWS
    assert errors.detail(error, "e6data.retryable") in ("true", "false")
    assert errors.query_id(error) == ("q-1" if has_query else None)
    assert error.sqlstate is not None
    assert re.fullmatch("[0-9A-Z]{5}", error.sqlstate)
    assert str(error).count("[e6data] could not ") == 1


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("method", STEPS)
def test_each_failed_call_is_evident(server: ScriptedEngine, method: str, answer: str) -> None:
    """Whatever a call is answered with: which call it was, of which query, its SQLSTATE, and whether to try again."""
    server.answer(method, ANSWERS[answer])

    error = failure_of(lambda: read(f"{server.uri}?resume_timeout_seconds=0.2"))

    check(error, has_query=STEPS[method])
    assert errors.detail(error, "e6data.rpc") == method


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_of_a_query_is_evident(server: ScriptedEngine, name: str) -> None:
    """Broken bytes, missing rows, limits, losses after rows: the same evidence, whether Python or Rust noticed."""
    fault = FAULTS[name]
    for method, answers in fault.answers.items():
        server.answer(method, *(server.hang if one == "hang" else one for one in answers))

    error = failure_of(lambda: read(f"{server.uri}?{fault.options}", fault.sql))

    check(error)
    assert errors.detail(error, "e6data.rpc") == fault.rpc
    assert error.status_code == fault.status


def test_an_unfinished_prepare_has_no_query(server: ScriptedEngine) -> None:
    """A prepare without an id: there is no query to name, the call is."""
    server.answer("prepareStatementV2", wire.PrepareStatementResponse())

    error = failure_of(lambda: read(server.uri))

    check(error, has_query=False)
    assert errors.detail(error, "e6data.rpc") == "prepareStatementV2"


def test_an_update_is_evident(server: ScriptedEngine) -> None:
    """A statement that is run to its end for its effect fails with the same evidence."""
    server.answer(FETCH, v1(chunk(1)), ANSWERS["lost"])
    with e6data_adbc.connect(server.uri) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_sql_query("delete from t")
        check(failure_of(cursor.adbc_statement.execute_update))


def test_a_schema_without_running_is_evident(server: ScriptedEngine) -> None:
    """Reading the schema alone fails with the same evidence."""
    server.answer(METADATA, wire.GetResultMetadataResponse(resultMetaData=b"\x00\x01"))
    with e6data_adbc.connect(server.uri) as connection, connection.cursor() as cursor:
        check(failure_of(lambda: cursor.adbc_execute_schema("select n from t")))


@pytest.mark.parametrize("rows", [-1, 9], ids=["other columns", "too few rows"])
def test_each_row_of_parameters_is_evident(server: ScriptedEngine, rows: int) -> None:
    """A statement that runs once a row, and whose second query has other columns, or whose first ends too early."""
    other = metadata(("other", "STRING"))
    server.answer(METADATA, metadata(("n", "LONG"), rows=rows), other)
    server.answer(FETCH, v1(chunk(1)), v1())

    def run() -> None:
        with e6data_adbc.connect(server.uri) as connection, connection.cursor() as cursor:
            cursor.execute("select ? as n", pa.record_batch({"0": pa.array([1, 2])}))
            cursor.fetchall()

    error = failure_of(run)

    check(error)
    assert error.status_code == DATA


@pytest.mark.parametrize("when", ["waiting", "reading"])
def test_a_cancelled_query_is_evident(server: ScriptedEngine, when: str) -> None:
    """Cancelled from another thread: the call that was under way, and that trying again is up to the user."""
    server.answer(FETCH, v1(chunk(3)), server.hang)
    if when == "waiting":
        server.answers[METADATA] = server.hang
    with e6data_adbc.connect(f"{server.uri}?prefetch_responses=1") as connection:
        with connection.cursor() as cursor:
            failed: list[errors.Error] = []

            def run() -> None:
                cursor.execute("select n from t")
                cursor.fetchall()

            thread = threading.Thread(target=lambda: failed.append(failure_of(run)))
            thread.start()
            server.wait_for(METADATA if when == "waiting" else FETCH, 1 + (when == "reading"))
            cursor.adbc_cancel()
            thread.join()

    (error,) = failed
    check(error)
    assert error.status_code == Status.CANCELLED
    assert errors.detail(error, "e6data.rpc") == (METADATA if when == "waiting" else FETCH)
    assert errors.detail(error, "e6data.retryable") == "false"
