"""Seeing a cluster come up that a query has resumed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import e6data_adbc
from checks.reliability.scenarios import ask
from e6data_adbc.cli import main
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    """A suspended cluster."""
    with LocalEngine(resume_polls=1) as running:
        running.suspend()
        yield running


def test_a_query_that_resumes_tells_the_states(engine: LocalEngine) -> None:
    """The callable is told each state in its order, and nothing without a resume."""
    states: list[str] = []
    with e6data_adbc.connect(engine.uri, on_progress=states.append) as connection:
        ask(connection, 0)
        assert states == ["suspended", "resuming", "active"]
        ask(connection, 1)
        assert len(states) == 3


def test_all_connections_that_wait_are_told(engine: LocalEngine) -> None:
    """One of them holds the resume; whoever waits with it sees it come up, too."""
    told: list[list[str]] = [[], []]
    met = threading.Barrier(2)
    waits = engine.faults.delay("cluster.status", gate=threading.Event())

    def use(index: int) -> None:
        with e6data_adbc.connect(engine.uri, on_progress=told[index].append) as connection:
            met.wait(30)
            ask(connection, index)

    with ThreadPoolExecutor(2) as threads:
        uses = [threads.submit(use, index) for index in range(2)]
        assert waits.reached.wait(30)
        waits.gate.set()
        for done in uses:
            done.result(60)

    assert engine.ledger.calls["cluster.resume"] == 1
    assert all(states[-1:] == ["active"] for states in told)


def test_many_threads_of_one_connection_are_told_once(engine: LocalEngine) -> None:
    """Eight threads wait; each state is told to their callable one time."""
    states: list[str] = []
    with e6data_adbc.connect(engine.uri, on_progress=states.append) as connection:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda number: ask(connection, number), range(8)))

    assert states == ["suspended", "resuming", "active"]


def test_a_callable_that_raises_stops_nothing(
    engine: LocalEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """The query gets its rows, and the log says that the callable failed, without its words."""

    def fail(state: str) -> None:
        raise ValueError(f"secret {state}")

    with e6data_adbc.connect(engine.uri, on_progress=fail) as connection:
        ask(connection, 0)

    assert "on_progress raised ValueError" in caplog.text
    assert "secret" not in caplog.text


def test_the_command_line_shows_it(engine: LocalEngine, capsys: pytest.CaptureFixture[str]) -> None:
    """`sql` says on standard error why it waits; with -q it does not."""
    assert main(["sql", "--uri", engine.uri, "--format", "csv", "select 1 as n"]) == 0
    said = capsys.readouterr()
    assert said.out == "n\n1\n"
    for state in ("suspended", "resuming", "active"):
        assert f"the cluster is {state} after " in said.err
    engine.suspend()
    assert main(["sql", "-q", "--uri", engine.uri, "--format", "csv", "select 1 as n"]) == 0
    assert capsys.readouterr() == ("n\n1\n", "")


def test_what_is_no_callable_is_refused() -> None:
    """The mistake is named when connecting."""
    with pytest.raises(e6data_adbc.ProgrammingError, match="'on_progress': it is not callable"):
        e6data_adbc.connect("e6data://u:t@127.0.0.1:1", on_progress="x")  # type: ignore[arg-type]
