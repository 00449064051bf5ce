"""Folders of files when a load fails, dies or has a rival: exactly the manifest's files are to be seen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from e6data_adbc import errors
from e6data_adbc.etl import load, status
from e6data_adbc.etl.files import disk
from e6data_adbc.etl.files.published import PublishedFolder
from tests.etl.dying_disk import Death, Killed, counted
from tests.etl.file_folders import FORMAT_NAMES, SHAPES, ids, left_over, seen, sink_of, url
from tests.etl.numbers_source import Numbers, flow, race

pytestmark = pytest.mark.seconds


def test_a_lost_file_is_noticed(folder: Path) -> None:
    """A file that a commit names and that is nowhere is an error, not fewer rows."""
    load(pa.table({"id": [1]}), url("parquet", folder), job="j")
    (folder / seen(folder)[0]).unlink()

    with pytest.raises(errors.ProgrammingError, match="no longer there"):
        load(pa.table({"id": [1]}), url("parquet", folder), job="j")


def test_the_sources_error_is_raised_and_nothing_stays(kind: str, folder: Path) -> None:
    """A source that fails midway leaves nothing of its commit, and the caller sees its very exception."""

    class OwnError(Exception):
        pass

    source, failure = Numbers(), OwnError("in midstream")

    def fail(number: int) -> None:
        if number == 9:
            raise failure

    source.before_batch = fail
    sink = sink_of(kind, folder)
    with pytest.raises(OwnError) as caught:
        flow(sink, source, parts=2).run()
    sink.close()

    assert caught.value is failure
    assert ids(kind, folder) == list(range(6))
    assert left_over(folder) == []


def attempt(folder: Path, options: dict[str, Any], death: Death) -> None:
    """Loads, and dies on the way if *death* comes."""
    with counted(death):
        sink = sink_of("parquet", folder)
        with contextlib.suppress(Killed), contextlib.closing(sink):
            flow(sink, Numbers(), **options).run()


def test_death_while_the_folder_is_made(tmp_path: Path) -> None:
    """A first load that dies at any step, also where the folders are made one by one, is completed by the next."""
    for step in range(14):  # of which the last are those after all folders are there
        folder = tmp_path / str(step)
        attempt(folder, {}, Death(step))
        assert len(status("j", url("parquet", folder))) <= 1, "what is there can be read"
        attempt(folder, {}, Death(10**9))

        assert ids("parquet", folder) == list(range(12)), step
        assert left_over(folder) == [], step


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("shape", SHAPES)
def test_death_at_any_step(tmp_path: Path, shape: str, stride: int) -> None:
    """A process that dies at any step on the disk, and again in the next try, leaves old or new rows, none twice."""
    options, expected = SHAPES[shape]
    old = [100, 101] if shape == "replace where" else [100]
    step, is_over = len(shape) % stride, False
    while not is_over:
        folder = tmp_path / str(step)
        load(pa.table({"id": old, "v": ["old"] * len(old)}), url("parquet", folder))
        for steps in (step, step * 7 % 31):
            death = Death(steps)
            attempt(folder, options, death)
            is_over = is_over or (steps == step and not death.has_come)
            manifest = PublishedFolder(folder, "parquet", "it").newest()
            known = {part.name for part in manifest.files} | set(manifest.dropped)
            assert known.issuperset(seen(folder)), "what no commit names is not to be seen"
            found = ids("parquet", folder)
            assert len(found) == len(set(found)), "no row is to be seen twice"
            assert "mode" not in options or found in (old, sorted(expected)), "old or new, whole"
        attempt(folder, options, Death(10**9))

        manifest = PublishedFolder(folder, "parquet", "it").newest()
        assert ids("parquet", folder) == sorted(expected), step
        assert seen(folder) == sorted(part.name for part in manifest.files)
        assert left_over(folder) == [], step
        mark = manifest.find("j", "")
        assert mark is not None
        assert mark.is_complete
        assert mark.rows == 12
        step += stride
    assert step > 30


def test_two_workers_commit_side_by_side(kind: str, folder: Path) -> None:
    """Two sinks of one job at once, each with several threads: each row is there once, and both end well."""
    ends = race(lambda: sink_of(kind, folder), 60, parts=12, workers=3)

    assert sum(ends) == 60, ends  # type: ignore[arg-type]
    assert ids(kind, folder) == list(range(60))
    assert left_over(folder) == []


def test_a_manifests_number_is_given_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where locks do nothing, of two commits that began from one manifest only one is made; the other looks again."""
    sink, other = sink_of("parquet", folder), sink_of("parquet", folder)
    source = Numbers()
    no_lock = disk.is_locked
    monkeypatch.setattr("fcntl.flock", lambda *_: None)
    monkeypatch.setattr(disk, "is_locked", lambda path: path.exists() or no_lock(path))
    put, has_raced = PublishedFolder.put, []

    def late(self: PublishedFolder, manifest: Any) -> None:
        if manifest.number == 2 and not has_raced:
            has_raced.append(True)
            flow(other, Numbers(), job="other").run()
        put(self, manifest)

    monkeypatch.setattr(PublishedFolder, "put", late)
    flow(sink, source).run()
    sink.close()
    other.close()

    assert has_raced
    assert ids("parquet", folder) == sorted([*range(12), *range(12)])


@pytest.mark.parametrize("kind", FORMAT_NAMES)
def test_a_disk_that_refuses(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk says is an error of ours, with the destination; what the source says stays the source's."""
    folder = tmp_path / "file" / "folder"
    (tmp_path / "file").touch()
    with pytest.raises(errors.OperationalError, match="could not begin the load") as caught:
        load(pa.table({"id": [1]}), url(kind, folder), job="j")
    assert isinstance(caught.value.__cause__, OSError)
    from e6data_adbc.cli import main

    assert main(["load", "select 1 as id", url(kind, folder), "--uri", "e6data:local"]) == 5

    def rows() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"id": [1]})
        raise ConnectionResetError("the source's own")

    reader = pa.RecordBatchReader.from_batches(pa.schema({"id": pa.int64()}), rows())
    with pytest.raises(OSError, match="the source's own") as failed:
        load(reader, url(kind, tmp_path / "other"))
    assert not isinstance(failed.value, errors.Error)
