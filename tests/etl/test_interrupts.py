"""Ctrl-C: a load ends at once, what it had committed stays, and it says from where the next one goes on."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pytest
from pyarrow import parquet

from e6data_adbc.cli.load import _Telling
from e6data_adbc.etl import Progress, load, status
from e6data_adbc.etl.columns import Converter
from e6data_adbc.etl.destinations import parse
from e6data_adbc.etl.sql.duckdb import DuckSession
from e6data_adbc.etl.sql.session import Table
from e6data_adbc.etl.sql.sqlite import Sqlite
from e6data_adbc.etl.watermark import Plan, PlanKind, Watermark
from e6data_adbc.testing.table_source import TableSource
from tests.etl import places

pytestmark = pytest.mark.seconds

ROWS = 40


def table() -> pa.Table:
    return pa.table({"id": list(range(ROWS))})


class Endless(TableSource):
    """A source whose reads wait until somebody cancels them, all but the one that begins first."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self._left = 1
        self._lock = threading.Lock()
        super().__init__(table(), before_batch=self._wait)

    def cancel(self) -> None:
        self.cancelled.set()

    def _wait(self) -> None:
        with self._lock:
            self._left -= 1
            is_first = self._left >= 0
        if not is_first and not self.cancelled.wait(60):
            raise TimeoutError("nobody cancelled the reads")


def interrupt(progress: Progress) -> None:
    if progress.event == "committed":
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def test_workers_give_up_what_they_read(tmp_path: Path) -> None:
    """The reads under way are cancelled, and their commits leave nothing."""
    to = f"parquet+file://{tmp_path}/out"
    source = Endless()
    options: dict[str, Any] = {"job": "j", "partition": ("id", 8), "workers": 3}

    with pytest.raises(KeyboardInterrupt):
        load(source, to, progress=interrupt, **options)

    assert source.cancelled.is_set()
    loaded = ids(tmp_path / "out")
    assert len(loaded) == 5, "one partition, that of the worker whose read began first"
    assert loaded == [*range(loaded[0], loaded[0] + 5)]
    assert status("j", to)[0].rows == 5
    load(TableSource(table()), to, **options)
    assert ids(tmp_path / "out") == [*range(ROWS)]


def ids(folder: Path) -> list[int]:
    files = [path for path in folder.glob("*.parquet") if path.name[0] not in "._"]
    return sorted(n for path in files for n in parquet.read_table(path)["id"].to_pylist())


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_rows_under_way_are_given_up(kind: str, tmp_path: Path) -> None:
    """An interrupt while the destination reads rows is raised as one, and nothing of the commit stays."""
    place = places.make(kind, tmp_path, None)
    left = [3]

    def before() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    source = TableSource(table(), before_batch=before)
    options: dict[str, Any] = {"job": "j", "partition": ("id", 4)}
    with pytest.raises(KeyboardInterrupt):
        load(source, place.url(), **options)

    assert place.rows("SELECT COUNT(*) FROM t") == [(20,)]
    load(TableSource(table()), place.url(), **options)
    assert place.rows("SELECT COUNT(*), COUNT(DISTINCT id) FROM t") == [(ROWS, ROWS)]


def test_the_command_says_where_the_next_goes_on(engine: Any, tmp_path: Path) -> None:
    """SIGINT ends it with 130 and a line; the same command completes the load."""
    from e6data_adbc.testing import isolated_catalog

    place = places.make("sqlite", tmp_path, None)
    with isolated_catalog(engine, {"numbers": pa.table({"n": list(range(2000))})}) as catalog:
        command = [
            *(sys.executable, "-m", "e6data_adbc", "load", "select n from numbers", place.url()),
            *("--uri", engine.uri_for(catalog), "--job", "j", "--json"),
            *("--partition-on", "n", "--partition-count", "1000"),
        ]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if json.loads(line)["event"] == "committed":
                    break
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=100)

        assert process.returncode == 130, said
        assert "the same command goes on after: loading" in said
        (mark,) = status("j", place.url())
        found = place.rows("SELECT COUNT(*), COUNT(DISTINCT n) FROM t")
        assert found == [(mark.rows, mark.rows)]
        assert 0 < mark.rows < 2000
        assert f"goes on after: {mark.describe()} (job 'j')" in said, said


class InterruptedConnection:
    """A connection of DuckDB whose every statement ends in *cause*.

    A real one looks for the signal between its own steps, which may be far apart, and until then no handler runs.
    """

    def __init__(self, cause: RuntimeError) -> None:
        self._cause = cause

    def execute(self, sql: str, values: list[object]) -> NoReturn:
        raise self._cause


@pytest.mark.parametrize(
    ("said", "raised"), [("Query interrupted", KeyboardInterrupt), ("no such thing", RuntimeError)]
)
def test_duckdb_is_interrupted_in_a_statement(said: str, raised: type[BaseException]) -> None:
    """DuckDB takes the signal itself and raises a RuntimeError for it, which is Ctrl-C all the same."""
    session = DuckSession(InterruptedConnection(RuntimeError(said)))

    with pytest.raises(raised):
        session.run("SELECT 1")


def test_ctrl_c_while_rows_are_changed(
    place: places.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not the error that the destination's library makes of it, and the next load goes on."""
    rows = TableSource(pa.table({"n": [1, 2]}))

    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Converter, "convert", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load(rows, place.url(), job="j")
    load(rows, place.url(), job="j")

    assert place.rows("SELECT COUNT(*) FROM {}t") == [(2,)]


def test_events_tell_the_newest_watermark(tmp_path: Path) -> None:
    """A worker that began before another's commit tells that commit, too, when it comes to its own."""
    both, committed = threading.Barrier(2, timeout=60), threading.Event()
    began: set[int] = set()
    told: list[int] = []

    def before() -> None:
        worker = threading.get_ident()
        if worker not in began:
            began.add(worker)
            if both.wait() and not committed.wait(60):
                raise TimeoutError("nothing was committed")

    def note(progress: Progress) -> None:
        told.append(progress.watermark.rows if progress.watermark else -1)
        if progress.event == "committed":
            committed.set()

    load(
        TableSource(table(), before_batch=before),
        f"parquet+file://{tmp_path}/out",
        job="j",
        partition=("id", 2),
        workers=2,
        progress=note,
    )

    assert told == [0, 0, 20, 20, 40]


def test_a_second_interrupt_asks_no_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While the destination is asked how far it is: the last that was told is where the next load goes on."""
    telling = _Telling(
        argparse.Namespace(quiet=False, json=True, destination="x", state_table=None)
    )
    telling(Progress("committed", 3, 1, Watermark("nightly", "", "hash", Plan(PlanKind.WHOLE))))

    def interrupted(*_: Any, **__: Any) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("e6data_adbc.etl.status", interrupted)
    telling.failed(KeyboardInterrupt())

    assert "goes on after: loading" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["sqlite", "lmdb", "redis"])
def test_runs_have_an_order(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Those of key-value stores have that of their names."""
    base = request.getfixturevalue("redis_url") if kind == "redis" else f"{kind}://{tmp_path}/x"
    names = ["c", "a/b", "ü", "", "b"]
    for name in names:
        load(table(), f"{base}#t", job="j", run=name)

    found = [mark.run for mark in status("j", f"{base}#t")]
    assert found == (names if kind == "sqlite" else sorted(names))


def test_an_interrupt_of_a_driver_that_cannot_cancel(tmp_path: Path) -> None:
    """SQLite's has no cancellation: the rows under way go in, and Ctrl-C is raised, not what cancelling said."""
    session = Sqlite(parse(f"sqlite://{tmp_path}/x.db#t")).connect()
    rows = table()

    def interrupted() -> Iterator[pa.RecordBatch]:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        threading.Event().wait(0.2)  # until the manager's own thread would have cancelled
        yield from rows.to_batches()

    with contextlib.closing(session):
        session.run("CREATE TABLE t (id INTEGER)")
        with pytest.raises(KeyboardInterrupt):
            session.write(
                Table(None, "t"), pa.RecordBatchReader.from_batches(rows.schema, interrupted())
            )
        session.rollback()


def test_an_interrupt_while_workers_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers that have begun give up what they read, as later."""
    source = Endless()
    source._left = 0
    submit = ThreadPoolExecutor.submit

    def interrupted(*arguments: Any) -> NoReturn:
        submit(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(source, f"parquet+file://{tmp_path}/out", job="j", partition=("id", 8), workers=3)

    assert source.cancelled.is_set()
