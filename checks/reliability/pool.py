"""A pool as `docs/connection.md` shows it, under more threads than it has connections."""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections.abc import Iterator
from typing import Any

import sqlalchemy.exc
from sqlalchemy.pool import QueuePool

import e6data_adbc
from checks.reliability.scenarios import Figures, _count_left, attempt, in_threads
from e6data_adbc.local import LocalEngine

__all__ = ["exhausted", "pooled"]


@contextlib.contextmanager
def pool_of(uri: str, size: int, timeout: float) -> Iterator[QueuePool]:
    """Yields a pool of clones of one connection."""
    with e6data_adbc.connect(uri) as connection, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Cannot disable autocommit")
        clone: Any = connection.adbc_clone
        pool = QueuePool(
            clone, pool_size=size, max_overflow=0, timeout=timeout, reset_on_return=None
        )
        try:
            yield pool
        finally:
            pool.dispose()


def pooled(threads: int, queries: int, size: int) -> Figures:
    """Each of *threads* runs *queries*, each on a connection of a pool of *size*. Measures: `seconds`."""
    with LocalEngine(chunk_rows=100, max_running=512) as engine:
        with pool_of(engine.uri, size, 120) as pool:
            started = time.monotonic()

            def work(index: int, figures: Figures) -> None:
                for number in range(queries):
                    connection = pool.connect()
                    attempt(connection, index * 1000 + number, figures)
                    connection.close()

            total = in_threads(threads, work)
            total.numbers = {"seconds": time.monotonic() - started}
        _count_left(engine, total)
    return total


def exhausted(waiters: int, timeout: float) -> Figures:
    """All connections are taken, and *waiters* ask for one. Measures: `p99`, seconds until they are refused."""
    waits: list[float] = []
    with LocalEngine() as engine, pool_of(engine.uri, 2, timeout) as pool:
        taken = [pool.connect() for _ in range(2)]

        def work(index: int, figures: Figures) -> None:
            started = time.monotonic()
            try:
                pool.connect()
                figures.errors.append("a connection that is taken was handed out")
            except sqlalchemy.exc.TimeoutError:
                waits.append(time.monotonic() - started)
                figures.right += 1

        figures = in_threads(waiters, work)
        for connection in taken:
            connection.close()
    waits.sort()
    figures.numbers = {"p99": waits[int(len(waits) * 0.99)] if waits else math.inf}
    return figures
