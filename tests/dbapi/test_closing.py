"""Closing: with cursors open, by `with`, by nobody at all, and when the interpreter ends."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pytest
from adbc_driver_manager import dbapi as manager

from e6data_adbc import _native, dbapi
from e6data_adbc._dbapi import result
from e6data_adbc._driver.query.query import Query
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine
from tests.support.waiting import eventually

pytestmark = pytest.mark.seconds

#: More bytes than are fetched ahead.
LONG = "select * from range(100000000)"


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalEngine]:
    """One engine for the module."""
    with LocalEngine(chunk_rows=1000) as engine:
        yield engine


@pytest.fixture
def engine(shared: LocalEngine) -> Iterator[LocalEngine]:
    """The engine; each test leaves no query on it, though a collected result is cleared behind the caller's back."""
    yield shared
    eventually(lambda: not shared.ledger.open_queries)


@contextmanager
def warned() -> Iterator[list[tuple[type[Warning], str]]]:
    """Collects what is warned of, also by finalizers, without keeping alive what it is about."""
    found: list[tuple[type[Warning], str]] = []

    def show(message: Warning | str, category: type[Warning], *_: Any) -> None:
        found.append((category, str(message)))

    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield found
        gc.collect()


@pytest.mark.parametrize(
    "fetch", ["fetchone", "fetchmany", "fetchall", "fetch_arrow_table", "fetch_record_batch"]
)
@pytest.mark.parametrize("closes", ["cursor", "connection"])
def test_a_close_while_the_first_fetch_opens_the_stream(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, fetch: str, closes: str
) -> None:
    """The fetch that was about to begin does not: it would go on for as long as there are rows."""
    make = result.import_reader
    connection = dbapi.connect(engine.uri)
    cursor = connection.cursor().execute(LONG)

    def closed_meanwhile(handle: Any) -> Any:
        (cursor if closes == "cursor" else connection).close()
        return make(handle)

    with monkeypatch.context() as patch, pytest.raises(dbapi.Error) as failure:
        patch.setattr(result, "import_reader", closed_meanwhile)
        getattr(cursor, fetch)()

    assert failure.value.status_code == Status.INVALID_STATE
    if closes == "cursor":
        connection.close()


def test_closing_with_open_cursors(engine: LocalEngine) -> None:
    """A connection closes its cursors, whatever state they are in, and the server frees their queries."""
    connection = dbapi.connect(engine.uri)
    fresh, unread, half, done, closed, read = (connection.cursor() for _ in range(6))
    unread.execute(LONG)
    half.execute(LONG)
    half.fetchone()
    done.execute("select 1")
    done.fetchall()
    closed.close()
    reader = read.execute(LONG).fetch_record_batch()
    reader.read_next_batch()
    with warned() as caught:
        connection.close()

    assert caught == []
    for cursor in (fresh, unread, half, done, closed, read):
        with pytest.raises(dbapi.Error):
            cursor.execute("select 1")
        cursor.close()


def test_with(engine: LocalEngine) -> None:
    """Connections and cursors close where their `with` ends, also by an error, and may be closed before."""
    with pytest.raises(ZeroDivisionError), dbapi.connect(engine.uri) as connection:
        with connection.cursor() as cursor:
            cursor.execute(LONG)
            raise ZeroDivisionError
    assert connection._closed
    assert cursor._closed
    with dbapi.connect(engine.uri) as connection, connection.cursor() as cursor:
        cursor.close()
        connection.close()


def test_what_outlives_a_cursor(engine: LocalEngine) -> None:
    """`fetch_arrow` hands the result over; a reader of `fetch_record_batch` ends with its cursor."""
    with dbapi.connect(engine.uri) as connection:
        cursor = connection.cursor()
        stream = cursor.execute("select * from range(20000)").fetch_arrow()
        cursor.close()
        other = connection.cursor()
        reader = other.execute("select * from range(20000)").fetch_record_batch()
        other.close()

        assert pa.table(stream).num_rows == 20_000
        with pytest.raises(pa.ArrowInvalid, match="closed"):
            reader.read_all()


def test_what_is_left_when_the_connection_closes(engine: LocalEngine) -> None:
    """A result that was handed over ends with its connection: an error, and no crash."""
    with dbapi.connect(engine.uri) as connection, connection.cursor() as cursor:
        stream = pa.RecordBatchReader.from_stream(cursor.execute(LONG).fetch_arrow())
        stream.read_next_batch()
    # Whether the call under way or the next one is refused is a matter of time.
    with pytest.raises((OSError, pa.ArrowInvalid), match=r"CANCELLED|INVALID_STATE"):
        stream.read_all()


def test_a_cursor_of_wrong_options(engine: LocalEngine) -> None:
    """It is not made, leaves nothing and warns of nothing; the connection goes on."""
    with dbapi.connect(engine.uri) as connection, warned() as caught:
        with pytest.raises(dbapi.NotSupportedError, match="did you mean"):
            connection.cursor(adbc_stmt_kwargs={"adbc.e6data.fetch.batch_row": "1"})
        with connection.cursor(adbc_stmt_kwargs={"adbc.e6data.fetch.batch_rows": "1"}) as cursor:
            assert cursor.execute("select 1").fetchall() == [(1,)]

    assert caught == []


def leak_connection(uri: str) -> None:
    dbapi.connect(uri)


def leak_both(uri: str) -> None:
    dbapi.connect(uri).cursor().execute(LONG)


def leak_cycle(uri: str) -> None:
    connection: Any = dbapi.connect(uri)
    cursor: Any = connection.cursor().execute(LONG)
    cursor.fetchone()
    connection.mine, cursor.mine = [cursor, connection], [cursor, connection]


@pytest.mark.parametrize(("leak", "count"), [(leak_connection, 1), (leak_both, 2), (leak_cycle, 2)])
def test_what_is_dropped_is_told(
    engine: LocalEngine,
    monkeypatch: pytest.MonkeyPatch,
    leak: Callable[[str], None],
    count: int,
) -> None:
    """Each connection and cursor that nobody closed is a ResourceWarning, and is closed; finalizers do not fail."""
    failures: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", failures.append)
    # Without it the manager stays silent; the warning must not depend on that.
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with warned() as caught:
        leak(engine.uri)

    assert failures == []
    assert [category for category, _ in caught] == count * [ResourceWarning]
    assert all(text.startswith("unclosed <adbc_driver_e6data") for _, text in caught)


def test_a_leaked_cursor_alone(engine: LocalEngine) -> None:
    """It ends its query; its connection goes on."""
    with dbapi.connect(engine.uri) as connection:
        with warned() as caught:
            connection.cursor().execute(LONG)
        assert [category for category, _ in caught] == [ResourceWarning]
        with connection.cursor() as cursor:
            assert cursor.execute("select 1").fetchall() == [(1,)]


ENDS = {
    "connection": "c = dbapi.connect(URI)",
    "cursor": "c = dbapi.connect(URI); k = c.cursor(); k.execute('select 1')",
    "unread": "c = dbapi.connect(URI); k = c.cursor(); k.execute(LONG)",
    "half read": "c = dbapi.connect(URI); k = c.cursor(); k.execute(LONG); k.fetchone()",
    "reader": "c = dbapi.connect(URI); k = c.cursor(); k.execute(LONG); r = k.fetch_record_batch()",
    "stream": "c = dbapi.connect(URI); k = c.cursor(); k.execute(LONG); r = k.fetch_arrow()",
    "cycle": "c = dbapi.connect(URI); k = c.cursor(); k.execute(LONG); k.x = c.x = [c, k]; gc.disable()",
    "clone": "c = dbapi.connect(URI); d = c.adbc_clone(); k = d.cursor(); k.execute(LONG)",
    "error": """
        c = dbapi.connect(URI); k = c.cursor(); k.execute(LONG)
        try:
            k.execute("select nix")
        except dbapi.Error as error:
            kept = error
    """,
    "exit": "c = dbapi.connect(URI); k = c.cursor(); k.execute(LONG); sys.exit(0)",
    "builtins": "import builtins; c = dbapi.connect(URI); k = c.cursor(); k.execute(LONG); builtins.kept = c, k",
}


@pytest.fixture(scope="module")
def left_behind() -> Iterator[str]:
    """The URI of an engine that processes leave queries on."""
    with LocalEngine(chunk_rows=1000) as engine:
        yield engine.uri


@pytest.mark.parametrize("end", [*ENDS, "half read on e6data:local"])
def test_nothing_is_printed_at_the_end(left_behind: str, end: str) -> None:
    """A process that ends with something open ends in success and without a word."""
    name, _, uri = end.partition(" on ")
    head = f"import gc, os, sys\nfrom e6data_adbc import dbapi\nURI, LONG = os.environ['E6DATA_URI'], {LONG!r}\n"
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"}
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(ENDS[name])],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**environment, "E6DATA_URI": uri or left_behind},
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def queries() -> list[Query]:
    """Returns those of the process, gone or not."""
    return [one for one in gc.get_objects() if isinstance(one, Query)]


def connect_by_manager(uri: str) -> Any:
    """Returns a connection of the manager's own module."""
    entry = {"driver": _native.__file__, "entrypoint": "AdbcDriverE6dataInit"}
    return manager.connect(**entry, db_kwargs={"uri": uri}, autocommit=True)


@pytest.mark.parametrize("opens", [dbapi.connect, connect_by_manager])
@pytest.mark.parametrize("text", ["select 1", "select range from range(300000)"])
def test_a_query_that_was_read_is_no_garbage(
    engine: LocalEngine, opens: Callable[..., Any], text: str
) -> None:
    """It is gone with its cursor: the garbage collector would take a tenth of the time of small queries."""
    gc.collect()
    of_others = queries()  # of failures that somebody keeps
    gc.disable()
    try:
        with opens(engine.uri) as connection:
            for _ in range(3):
                with connection.cursor() as cursor:
                    cursor.execute(text)
                    cursor.fetchall()
            eventually(lambda: not [one for one in queries() if one not in of_others])
    finally:
        gc.enable()


def test_a_cursor_has_what_the_managers_has(engine: LocalEngine) -> None:
    """The first and those after it, which are made without the manager's `__init__`."""
    with dbapi.connect(engine.uri) as connection:
        theirs = manager.Cursor(connection)
        theirs.close()
        for _ in range(2):
            with connection.cursor() as cursor:
                assert vars(cursor).keys() == vars(theirs).keys()
                assert cursor._conn is connection
