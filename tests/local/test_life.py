"""The life of a query on the local engine, over a real socket."""

from __future__ import annotations

import json
import re
from typing import NoReturn

import duckdb
import pytest

from checks.reference.chunk import probe_chunk
from e6data_adbc.local import LocalEngine, server
from e6data_adbc.local.queries import query as query_module
from tests.local.wire import Wire, refused

pytestmark = pytest.mark.seconds


@pytest.mark.parametrize(
    ("said", "raised"), [("Query interrupted", KeyboardInterrupt), ("no such thing", RuntimeError)]
)
def test_ctrl_c_while_the_engine_starts(
    said: str, raised: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB takes the signal itself, in the thread that starts it, and raises a RuntimeError for it."""

    def interrupted(*_: object, **__: object) -> NoReturn:
        raise RuntimeError(said)

    monkeypatch.setattr(server, "Database", interrupted)
    with pytest.raises(raised):
        LocalEngine().start()


@pytest.mark.parametrize("version", [1, 2])
def test_a_result_arrives_whole_in_both_protocols(wire: Wire, version: int) -> None:
    """Many chunks give every row once and in order, whichever fetch call is used."""
    table = wire.select("select range as n, 'row ' || range as t from range(20000)", version)

    assert table.num_rows == 20000
    assert table.column("n").to_pylist() == list(range(20000))
    assert table.column("t")[19999].as_py() == "row 19999"


def test_the_ledger_tells_what_was_handed_out(wire: Wire) -> None:
    """Chunks, rows, executes and clears are counted on the server's side."""
    query = wire.run("select range as n from range(20000)")
    query.read()
    query.clear()

    record = query.record
    assert (record.executes, record.chunks, record.rows, record.ended) == (1, 3, 20000, True)
    assert (record.clears, record.is_open) == (1, False)


def test_the_first_pair_of_calls_works_without_a_catalog(wire: Wire) -> None:
    """prepareStatement and executeStatement use the engine's default catalog and schema."""
    answer = wire.ask("prepareStatement", queryString="select count(*) as n from stores")
    headers = {"plannerip": answer.engineIP}
    fields = {"engineIP": answer.engineIP, "queryId": answer.queryId}
    wire.ask("executeStatement", headers=headers, **fields)
    response = wire.ask("getNextResultBatch", headers=headers, **fields)

    assert probe_chunk(response.resultBatch) == (1, [(6, None)])
    assert response.sessionId == wire.session_id


def test_metadata_names_columns_and_types_before_and_after_execute(wire: Wire) -> None:
    """Double names pass; the row count is unknown until the result was handed out."""
    query = wire.prepare('select 1 as a, 2::bigint as a, 1.5::decimal(7,2) as " "')
    expected = [("a", "INTEGER", "", ""), ("a", "LONG", "", ""), (" ", "DECIMAL128", "", "")]
    assert query.metadata() == (-1, expected)

    query.execute()
    assert query.metadata() == (-1, expected)
    list(query.chunks())
    assert query.metadata() == (1, expected)
    query.clear()


def test_an_exact_row_count_is_known_before_the_first_fetch(make_wire) -> None:
    """With row_count=exact the metadata waits for the end of the query."""
    wire = make_wire(row_count="exact")
    query = wire.run("select * from range(50000)")

    assert query.metadata()[0] == 50000
    assert query.read().num_rows == 50000


def test_a_row_count_can_stay_unknown(make_wire) -> None:
    """With row_count=unknown it is -1 for ever."""
    query = make_wire(row_count="unknown").run("select 1")
    query.read()

    assert query.metadata()[0] == -1


def test_no_rows_are_a_chunk_that_lists_its_vectors(wire: Wire) -> None:
    """V1 sends a chunk of size 0 with every vector first, so that decimal scales are known; then nothing."""
    query = wire.run("select 1.25::decimal(9,2) as d, 'x' as s where false")
    first = wire_bytes(query)

    assert probe_chunk(first.resultBatch) == (0, [(16, 2), (7, None)])
    assert wire_bytes(query).resultBatch == b""
    query.clear()


def wire_bytes(query):
    return query.call("getNextResultBatch")


def test_no_rows_in_v2_come_with_the_end(wire: Wire) -> None:
    """V2 sends the same chunk and endOfStream in one response."""
    response = wire.run("select 1 as a where false").fetch(2)

    assert [probe_chunk(chunk)[0] for chunk in response.chunks] == [0]
    assert response.end_of_stream


def test_a_small_result_needs_one_v2_response(wire: Wire) -> None:
    """The end goes out with the last rows."""
    response = wire.run("select * from stores").fetch(2)

    assert len(response.chunks) == 1
    assert response.end_of_stream


def test_asking_after_the_end_gives_the_end_again(wire: Wire) -> None:
    """The engine forgives a client that asks once more."""
    query = wire.run("select 1")
    list(query.chunks())

    assert query.fetch(1).end_of_stream
    assert query.fetch(2).end_of_stream


def test_v1_can_end_in_an_empty_chunk(make_wire) -> None:
    """With v1_end=chunk the end is a chunk of size 0 without vectors."""
    query = make_wire(v1_end="chunk").run("select 1")
    query.call("getNextResultBatch")

    assert probe_chunk(query.call("getNextResultBatch").resultBatch) == (0, [])


def test_v2_can_be_switched_off(make_wire) -> None:
    """It answers UNIMPLEMENTED and nothing is consumed."""
    query = make_wire(v2_fetch=False).run("select 7 as n")
    code, text = refused(query.start("getNextResultBatchV2"))

    assert code == "UNIMPLEMENTED"
    assert "getNextResultBatchV2" in text
    assert query.read().to_pylist() == [{"n": 7}]


def test_v2_can_begin_with_empty_responses(make_wire) -> None:
    """v2_empty_first responses without chunks come before the rows and do not end the result."""
    query = make_wire(v2_empty_first=2).run("select 7 as n")

    assert [(r.chunks, r.end_of_stream) for r in (query.fetch(2), query.fetch(2))] == [
        ([], False)
    ] * 2
    assert query.fetch(2).end_of_stream


def test_chunk_rows_and_chunks_per_response_are_kept(make_wire) -> None:
    """No chunk has more rows than chunk_rows, no V2 response more chunks than v2_chunks."""
    query = make_wire(chunk_rows=3, v2_chunks=2).run("select * from range(11)")
    sizes, responses = [], 0
    while True:
        response = query.fetch(2)
        responses += 1
        assert len(response.chunks) <= 2
        sizes += [probe_chunk(chunk)[0] for chunk in response.chunks]
        if response.end_of_stream:
            break

    assert sizes == [3, 3, 3, 2]
    assert responses >= 2


def test_prepare_does_not_run_the_query(wire: Wire) -> None:
    """A failure that only execution can find shows at the fetch, and the same statement is preparable."""
    query = wire.run("select 'a'::int as n")

    code, text = refused(query.start("getNextResultBatch"))
    assert code == "INTERNAL"
    assert text.startswith("Conversion Error: Could not convert string 'a'")
    assert refused(query.start("status"))[1] == text
    query.clear()


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("selec 1", 'syntax error at or near "selec"'),
        ("select * from nowhere", "Table with name nowhere does not exist"),
        ("select nothing from stores", 'Referenced column "nothing" not found'),
        ("select 1;", "must not end in a semicolon"),
        ("select 1; select 2", "only one statement"),
        ("", "empty"),
        ("select $1", "takes parameters as ? only"),
        ("set threads = 1", "SET statements are not supported"),
        ("attach 'x.db'", "ATTACH statements are not supported"),
        ("copy (select 1) to 'x.csv'", "COPY statements are not supported"),
        ("drop table stores", "catalog 'sample' is read-only"),
        ("select * from read_csv('/etc/hostname')", "Cannot access file"),
    ],
)
def test_mistakes_show_at_prepare(wire: Wire, sql: str, words: str) -> None:
    """INTERNAL with one line for the user, no stack trace."""
    future = wire.start(
        "prepareStatementV2",
        sessionId=wire.session_id,
        queryString=sql,
        catalog="sample",
        schema="sales",
    )
    code, text = refused(future)

    assert code == "INTERNAL"
    assert words in text
    assert "\n" not in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("catalog", "schema", "words"),
    [("nope", "", "catalog 'nope' does not exist"), ("sample", "nope", "schema 'nope' does not")],
)
def test_the_default_catalog_and_schema_must_exist(wire, catalog, schema, words) -> None:
    """A request that names another place is told so."""
    future = wire.start(
        "prepareStatementV2",
        sessionId=wire.session_id,
        queryString="select 1",
        catalog=catalog,
        schema=schema,
    )
    assert words in refused(future)[1]


def test_calls_in_the_wrong_order_are_refused(wire: Wire) -> None:
    """Fetch before execute, execute twice, anything after clear."""
    query = wire.prepare("select 1")
    assert refused(query.start("getNextResultBatch"))[1].endswith("was not executed")
    assert refused(query.start("getNextResultBatchV2"))[1].endswith("was not executed")
    assert refused(query.start("explainAnalyze"))[1].endswith("was not executed")
    query.execute()
    assert refused(query.start("executeStatementV2"))[1].endswith("was executed already")
    query.clear()
    for method in ("executeStatementV2", "getResultMetadata", "getNextResultBatch", "status"):
        code, text = refused(query.start(method))
        assert (code, text) == ("INTERNAL", f"Query {query.query_id} not found")


def test_metadata_can_demand_an_execute_first(make_wire) -> None:
    """With early_metadata off a prepared query has no metadata yet."""
    query = make_wire(early_metadata=False).prepare("select 1")

    assert refused(query.start("getResultMetadata"))[1].endswith("was not executed")
    query.execute()
    assert query.metadata()[1] == [("1", "INTEGER", "", "")]


def test_unknown_queries_and_wrong_planners_are_refused(wire: Wire) -> None:
    """The id, the engineIP in the message and the plannerip header must all be the query's."""
    query = wire.run("select 1")
    assert refused(query.start("status", queryId="q-0"))[1] == "Query q-0 not found"
    assert refused(query.start("clear", queryId="q-0"))[1] == "Query q-0 not found"
    assert "not on planner" in refused(query.start("status", engineIP="10.0.0.1"))[1]
    assert "does not have" in refused(query.start("status", headers={"plannerip": "10.0.0.1"}))[1]
    missing = wire.start(
        "status",
        sessionId=wire.session_id,
        queryId=query.query_id,
        engineIP=query.engine_ip,
    )
    assert "plannerip is missing" in refused(missing)[1]
    query.clear()


@pytest.mark.parametrize("method", ["clear", "clearOrCancelQuery"])
def test_clearing_again_is_answered_and_counted(wire: Wire, method: str) -> None:
    """A second clear does no harm, but the ledger shows it."""
    query = wire.run("select 1")
    query.call(method)
    query.call(method)

    assert query.record.clears == 2


def test_changes_run_inside_execute_and_answer_a_count(make_wire) -> None:
    """DDL and DML give one LONG column `count`; definitions count 0 rows."""
    wire = make_wire()
    counts = [
        wire.select(sql, catalog="scratch", schema="main").to_pylist()[0]["count"]
        for sql in (
            "create table t (a int, b varchar)",
            "insert into t values (1, 'x'), (2, 'y'), (3, null)",
            "update t set b = 'z' where a > 1",
            "delete from t where a = 1",
            "insert into t values (9, 'r')",
            "create table u as select * from range(5)",
            "create schema other",
            "drop table u",
        )
    ]

    assert counts == [0, 3, 2, 1, 1, 5, 0, 0]
    rows = wire.select("select * from t order by a", catalog="scratch", schema="main")
    assert rows.to_pylist() == [{"a": 2, "b": "z"}, {"a": 3, "b": "z"}, {"a": 9, "b": "r"}]


def test_a_change_has_happened_when_execute_returns(make_wire) -> None:
    """Nobody needs to fetch the count; a failure shows in execute."""
    wire = make_wire()
    wire.run("create table scratch.main.t (a int primary key)").clear()
    wire.run("insert into scratch.main.t values (1)").clear()
    query = wire.prepare("insert into scratch.main.t values (1)")

    assert "Constraint Error" in refused(query.start("executeStatementV2"))[1]
    assert wire.select("select count(*) as n from scratch.main.t").to_pylist() == [{"n": 1}]


def test_status_is_finished_when_only_the_reader_can_go_on(wire: Wire) -> None:
    """A client may poll status before it fetches, although the engine holds few chunks only."""
    query = wire.prepare("select * from range(1000000)")
    assert (query.call("status").status, query.call("status").rowCount) == (False, 0)
    query.execute()
    while not query.call("status").status:
        pass
    assert 0 < query.call("status").rowCount < 1000000
    query.clear()


def test_explain_and_its_sister_and_dry_run(wire: Wire) -> None:
    """Plans are text; explainAnalyze is JSON in milliseconds."""
    query = wire.run("select count(*) from orders where status = 'paid'")
    assert "orders" in query.call("explain").explain
    query.read()
    answer = query.call("explainAnalyze")
    told = json.loads(answer.explainAnalyze)
    assert told["row_count_out"] == 1
    assert set(told) >= {"total_query_time", "executionQueueingTime", "parsingTime"}
    assert answer.parsingTime == told["parsingTime"]
    assert told["total_query_time"] >= max(told["parsingTime"], told["executionQueueingTime"])

    dry = wire.ask("dryRunV2", queryString="select * from stores", catalog="sample", schema="sales")
    assert "stores" in dry.dryrunValue
    assert "stores" in wire.ask("dryRun", queryString="select * from stores").dryrunValue
    with pytest.raises(Exception, match="nowhere"):
        wire.ask("dryRun", queryString="select * from nowhere")


def test_a_plan_is_indented_lines(wire: Wire) -> None:
    """An operator a line, with its attributes and its estimate, two blanks deeper than the one that it feeds."""
    query = wire.prepare("select count(*) from orders where status = 'paid'")
    lines = query.call("explain").explain.splitlines()
    depths = [len(line) - len(line.lstrip(" ")) for line in lines]

    assert depths == [2 * depth for depth in range(len(lines))]
    assert all(re.fullmatch(r" *[A-Z_]+\(.*\)(: rowcount = \d+)?", line) for line in lines)
    assert "sales.orders" in lines[-1]
    query.clear()


@pytest.mark.skipif(
    not hasattr(duckdb.DuckDBPyConnection, "get_profiling_information"), reason="an older DuckDB"
)
@pytest.mark.parametrize("is_explained", [True, False])
def test_the_operators_that_ran(wire: Wire, is_explained: bool) -> None:
    """A query that was explained before it ran tells rows and times of each operator, once it has ended."""
    query = wire.prepare("select status, count(*) as n from orders group by status")
    if is_explained:
        query.call("explain")
    query.call("executeStatementV2")
    query.read()
    told = json.loads(query.call("explainAnalyze").explainAnalyze)

    assert ("plan" in told) is is_explained
    node = told.get("plan", [{"children": [], "row_count_out": 4}])[0]
    assert node["row_count_out"] == 4
    while node["children"]:
        (node,) = node["children"]
        assert set(node) == {"name", "details", "row_count_out", "time", "children"}
        assert node["time"] >= 0
    if is_explained:
        assert node["row_count_out"] == 10_000
    query.clear()


def test_show_and_describe_have_results(wire: Wire) -> None:
    """Statements that DuckDB answers while it parses them are results like others."""
    assert wire.select("show tables").column("name").to_pylist()[0] == "customers"
    assert wire.select("describe stores").num_rows == 6
    plan = wire.select("explain select * from stores").to_pylist()[0]["explain_value"]
    assert "store_id" in plan


def test_every_state_and_event_has_an_edge_or_a_refusal() -> None:
    """The table of states is complete: what it lacks is refused in words."""
    for state in query_module.State:
        assert state in query_module._REFUSALS
        assert (state, query_module.Event.CLEAR) in query_module.TRANSITIONS


def test_health_needs_nothing(wire: Wire) -> None:
    """healthCheck and getCataloges have no session."""
    wire.call("healthCheck")
    assert [c.name for c in wire.call("getCataloges").catalogResponses] == ["sample", "scratch"]
