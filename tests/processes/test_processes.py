"""Clients in several processes: what a child may use of its parent's, and what it has to make anew."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import e6data_adbc
from checks.reliability import scenarios
from e6data_adbc._session.endpoint import ENDPOINTS

pytestmark = [
    pytest.mark.seconds,
    pytest.mark.fork,
    pytest.mark.skipif(sys.platform == "win32", reason="fork and forkserver are POSIX's"),
]


def in_fork(work: Callable[[], str]) -> str:
    """Returns what *work* returned in a forked child, or the text of what it raised."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text = work()
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(child, 0)
    return text


USES: dict[str, Callable[[Any, Any], Any]] = {
    "cursor": lambda connection, cursor: connection.cursor(),
    "execute": lambda connection, cursor: cursor.execute("select 1"),
    "fetch": lambda connection, cursor: cursor.fetchall(),
    "list": lambda connection, cursor: connection.adbc_get_objects().read_all(),
    "clone": lambda connection, cursor: connection.adbc_clone().cursor().execute("select 1"),
}


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("use", USES)
def test_a_forked_child_is_told_to_connect_again(served_uri: str, use: str) -> None:
    """Whatever it does with a connection of its parent's is refused in words that say what to do; nothing hangs."""
    with e6data_adbc.connect(served_uri) as connection, connection.cursor() as cursor:
        cursor.execute("select 1 as n")

        said = in_fork(lambda: str(USES[use](connection, cursor)))

        assert said.startswith("ProgrammingError: INVALID_STATE: [e6data] could not use this"), said
        assert "fork" in said
        assert "reconnect in this process" in said
        assert cursor.fetchall() == [(1,)]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("fetch", ["fetchone", "fetchmany", "fetchall", "fetch_arrow_table"])
def test_rows_that_are_here_are_the_parents(served_uri: str, fetch: str) -> None:
    """Rows of a batch that came before the fork are handed out once: by the parent."""
    with e6data_adbc.connect(served_uri) as connection, connection.cursor() as cursor:
        cursor.execute("select range as n from range(10) order by n")
        assert cursor.fetchone() == (0,)

        said = in_fork(lambda: str(getattr(cursor, fetch)()))

        assert said.startswith("ProgrammingError: [e6data] could not use this result"), said
        assert "before a fork" in said
        assert cursor.fetchall() == [(n,) for n in range(1, 10)]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_closing_in_a_forked_child_leaves_the_parent_alone(served_uri: str) -> None:
    """The child may close what it inherited, as exit handlers do; the parent's result goes on."""
    with e6data_adbc.connect(served_uri) as connection, connection.cursor() as cursor:
        cursor.execute("select range as n from range(5000)")

        assert in_fork(lambda: f"{cursor.close()} {connection.close()}") == "None None"
        assert len(cursor.fetchall()) == 5000


def ask_anew(uri: str) -> str:
    """Asks on a new connection."""
    with e6data_adbc.connect(uri) as connection:
        scenarios.ask(connection, 7)
    return "right"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_connects_anew(served_uri: str) -> None:
    """A new connection works in the child, also where the parent has one that is open."""

    ask = functools.partial(ask_anew, served_uri)
    with e6data_adbc.connect(served_uri) as connection:
        scenarios.ask(connection, 1)

        assert in_fork(lambda: f"{ask()}, {ask()}") == "right, right"
        scenarios.ask(connection, 2)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_locks_that_a_fork_met_held_are_the_parents(served_uri: str) -> None:
    """Locks of the endpoint are held while the process forks: the child connects anew and waits for none."""

    ask = functools.partial(ask_anew, served_uri)
    with e6data_adbc.connect(served_uri) as connection:
        scenarios.ask(connection, 1)
        (state,) = (
            state
            for endpoint, state in ENDPOINTS._table.states.items()
            if f"@{endpoint.target}/" in served_uri
        )
        locks = [
            ENDPOINTS._table.lock,
            *(part._lock for part in (state.store, state.sessions, state.budget, state.counters)),
            state.flights._changed,
        ]
        with contextlib.ExitStack() as held:
            for lock in locks:
                held.enter_context(lock)
            assert in_fork(ask) == "right"
        scenarios.ask(connection, 2)


def test_a_worker_of_a_pool_needs_no_helpers(served_uri: str) -> None:
    """A worker that must not have children of its own asks like any other process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.apply(scenarios._work, (served_uri, 3))
        pool.close()
        pool.join()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_ways_to_start_a_process(served_uri: str, method: str) -> None:
    """A spawned process and one of a fork server connect and ask, beside an open connection of the parent's."""
    with e6data_adbc.connect(served_uri) as connection:
        scenarios.ask(connection, 0)
        process = multiprocessing.get_context(method).Process(
            target=scenarios._work, args=(served_uri, 3)
        )
        process.start()
        process.join(60)

        assert process.exitcode == 0
        scenarios.ask(connection, 1)


def test_a_connection_is_not_pickled(served_uri: str) -> None:
    """What would hand a connection to another process fails, rather than arriving broken."""
    with e6data_adbc.connect(served_uri) as connection, connection.cursor() as cursor:
        for thing in (connection, cursor):
            with pytest.raises(TypeError):
                pickle.dumps(thing)


HALF_READ = """if True:
    import os, sys, warnings
    warnings.simplefilter("ignore")
    import e6data_adbc
    uri, protocol = sys.argv[1:]
    options = {"adbc.e6data.result.result_protocol": protocol}
    connection = e6data_adbc.connect(uri, db_kwargs=options)
    cursor = connection.cursor().execute("select range as n from range(20000)")
    reader = cursor.fetch_record_batch()
    rows = reader.read_next_batch().num_rows
    child = os.fork()
    if child == 0:
        try:
            reader.read_next_batch()
        except Exception as error:
            sys.exit(0 if "before a fork" in str(error) else 3)  # as a program ends, with all that is open
        sys.exit(4)
    _, status = os.waitpid(child, 0)
    print(status, rows + sum(batch.num_rows for batch in reader))
    connection.close()
"""


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_a_child_that_ends_leaves_a_half_read_reader_alone(served_uri: str, protocol: str) -> None:
    """The child is refused and ends as any program does; the parent reads every row, and both end well."""
    done = subprocess.run(
        [sys.executable, "-c", HALF_READ, served_uri, protocol],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "0 20000\n", "")
