"""Output files: complete or not there."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e6data_adbc.cli.exits import UsageError
from e6data_adbc.cli.files import check_target, open_target

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
