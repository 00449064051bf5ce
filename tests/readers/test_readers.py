"""`e6data_adbc.polars` and `e6data_adbc.pandas`."""

from __future__ import annotations

import datetime
import decimal
import gc
import importlib
import queue
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import polars as pl
import pytest

import e6data_adbc.pandas
import e6data_adbc.polars
from e6data_adbc.errors import Error, ProgrammingError, Status

TYPES = """
SELECT 1 AS i, 9007199254740993 AS l, 'x' AS s, 1.50::DECIMAL(10, 2) AS d, DATE '2024-01-02' AS day, TRUE AS b
UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL
"""
ENDLESS = "SELECT range AS a FROM range(100000000000) /* {} */"

#: Both readers as iterators over frames.
ITERATORS: dict[str, Callable[..., Iterator[Any]]] = {
    "polars": e6data_adbc.polars.read_batches,
    "pandas": lambda *args, **kwargs: e6data_adbc.pandas.read(*args, chunksize=1000, **kwargs),
}


@pytest.fixture(params=["polars", "pandas"])
def iterate(request: pytest.FixtureRequest) -> Callable[..., Iterator[Any]]:
    return ITERATORS[request.param]


@pytest.fixture(params=["polars", "pandas"])
def read(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return {"polars": e6data_adbc.polars.read, "pandas": e6data_adbc.pandas.read}[request.param]  # type: ignore[return-value]


def record(engine: Any, marker: str) -> Any:
    return next(query for query in engine.ledger.queries if marker in query.sql)


def test_polars_types(uri: str) -> None:
    """Values and nulls arrive exactly, in Polars' own types."""
    frame = e6data_adbc.polars.read(TYPES, uri)

    assert frame.rows() == [
        (1, 2**53 + 1, "x", decimal.Decimal("1.50"), datetime.date(2024, 1, 2), True),
        (None,) * 6,
    ]
    assert frame.schema["d"] == pl.Decimal(38, 2)


@pytest.mark.parametrize("backend", ["pyarrow", "numpy_nullable", "numpy"])
def test_pandas_types(uri: str, backend: Any) -> None:
    """Values arrive exactly in each kind of dtype; a null does not turn integers into floats."""
    frame = e6data_adbc.pandas.read(TYPES, uri, dtype_backend=backend)

    assert frame["l"][0] == 2**53 + 1
    assert frame["d"][0] == decimal.Decimal("1.50")
    assert frame["day"][0] == datetime.date(2024, 1, 2)
    assert frame.iloc[1].isna().all()


def test_no_rows(uri: str, read: Callable[..., Any]) -> None:
    """A result without rows has its columns."""
    frame = read("SELECT 1 AS a, 'x' AS b WHERE 1 = 0", uri)

    assert len(frame) == 0
    assert list(frame.columns) == ["a", "b"]


def test_parameters(uri: str, read: Callable[..., Any]) -> None:
    """Parameters are bound by position and by name, lists and nulls included."""
    by_position = read("SELECT ? AS a, ? AS b", uri, params=[5, "it's"])
    by_name = read(
        "SELECT :n AS a, $n IS NULL AS b WHERE 2 IN :l", uri, params={"n": None, "l": [1, 2]}
    )

    assert (by_position["a"][0], by_position["b"][0]) == (5, "it's")
    assert bool(by_name["b"][0])


@pytest.mark.parametrize("params", ["text", 5, {1, 2}])
def test_parameters_that_are_none(uri: str, read: Callable[..., Any], params: Any) -> None:
    """A text or a set is no sequence of values."""
    with pytest.raises(ProgrammingError, match="neither a sequence nor a mapping"):
        read("SELECT ?", uri, params=params)


def test_own_connection_stays_open(connection: Any, read: Callable[..., Any]) -> None:
    """A connection that was handed in can be used again."""
    for _ in range(2):
        assert read("SELECT 1 AS a", connection=connection)["a"][0] == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT 2")
        assert cursor.fetchone() == (2,)


def test_connection_and_uri_exclude_each_other(
    uri: str, connection: Any, read: Callable[..., Any]
) -> None:
    """Two ways to connect are one too many."""
    with pytest.raises(ProgrammingError, match="both a connection"):
        read("SELECT 1", uri, connection=connection)


def test_uri_from_the_environment(
    uri: str, read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a URI the environment's is used."""
    monkeypatch.setenv("E6DATA_URI", uri)

    assert read("SELECT 1 AS a")["a"][0] == 1


def test_polars_batches(uri: str) -> None:
    """Frames arrive one after the other and are the whole result."""
    frames = list(e6data_adbc.polars.read_batches("SELECT range AS a FROM range(300000)", uri))

    assert len(frames) > 1
    assert pl.concat(frames)["a"].to_list() == list(range(300000))


@pytest.mark.parametrize("rows", [1, 999, 1000, 1001, 2000])
def test_pandas_chunks(uri: str, rows: int) -> None:
    """Every frame has exactly chunksize rows, but the last may have fewer."""
    frames = list(
        e6data_adbc.pandas.read(f"SELECT range AS a FROM range({rows})", uri, chunksize=1000)
    )

    assert [len(frame) for frame in frames] == [1000] * (rows // 1000) + [rows % 1000] * (
        rows % 1000 > 0
    )
    assert pd.concat(frames)["a"].to_list() == list(range(rows))


def test_pandas_chunks_of_nothing(uri: str) -> None:
    """An empty result is one empty frame with the columns."""
    (frame,) = e6data_adbc.pandas.read("SELECT 1 AS a WHERE 1 = 0", uri, chunksize=10)

    assert list(frame.columns) == ["a"]
    assert len(frame) == 0


@pytest.mark.parametrize("size", [0, -1])
def test_pandas_chunksize_is_positive(uri: str, size: int) -> None:
    """A chunk has at least one row."""
    with pytest.raises(ProgrammingError, match="chunksize"):
        e6data_adbc.pandas.read("SELECT 1", uri, chunksize=size)


def test_unknown_dtype_backend(uri: str) -> None:
    """A dtype backend that does not exist is named."""
    backend: Any = "nothing"
    with pytest.raises(ProgrammingError, match="'nothing'"):
        e6data_adbc.pandas.read("SELECT 1", uri, dtype_backend=backend)


def test_close_ends_the_query(engine: Any, iterate: Callable[..., Any]) -> None:
    """Closing an iterator early clears the query on the server once; closing again does nothing."""
    marker = uuid.uuid4().hex
    frames = iterate(ENDLESS.format(marker), engine.uri)
    next(frames)
    frames.close()
    frames.close()

    assert record(engine, marker).clears == 1
    assert list(frames) == []


def test_a_close_while_a_frame_is_waited_for(
    engine: Any, iterate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a signal handler, or another thread: that frame is an error, as the end would look like all rows."""
    marker = uuid.uuid4().hex
    frames = iterate(ENDLESS.format(marker), engine.uri)
    next(frames)

    def closed_meanwhile(*, block: bool = True, timeout: float | None = None) -> Any:
        if block:  # not where closing itself empties the queue
            frames.close()
        raise queue.Empty

    monkeypatch.setattr(frames._batches._feed, "get", closed_meanwhile)
    for _ in range(2):
        with pytest.raises(Error, match="closed meanwhile") as caught:
            list(frames)
        assert caught.value.status_code is Status.CANCELLED
    assert record(engine, marker).clears == 1


@pytest.mark.parametrize("begun", [False, True])
def test_dropping_ends_the_query(engine: Any, iterate: Callable[..., Any], *, begun: bool) -> None:
    """An iterator that is dropped, begun or not, clears the query too."""
    marker = uuid.uuid4().hex
    frames = iterate(ENDLESS.format(marker), engine.uri)
    if begun:
        next(frames)
    del frames
    gc.collect()

    assert record(engine, marker).clears == 1


def test_with_ends_the_query(engine: Any, iterate: Callable[..., Any]) -> None:
    """`with` closes the iterator."""
    marker = uuid.uuid4().hex
    with iterate(ENDLESS.format(marker), engine.uri) as frames:  # type: ignore[attr-defined]
        next(frames)

    assert record(engine, marker).clears == 1


def test_reading_to_the_end_closes(engine: Any, iterate: Callable[..., Any]) -> None:
    """An iterator at its end has cleared its query without being closed."""
    marker = uuid.uuid4().hex
    frames = iterate(f"SELECT 1 AS a /* {marker} */", engine.uri)

    assert len(list(frames)) == 1
    assert record(engine, marker).clears == 1


def test_errors_have_their_types(uri: str, read: Callable[..., Any]) -> None:
    """An error before the first row is a PEP 249 error with its status."""
    with pytest.raises(Error) as caught:
        read("SELECT * FROM no_such_table", uri)

    assert caught.value.status_code == Status.NOT_FOUND


def test_errors_amid_rows_have_their_types(uri: str, iterate: Callable[..., Any]) -> None:
    """An error after some rows is one too, and the iterator stays failed: the end would look like all rows."""
    failing = "SELECT CASE WHEN range = 2000000 THEN error('broken') ELSE range END AS a FROM range(3000000)"
    frames = iterate(failing, uri)
    with pytest.raises(Error, match="broken"):
        list(frames)

    with pytest.raises(Error, match="broken"):
        next(frames)


@pytest.mark.parametrize("name", ["polars", "pandas"])
def test_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Without the library the import says what to install."""
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"e6data_adbc.{name}")

    with pytest.raises(ImportError, match=rf"e6data-adbc\[{name}\]"):
        importlib.import_module(f"e6data_adbc.{name}")
