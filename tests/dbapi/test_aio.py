"""Connections and cursors for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest

from e6data_adbc import aio, dbapi
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds

LONG = 60.0  # seconds: longer than any test may take


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalEngine]:
    """One engine for the module."""
    with LocalEngine(chunk_rows=1000) as engine:
        yield engine


@pytest.fixture
def engine(shared: LocalEngine) -> Iterator[LocalEngine]:
    """The engine without the faults of another test; each test leaves no query on it."""
    yield shared
    shared.faults.clear()
    assert not shared.ledger.open_queries


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs *main* in a loop that tells of what blocks or is forgotten."""
    asyncio.run(main(), debug=True)


async def until(condition: Callable[[], object]) -> None:
    """Lets the loop turn until *condition* holds."""
    while not condition():
        await asyncio.sleep(0.001)


def test_rows_tables_and_batches(engine: LocalEngine) -> None:
    """What the blocking cursor gives, awaited."""

    async def main() -> None:
        async with aio.connect(engine.uri) as connection, connection.cursor() as cursor:
            await cursor.execute("select range as n from range(?)", [2500])
            assert await cursor.fetchone() == (0,)
            assert await cursor.fetchmany(2) == [(1,), (2,)]
            assert len(await cursor.fetchall()) == 2497
            table = await (await cursor.execute("select 1 as one")).fetch_arrow_table()
            assert table.to_pydict() == {"one": [1]}
            await cursor.execute("select range as n from range(200000)")
            assert sum([batch.num_rows async for batch in cursor]) == 200000
            await cursor.execute("create or replace table scratch.main.a (n int)")
            await cursor.executemany("insert into scratch.main.a values (?)", [(1,), (2,)])
            assert cursor.blocking.rowcount in (2, -1)

    run(main)


def test_connect_may_be_awaited(engine: LocalEngine) -> None:
    """It may be closed twice; what fails raises what the blocking call raises."""

    async def main() -> None:
        connection = await aio.connect(engine.uri)
        async with connection:
            async with connection.cursor() as cursor:
                with pytest.raises(dbapi.ProgrammingError, match="nowhere"):
                    await cursor.execute("select * from nowhere")
        await connection.close()
        with pytest.raises(dbapi.ProgrammingError, match="paramstyle"):
            await aio.connect(engine.uri, paramstyle="?")

    run(main)


def test_the_loop_turns_while_a_query_waits(engine: LocalEngine) -> None:
    """Eight statements that the server does not answer block neither the loop nor each other."""

    async def main() -> None:
        methods = ("executeStatement", "executeStatementV2")
        held = [engine.faults.delay(name, seconds=LONG, times=None) for name in methods]
        async with aio.connect(engine.uri) as connection:
            tasks = [
                asyncio.create_task(connection.cursor().execute(f"select {number}"))
                for number in range(8)
            ]
            # Each has told its id by then: a task that is cancelled before leaves a query that nobody knows.
            await until(lambda: sum(fault.hits for fault in held) == 8)
            for _ in range(100):
                await asyncio.sleep(0)
            assert not any(task.done() for task in tasks)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results)

    run(main)


@pytest.mark.parametrize("method", ["prepareStatement", "executeStatement", "getNextResultBatch"])
def test_a_cancelled_task_ends_its_query(engine: LocalEngine, method: str) -> None:
    """Wherever it waits; the query is off the server, and the connection works on."""

    async def work(cursor: aio.Cursor) -> None:
        await cursor.execute("select range as n from range(5000)")
        await cursor.fetch_arrow_table()

    async def main() -> None:
        async with aio.connect(engine.uri) as connection:
            faults = [engine.faults.delay(name, seconds=LONG) for name in (method, f"{method}V2")]
            before = engine.ledger.calls[method] + engine.ledger.calls[f"{method}V2"]
            async with connection.cursor() as cursor:
                task = asyncio.create_task(work(cursor))
                await until(
                    lambda: (
                        engine.ledger.calls[method] + engine.ledger.calls[f"{method}V2"] > before
                    )
                )
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            for fault in faults:
                fault.remove()
            await until(lambda: not engine.ledger.open_queries)
            async with connection.cursor() as cursor:
                assert await (await cursor.execute("select 7")).fetchall() == [(7,)]

    run(main)


def test_a_timeout_ends_a_query(engine: LocalEngine) -> None:
    """`asyncio.wait_for` cancels, and tells its own error."""

    async def main() -> None:
        engine.faults.delay("getNextResultBatch", seconds=LONG)
        async with aio.connect(engine.uri) as connection, connection.cursor() as cursor:
            await cursor.execute("select range from range(5000)")
            fetching: Awaitable[object] = cursor.fetchall()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(fetching, 0.05)

    run(main)


FETCHES: dict[str, Callable[[aio.Cursor], Awaitable[Any]]] = {
    "fetchone": lambda cursor: cursor.fetchone(),
    "fetchmany": lambda cursor: cursor.fetchmany(500),
    "fetchall": lambda cursor: cursor.fetchall(),
    "fetch_arrow_table": lambda cursor: cursor.fetch_arrow_table(),
    "fetch_df": lambda cursor: cursor.fetch_df(),
    "fetch_polars": lambda cursor: cursor.fetch_polars(),
    "batches": lambda cursor: anext(cursor.batches()),
}


@pytest.mark.parametrize("again", FETCHES)
@pytest.mark.parametrize("fetch", FETCHES)
def test_rows_of_a_cancelled_fetch(engine: LocalEngine, fetch: str, again: str) -> None:
    """Its rows were here when the task was cancelled, and nobody got them: the result says that it has failed."""

    async def main() -> None:
        async with aio.connect(engine.uri) as connection, connection.cursor() as cursor:
            await cursor.execute("select range as n from range(5000)")
            task = asyncio.ensure_future(FETCHES[fetch](cursor))
            await asyncio.sleep(0)  # it has begun to wait
            cursor._thread._executor.submit(
                bool
            ).result()  # and the fetch is over, which the loop has not seen
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            for _ in range(2):
                with pytest.raises(dbapi.OperationalError, match="cancelled"):
                    await FETCHES[again](cursor)
            assert await (await cursor.execute("select 7")).fetchall() == [(7,)]

    run(main)


@pytest.mark.parametrize("limit", [0.0005, 0.002, 0.01])
def test_a_loop_of_fetches_with_timeouts(engine: LocalEngine, limit: float) -> None:
    """It ends with all rows, or with an error; tried again and again, as fast as the loop can."""

    async def read(cursor: aio.Cursor) -> list[int] | None:
        """The rows, or None where the result failed."""
        await cursor.execute("select range as n from range(5000)")
        found: list[int] = []
        patience = limit
        while True:
            try:
                rows = await asyncio.wait_for(cursor.fetchmany(500), patience)
            except asyncio.TimeoutError:
                patience *= 1.5  # a call that had not begun is no loss, and on a busy machine none may begin in time
                continue
            except dbapi.OperationalError:
                return None
            if not rows:
                return found
            found += [n for (n,) in rows]

    async def main() -> None:
        async with aio.connect(engine.uri) as connection, connection.cursor() as cursor:
            for _ in range(3):
                assert await read(cursor) in (None, list(range(5000)))

    run(main)


def test_a_cancelled_execute_leaves_no_result(engine: LocalEngine) -> None:
    """Also where the statement had run by the time: there is nothing to fetch from."""

    async def main() -> None:
        async with aio.connect(engine.uri) as connection, connection.cursor() as cursor:
            task = asyncio.ensure_future(cursor.execute("select range as n from range(5000)"))
            await asyncio.sleep(0)
            cursor._thread._executor.submit(bool).result()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(dbapi.Error):
                await cursor.fetchall()

    run(main)


def test_the_rest_as_frames(engine: LocalEngine) -> None:
    """What rows left, as each kind of frame and as batches."""

    async def main() -> None:
        async with aio.connect(engine.uri) as connection, connection.cursor() as cursor:
            for fetch in (cursor.fetch_df, cursor.fetch_polars, cursor.fetch_arrow_table):
                await cursor.execute("select range as n from range(2500)")
                assert await cursor.fetchone() == (0,)
                assert len(await fetch()) == 2499
            await cursor.execute("select range as n from range(2500)")
            await cursor.fetchmany(3)
            assert sum([batch.num_rows async for batch in cursor]) == 2497

    run(main)
