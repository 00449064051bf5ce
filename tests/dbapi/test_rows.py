"""Rows arrive once, whatever fetches follow each other, or the result says that it failed."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from e6data_adbc import dbapi
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds

ROWS = 5_000
SQL = f"select range as n from range({ROWS})"


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    """One engine for the module; its chunks are far smaller than the result."""
    with LocalEngine(chunk_rows=200) as engine:
        yield engine


@pytest.fixture(params=["v1", "v2"])
def cursor(request: pytest.FixtureRequest, engine: LocalEngine) -> Iterator[dbapi.Cursor]:
    """A cursor of either protocol, whose batches have 1000 rows."""
    options = {"adbc.e6data.fetch.batch_rows": "1000"}
    separator = "&" if "?" in engine.uri else "?"
    uri = f"{engine.uri}{separator}result_protocol={request.param}"
    with dbapi.connect(uri) as connection, connection.cursor(adbc_stmt_kwargs=options) as cursor:
        yield cursor


def numbers(table: Any) -> list[int]:
    """The column of an Arrow table."""
    found: list[int] = table.column(0).to_pylist()
    return found


#: Fetches that leave rows.
SOME: dict[str, Callable[[dbapi.Cursor], list[int]]] = {
    "fetchone": lambda cursor: [n for (n,) in [cursor.fetchone() or ()]],
    "fetchmany": lambda cursor: [n for (n,) in cursor.fetchmany(5)],
    "many": lambda cursor: [n for (n,) in cursor.fetchmany(2300)],
    "next": lambda cursor: [n for (n,) in [next(cursor) for _ in range(3)]],
    "batch": lambda cursor: cursor.fetch_record_batch().read_next_batch().column(0).to_pylist(),
}
#: Fetches of all that is left.
REST: dict[str, Callable[[dbapi.Cursor], list[int]]] = {
    "fetchall": lambda cursor: [n for (n,) in cursor.fetchall()],
    "iteration": lambda cursor: [n for (n,) in cursor],
    "table": lambda cursor: numbers(cursor.fetch_arrow_table()),
    "allarrow": lambda cursor: numbers(cursor.fetchallarrow()),
    "pandas": lambda cursor: cursor.fetch_df()["n"].to_list(),
    "polars": lambda cursor: cursor.fetch_polars()["n"].to_list(),
    "reader": lambda cursor: numbers(cursor.fetch_record_batch().read_all()),
    "arrow": lambda cursor: numbers(pa.table(cursor.fetch_arrow())),
}


@pytest.mark.parametrize("rest", REST)
@pytest.mark.parametrize("first", SOME)
def test_mixed_fetches(cursor: dbapi.Cursor, first: str, rest: str) -> None:
    """What one fetch leaves the next one gives, in order."""
    for second, fetch in SOME.items():
        cursor.execute(SQL)

        found = SOME[first](cursor) + fetch(cursor) + REST[rest](cursor)

        assert found == list(range(ROWS)), (first, second, rest)
        if rest != "arrow":
            assert REST["table"](cursor) == []
            assert cursor.fetchone() is None


def test_a_reader_and_its_cursor_take_turns(cursor: dbapi.Cursor) -> None:
    """A reader that was made before rows were fetched goes on behind those."""
    reader = cursor.execute(SQL).fetch_record_batch()
    found = reader.read_next_batch().column(0).to_pylist()
    for _ in range(3):
        found += SOME["next"](cursor)
        found += reader.read_next_batch().column(0).to_pylist()
    found += SOME["fetchmany"](cursor) + numbers(reader.read_all())

    assert found == list(range(ROWS))


def test_progress_tells_the_rows_that_were_fetched(cursor: dbapi.Cursor) -> None:
    """What went back into the stream is not counted as delivered."""
    reader = cursor.execute(SQL).fetch_record_batch()
    cursor.fetchmany(5)

    assert cursor.progress()[0] == 5
    assert reader.read_all().num_rows == ROWS - 5
    assert cursor.progress()[0] == ROWS


def test_a_stream_that_was_handed_over(cursor: dbapi.Cursor) -> None:
    """The cursor has nothing more to give, and says so."""
    cursor.execute(SQL)
    cursor.fetchone()
    stream = cursor.fetch_arrow()

    for fetch in (cursor.fetchone, cursor.fetchall, cursor.fetch_arrow_table, cursor.fetch_arrow):
        with pytest.raises(dbapi.ProgrammingError, match="handed over"):
            fetch()
    assert numbers(pa.table(stream)) == list(range(1, ROWS))


def test_a_frame_that_cannot_be_made_takes_no_row(cursor: dbapi.Cursor) -> None:
    """Polars refuses two columns of one name; the rows are there for another fetch."""
    cursor.execute("select range as n, range + 1 as n from range(3)")
    assert cursor.fetchone() == (0, 1)
    with pytest.raises(pl.exceptions.PolarsError, match=r"occurrence|duplicate"):
        cursor.fetch_polars()

    assert cursor.fetchall() == [(1, 2), (2, 3)]


# ---- values that Python does not have


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("date '9999-12-31' + 1", "date32"),
        ("cast('9999-12-31' as date) + 400", "date32"),
        ("timestamp '9999-12-31 23:59:59' + interval 1 second", "timestamp"),
        ("timestamptz '9999-12-31 23:59:59+00' + interval 1 second", "timestamp"),
        ("date '0001-01-01' - 1", "date32"),
    ],
)
@pytest.mark.parametrize("fetch", ["fetchone", "fetchmany", "fetchall", "__next__"])
def test_a_value_that_python_cannot_hold(
    cursor: dbapi.Cursor, value: str, kind: str, fetch: str
) -> None:
    """DataError names column, row and the way out; then rows are refused, and Arrow gives them all."""
    cursor.execute(f"select range as n, case when range = 2 then {value} end as far from range(4)")
    given = [cursor.fetchone()] if fetch != "fetchall" else []

    def go_on() -> None:
        for _ in range(4):
            found = getattr(cursor, fetch)(*([2] if fetch == "fetchmany" else []))
            given.extend(found if isinstance(found, list) else [found])

    with pytest.raises(dbapi.DataError, match=rf"column 'far' of row 3.*{kind}.*fetch_arrow_table"):
        go_on()
    assert given == [(0, None), (1, None)][: len(given)]
    for again in (cursor.fetchone, cursor.fetchall, lambda: cursor.fetchmany(1)):
        with pytest.raises(dbapi.ProgrammingError, match=r"INVALID_STATE.*fetch_arrow_table"):
            again()
    table = cursor.fetch_arrow_table()
    assert numbers(table) == list(range(len(given), 4))
    assert table.column("far").null_count == table.num_rows - 1
    assert cursor.fetchone() is None
    assert cursor.execute("select 1").fetchall() == [(1,)]


def test_the_ends_of_dates_are_values(cursor: dbapi.Cursor) -> None:
    """What Python holds arrives."""
    cursor.execute("select date '0001-01-01' as a, date '9999-12-31' as b")

    assert cursor.fetchall() == [(datetime.date.min, datetime.date.max)]
