"""A local engine with one table of every type, the scan of it, and what runs of it send."""

from __future__ import annotations

import datetime as dt
import decimal
import re
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

import e6data_adbc.polars
from e6data_adbc.local import LocalEngine

D = decimal.Decimal
NAN = float("nan")


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    """An engine whose current schema has the table `t`."""
    with LocalEngine(catalog="scratch", schema="main", chunk_rows=1000) as running:
        running.register("t", table())
        yield running


def table() -> pa.Table:
    """Returns four rows of every type; the last is null throughout."""
    days = [dt.date(2020, 1, 1), dt.date(2020, 12, 31), dt.date(2021, 1, 1), None]
    times = [None if day is None else dt.datetime(day.year, day.month, day.day, 12) for day in days]
    return pa.table(
        {
            "i": pa.array([1, 2, 3, None], pa.int64()),
            "j": pa.array([3, 2, 1, None], pa.int32()),
            "f": pa.array([0.5, -0.0, NAN, None], pa.float64()),
            "g": pa.array([0.1, 1.5, NAN, None], pa.float32()),
            "m": pa.array([D("1.25"), D("-1.00"), D("99.99"), None], pa.decimal128(10, 2)),
            "s": pa.array(["a", "it's", "😀", None], pa.string()),
            "b": pa.array([True, False, True, None], pa.bool_()),
            "d": pa.array(days, pa.date32()),
            "t": pa.array(times, pa.timestamp("us")),
            "z": pa.array(times, pa.timestamp("us", "UTC")),
            "y": pa.array([b"", b"\x00", b"\xff", None], pa.binary()),
        }
    )


@pytest.fixture
def scanned(engine: LocalEngine) -> pl.LazyFrame:
    """The scan of the table."""
    return e6data_adbc.polars.scan("t", engine.uri)


@pytest.fixture(scope="module")
def memory(engine: LocalEngine) -> pl.LazyFrame:
    """The same rows in memory."""
    return e6data_adbc.polars.read("select * from t", engine.uri).lazy()


@pytest.fixture
def sent(engine: LocalEngine) -> Callable[..., list[str]]:
    """Runs something and returns the statements that came to the server, each in one line."""

    def texts(work: Callable[[], Any]) -> list[str]:
        known = len(engine.ledger.queries)
        work()
        return [_line(query.sql) for query in engine.ledger.queries[known:]]

    return texts


def _line(sql: str) -> str:
    return re.sub(r"\s+", " ", sql).strip()
