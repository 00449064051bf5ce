"""Frames of pandas and Polars, NumPy's records and what is no frame at all, bound and ingested."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from e6data_adbc import dbapi
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds

UTC = datetime.timezone.utc
DAY = datetime.date(2026, 1, 2)
NOON = datetime.datetime(2026, 1, 2, 12)
MIDNIGHT = datetime.datetime(2026, 1, 2)


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    """An engine for the module."""
    with LocalEngine() as engine:
        yield engine


@pytest.fixture
def cursor(engine: LocalEngine) -> Iterator[dbapi.Cursor]:
    """A cursor, and no table `t`."""
    with dbapi.connect(engine.uri) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS scratch.main.t")
        yield cursor


def ingest(cursor: dbapi.Cursor, data: Any) -> pa.Table:
    """Ingests into a new table and reads it."""
    cursor.adbc_ingest("t", data, "create", catalog_name="scratch", db_schema_name="main")
    return cursor.execute("SELECT * FROM scratch.main.t").fetch_arrow_table()


def insert(cursor: dbapi.Cursor, data: Any) -> pa.Table:
    """Inserts the rows of one column into a table of text, and reads it."""
    cursor.execute("CREATE TABLE scratch.main.t (a VARCHAR)")
    cursor.executemany("INSERT INTO scratch.main.t VALUES (?)", data)
    return cursor.execute("SELECT * FROM scratch.main.t").fetch_arrow_table()


WAYS: dict[str, Callable[[dbapi.Cursor, Any], pa.Table]] = {"ingest": ingest, "insert": insert}


@pytest.fixture(params=WAYS)
def write(request: pytest.FixtureRequest) -> Callable[[dbapi.Cursor, Any], pa.Table]:
    """Ingestion and `executemany`."""
    return WAYS[request.param]


def objects(*values: Any) -> pd.DataFrame:
    return pd.DataFrame({"a": pd.Series(values, dtype=object)})


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (objects(DAY, NOON), [MIDNIGHT, NOON]),
        (objects(NOON, DAY), [NOON, MIDNIGHT]),
        (objects(2**70, 1), [decimal.Decimal(2**70), decimal.Decimal(1)]),
        (objects(1, float("nan"), pd.NA), [1, None, None]),
        (objects("x", float("nan"), None), ["x", None, None]),
        (pd.DataFrame({"a": pd.arrays.SparseArray([1, 0])}), [1, 0]),
        (pd.DataFrame({"a": pd.Categorical([NOON, None, DAY])}), [NOON, None, MIDNIGHT]),
    ],
    ids=[
        "date first",
        "datetime first",
        "128 bits",
        "missing",
        "missing text",
        "sparse",
        "categories",
    ],
)
def test_values_of_a_pandas_frame(
    cursor: dbapi.Cursor, frame: pd.DataFrame, expected: list[Any]
) -> None:
    """They are ingested as rows of Python are bound: a column has a type that holds each of them."""
    assert ingest(cursor, frame).column("a").to_pylist() == expected


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (
            objects(None, pd.Timestamp(1, unit="ns")),
            "'?a'? of row 2: the engine counts microseconds",
        ),
        (objects(pd.Timedelta(1, unit="ns")), "'?a'? of row 1: the engine counts microseconds"),
        (objects(NOON, NOON.replace(tzinfo=UTC)), "'?a'? of row 2: it is a datetime with a zone"),
        (objects("a", b"b"), "'?a'? of row 2: it is bytes"),
        (objects(True, 2), "'?a'? of row 2: it is a whole number"),
        (objects("a", "\ud800"), "'?a'? of row 2: the text is not valid Unicode"),
        (objects(0.5, 2**53 + 1), "'?a'? of row 2: it is a whole number that no double is"),
        (pd.DataFrame({"a": [1j]}), "'?a'? of row 1: the Python type 'complex'"),
    ],
    ids=["instant", "span", "zones", "bytes", "truth", "surrogate", "double", "complex"],
)
def test_values_that_a_frame_cannot_give(
    cursor: dbapi.Cursor,
    write: Callable[[dbapi.Cursor, Any], pa.Table],
    frame: pd.DataFrame,
    says: str,
) -> None:
    """None is cut or turned into another: an error of ours names column and row."""
    with pytest.raises(dbapi.Error, match=says):
        write(cursor, frame)


def test_the_index_of_a_pandas_frame(cursor: dbapi.Cursor) -> None:
    """It is ingested as columns, unless it only counts rows; rows of parameters go without it."""
    index = pd.MultiIndex.from_tuples([("x", 5)], names=["one", None])
    table = ingest(cursor, pd.DataFrame({"a": [1]}, index=index))

    assert table.to_pylist() == [{"a": 1, "one": "x", "__index_level_1__": 5}]


def test_objects_of_polars_are_no_values(
    cursor: dbapi.Cursor, write: Callable[[dbapi.Cursor, Any], pa.Table]
) -> None:
    """Polars exports the addresses of Python objects; they are refused, and no address is written."""
    frame = pl.DataFrame({"a": pl.Series([object()], dtype=pl.Object)})

    with pytest.raises(dbapi.NotSupportedError, match=r"columns \['a'\] of Polars' type Object"):
        write(cursor, frame)


@pytest.mark.parametrize("style", ["qmark", "pyformat"])
def test_records_of_numpy_are_rows(engine: LocalEngine, style: str) -> None:
    """By position and by name, also those of `DataFrame.to_records`."""
    frame = pd.DataFrame({"a": [1, 2], "day": np.array(["2026-01-02", "NaT"], "datetime64[us]")})
    text = "SELECT ?, ?" if style == "qmark" else "SELECT %(a)s, %(day)s"
    with dbapi.connect(engine.uri, paramstyle=style) as connection:
        with connection.cursor() as cursor:
            found = [
                cursor.execute(text, record).fetchall()[0]
                for record in frame.to_records(index=False)
            ]

    assert found == [(1, MIDNIGHT), (2, None)]


def test_a_null_row_of_structs_is_named(engine: LocalEngine) -> None:
    """An array of structs bound by name refuses a row that is null as a whole, as it does by position."""
    rows = pa.array([{"a": 1}, None])
    with dbapi.connect(engine.uri, paramstyle="pyformat") as connection:
        with connection.cursor() as cursor:
            for data in (rows, pa.chunked_array([rows])):
                with pytest.raises(dbapi.ProgrammingError, match="row 2 is null as a whole"):
                    cursor.executemany("SELECT %(a)s", data)


@pytest.mark.parametrize(
    "data",
    [
        [],
        [(1, "x")],
        [{"a": 1}],
        {"a": [1]},
        "text",
        None,
        5,
        pl.LazyFrame({"a": [1]}),
        [pa.record_batch({"a": [1]}), (1,)],
    ],
    ids=["nothing", "tuples", "dicts", "dict", "text", "none", "number", "lazy", "mixed"],
)
def test_what_is_no_arrow_data_is_not_ingested(cursor: dbapi.Cursor, data: Any) -> None:
    """An error of ours names its type and what may be passed."""
    with pytest.raises(dbapi.ProgrammingError, match="holds no record batches") as caught:
        ingest(cursor, data)

    assert type(data).__name__ in str(caught.value)


def test_batches_that_do_not_fit_together(cursor: dbapi.Cursor) -> None:
    """They are refused by an error of ours."""
    with pytest.raises(dbapi.ProgrammingError, match="the batches do not fit together"):
        ingest(cursor, [pa.record_batch({"a": [1]}), pa.record_batch({"b": ["x"]})])
