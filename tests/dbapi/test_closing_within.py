"""A close by a signal handler in the midst of the driver's own bookkeeping: nothing waits for what it interrupts."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import e6data_adbc
from e6data_adbc import dbapi
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine
from tests.support.line_handler import LineHandler
from tests.support.waiting import eventually

pytestmark = pytest.mark.seconds

PACKAGE = Path(e6data_adbc.__file__).parent
#: What a close runs through, and may therefore interrupt.
PARTS = ("_dbapi", "_driver", "_session", "_transport")
FILES = [path for part in PARTS for path in sorted((PACKAGE / part).rglob("*.py"))]
#: Those that exclude others from something.
GUARDED = tuple(
    str(path)
    for path in FILES
    if re.search(r"Lock\(|Condition\(|_wakers|_take_over", path.read_text(encoding="utf-8"))
)

SMALL = "select 1"
LONG = "select range as n from range(60000)"
READS: dict[str, tuple[str, int, Callable[[dbapi.Cursor], Any]]] = {
    "a small result": (SMALL, 1, lambda cursor: len(cursor.execute(SMALL).fetchall())),
    "a reader": (LONG, 60_000, lambda cursor: _count(cursor.execute(LONG).fetch_record_batch())),
}
CLOSES: dict[str, Callable[[dbapi.Connection, dbapi.Cursor], object]] = {
    "the cursor": lambda connection, cursor: cursor.close(),
    "the connection": lambda connection, cursor: connection._closed or connection.close(),
}


def _count(reader: Any) -> int:
    return sum(batch.num_rows for batch in reader)


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    """An engine whose long result has several responses."""
    with LocalEngine(chunk_rows=4000) as engine:
        yield engine


def outcome(
    engine: LocalEngine, line: int, reads: str, closes: str
) -> tuple[bool, int | dbapi.Error | Exception]:
    """Returns whether there was such a line, and what reading came to with a close in it.

    On another thread, for a deadlock would be the test's own.
    """
    found: list[Any] = []

    def run() -> None:
        connection = dbapi.connect(engine.uri)
        cursor = connection.cursor()
        handler = LineHandler(line, lambda: CLOSES[closes](connection, cursor), GUARDED)
        try:
            found.append(handler.during(lambda: READS[reads][2](cursor)))
        except Exception as error:
            found.append(error)
        cursor.close()
        if not connection._closed:
            connection.close()
        found.append(handler.lines_left <= 0)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), f"it waits for itself after a close at line {line}"
    return found[1], found[0]


@pytest.mark.parametrize("closes", CLOSES)
@pytest.mark.parametrize("reads", READS)
def test_a_close_at_any_line_of_the_bookkeeping(
    engine: LocalEngine, reads: str, closes: str
) -> None:
    """The call gives all rows, or fails since it was closed; nothing hangs, and nothing goes on running."""
    rows = READS[reads][1]
    line = 1
    while True:
        was_there, found = outcome(engine, line, reads, closes)
        if isinstance(found, dbapi.Error):
            assert found.status_code in (Status.CANCELLED, Status.INVALID_STATE), found
        elif not isinstance(found, Exception):
            assert found == rows
        else:  # pyarrow's reader, which has the text alone
            assert "cancel" in str(found) or "closed" in str(found), found
        if not was_there:
            assert found == rows
            break
        line += 1
    # A prepare that is cancelled has told no id, so that one cannot be cleared.
    eventually(lambda: not [one for one in engine.ledger.open_queries if one.executes])


def test_locks_may_be_met_again() -> None:
    """By a signal handler in the thread that holds one; what is only tried for, or waited for, may be a plain lock."""
    plain = [
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for path in FILES
        for line in path.read_text(encoding="utf-8").splitlines()
        if "threading.Lock(" in line
    ]
    assert sorted(plain) == [
        "_driver/query/run_timings.py: woken = threading.Lock()",
        "_driver/statement.py: self._busy = threading.Lock()",
    ]
