"""Output files: complete or not there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e6data_adbc.cli.exits import UsageError
from e6data_adbc.cli.files import check_target, open_target

pytestmark = pytest.mark.seconds

BATCH = pa.RecordBatch.from_pydict({"a": [1, None], "d": pa.array([5, 6], pa.duration("us"))})


def store(target: Path, *batches: pa.RecordBatch) -> None:
    make = check_target(target)
    with open_target(target) as sink:
        writer = make(sink, BATCH.schema)
        for batch in batches:
            writer.write(batch)
        writer.finish()


def test_parquet(tmp_path: Path) -> None:
    """A Parquet file has the rows and types of the result, and many batches make one row group."""
    target = tmp_path / "out.parquet"
    store(target, BATCH, BATCH)

    assert pq.read_table(target).equals(pa.Table.from_batches([BATCH, BATCH]))
    assert pq.ParquetFile(target).num_row_groups == 1


def test_arrow(tmp_path: Path) -> None:
    """An Arrow file can be mapped into memory."""
    target = tmp_path / "out.arrow"
    store(target, BATCH)

    with pa.memory_map(str(target)) as source:
        assert pa.ipc.open_file(source).read_all().equals(pa.Table.from_batches([BATCH]))


def test_no_rows(tmp_path: Path) -> None:
    """A result without rows is a valid file with its schema."""
    for name in ("out.parquet", "out.arrow"):
        store(tmp_path / name)

    assert pq.read_schema(tmp_path / "out.parquet").equals(BATCH.schema)


def test_failure_leaves_the_target_alone(tmp_path: Path) -> None:
    """What was there before stays there, and nothing else remains."""
    target = tmp_path / "out.csv"
    target.write_text("before")

    with pytest.raises(RuntimeError), open_target(target) as sink:
        sink.write(b"half")
        raise RuntimeError

    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    """A file is replaced under its permissions, and a link keeps pointing to it."""
    target, link = tmp_path / "out.csv", tmp_path / "link.csv"
    target.touch(0o640)
    link.symlink_to(target)
    store(link, BATCH)

    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert target.read_text().startswith("a,d\n")


@pytest.mark.parametrize("name", ["out", "out.xlsx", "nowhere/out.csv", "folder.csv"])
def test_impossible_targets(tmp_path: Path, name: str) -> None:
    """A target that cannot work is refused before anything runs."""
    (tmp_path / "folder.csv").mkdir()

    with pytest.raises(UsageError, match="could not write"):
        check_target(tmp_path / name)


def left_over(target: Path) -> list[str]:
    """What stands beside *target*."""
    return sorted(path.name for path in target.parent.iterdir() if path != target)


WRITE = """
import sys
from pathlib import Path
from e6data_adbc.cli.files import open_target
with open_target(Path(sys.argv[1])) as sink:
    sink.write(b"half")
    sink.flush()
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def writing() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Starts a process that is writing a file, and goes on until its standard input ends."""
    started: list[subprocess.Popen[str]] = []

    def start(target: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE, str(target)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("name", ["out.parquet", "out.arrow", "out.csv", "out.json", "out.jsonl"])
def test_what_a_killed_command_left_is_removed(
    tmp_path: Path, writing: Callable[[Path], subprocess.Popen[str]], name: str
) -> None:
    """By the next one that writes the same file; what a living one writes stays, and so do files of other names."""
    target, other = tmp_path / name, tmp_path / f"{name}.csv"
    (tmp_path / f".{name}.e6data-short.part").touch()
    (tmp_path / f".{name}.abcdefgh.part").touch()
    killed = [writing(target), writing(other)]
    for process in killed:
        process.kill()
        process.wait(60)
    (beside,) = {path for path in left_over(target) if path.startswith(f".{other.name}.e6data-")}
    living = writing(target)
    store(target, BATCH)

    parts = [part for part in left_over(target) if part.startswith(f".{name}.e6data-")]
    assert beside in left_over(target)
    assert len(parts) == 2 + (
        beside in parts
    )  # the living one's, and the one that has not our form
    living.communicate("", timeout=60)
    assert living.returncode == 0
    assert target.read_bytes() == b"half"
    assert f".{name}.abcdefgh.part" in left_over(target)
