"""Values that the server binds: its list of parameters, and a cluster that changes meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pyarrow as pa
import pytest

from e6data_adbc import errors
from e6data_adbc._driver import Database
from e6data_adbc._driver.binding.server_binding import answer
from e6data_adbc._driver.connection import Connection
from e6data_adbc._sql.command import Operand
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine, When
from tests.support.fake_server import fail
from tests.support.scripted import ScriptedEngine, error_of, rows_of

pytestmark = pytest.mark.seconds

OPTION = "adbc.e6data.statement.server_binding"


def with_values(connection: Connection, sql: str, *values: Any) -> Any:
    """Executes *sql* with positional values; returns the rows of each chunk."""
    statement = connection.statement()
    statement.set_sql_query(sql)
    batch = pa.record_batch(
        [pa.array([value]) for value in values], list(map(str, range(len(values))))
    )
    statement.bind(pa.RecordBatchReader.from_batches(batch.schema, [batch]))
    result = statement.execute()
    try:
        return rows_of(result)  # type: ignore[arg-type]
    finally:
        result.close()


def run_one(connection: Connection) -> int:
    """Runs a statement with a value; returns its number of rows."""
    return sum(with_values(connection, "select * from range(1000) t(n) where n < ?", 5))


# ---- the server's list


@pytest.fixture
def bound(
    scripted_engine: ScriptedEngine, connect_scripted: Callable[..., Connection]
) -> Callable[[], Any]:
    """Executes a text with two values on a scripted server."""

    sql = "select n from t where a = ? and b = ?"
    return lambda: with_values(connect_scripted(server_binding="true"), sql, 7, "x")


def listing(*params: tuple[int, str]) -> wire.GetDynamicParamsResponse:
    return wire.GetDynamicParamsResponse(
        params=[wire.ParameterValue(index=index, type=name) for index, name in params]
    )


def test_indices_and_types_go_back_as_they_came(
    scripted_engine: ScriptedEngine, bound: Callable[[], Any]
) -> None:
    """Whatever their order; a type without a name is the value's own."""
    scripted_engine.answer("getDynamicParams", listing((1, ""), (0, "Integer")))

    assert bound() == [3, 2]
    (call,) = [call for call in scripted_engine.received if call.method == "executeStatementV2"]
    sent = wire.ExecuteStatementV2Request.FromString(call.request).params
    assert [(one.index, one.type, one.value) for one in sent] == [
        (0, "Integer", "7"),
        (1, "VARCHAR", "x"),
    ]


@pytest.mark.parametrize(
    "params", [(), ((0, ""),), ((0, ""), (2, "")), ((2, ""), (3, "")), ((1, ""), (1, ""))]
)
def test_a_list_that_is_not_one_of_the_parameters(
    scripted_engine: ScriptedEngine, bound: Callable[[], Any], params: tuple[tuple[int, str], ...]
) -> None:
    """Nothing is guessed: the statement is not executed, and the query is cleared."""
    scripted_engine.answer("getDynamicParams", listing(*params))

    error = error_of(bound)
    assert error.status_code == Status.INVALID_DATA
    assert OPTION in str(error)
    assert errors.detail(error, "e6data.query_id") == "q-1"
    assert scripted_engine.count("executeStatementV2") == 0
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_a_type_that_nobody_knows(
    scripted_engine: ScriptedEngine, bound: Callable[[], Any]
) -> None:
    scripted_engine.answer("getDynamicParams", listing((0, "GEOMETRY"), (1, "")))

    error = error_of(bound)
    assert error.status_code == Status.NOT_IMPLEMENTED
    assert "'GEOMETRY'" in str(error)


def test_a_server_without_the_method(
    scripted_engine: ScriptedEngine, bound: Callable[[], Any]
) -> None:
    scripted_engine.answer(
        "getDynamicParams", fail(grpc.StatusCode.UNIMPLEMENTED, "no such method")
    )

    error = error_of(bound)
    assert error.status_code == Status.NOT_IMPLEMENTED
    assert "read the parameters of query 'q-1'" in str(error)
    assert OPTION in str(error)
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_values_need_a_catalog(
    scripted_engine: ScriptedEngine, open_db: Callable[..., Database]
) -> None:
    """Without one the call that executes has no room for them; nothing is sent."""
    uri = f"e6data://me:token@127.0.0.1:{scripted_engine.port}?server_binding=true"
    connection = open_db(uri).connect({})

    error = error_of(lambda: with_values(connection, "select ?", 1))
    assert error.status_code == Status.INVALID_STATE
    assert "adbc.connection.catalog" in str(error)
    assert [
        call.method for call in scripted_engine.received if call.method.startswith("prepare")
    ] == []


def test_the_order_is_that_of_the_indices() -> None:
    listed = [wire.ParameterValue(index=index) for index in (3, 1, 2)]

    filled = answer(listed, [Operand("parameter", pa.scalar(text)) for text in "abc"])
    assert [(one.index, one.value) for one in filled] == [(1, "a"), (2, "b"), (3, "c")]


# ---- on a cluster that changes


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("UNKNOWN", "status: 456"),
        ("UNAVAILABLE", "status: 503, cluster is suspended"),
        ("UNAUTHENTICATED", "authentication denied"),
        ("INTERNAL", "Access denied"),
    ],
)
def test_a_refused_question_is_prepared_anew(
    cluster_engine: LocalEngine, open_db: Callable[..., Database], code: str, text: str
) -> None:
    """Nothing has run by then: another query takes its place, executed once, the first one cleared."""
    live = open_db(f"{cluster_engine.uri}?server_binding=true").connect({})
    cluster_engine.faults.fail("getDynamicParams", code=code, details=text)

    assert run_one(live) == 5
    assert [record.executes for record in cluster_engine.ledger.queries] == [0, 1]
    assert cluster_engine.ledger.open_queries == []


@pytest.mark.parametrize("when", When)
def test_a_lost_answer_is_asked_for_again(
    cluster_engine: LocalEngine, open_db: Callable[..., Database], when: When
) -> None:
    live = open_db(f"{cluster_engine.uri}?server_binding=true").connect({})
    cluster_engine.faults.fail("getDynamicParams", when=when)

    assert run_one(live) == 5
    assert [record.executes for record in cluster_engine.ledger.queries] == [1]


def test_a_result_that_was_lost_runs_anew_with_its_values(
    cluster_engine: LocalEngine, open_db: Callable[..., Database]
) -> None:
    live = open_db(f"{cluster_engine.uri}?server_binding=true&on_loss=rerun_reads").connect({})
    cluster_engine.faults.fail("getNextResultBatch", code="UNAVAILABLE", details="gone")

    assert run_one(live) == 5
    assert [record.executes for record in cluster_engine.ledger.queries] == [1, 1]
