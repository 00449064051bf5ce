"""A DuckDB that gave itself up: it is opened again, and only the query that did it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import grpc
import pyarrow as pa
import pytest

from e6data_adbc.local import LocalEngine
from tests.local.wire import Wire, refused

pytestmark = pytest.mark.seconds

FATAL = "FATAL Error: something that cannot be"
INVALID = (
    "FATAL Error: Failed: database has been invalidated because of a previous fatal error. The database must be "
    f"restarted prior to being used again. Original error: {FATAL}"
)
#: A statement that the stand-in answers as DuckDB answers one that breaks it.
BREAKING = "select 'break' as a"


class StandIn:
    """Stands where a DuckDB connection is, and raises DuckDB's own exceptions once it broke."""

    def __init__(self, real: Any, state: threading.Event) -> None:
        self._real, self._state = real, state

    def cursor(self) -> StandIn:
        self._look("")
        return StandIn(self._real.cursor(), self._state)

    def close(self) -> None:
        self._real.close()

    def interrupt(self) -> None:
        self._real.interrupt()

    def __enter__(self) -> StandIn:  # noqa: PYI034
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _look(self, sql: str) -> None:
        if self._state.is_set():
            raise duckdb.FatalException(INVALID)
        if "break" in sql:
            self._state.set()
            raise duckdb.FatalException(FATAL)

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name in ("execute", "sql", "extract_statements", "get_table_names"):

            def call(sql: str, *rest: Any, **more: Any) -> Any:
                self._look(sql if name == "sql" else "")
                return real(sql, *rest, **more)

            return call
        return real


@pytest.fixture
def broken(make_engine: Callable[..., LocalEngine], tmp_path: Path) -> Iterator[Any]:
    """An engine with data of every kind, and what breaks its DuckDB from now on."""
    (tmp_path / "c.csv").write_text("a\n1\n")
    with duckdb.connect(tmp_path / "own.duckdb") as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS a")
    engine = make_engine(tmp_path)
    engine.register("registered", pa.table({"a": [1]}))
    engine.add_catalog("added", {"t": pa.table({"a": [1]})})
    with Wire(engine) as wire:
        wire.sign_in()
        for sql in (
            "create table made as select 1 as a",
            "create view seen as select * from scratch.main.made",
            "create macro counted() as table select count(*) as a from scratch.main.made",
            "insert into added.main.t values (2)",
        ):
            wire.run(sql, catalog="scratch", schema="main").clear()

        def stand_in() -> threading.Event:
            state = threading.Event()
            engine._database._instance.root = StandIn(engine._database._instance.root, state)
            return state

        yield engine, wire, stand_in


READS = [
    "files.main.c",
    "own.main.t",
    "added.main.t",
    "scratch.main.registered",
    "scratch.main.made",
    "scratch.main.seen",
    "scratch.main.counted()",
    "sample.sales.stores",
]


def test_only_the_query_that_broke_it_fails(broken: Any) -> None:
    """It hears DuckDB's own error; all that was registered or created is there for the next one, and it is counted."""
    engine, wire, stand_in = broken
    before = {name: wire.select(f"select * from {name}").num_rows for name in READS}
    stand_in()

    code, text = refused(
        wire.start("prepareStatementV2", sessionId=wire.session_id, queryString=BREAKING)
    )
    assert (code, FATAL in text) == ("INTERNAL", True)
    assert {name: wire.select(f"select * from {name}").num_rows for name in READS} == before
    assert engine.ledger.reopened == 1
    assert engine.ledger.metrics()["reopened"] == 1
    assert engine.ledger.summary(0)["reopened"] == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda _engine, wire: wire.select("select 1 as a"),
        lambda _engine, wire: wire.run("insert into scratch.main.made values (5)").clear(),
        lambda _engine, wire: wire.run("insert into scratch.main.made select 5").clear(),
        lambda _engine, wire: wire.ask("dryRunV2", queryString="select 1", catalog="sample"),
        lambda _engine, wire: wire.ask("getSchemaNamesV2", catalog="files"),
        lambda _engine, wire: wire.ask("getTablesV2", catalog="scratch", schema="main"),
        lambda _engine, wire: wire.ask("getColumnsV2", catalog="files", schema="main", table="c"),
        lambda _engine, wire: wire.call("getCataloges"),
        lambda _engine, wire: wire.ask("refreshCatalogs"),
        lambda engine, _wire: engine.register("more", pa.table({"a": [1]})),
        lambda engine, _wire: engine.add_catalog("another", {"t": pa.table({"a": [1]})}),
        lambda engine, _wire: engine.drop_catalog("added"),
        lambda engine, _wire: engine.refresh(),
    ],
)
def test_whoever_comes_next_hears_nothing_of_it(
    broken: Any, call: Callable[[LocalEngine, Wire], object]
) -> None:
    """Each call that finds the database broken has it opened again, and goes on."""
    engine, wire, stand_in = broken
    stand_in().set()

    call(engine, wire)
    assert engine.ledger.reopened == 1
    assert wire.select("select a from scratch.main.registered").to_pydict() == {"a": [1]}


def test_what_was_prepared_before_runs(broken: Any) -> None:
    """A query, a change and a statement with parameters that were prepared on the broken database."""
    engine, wire, stand_in = broken
    state = stand_in()
    read = wire.prepare("select a from scratch.main.made")
    change = wire.prepare("insert into scratch.main.made select 7")
    bulk = wire.prepare("insert into scratch.main.made values (8), (9)")
    bound = wire.prepare("select a + 1 as b from scratch.main.made where a = ?")
    explained = wire.prepare("select a from scratch.main.registered")
    state.set()

    assert "SCAN" in explained.call("explain").explain
    change.execute()
    bulk.execute()
    read.execute()
    assert sorted(read.read().to_pydict()["a"]) == [1, 7, 8, 9]
    bound.call("executeStatementV2", params=[{"index": 1, "type": "INTEGER", "value": "7"}])
    assert bound.read().to_pydict() == {"b": [8]}
    assert engine.ledger.reopened == 1


def test_a_query_that_breaks_it_at_run_time(broken: Any) -> None:
    """It has failed, is not run again, and another that ran beside it does not fail with it."""
    engine, wire, stand_in = broken
    state = stand_in()
    other = wire.prepare("select a from scratch.main.made")
    query = wire.prepare("select a from scratch.main.made")
    statement = engine._queries._queries[query.query_id]._statement
    opened = statement.cursor.sql

    def fail(_sql: str) -> None:
        state.set()
        raise duckdb.FatalException(FATAL)

    statement.cursor.sql = fail
    assert opened is not None
    query.execute()
    assert FATAL in refused(query.start("getNextResultBatch"))[1]
    other.execute()
    assert other.read().to_pydict() == {"a": [1]}
    assert engine.ledger.reopened == 1


def test_it_may_break_again_and_again(broken: Any) -> None:
    """Each time it is opened once, however many find it broken."""
    engine, wire, stand_in = broken
    for times in (1, 2, 3):
        state = stand_in()
        queries = [wire.prepare("select a from scratch.main.made") for _ in range(8)]
        state.set()
        for query in queries:
            query.execute()
        for query in queries:
            assert query.read().to_pydict() == {"a": [1]}
            query.clear()
        assert engine.ledger.reopened == times


def test_rows_that_were_being_read_end_with_an_error(broken: Any) -> None:
    """A result of which rows are still to come cannot go on, and says so; it never ends short."""
    engine, wire, stand_in = broken
    state = stand_in()
    query = wire.run("select range as a from range(3000000)")
    query.fetch(1)
    state.set()

    assert wire.select("select 1 as a").num_rows == 1
    assert engine.ledger.reopened == 1
    with pytest.raises(grpc.RpcError) as raised:
        query.read()
    assert "broke and was opened again while the rows were read" in str(raised.value)


def test_a_scratch_file_is_kept(make_engine: Callable[..., LocalEngine], tmp_path: Path) -> None:
    """The user's own file is opened again, with what is in it."""
    engine = make_engine(scratch=tmp_path / "kept.duckdb")
    with Wire(engine) as wire:
        wire.sign_in()
        wire.run("create table scratch.main.t as select 1 as a").clear()
        state = threading.Event()
        engine._database._instance.root = StandIn(engine._database._instance.root, state)
        state.set()

        assert wire.select("select a from scratch.main.t").to_pydict() == {"a": [1]}
    engine.stop()
    with duckdb.connect(tmp_path / "kept.duckdb", read_only=True) as connection:
        assert connection.execute("select a from t").fetchall() == [(1,)]
