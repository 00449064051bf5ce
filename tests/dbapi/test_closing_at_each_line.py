"""A close by a signal handler in the midst of a fetch, at each line that the fetch runs through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import adbc_driver_manager
import pytest

import e6data_adbc
from e6data_adbc import dbapi
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine
from tests.support.line_handler import LineHandler

pytestmark = pytest.mark.seconds

#: Where rows are fetched: our part of it, and the driver manager's.
PLACES = (
    str(Path(e6data_adbc.__file__).parent / "_dbapi"),
    str(Path(adbc_driver_manager.__file__).parent / "dbapi.py"),
)
ROWS = [(n,) for n in range(6)]
SQL = f"select range as n from range({len(ROWS)})"

#: How the rows are fetched; two batches of them, and no more calls than a test needs lines of.
READS: dict[str, Callable[[dbapi.Cursor], Any]] = {
    "fetchone": lambda cursor: [cursor.fetchone(), cursor.fetchone(), *cursor.fetchmany(9)],
    "fetchall": lambda cursor: cursor.fetchall(),
    "fetch_arrow_table": lambda cursor: tuples(cursor.fetch_arrow_table()),
    "fetch_batch": lambda cursor: [
        row for b in iter(cursor.fetch_batch, None) for row in tuples(b)
    ],
}


def tuples(rows: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in rows.to_pylist()]


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    """An engine whose results have batches of four rows."""
    with LocalEngine(chunk_rows=4) as engine:
        yield engine


def open_connection(engine: LocalEngine) -> dbapi.Connection:
    return dbapi.connect(f"{engine.uri}?batch_rows=0")


def outcomes(
    read: Callable[[dbapi.Cursor], Any],
    make: Callable[[], tuple[dbapi.Cursor, Callable[[], object]]],
) -> Iterator[Any]:
    """Yields what *read* came to with a close at the first line, at the second, and so on, to its end."""
    line = 0
    while True:
        line += 1
        cursor, close = make()
        handler = LineHandler(line, close, PLACES)
        try:
            yield handler.during(lambda it=cursor: read(it))
        except dbapi.Error as error:
            yield error
        cursor.close()
        if handler.lines_left > 0:
            return


def check(found: list[Any]) -> None:
    """Every fetch gave all rows, or failed since its cursor was closed."""
    failures = [one for one in found if isinstance(one, dbapi.Error)]
    assert {error.status_code for error in failures} <= {Status.CANCELLED, Status.INVALID_STATE}
    assert [one for one in found if not isinstance(one, dbapi.Error) and one != ROWS] == []
    assert failures
    assert found[-1] == ROWS  # the last one had no such line


@pytest.mark.parametrize("reads", READS)
def test_a_fetch_whose_cursor_a_handler_closes(engine: LocalEngine, reads: str) -> None:
    """It gives all rows or says that it was closed: never fewer rows, and no error of Python's."""
    with open_connection(engine) as connection:

        def make() -> tuple[dbapi.Cursor, Callable[[], object]]:
            cursor = connection.cursor().execute(SQL)
            return cursor, cursor.close

        check(list(outcomes(READS[reads], make)))


def test_a_fetch_whose_connection_a_handler_closes(engine: LocalEngine) -> None:
    """The same, with the connection."""

    def make() -> tuple[dbapi.Cursor, Callable[[], object]]:
        connection = open_connection(engine)
        opened.append(connection)
        return connection.cursor().execute(SQL), connection.close

    opened: list[dbapi.Connection] = []
    check(list(outcomes(READS["fetchall"], make)))
    for connection in opened[-1:]:
        connection.close()


def test_an_execute_whose_cursor_a_handler_closes(engine: LocalEngine) -> None:
    """It fails, and leaves neither a result to fetch from nor a query on the server."""
    with open_connection(engine) as connection:

        def make() -> tuple[dbapi.Cursor, Callable[[], object]]:
            cursor = connection.cursor()
            return cursor, cursor.close

        found = list(outcomes(lambda cursor: cursor.execute(SQL).fetchall(), make))

    check(found)
    assert engine.ledger.open_queries == []
