"""Plans in place of rows: explain, explain_analyze and dry run as options of a statement and on the cursor."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode, Error, NotSupportedError, ProgrammingError

import e6data_adbc
from e6data_adbc import aio
from e6data_adbc.local import LocalEngine
from tests.support.scratch import Rows

PREFIX = "adbc.e6data.statement"
SQL = "SELECT status, count(*) AS n FROM sample.sales.orders GROUP BY status"

#: Older ones cannot hand the times of their operators over.
PROFILES = pytest.mark.skipif(
    not hasattr(duckdb.DuckDBPyConnection, "get_profiling_information"), reason="an older DuckDB"
)


@pytest.fixture
def asking(scratch_cursor: Any) -> Any:
    """Executes a text under one of the options; returns the result as a table."""

    def ask(option: str, sql: str, parameters: Any = None) -> pa.Table:
        scratch_cursor.adbc_statement.set_options(**{f"{PREFIX}.{option}": "true"})
        try:
            scratch_cursor.execute(sql, parameters)
            return scratch_cursor.fetch_arrow_table()
        finally:
            scratch_cursor.adbc_statement.set_options(**{f"{PREFIX}.{option}": "false"})

    return ask


def executions(engine: LocalEngine, sql: str) -> int:
    return sum(record.executes for record in engine.ledger.queries if record.sql == sql)


def test_explain(writable: LocalEngine, asking: Any) -> None:
    """One row: the query's id, and the engine's plan, in which operators stand below each other; nothing runs."""
    sql = f"{SQL} -- explained"
    table = asking("explain", sql)

    assert [(field.name, field.type) for field in table.schema] == [
        ("query_id", pa.string()),
        ("plan", pa.string()),
    ]
    (row,) = table.to_pylist()
    lines = row["plan"].splitlines()
    assert "orders" in lines[-1]
    assert len(lines[-1]) - len(lines[-1].lstrip()) == 2 * (len(lines) - 1)
    assert executions(writable, sql) == 0
    record = writable.ledger.query(row["query_id"])
    assert record is not None
    assert record.clears == 1


def test_explain_analyze(writable: LocalEngine, asking: Any) -> None:
    """One row: plan, times, rows, and all that the engine says, as JSON."""
    sql = f"{SQL} -- analyzed"
    table = asking("explain_analyze", sql)

    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == {
        "query_id": pa.string(),
        "plan": pa.string(),
        "analysis": pa.string(),
        "is_cached": pa.bool_(),
        "parsing_milliseconds": pa.int64(),
        "queueing_milliseconds": pa.int64(),
        "total_milliseconds": pa.float64(),
        "row_count": pa.int64(),
    }
    (row,) = table.to_pylist()
    assert row["row_count"] == 4
    assert row["is_cached"] is False
    assert "orders" in row["plan"]
    told = json.loads(row["analysis"])
    assert (told["parsingTime"], told["total_query_time"]) == (
        row["parsing_milliseconds"],
        row["total_milliseconds"],
    )
    record = writable.ledger.query(row["query_id"])
    assert record is not None
    assert (record.executes, record.rows, record.clears) == (1, 4, 1)


@PROFILES
def test_the_operators_that_ran(asking: Any) -> None:
    """The local engine's JSON has them as a tree, with rows and times."""
    row = asking("explain_analyze", SQL).to_pylist()[0]
    told = json.loads(row["analysis"])
    (root,) = told["plan"]
    operators = [root]
    while operators[-1]["children"]:
        operators += operators[-1]["children"]
    assert "orders" in operators[-1]["details"]["Table"]
    assert operators[-1]["row_count_out"] == 10_000
    assert root["row_count_out"] == 4
    assert all(operator["time"] >= 0 for operator in operators)


def test_analyzing_a_change_changes(scratch_cursor: Any, asking: Any, scratch_rows: Rows) -> None:
    """EXPLAIN ANALYZE of a change makes it; explaining one does not, nor does a dry run."""
    scratch_cursor.execute("CREATE TABLE t AS SELECT 1 AS a")
    asking("explain", "DELETE FROM t")
    asking("dry_run", "DELETE FROM t")
    assert scratch_rows("SELECT a FROM t") == [(1,)]
    assert asking("explain_analyze", "DELETE FROM t")["row_count"].to_pylist() == [1]
    assert scratch_rows("SELECT a FROM t") == []


def test_a_long_result_is_dropped_while_it_comes(writable: LocalEngine, asking: Any) -> None:
    """The rows of an analyzed statement come and go; how many there were is told."""
    row = asking("explain_analyze", "SELECT * FROM range(300000)").to_pylist()[0]

    assert row["row_count"] == 300_000


def test_dry_run(writable: LocalEngine, asking: Any) -> None:
    """One row with the engine's text; there is not even a query on the server."""
    before = len(writable.ledger.queries)
    table = asking("dry_run", SQL)

    assert table.schema.names == ["plan"]
    assert "orders" in table["plan"].to_pylist()[0]
    assert len(writable.ledger.queries) == before


def test_a_dry_run_without_a_catalog() -> None:
    """The method without catalogs is used where none is current."""
    with LocalEngine() as engine:
        uri = f"e6data://{engine.user}:{engine.token}@{engine.target}"
        with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
            assert "stores" in cursor.dry_run("SELECT * FROM sample.sales.stores")
            assert engine.ledger.calls["dryRun"] == 1


@pytest.mark.parametrize("option", ["explain", "explain_analyze", "dry_run"])
def test_a_mistake(asking: Any, option: str) -> None:
    """Bad SQL gives the engine's words, and the status of the mistake."""
    with pytest.raises(ProgrammingError, match="nowhere does not exist") as caught:
        asking(option, "SELECT * FROM nowhere")

    assert caught.value.status_code == AdbcStatusCode.NOT_FOUND


@pytest.mark.parametrize("option", ["explain", "explain_analyze", "dry_run"])
def test_parameters(asking: Any, option: str) -> None:
    """The first row of parameters is bound."""
    table = asking(option, "SELECT * FROM sample.sales.orders WHERE order_id = ?", [17])

    assert "17" in table["plan"].to_pylist()[0]


def test_an_analysis_that_fails(asking: Any) -> None:
    """What goes wrong while the statement runs is the error of its analysis."""
    with pytest.raises(Error, match="Could not convert"):
        asking("explain_analyze", "SELECT CAST('x' || range AS INT) FROM range(3)")


def test_an_engine_that_explains_only_what_ran(writable: LocalEngine, asking: Any) -> None:
    """An analysis asks for the plan again after the run, where it was refused before."""
    fault = writable.faults.fail("explain", code="INTERNAL", details="not executed yet")
    row = asking("explain_analyze", SQL).to_pylist()[0]

    assert (fault.hits, "orders" in row["plan"]) == (1, True)
    writable.faults.fail("explain", code="INTERNAL", details="there is no plan", times=2)
    with pytest.raises(ProgrammingError, match="there is no plan"):
        asking("explain_analyze", SQL)


def test_an_engine_without_the_method(writable: LocalEngine, asking: Any) -> None:
    """An engine that cannot explain is NOT_IMPLEMENTED, and the query does not stay on it."""
    fault = writable.faults.fail("explain", code="UNIMPLEMENTED", details="no explain here")
    try:
        with pytest.raises(NotSupportedError, match="no explain here"):
            asking("explain", SQL)
    finally:
        fault.remove()


def test_an_analysis_of_another_form(writable: LocalEngine, asking: Any) -> None:
    """What the JSON lacks is null, and a text that is none is handed on."""
    from e6data_adbc._wire import e6x_engine_pb2 as wire

    for text in ("not JSON", "[]", '{"total_query_time": "soon", "row_count_out": true}'):
        answer = wire.ExplainAnalyzeResponse(explainAnalyze=text, isCached=True, parsingTime=3)
        data = answer.SerializeToString()
        fault = writable.faults.mutate("explainAnalyze", lambda _, data=data: data)
        (row,) = asking("explain_analyze", SQL).to_pylist()
        fault.remove()
        assert row["analysis"] == text
        assert (row["total_milliseconds"], row["row_count"]) == (None, None)
        assert (row["is_cached"], row["parsing_milliseconds"]) == (True, 3)


def test_options_that_exclude_each_other(scratch_cursor: Any) -> None:
    """Two questions at once are an INVALID_STATE that names both, and nothing runs."""
    scratch_cursor.adbc_statement.set_options(
        **{f"{PREFIX}.explain": "true", f"{PREFIX}.dry_run": "true"}
    )
    with pytest.raises(ProgrammingError, match=rf"{PREFIX}\.dry_run.*{PREFIX}\.explain") as caught:
        scratch_cursor.execute(SQL)

    assert caught.value.status_code == AdbcStatusCode.INVALID_STATE


def test_a_forgotten_option_never_runs_a_statement(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """Under `explain` also an update, many rows of parameters and a script change nothing; ingesting is refused."""
    scratch_cursor.execute("CREATE TABLE t AS SELECT 1 AS a")
    scratch_cursor.adbc_statement.set_options(**{f"{PREFIX}.explain": "true"})
    scratch_cursor.executemany("INSERT INTO t VALUES (?)", [(2,), (3,)])
    scratch_cursor.executescript("DELETE FROM t")
    with pytest.raises(ProgrammingError, match=f"{PREFIX}.explain' is on"):
        scratch_cursor.adbc_ingest("t", pa.table({"a": [4]}), mode="append")
    scratch_cursor.adbc_statement.set_options(**{f"{PREFIX}.explain": "false"})

    assert scratch_rows("SELECT a FROM t") == [(1,)]


def test_read_only(scratch: Any, asking: Any) -> None:
    """A read-only connection explains what it would not run."""
    scratch.adbc_connection.set_options(**{"adbc.connection.readonly": "true"})
    try:
        assert "CREATE" in asking("explain", "CREATE TABLE u AS SELECT 1 AS a")["plan"][0].as_py()
        for option in ("explain_analyze", "dry_run"):
            with pytest.raises(ProgrammingError, match="read-only"):
                asking(option, "CREATE TABLE u AS SELECT 1 AS a")
    finally:
        scratch.adbc_connection.set_options(**{"adbc.connection.readonly": "false"})


@pytest.mark.parametrize("value", ["true", 1, 1.0, True])
def test_the_options_in_every_type(scratch_cursor: Any, value: Any) -> None:
    """Each may be set as text, integer and double, and reads back; resetting switches it off."""
    for key in ("explain", "explain_analyze", "dry_run"):
        statement, option = scratch_cursor.adbc_statement, f"{PREFIX}.{key}"
        assert statement.get_option(option) == "false"
        statement.set_options(**{option: value})
        assert statement.get_option(option) == "true"
        assert statement.get_option_int(option) == 1
        statement.set_options(**{option: None})
        assert statement.get_option_int(option) == 0


def test_an_endless_analysis_can_be_cancelled(writable: LocalEngine, scratch: Any) -> None:
    """Cancelling ends it, and the query is off the server."""
    import threading

    sql = "SELECT sum(a.range * b.range) FROM range(1000000000) a, range(100000) b -- analyzed"
    with scratch.cursor() as cursor:
        failures: list[BaseException] = []

        def run() -> None:
            try:
                cursor.explain_analyze(sql)
            except Error as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        while not executions(writable, sql):
            threading.Event().wait(0.005)
        cursor.adbc_cancel()
        thread.join(30)

    assert [error.status_code for error in failures] == [AdbcStatusCode.CANCELLED]


# ---- on the cursor


def test_the_cursor_explains(scratch_cursor: Any) -> None:
    """`explain` and `dry_run` give the text; the cursor goes on with statements of its own."""
    plan = scratch_cursor.explain(SQL)

    assert "orders" in plan
    assert scratch_cursor.dry_run(SQL) == plan
    assert len(scratch_cursor.execute(SQL).fetchall()) == 4


def test_the_cursor_analyzes(scratch_cursor: Any) -> None:
    """`explain_analyze` gives all facts by name."""
    found = scratch_cursor.explain_analyze(
        "SELECT * FROM sample.sales.orders WHERE order_id < :n", {"n": 10}
    )

    assert found.row_count is not None
    assert found.query_id
    assert "orders" in found.plan
    assert found.is_cached is False
    assert found.total_milliseconds >= 0
    assert json.loads(found.analysis)["parsingTime"] == found.parsing_milliseconds


def test_the_cursor_explains_a_change(scratch_cursor: Any, scratch_rows: Rows) -> None:
    """A change that is explained gives a plan, though it has no rows."""
    scratch_cursor.execute("CREATE TABLE t AS SELECT 1 AS a")

    assert "DELETE" in scratch_cursor.explain("DELETE FROM t")
    assert scratch_rows("SELECT a FROM t") == [(1,)]


def test_a_mistake_leaves_the_cursor_as_it_was(scratch_cursor: Any) -> None:
    """After a plan that failed, statements run again."""
    with pytest.raises(ProgrammingError):
        scratch_cursor.explain("SELECT nix")

    assert scratch_cursor.execute("SELECT 1").fetchall() == [(1,)]


def test_asyncio(writable: LocalEngine) -> None:
    """The same, awaited."""

    async def main() -> None:
        async with aio.connect(writable.uri) as connection, connection.cursor() as cursor:
            assert "orders" in await cursor.explain(SQL)
            assert "orders" in await cursor.dry_run(SQL)
            assert (await cursor.explain_analyze(SQL)).row_count == 4

    asyncio.run(main(), debug=True)
