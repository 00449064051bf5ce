"""What fails leaves nothing of the driver's to the garbage collector: neither the query nor what waited for it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import e6data_adbc
from e6data_adbc import aio, dbapi
from e6data_adbc.local import LocalEngine
from e6data_adbc.options import StatementOptions

pytestmark = [pytest.mark.seconds, pytest.mark.usefixtures("each_transport")]

LONG = "select range as n from range(20000)"
HERE = str(Path(e6data_adbc.__file__).parent)
#: The engine of the tests runs in their process, and the messages of the wire are its, too.
THEIRS = ("e6data_adbc.local", "e6data_adbc._wire")
EXECUTE = ("executeStatement", "executeStatementV2")
FETCH = ("getNextResultBatch", "getNextResultBatchV2")


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    """An engine with small chunks."""
    with LocalEngine(chunk_rows=1000) as running:
        yield running


@pytest.fixture
def connection(engine: LocalEngine, each_transport: object) -> Iterator[dbapi.Connection]:
    """A connection; it has made a query."""
    del each_transport
    with dbapi.connect(engine.uri) as opened:
        with opened.cursor() as cursor:
            cursor.execute("select 1").fetchall()
        yield opened
    engine.faults.clear()


def garbage_of(act: Callable[[], object]) -> list[str]:
    """Returns the kinds of the driver's objects, and its frames, that only the garbage collector frees after *act*."""
    act()  # what is made once is made
    gc.collect()
    gc.disable()
    try:
        act()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found = list(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    kinds = []
    for item in found:
        if isinstance(item, types.FrameType):
            code = item.f_code
            if code.co_filename.startswith(HERE) and "local" not in Path(code.co_filename).parts:
                kinds.append(f"the frame of {code.co_name}")
        elif (kind := type(item)).__module__.startswith(
            "e6data_adbc"
        ) and not kind.__module__.startswith(THEIRS):
            kinds.append(kind.__qualname__)
    return kinds


Fail = Callable[[LocalEngine, dbapi.Connection], object]


def statement(sql: str, *failing: str, fetch: str = "fetchall", after: int = 0) -> Fail:
    """Returns what runs *sql* while the methods *failing* of the engine fail after some calls."""

    def run(engine: LocalEngine, connection: dbapi.Connection) -> None:
        for method in failing:
            engine.faults.fail(method, code="INTERNAL", after=after)
        try:
            with connection.cursor() as cursor:
                getattr(cursor.execute(sql), fetch)()
        finally:
            engine.faults.clear()

    return run


def timed(engine: LocalEngine, connection: dbapi.Connection) -> None:
    """Fails in the timings of a query that was read."""
    engine.faults.fail("explainAnalyze", code="PERMISSION_DENIED")
    options = {StatementOptions.TIMINGS.value: "true"}
    with connection.cursor(adbc_stmt_kwargs=options) as cursor:
        cursor.execute("select 1").fetchall()
        cursor.timings()


def ingested(_: LocalEngine, connection: dbapi.Connection) -> None:
    """Fails in an ingestion."""
    place = {"catalog_name": "scratch", "db_schema_name": "main"}
    with connection.cursor() as cursor:
        cursor.adbc_ingest("nowhere", pa.table({"a": [1]}), "append", **place)


def listed(engine: LocalEngine, connection: dbapi.Connection) -> None:
    """Fails in a listing."""
    engine.faults.fail("getSchemaNamesV2", code="INTERNAL", times=None)
    connection.adbc_get_objects(depth="db_schemas").read_all()


FAILURES: dict[str, Fail] = {
    "text": statement("select from nowhere"),
    "prepare": statement("select 1", "prepareStatement", "prepareStatementV2"),
    "execute": statement("select 1", *EXECUTE),
    "change": statement("create table scratch.main.t (a int)", *EXECUTE),
    "metadata": statement("select 1", "getResultMetadata"),
    "first fetch": statement(LONG, *FETCH),
    "fetchall": statement(LONG, *FETCH, after=2),
    "fetchone": statement(LONG, *FETCH, fetch="fetchone"),
    "fetch_arrow_table": statement(LONG, *FETCH, fetch="fetch_arrow_table", after=2),
    "a date beyond Python": statement("select date '9999-12-31' + interval 1 day as d"),
    "a missing table": lambda _, connection: connection.adbc_get_table_schema("nowhere"),
    "ingestion": ingested,
    "a listing": listed,
    "timings": timed,
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_failure_leaves_no_garbage(
    engine: LocalEngine, connection: dbapi.Connection, kind: str
) -> None:
    """Whatever failed, its error is gone with all that it led to."""
    errors: list[str] = []

    def fail() -> None:
        try:
            FAILURES[kind](engine, connection)
        except (dbapi.Error, OSError) as error:
            errors.append(str(error))

    assert garbage_of(fail) == []
    assert len(errors) == 2


def test_a_failure_of_a_task_leaves_no_garbage(engine: LocalEngine, each_transport: object) -> None:
    """A future holds what its call raised, and must not be held by it."""
    del each_transport

    async def main() -> list[str]:
        async with aio.connect(engine.uri) as connection:

            async def fail() -> None:
                async with connection.cursor() as cursor:
                    with contextlib.suppress(dbapi.Error):
                        await cursor.execute("select from nowhere")

            await fail()
            gc.collect()
            gc.disable()
            try:
                await fail()
                gc.set_debug(gc.DEBUG_SAVEALL)
                gc.collect()
                return [
                    type(item).__qualname__
                    for item in gc.garbage
                    if type(item).__module__ == aio.__name__
                ]
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()

    assert asyncio.run(main()) == []
