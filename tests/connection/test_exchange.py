"""The exchange that opens a result: its metadata and its first rows, asked for together, and lost together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import e6data_adbc
from e6data_adbc import aio, errors
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine, When
from e6data_adbc.options import StatementOptions
from tests.support.scripted import error_of

pytestmark = pytest.mark.seconds

MANY = "select * from range(1000) t(n)"
TABLE = "scratch.main.exchanged"
INSERT = f"insert into {TABLE} values (1)"
FETCHES = {"v1": "getNextResultBatch", "v2": "getNextResultBatchV2"}
#: What ends both calls at a time.
LOSSES = {"reset": ("UNAVAILABLE", "Socket closed"), "session": ("INTERNAL", "Access denied")}

protocols = pytest.mark.parametrize("protocol", FETCHES)


@pytest.fixture(params=[True, False], ids=["shared", "unshared"])
def engine(request: pytest.FixtureRequest) -> Iterator[LocalEngine]:
    """An engine that lets a new session go on with the queries of the old one, and one that does not."""
    with LocalEngine(share_queries=request.param, chunk_rows=100) as running:
        with e6data_adbc.connect(running.uri) as connection, connection.cursor() as cursor:
            cursor.execute(f"create table {TABLE} (n bigint)")
        yield running


def read(engine: LocalEngine, sql: str = MANY, **options: str) -> int:
    """Returns the number of rows that a caller gets."""
    text = "&".join(f"{name}={value}" for name, value in options.items())
    with e6data_adbc.connect(f"{engine.uri}?{text}") as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetch_arrow_table().num_rows)


def lose(engine: LocalEngine, name: str, *methods: str, when: When = When.BEFORE) -> None:
    code, text = LOSSES[name]
    for method in methods:
        engine.faults.fail(method, code=code, details=text, when=when)


def executes(engine: LocalEngine) -> list[int]:
    """Returns how often each query but the first, which made the table, was executed."""
    return [record.executes for record in engine.ledger.queries][1:]


# ---- lost before a row was handed on


@protocols
@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("lost", ["metadata", "fetch", "both"])
def test_a_read_is_prepared_anew(engine: LocalEngine, protocol: str, when: When, lost: str) -> None:
    """Whichever of the two the connection took with it: every row comes once."""
    methods = {"metadata": ["getResultMetadata"], "fetch": [FETCHES[protocol]]}
    lose(engine, "reset", *methods.get(lost, ["getResultMetadata", FETCHES[protocol]]), when=when)

    assert read(engine, result_protocol=protocol) == 1000
    # Metadata alone are read again.
    assert executes(engine) == ([1] if lost == "metadata" else [1, 1])
    assert engine.ledger.open_queries == []


@protocols
@pytest.mark.parametrize("when", When)
def test_a_change_is_in_doubt(engine: LocalEngine, protocol: str, when: When) -> None:
    """It was started, and what it did is lost: it does not run again, and the error says so."""
    lose(engine, "reset", FETCHES[protocol], when=when)

    error = error_of(lambda: read(engine, INSERT, result_protocol=protocol))

    assert isinstance(error, errors.OperationalError)
    assert errors.detail(error, "e6data.ambiguous") == "true"
    assert errors.detail(error, "e6data.retryable") == "false"
    assert error.sqlstate == "08007"
    assert "it was started, and nobody knows what it did" in str(error)
    assert engine.ledger.last.query_id in str(error)
    assert executes(engine) == [1]
    assert engine.ledger.open_queries == []


@pytest.mark.parametrize(
    "fault", [("UNAVAILABLE", "gone"), ("UNKNOWN", "status: 456")], ids=["lost", "gone"]
)
def test_a_change_whose_metadata_are_lost_is_in_doubt(
    engine: LocalEngine, fault: tuple[str, str]
) -> None:
    """The other half of the exchange, for good."""
    code, text = fault
    engine.faults.fail("getResultMetadata", code=code, details=text, times=4)

    error = error_of(lambda: read(engine, INSERT))

    assert errors.detail(error, "e6data.ambiguous") == "true"
    assert errors.detail(error, "e6data.rpc") == "getResultMetadata"
    assert executes(engine) == [1]


def test_what_the_engine_says_of_a_change_is_no_doubt(engine: LocalEngine) -> None:
    """A mistake in the statement is one, and certain."""
    error = error_of(lambda: read(engine, f"insert into {TABLE} select cast('x' as int)"))

    assert errors.detail(error, "e6data.ambiguous") is None


def test_a_read_is_not_prepared_anew_for_ever(engine: LocalEngine) -> None:
    """A connection that breaks at each first fetch is an error after the third query."""
    engine.faults.fail("getNextResultBatch", times=None)
    engine.faults.fail("getNextResultBatchV2", times=None)

    error = error_of(lambda: read(engine))

    assert errors.detail(error, "e6data.incomplete") == "true"
    assert executes(engine) == [1, 1, 1]
    assert engine.ledger.open_queries == []


def test_without_fetching_ahead_there_is_no_exchange(engine: LocalEngine) -> None:
    """A first fetch that travels alone is lost alone, and the option decides."""
    lose(engine, "reset", "getNextResultBatch")

    error_of(lambda: read(engine, result_protocol="v1", prefetch_responses="0"))
    assert executes(engine) == [1]


@protocols
def test_a_task_has_its_rows_too(engine: LocalEngine, protocol: str) -> None:
    """The asyncio module has no other rules."""
    lose(engine, "reset", "getResultMetadata", FETCHES[protocol])

    async def count() -> int:
        async with aio.connect(f"{engine.uri}?result_protocol={protocol}") as connection:
            cursor = await connection.cursor().execute(MANY)
            return int((await cursor.fetch_arrow_table()).num_rows)

    assert asyncio.run(count()) == 1000


def test_a_partition_has_its_rows_too(engine: LocalEngine) -> None:
    """A part of a query is a read of its own."""
    with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(
            **{
                StatementOptions.PARTITION_ON.value: "n",
                StatementOptions.PARTITION_COUNT.value: "2",
            }
        )
        partitions, _ = cursor.adbc_execute_partitions(MANY)
        lose(engine, "reset", "getResultMetadata", "getNextResultBatch", "getNextResultBatchV2")
        rows = 0
        for partition in partitions:
            cursor.adbc_read_partition(partition)
            rows += cursor.fetch_arrow_table().num_rows

    assert rows == 1000
    assert engine.ledger.open_queries == []


# ---- the session ends


@protocols
@pytest.mark.parametrize("prefetch", ["0", "2"])
def test_a_session_that_ends_before_the_first_row_is_not_noticed(
    engine: LocalEngine, protocol: str, prefetch: str
) -> None:
    """A new session reads on where it may, and else, where both travel together, a new query takes its place."""
    waiting = engine.faults.delay("getResultMetadata", gate=(gate := threading.Event()))
    held = engine.faults.delay(FETCHES[protocol], gate=gate)
    options = {"result_protocol": protocol, "prefetch_responses": prefetch}
    with ThreadPoolExecutor(1) as pool:
        rows = pool.submit(read, engine, **options)
        assert waiting.reached.wait(30)
        if prefetch != "0":
            assert held.reached.wait(30)
        engine.expire_sessions()
        gate.set()
        if prefetch == "0" and not engine.config.share_queries:
            assert isinstance(rows.exception(60), errors.Error)
            return
        assert rows.result(60) == 1000
    assert executes(engine) == ([1] if engine.config.share_queries else [1, 1])
    # Those before; one after the loss, and another to be sure that no new one may read on.
    assert engine.ledger.calls["authenticate"] == (3 if engine.config.share_queries else 4)
    # Nobody may clear a query any more whose session ended.
    assert len(engine.ledger.open_queries) == (0 if engine.config.share_queries else 1)


def slowly(engine: LocalEngine, rows: int, then: Callable[[], object], **options: str) -> Any:
    """Reads the first rows of a result, does something, and reads the rest; returns all of its numbers."""
    text = "&".join(f"{name}={value}" for name, value in options.items())
    uri = f"{engine.uri}?prefetch_responses=0&batch_rows=0&{text}"
    with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(MANY)
        found = [row[0] for row in cursor.fetchmany(rows)]
        then()
        found += [row[0] for row in cursor.fetchall()]
        return found


@protocols
def test_a_session_that_ends_during_a_slow_read(engine: LocalEngine, protocol: str) -> None:
    """The refused fetch is sent again in a new session; where that may not read on, the error says what happened."""
    options = {"result_protocol": protocol}
    if engine.config.share_queries:
        found = slowly(engine, 50, engine.expire_sessions, **options)
        assert found == list(range(1000))
        assert executes(engine) == [1]
        return
    error = error_of(lambda: slowly(engine, 50, engine.expire_sessions, **options))

    assert "its session ended, and a new one may not go on with it" in str(error)
    assert "may do this" not in str(error)
    assert isinstance(error, errors.OperationalError)
    assert error.status_code is Status.IO
    assert errors.detail(error, "e6data.incomplete") == "true"
    assert errors.detail(error, "e6data.retryable") == "false"
    assert error.sqlstate == "08003"
    assert engine.ledger.last.executes == 1


def test_a_sign_in_that_fails_during_a_slow_read_is_told(engine: LocalEngine) -> None:
    """Why nobody reads on stands in the error."""

    def end() -> None:
        engine.faults.fail("authenticate", code="PERMISSION_DENIED", details="locked", times=None)
        engine.expire_sessions()

    error = error_of(lambda: slowly(engine, 50, end, result_protocol="v1"))

    assert "its session ended, and there is no new one" in str(error)
    assert "locked" in str(error)


@protocols
def test_a_token_that_ends_during_a_slow_read(protocol: str) -> None:
    """Where calls carry tokens, another one reads on."""
    given: list[str] = []

    def provide() -> str:
        given.append(f"b-{len(given)}")
        return given[-1]

    with LocalEngine(bearer_check=lambda token: token == given[-1], chunk_rows=100) as engine:
        uri = f"e6data://{engine.target}?prefetch_responses=0&result_protocol={protocol}"
        with (
            e6data_adbc.connect(uri, token_provider=provide) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(MANY)
            rows = cursor.fetchmany(50)
            given.append("another")
            rows += cursor.fetchall()

        assert rows == [(n,) for n in range(1000)]
        assert sum(record.executes for record in engine.ledger.queries) == 1


# ---- on_loss=rerun_reads


@protocols
@pytest.mark.parametrize("after", [0, 1, 4])
@pytest.mark.parametrize("name", LOSSES)
def test_what_is_held_back_can_be_lost(
    engine: LocalEngine, protocol: str, after: int, name: str
) -> None:
    """Nobody has seen the rows that came before: a small result runs anew wherever it is lost."""
    code, text = LOSSES[name]
    times = 1 if name == "reset" else 3  # until a new session may not go on, either
    engine.faults.fail(FETCHES[protocol], after=after, code=code, details=text, times=times)
    options = {"on_loss": "rerun_reads", "result_protocol": protocol}

    assert read(engine, **options) == 1000
    assert executes(engine)[-1] == 1
    assert len(executes(engine)) <= 2
    assert engine.ledger.open_queries == []


def test_what_is_held_back_comes_before_the_failure(engine: LocalEngine) -> None:
    """Where nothing can be done about the failure, the rows before it are the reader's."""
    engine.faults.fail("getNextResultBatch", after=3, code="INTERNAL", details="division by zero")
    uri = f"{engine.uri}?on_loss=rerun_reads&result_protocol=v1&batch_rows=0"
    with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(MANY)
        assert [row[0] for row in cursor.fetchmany(300)] == list(range(300))
        assert "division by zero" in str(error_of(cursor.fetchall))


def test_many_lost_sessions_are_no_reason_to_give_up(engine: LocalEngine) -> None:
    """Each of them was good for a query; only a broken connection counts twice at most."""
    engine.faults.fail("getNextResultBatch", times=15, code="INTERNAL", details="Access denied")

    assert read(engine, on_loss="rerun_reads", result_protocol="v1") == 1000
    assert executes(engine) == [1] * 6
    assert engine.ledger.open_queries == []


def test_a_query_that_cannot_be_prepared_anew_is_named(engine: LocalEngine) -> None:
    """The error of the second prepare says which query it was for."""
    lose(engine, "reset", "getNextResultBatch")
    engine.faults.fail("prepareStatementV2", after=1, code="PERMISSION_DENIED", details="no more")

    error = error_of(lambda: read(engine, result_protocol="v1"))

    assert "no more" in str(error)
    assert engine.ledger.last.query_id in str(error)
