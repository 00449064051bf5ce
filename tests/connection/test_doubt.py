"""An execute without an answer, on an engine whose words about a query do not tell whether it was started."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

import e6data_adbc
from e6data_adbc import aio, errors
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine, When
from tests.support.scripted import error_of

pytestmark = pytest.mark.seconds

TABLE = "scratch.main.doubt"
BINDING = "adbc.e6data.statement.server_binding"
ANALYZE = "adbc.e6data.statement.explain_analyze"
#: How an execute may end whose answer, or whose request, was lost.
LOSSES = {
    "connection": ("UNAVAILABLE", "gone"),
    "deadline": ("DEADLINE_EXCEEDED", "Deadline Exceeded"),
    "proxy": ("CANCELLED", ""),
    "reset": ("INTERNAL", "Received RST_STREAM with error code 2"),
    "unknown": ("UNKNOWN", "Stream removed"),
}
#: What a server may answer with although it has acted.
REFUSALS = {
    "no room": ("RESOURCE_EXHAUSTED", "rate limit exceeded"),
    "no word": ("RESOURCE_EXHAUSTED", ""),
    "token": ("UNAUTHENTICATED", "Jwt is expired"),
}
#: The edge's own words, which passes nothing on then.
AT_THE_EDGE = ("UNAUTHENTICATED", "authentication denied")
#: What an engine may say of a query that was only prepared: whether it has finished, and its rows.
STATUSES = [(False, 0), (False, -1), (False, 7), (True, 0), (True, -1), (True, 1)]


@pytest.fixture
def vague() -> Iterator[LocalEngine]:
    """An engine on which a query that was never started looks like one with an empty result."""
    with LocalEngine(token="t", early_fetch=True, v2_empty_first=1) as engine:
        with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
            cursor.execute(f"create table {TABLE} (n bigint)")
        yield engine


def says(engine: LocalEngine, status: tuple[bool, int]) -> None:
    """Has *engine* answer each question for a status so."""
    answer = wire.StatusResponse(status=status[0], rowCount=status[1]).SerializeToString()
    engine.faults.mutate("status", lambda _: answer, times=None)


def lose(engine: LocalEngine, when: When, name: str = "connection", *, version: str = "V2") -> None:
    code, text = {**LOSSES, **REFUSALS}[name]
    engine.faults.fail(f"executeStatement{version}", code=code, details=text, when=when)


def written(engine: LocalEngine) -> int:
    with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
        cursor.execute(f"select count(*) from {TABLE}")
        (count,) = cursor.fetchone()
    return int(count)


def is_doubt(error: Any) -> bool:
    return (
        errors.detail(error, "e6data.ambiguous") == "true"
        and errors.detail(error, "e6data.retryable") == "false"
        and error.sqlstate == "08007"
        and "nobody knows whether it runs or ran" in str(error)
    )


def ask(engine: LocalEngine, work: Callable[[Any], object], **options: str) -> object:
    text = "&".join(f"{name}={value}" for name, value in options.items())
    uri = f"{engine.uri}?{text}"
    with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
        return work(cursor)


def insert(cursor: Any) -> None:
    cursor.execute(f"insert into {TABLE} values (1)")


def update(cursor: Any) -> None:
    cursor.adbc_statement.set_sql_query(f"insert into {TABLE} values (1)")
    cursor.adbc_statement.execute_update()


def insert_many(cursor: Any) -> None:
    cursor.executemany(f"insert into {TABLE} values (?)", [(1,)])


def ingest(cursor: Any) -> None:
    place = {"catalog_name": "scratch", "db_schema_name": "main"}
    cursor.adbc_ingest("doubt", pa.table({"n": [1]}), mode="append", **place)


def define(cursor: Any) -> None:
    cursor.execute("create table scratch.main.made as select 1 as n")


def bind_on_server(cursor: Any) -> None:
    cursor.adbc_statement.set_options(**{BINDING: "true"})
    cursor.execute(f"insert into {TABLE} values (?)", (1,))


def read(cursor: Any) -> Any:
    cursor.execute("select * from range(10) t(n)")
    return cursor.fetchall()


def analyze(cursor: Any) -> Any:
    cursor.adbc_statement.set_options(**{ANALYZE: "true"})
    cursor.execute("select 1 as n")
    return cursor.fetchall()


def split(cursor: Any) -> Any:
    return cursor.adbc_execute_partitions("select 1 as n")


WORKS = [insert, update, insert_many, ingest, define, bind_on_server, read, analyze, split]


@pytest.mark.parametrize("work", WORKS, ids=lambda work: str(work.__name__))
@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_what_never_ran_is_never_done(
    vague: LocalEngine, work: Callable[[Any], object], protocol: str
) -> None:
    """Whatever was to be executed: nobody can tell, so that is what the caller hears."""
    says(vague, (False, 0))
    lose(vague, When.BEFORE)

    error = error_of(lambda: ask(vague, work, result_protocol=protocol))

    assert is_doubt(error)
    assert [record.executes for record in vague.ledger.queries][1:] == [0]
    assert vague.ledger.open_queries == []
    assert written(vague) == 0


@pytest.mark.parametrize(
    ("status", "name"),
    [*((status, "connection") for status in STATUSES), *(((False, 0), name) for name in LOSSES)],
)
def test_no_status_proves_that_a_statement_began(
    vague: LocalEngine, status: tuple[bool, int], name: str
) -> None:
    """Finished or not, with rows or without: an engine may say so of what was only prepared."""
    says(vague, status)
    lose(vague, When.BEFORE, name)

    assert is_doubt(error_of(lambda: ask(vague, insert)))
    assert written(vague) == 0


@pytest.mark.parametrize("when", When)
def test_a_statement_without_a_catalog_is_no_exception(vague: LocalEngine, when: When) -> None:
    """The other execute, which calls without a catalog use."""
    says(vague, (False, -1))
    lose(vague, when, version="")
    uri = f"e6data://{vague.user}:{vague.token}@{vague.target}"

    def write() -> None:
        with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
            insert(cursor)

    if when is When.AFTER:
        write()  # the row with the count is the proof
    else:
        assert is_doubt(error_of(write))
    assert written(vague) == int(when is When.AFTER)


@pytest.mark.parametrize("work", WORKS, ids=lambda work: str(work.__name__))
@pytest.mark.parametrize("status", [(False, 0), (True, 1)], ids=str)
def test_a_row_proves_that_a_statement_began(
    vague: LocalEngine, work: Callable[[Any], object], status: tuple[bool, int]
) -> None:
    """Only the answer was lost: the first row says so, and nothing is executed again."""
    says(vague, status)
    lose(vague, When.AFTER)

    if work is split:  # whose rows are another reader's
        assert is_doubt(error_of(lambda: ask(vague, work)))
    else:
        ask(vague, work)
    assert [record.executes for record in vague.ledger.queries][1:] == [1]
    assert vague.ledger.open_queries == []


CHANGES = [insert, update, insert_many, ingest, define, bind_on_server]
#: Each change and each refusal once, over both transports.
REFUSED = [
    *(pytest.param(work, "no room", "native", id=str(work.__name__)) for work in CHANGES),
    *(pytest.param(insert, name, "grpc", id=f"{name}, gRPC") for name in REFUSALS),
    *(pytest.param(update, name, "native", id=name) for name in ("no word", "token")),
]


@pytest.mark.parametrize(("work", "name", "transport"), REFUSED)
def test_a_change_that_was_refused_runs_once(
    vague: LocalEngine, work: Callable[[Any], object], name: str, transport: str
) -> None:
    """A refusal proves nothing, as a server may give it after it acted: the row with the count does."""
    says(vague, (False, 0))
    lose(vague, When.AFTER, name)

    ask(vague, work, transport=transport)

    assert [record.executes for record in vague.ledger.queries][1:] == [1]
    assert vague.ledger.open_queries == []
    if work is not define:
        assert written(vague) == 1


@pytest.mark.parametrize(("work", "name", "transport"), REFUSED)
def test_a_change_that_was_refused_is_in_doubt(
    vague: LocalEngine, work: Callable[[Any], object], name: str, transport: str
) -> None:
    """Where it did not act there is no such row, and nobody can tell."""
    says(vague, (False, 0))
    lose(vague, When.BEFORE, name)

    error = error_of(lambda: ask(vague, work, transport=transport))

    assert is_doubt(error)
    assert isinstance(error, errors.OperationalError)
    assert REFUSALS[name][1] in str(error)
    assert [record.executes for record in vague.ledger.queries][1:] == [0]
    assert vague.ledger.open_queries == []


@pytest.mark.parametrize(
    ("name", "transport"), [("no room", "native"), ("no word", "grpc"), ("token", "native")]
)
@pytest.mark.parametrize("when", When)
def test_a_read_that_was_refused_is_prepared_anew(
    vague: LocalEngine, name: str, when: When, transport: str
) -> None:
    """It does no harm twice."""
    lose(vague, when, name)

    assert ask(vague, read, transport=transport) == [(n,) for n in range(10)]
    assert [record.executes for record in vague.ledger.queries][1:] == [int(when is When.AFTER), 1]
    assert vague.ledger.open_queries == []


@pytest.mark.parametrize("sql", ["with t as (select 1) select * from t", "values (1)", "call f()"])
def test_only_what_surely_reads_is_repeated(vague: LocalEngine, sql: str) -> None:
    """Also with more than one word to it; and what may be anything is not sent again."""
    lose(vague, When.BEFORE, "no room")

    def run(cursor: Any) -> Any:
        cursor.execute(sql)
        return cursor.fetchall()

    if "call" in sql:
        assert not isinstance(error_of(lambda: ask(vague, run)), AssertionError)
        assert sum(record.executes for record in vague.ledger.queries[1:]) == 0
    else:
        assert ask(vague, run) == [(1,)]


@pytest.mark.parametrize("transport", ["native", "grpc"])
def test_what_the_edge_refuses_never_began(vague: LocalEngine, transport: str) -> None:
    """Its own words are a proof, so a change is prepared anew with another session."""
    code, text = AT_THE_EDGE
    vague.faults.fail("executeStatementV2", code=code, details=text)

    ask(vague, insert, transport=transport)

    assert [record.executes for record in vague.ledger.queries][1:] == [0, 1]
    assert written(vague) == 1


@pytest.mark.parametrize("when", When)
def test_an_empty_result_proves_nothing(vague: LocalEngine, when: When) -> None:
    """A query of no rows may have run or not, and its caller hears no other thing the second time."""
    lose(vague, when)
    sql = "select * from range(10) t(n) where n > 10"

    def empty(cursor: Any) -> None:
        for _ in range(2):
            assert is_doubt(error_of(lambda: cursor.execute(sql)))
            lose(vague, when)

    ask(vague, empty)


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("rows", [0, 10])
def test_a_read_in_doubt_may_run_anew(vague: LocalEngine, when: When, rows: int) -> None:
    """Under the option another query takes its place."""
    lose(vague, when)

    def count(cursor: Any) -> int:
        cursor.execute(f"select * from range({rows}) t(n)")
        return len(cursor.fetchall())

    assert ask(vague, count, on_loss="rerun_reads") == rows
    ran = [record.executes for record in vague.ledger.queries][1:]
    assert ran == ([1] if rows and when is When.AFTER else [int(when is When.AFTER), 1])
    assert vague.ledger.open_queries == []


def test_metadata_that_are_refused_leave_the_doubt() -> None:
    """An engine that has no metadata before a query ran says something else with that, not that it never ran."""
    with LocalEngine(early_metadata=False) as engine:
        lose(engine, When.BEFORE)

        assert is_doubt(error_of(lambda: ask(engine, read)))
        assert engine.ledger.open_queries == []


@pytest.mark.parametrize("method", ["status", "getResultMetadata"])
def test_who_cancels_in_doubt_hears_of_it(vague: LocalEngine, method: str) -> None:
    """CANCELLED is what the caller did; that the statement may have run is true all the same."""
    lose(vague, When.AFTER)
    waiting = vague.faults.delay(method, gate=threading.Event())
    failed: list[errors.Error] = []
    with e6data_adbc.connect(vague.uri) as connection, connection.cursor() as cursor:
        writer = threading.Thread(target=lambda: failed.append(error_of(lambda: update(cursor))))
        writer.start()
        assert waiting.reached.wait(30)
        cursor.adbc_cancel()
        writer.join(30)

    assert failed[0].status_code is Status.CANCELLED
    assert errors.detail(failed[0], "e6data.ambiguous") == "true"


def test_a_task_hears_the_same(vague: LocalEngine) -> None:
    """The asyncio module has no other rules."""
    lose(vague, When.BEFORE)

    async def write() -> None:
        async with aio.connect(vague.uri) as connection:
            await connection.cursor().execute(f"insert into {TABLE} values (1)")

    with pytest.raises(errors.OperationalError) as caught:
        asyncio.run(write())
    assert is_doubt(caught.value)
