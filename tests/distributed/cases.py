"""What is read through each engine: all types, NULL and NaN keys, and what becomes of them in Arrow."""

from __future__ import annotations

import contextlib
import datetime
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pyarrow as pa

from e6data_adbc import distributed
from e6data_adbc.local import LocalEngine

#: A thousand rows of most types; the key `k` has NULL, NaN and both infinities.
EVERYTHING = """
SELECT
    CAST(range AS BIGINT) AS id,
    CASE WHEN range % 97 = 0 THEN NULL
         WHEN range % 89 = 0 THEN CAST('NaN' AS DOUBLE)
         WHEN range = 5 THEN CAST('inf' AS DOUBLE)
         WHEN range = 6 THEN CAST('-inf' AS DOUBLE)
         ELSE CAST(range AS DOUBLE) / 3 END AS k,
    CAST(range AS INT) AS i,
    CAST(range AS FLOAT) / 7 AS f,
    CASE WHEN range % 5 <> 0 THEN CAST(range AS DECIMAL(20, 4)) / 8 END AS d,
    range % 2 = 0 AS b,
    CASE WHEN range % 3 <> 0 THEN 'text ü ' || CAST(range AS VARCHAR) END AS t,
    CAST('x' || CAST(range AS VARCHAR) AS BLOB) AS bytes,
    DATE '2024-02-28' + CAST(range % 400 AS INT) AS day,
    TIMESTAMP '2024-02-28 23:59:59.123456' + INTERVAL 1 HOUR * CAST(range AS INT) AS at,
    TIMESTAMPTZ '2024-02-28 23:59:59.123456+00' + INTERVAL 1 HOUR * CAST(range AS INT) AS instant
FROM range(1000)
"""
COLUMNS = ["id", "k", "i", "f", "d", "b", "t", "bytes", "day", "at", "instant"]


def rows_of(table: pa.Table) -> list[str]:
    """Returns the rows as texts, by `id`: so NaN equals NaN, and an engine may have wider types of its own."""
    plain = [
        {
            name: value.astimezone(datetime.timezone.utc)
            if isinstance(value, datetime.datetime) and value.tzinfo
            else value
            for name, value in row.items()
        }
        for row in table.to_pylist()
    ]
    return [
        repr([row[name] for name in COLUMNS]) for row in sorted(plain, key=lambda row: row["id"])
    ]


def whole(engine: LocalEngine, sql: str = EVERYTHING) -> pa.Table:
    """Returns the result of the query that nobody has split."""
    (ticket,), _ = distributed.plan(sql, engine.uri)
    return distributed.read(ticket).read_all()


@contextlib.contextmanager
def bytes_sent(engine: LocalEngine) -> Iterator[list[float]]:
    """Puts into a list how many bytes the engine answers in the block."""
    found: list[float] = []
    before = engine.ledger.metrics()["answered_bytes"]
    yield found
    found.append(engine.ledger.metrics()["answered_bytes"] - before)


def recipe_bytes(engine: LocalEngine, sql: str, **how: Any) -> float:
    """Returns the bytes for the same tickets read as the recipe for multiprocessing does it."""
    with bytes_sent(engine) as found:
        tickets, _ = distributed.plan(sql, engine.uri, **how)
        for ticket in tickets:
            distributed.read(ticket).read_all()
    return found[0]


@contextlib.contextmanager
def killed_midway(
    engine: LocalEngine, is_worker: Callable[[psutil.Process], bool]
) -> Iterator[list[int]]:
    """Ends this process's workers, while one has some rows and waits for more; tells which were ended."""
    gate, killed = threading.Event(), list[int]()
    fault = engine.faults.delay("getNextResultBatch", gate=gate, after=5)

    def kill() -> None:
        if not fault.reached.wait(120):
            return
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if is_worker(process):
                    killed.append(process.pid)
                    os.kill(process.pid, signal.SIGKILL)
        fault.remove()
        gate.set()

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    try:
        yield killed
    finally:
        fault.remove()
        fault.reached.set()
        thread.join(60)
