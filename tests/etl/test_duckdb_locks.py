"""A DuckDB file that cannot be opened: another process has it, or nobody can open it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from e6data_adbc.etl import destinations
from e6data_adbc.etl.sql.duckdb import DuckDB
from e6data_adbc.etl.sql.file_locks import another_has_lock

pytestmark = [
    pytest.mark.seconds,
    pytest.mark.skipif(sys.platform != "linux", reason="other systems are not all asked for locks"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database file of some size."""
    made = tmp_path / "f.duckdb"
    with duckdb.connect(str(made)) as connection:
        connection.execute("CREATE TABLE t AS SELECT md5(range::VARCHAR) FROM range(20000)")
    return made


@pytest.fixture
def other(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has it until its input ends."""
    text = f"import duckdb; c = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def database(path: Path) -> DuckDB:
    return DuckDB(destinations.parse(f"duckdb://{path}#t"))


def test_another_process_is_waited_for(path: Path, other: subprocess.Popen[str]) -> None:
    """However often it is asked, while the other has the lock; then the file is opened."""
    assert another_has_lock(path)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 30:
            other.communicate("\n", timeout=60)

    database(path).connect(clock=lambda: 0.0, wait=wait).close()
    assert len(waits) == 30
    assert not another_has_lock(path)


@pytest.mark.parametrize("size", [0, 5, 100, 8192, 20_000, 100_000])
def test_a_broken_file_is_not_waited_for(path: Path, size: int) -> None:
    """It ends too early, with its header or without; nobody has it, and it is looked at a few times only."""
    data = path.read_bytes()
    assert size < len(data)
    path.write_bytes(data[:size])
    waits: list[float] = []

    with pytest.raises(duckdb.IOException):
        database(path).connect(clock=lambda: 0.0, wait=waits.append)
    assert len(waits) < 10
