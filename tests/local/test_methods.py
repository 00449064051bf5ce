"""Every method of both services answers: really, or with a typed refusal that says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e6data_adbc._wire import e6x_engine_pb2 as pb
from e6data_adbc.local.service import UNANSWERED
from e6data_adbc.local.wire.rpc import METHODS
from tests.local.wire import Query, Wire, refused
from tools.generate_docs import method_rows

pytestmark = pytest.mark.seconds

DOCS = Path(__file__).resolve().parents[2] / "docs" / "local-engine.md"
QUEUE = pb.IdentifyPlannerResponse.QueueMessage


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.path)
def test_every_method_is_answered(wire: Wire, method: Any) -> None:
    """An empty request gets an answer or a refusal of the engine's own; UNIMPLEMENTED only with its reason."""
    if method.name == "suspend":
        pytest.skip("the engine is shared; test_life suspends one")
    future = wire.start(method.name, service=method.service)
    error = future.exception()

    if method.name in UNANSWERED:
        assert refused(future) == (
            "UNIMPLEMENTED",
            f"{method.name} is not implemented by the local engine: it {UNANSWERED[method.name]}",
        )
    else:
        assert error is None or error.code().name == "INTERNAL"
        assert error is None or "internal error" not in error.details()


def test_the_page_says_which() -> None:
    """The table of the docs is the one that the code gives."""
    assert "\n".join(method_rows()) in DOCS.read_text()


def test_a_planner_is_waited_for(make_wire: Callable[..., Wire]) -> None:
    """WAITING as often as set, then GO_AHEAD with a planner; the id of the queue is the id of the query."""
    wire = make_wire(planner_waits=2)
    payload = {"schema": "sales", "catalog": "sample", "queryString": "select 1"}
    answers = [wire.ask("identifyPlanner", firstTimeRequestPayload=payload)]
    place = answers[0].existingQuery
    early = wire.start(
        "prepareStatementV2",
        sessionId=wire.session_id,
        queryString="select 1",
        existingQuery={"queryId": place.queryId},
    )
    assert refused(early) == ("INTERNAL", f"Query {place.queryId} still waits for a planner")
    known = {"queryId": place.queryId, "elapsedTimeMillis": 20}
    answers += [wire.ask("identifyPlanner", existingQuery=known) for _ in range(2)]

    assert [answer.queueMessage for answer in answers] == [
        QUEUE.WAITING_ON_PLANNER_SCALEUP,
        QUEUE.WAITING_ON_PLANNER_SCALEUP,
        QUEUE.GO_AHEAD,
    ]
    assert [bool(answer.plannerIp) for answer in answers] == [False, False, True]
    prepared = wire.ask(
        "prepareStatementV2",
        queryString="select 1",
        catalog="sample",
        plannerIp=answers[-1].plannerIp,
        existingQuery={"queryId": place.queryId, "elapsedTimeMillis": 30},
    )
    assert (prepared.queryId, prepared.engineIP) == (place.queryId, answers[-1].plannerIp)
    with_id = {"queryString": "select 1", "existingQuery": {"queryId": place.queryId}}
    again = wire.start("prepareStatementV2", sessionId=wire.session_id, **with_id)
    assert refused(again) == ("INTERNAL", f"Query {place.queryId} not found")


def test_too_many_hear_of_the_limit(make_wire: Callable[..., Wire]) -> None:
    """A planner that is asked for too often says so in its answer, not as an error."""
    wire = make_wire(calls_per_second=2)
    payload = {"schema": "sales", "catalog": "sample", "queryString": "select 1"}
    told = [
        wire.ask("identifyPlanner", firstTimeRequestPayload=payload).queueMessage for _ in range(9)
    ]

    assert QUEUE.RATE_LIMIT in told


def frame(wire: Wire, **source: Any) -> Callable[..., Any]:
    """A new data frame: returns what calls a method about it."""
    query_id = wire.ask("createDataFrame", dataframeNumber=0, **source).queryId

    def call(method: str, **fields: Any) -> Any:
        return wire.ask(method, queryId=query_id, dataframeNumber=0, **fields)

    call.query_id = query_id  # type: ignore[attr-defined]
    return call


def read(wire: Wire, query_id: str) -> pa.Table:
    planner = wire.engine._service._planners[wire.engine.strategy]
    answer = pb.PrepareStatementResponse(queryId=query_id, engineIP=planner)
    return Query(wire, answer).read()


def test_a_data_frame_is_a_query(wire: Wire) -> None:
    """Layer on layer: filter, aggregate, order and limit of a table give what the SQL of it gives."""
    orders = frame(wire, catalog="sample", schema="sales", table="orders")
    orders("filterOnDataFrame", whereClause="order_id > 10 -- all but ten")
    orders(
        "aggregateOnDataFrame",
        aggregateFunctionMap={"order_id": pb.COUNT, "customer_id": pb.COUNT_DISTINCT},
        groupBy=["store_id"],
    )
    orders("orderByOnDataFrame", orderByFieldMap={"store_id": pb.DESC})
    orders("limitOnDataFrame", fetchLimit=3)
    orders("executeDataFrame")

    expected = wire.select(
        'select store_id, count(distinct customer_id) as "COUNT(DISTINCT customer_id)", '
        'count(order_id) as "COUNT(order_id)" from orders where order_id > 10 '
        "group by store_id order by store_id desc limit 3"
    )
    assert read(wire, orders.query_id).equals(expected)  # type: ignore[attr-defined]


def test_a_data_frame_over_a_file(make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    """A Parquet file of the served directory is one; any other file is not."""
    pq.write_table(pa.table({"a": [1, 2], "b": [3, 4]}), tmp_path / "t.parquet")
    wire = make_wire(tmp_path)
    inside = frame(wire, createFromParquet=True, parquetFilePath=str(tmp_path / "t.parquet"))
    inside("projectionOnDataFrame", field=["b"])
    inside("executeDataFrame")
    assert read(wire, inside.query_id).to_pydict() == {"b": [3, 4]}  # type: ignore[attr-defined]

    outside = wire.ask("createDataFrame", createFromParquet=True, parquetFilePath="/etc/passwd")
    code, _ = refused(
        wire.start("executeDataFrame", sessionId=wire.session_id, queryId=outside.queryId)
    )
    assert code == "INTERNAL"


@pytest.mark.parametrize(
    ("method", "fields", "text"),
    [
        ("orderByOnDataFrame", {"orderByFieldMap": {"a": 0, "b": 1}}, "several columns"),
        ("limitOnDataFrame", {"fetchLimit": -1}, "negative"),
        ("projectionOnDataFrame", {}, "needs fields"),
        ("aggregateOnDataFrame", {}, "needs functions"),
        ("limitOnDataFrame", {"dataframeNumber": 5}, "not found"),
    ],
)
def test_what_a_data_frame_cannot(
    wire: Wire, method: str, fields: dict[str, Any], text: str
) -> None:
    """A layer that makes no sense is refused when it is put on."""
    query_id = wire.ask("createDataFrame", table="stores").queryId

    code, details = refused(
        wire.start(method, sessionId=wire.session_id, queryId=query_id, **fields)
    )
    assert code == "INTERNAL"
    assert text in details


def test_a_dropped_user_has_nothing(make_wire: Callable[..., Wire]) -> None:
    """dropUserContext ends the queries and data frames of the session, and of no other."""
    wire = make_wire()
    other = Wire(wire.engine).sign_in()
    mine, theirs = wire.run("select 1"), other.run("select 1")
    kept = wire.ask("createDataFrame", table="stores").queryId
    wire.ask("dropUserContext")

    assert refused(mine.start("status"))[1] == f"Query {mine.query_id} not found"
    assert theirs.read().num_rows == 1
    gone = wire.start("executeDataFrame", sessionId=wire.session_id, queryId=kept)
    assert "not found" in refused(gone)[1]
    other.__exit__()


def test_catalogs_are_refreshed(make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    """A file that came is a table after refreshCatalogs, one that went is none, a broken one is reported by name."""
    pq.write_table(pa.table({"a": [1]}), tmp_path / "old.parquet")
    wire = make_wire(tmp_path)
    running = wire.run("select range as n from range(100000)", catalog="files", schema="main")
    pq.write_table(pa.table({"a": [2]}), tmp_path / "new.parquet")
    (tmp_path / "old.parquet").unlink()
    (tmp_path / "broken.parquet").write_bytes(b"no parquet")

    wire.ask("refreshCatalogs")

    assert list(wire.ask("getTablesV2", catalog="files", schema="main").tables) == ["new"]
    assert wire.select("select a from new", catalog="files", schema="main")["a"].to_pylist() == [2]
    told = wire.ask("getAddCatalogsResponse")
    assert (told.status, [item.name for item in told.failures]) == ("FAILED", ["main.broken"])
    assert running.read().num_rows == 100000


def test_properties_are_a_json_object(wire: Wire) -> None:
    """setProps takes what old connectors send, and nothing that is not JSON."""
    wire.ask("setProps", props=json.dumps({"USE_QUERY_RESULT_CACHE": True}))

    bad = wire.start("setProps", sessionId=wire.session_id, props="a=b")
    assert refused(bad) == ("INTERNAL", "the properties are not a JSON object")
