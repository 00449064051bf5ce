"""Loads into one Delta table at once, and loads that die at any step: each row is there once."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest

from e6data_adbc import errors
from e6data_adbc.etl import load, status
from e6data_adbc.etl.destinations import parse
from e6data_adbc.etl.lake import delta_table
from e6data_adbc.etl.lake.delta_table import DeltaTable, Place
from e6data_adbc.etl.stream import Rows
from tests.etl.delta_folders import ids, left_over, made, sink_of, url
from tests.etl.dying_disk import Death, Killed, counted
from tests.etl.file_folders import SHAPES
from tests.etl.numbers_source import SCHEMA, Numbers, flow, race

pytestmark = pytest.mark.seconds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "table"


@pytest.mark.parametrize("shape", ["append", "replace", "upsert", "replace_where"])
def test_a_commit_between_is_noticed(
    folder: Path, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where locks do nothing, of two commits of a job on one snapshot one is made; the other looks again."""
    monkeypatch.setattr("fcntl.flock", lambda *_: None)
    monkeypatch.setattr("e6data_adbc.etl.files.disk.is_locked", lambda path: path.exists())
    options: dict[str, Any] = {"mode": shape}
    if shape == "upsert":
        options["key"] = ("id",)
    if shape == "replace_where":
        options["where"] = "id < 100"
    has_raced, feed, note = [], DeltaTable._feed, DeltaTable.note
    sink, other = sink_of(folder), sink_of(folder)
    one = flow(sink, Numbers(), parts=2, **options)

    def between() -> None:
        if not has_raced:
            has_raced.append(True)
            flow(other, Numbers(), parts=2, **options).run()

    def late_feed(self: DeltaTable, *arguments: Any) -> None:
        between()
        feed(self, *arguments)

    def late_note(self: DeltaTable, tag: Any) -> None:
        if sink._records is not None and "part" in str(list(folder.rglob("parts/*.parquet"))):  # type: ignore[attr-defined]
            between()
        note(self, tag)

    monkeypatch.setattr(DeltaTable, "_feed", late_feed)
    monkeypatch.setattr(DeltaTable, "note", late_note)
    one.run()
    sink.close()
    other.close()

    assert has_raced
    assert ids(folder) == list(range(12))
    assert one.watermark is not None
    assert one.watermark.is_complete


@pytest.mark.parametrize("job", [None, "j"])
def test_a_stream_is_not_read_twice(
    folder: Path, job: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another program changes what a load replaces, Arrow data that can be read once are not taken for none."""
    made(folder, {"id": [1]})
    feed, has_raced = DeltaTable._feed, []

    def late(self: DeltaTable, *arguments: Any) -> None:
        if not has_raced:
            has_raced.append(True)
            made_anew = pa.table({"id": [2]})
            deltalake.write_deltalake(str(folder), made_anew, mode="overwrite")
        feed(self, *arguments)

    monkeypatch.setattr(DeltaTable, "_feed", late)
    where = {"mode": "replace_where", "where": "id < 5"}
    with pytest.raises(errors.ProgrammingError, match="another commit has come between"):
        load(pa.table({"id": [3]}), url(folder), job=job, **where)  # type: ignore[arg-type]
    assert ids(folder) == [2]

    load(pa.table({"id": [3]}), url(folder), job=job, **where)  # type: ignore[arg-type]
    assert ids(folder) == [3]


def test_two_workers(folder: Path) -> None:
    """Two sinks of one job at once: each row is there once, and both end well."""
    ends = race(lambda: sink_of(folder), 24, parts=6)

    assert sum(ends) == 24, ends  # type: ignore[arg-type]
    assert ids(folder) == list(range(24))


DELTA_SHAPES = {
    **SHAPES,
    "upsert": ({"parts": 2, "mode": "upsert", "key": ("id",)}, [100, *range(12)]),
}


@contextlib.contextmanager
def dying(death: Death) -> Iterator[None]:
    """Asks *death* before each step on the disk, and before and after each call of the library that commits."""
    feed, note, create = DeltaTable._feed, DeltaTable.note, DeltaTable.create

    def around(function: Any) -> Any:
        def called(*arguments: Any) -> Any:
            death()
            found = function(*arguments)
            death()
            return found

        return called

    with counted(death), pytest.MonkeyPatch.context() as patch:
        for name, function in (("_feed", feed), ("note", note), ("create", create)):
            patch.setattr(DeltaTable, name, around(function))
        yield


def attempt(folder: Path, options: dict[str, Any], death: Death) -> None:
    source = Numbers()
    source.before_batch = lambda number: death()
    sink = sink_of(folder)
    with dying(death), contextlib.suppress(Killed), contextlib.closing(sink):
        flow(sink, source, **options).run()


@pytest.mark.parametrize("stride", [17, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("shape", DELTA_SHAPES)
def test_death_at_any_step(tmp_path: Path, shape: str, stride: int) -> None:
    """A process that dies at any step, and again in the next try, leaves old or new rows, none twice."""
    options, expected = DELTA_SHAPES[shape]
    old = [100, 101] if shape == "replace where" else [100]
    step, is_over = len(shape) % stride, False
    while not is_over:
        folder = tmp_path / str(step)
        load(pa.table({"id": old, "v": ["old"] * len(old)}, SCHEMA), url(folder))
        for steps in (step, step * 7 % 31):
            death = Death(steps)
            attempt(folder, options, death)
            is_over = is_over or (steps == step and not death.has_come)
            found = ids(folder)
            assert len(found) == len(set(found)), "no row is to be seen twice"
            if "mode" in options:
                assert found in (old, sorted(expected))
        attempt(folder, options, Death(10**9))

        assert ids(folder) == sorted(expected), step
        assert left_over(folder) == [], step
        assert [mark.rows for mark in status("j", url(folder)) if mark.is_complete] == [12]
        step += stride
    assert step > 15


def test_a_stream_is_released_before_a_load_ends(folder: Path) -> None:
    """The library does so in a thread of its own: an interpreter that ended meanwhile would crash."""
    released: list[bool] = []

    def keep(reader: pa.RecordBatchReader) -> None:
        held = [reader]

        def release() -> None:
            time.sleep(0.3)
            released.append(True)
            held.clear()

        threading.Thread(target=release).start()

    table = DeltaTable(Place(parse(url(folder)), str(folder)))
    table._feed(Rows(iter(())), pa.schema({"a": pa.int64()}), keep)

    assert released == [True]


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals of a thread are POSIX's")
def test_ctrl_c_waits_for_the_library(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread is left in it, whatever it has released: an interpreter that ended meanwhile would crash."""
    monkeypatch.setattr(delta_table, "_RELEASE_SECONDS", 0)
    ended: list[bool] = []

    def work(reader: pa.RecordBatchReader) -> None:
        del reader
        time.sleep(0.2)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        time.sleep(0.3)
        ended.append(True)

    table = DeltaTable(Place(parse(url(folder)), str(folder)))
    with pytest.raises(KeyboardInterrupt):
        table._feed(Rows(iter(())), pa.schema({"a": pa.int64()}), work)

    assert ended == [True]
