"""`e6data-adbc load`: what it prints, and how it ends."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from e6data_adbc.cli import main

pytestmark = pytest.mark.seconds

SQL = "select order_id, store_id from orders"


@pytest.fixture
def to(tmp_path: Path) -> str:
    """The address of a SQLite file that is not there yet."""
    return f"sqlite://{tmp_path}/x.db#t"


def rows(to: str) -> int:
    connection = sqlite3.connect(to.removeprefix("sqlite://").partition("#")[0])
    try:
        return int(connection.execute("SELECT COUNT(*) FROM t").fetchone()[0])
    finally:
        connection.close()


def test_a_job_is_loaded_once(uri: str, to: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The same command again changes nothing; status and forget tell of the job."""
    command = ["load", SQL, to, "--uri", uri, "--job", "j", "--json", "--mode", "append"]
    command += ["--commit-rows", "100", "--partition-on", "order_id", "--partition-count", "3"]

    assert main(command) == 0
    first = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert main(command) == 0
    again = [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    assert first[-1]["event"] == "complete"
    assert first[-1]["rows"] == rows(to) > 0
    assert (again[-1]["rows"], again[-1]["skipped_rows"]) == (0, rows(to))
    assert main(["load", "--status", "j", to]) == 0
    assert "complete, 3 of 3 partitions" in capfd.readouterr().out
    assert main(["load", "--forget", "j", to]) == 0
    assert main(["load", "--status", "j", to]) == 0
    assert capfd.readouterr().out == "forgot 1 run of job 'j'\n"


def test_a_dry_run_writes_nothing(uri: str, to: str, capfd: pytest.CaptureFixture[str]) -> None:
    """It prints the statements that a load would begin with."""
    assert main(["load", SQL, to, "--uri", uri, "--dry-run"]) == 0

    assert "change: CREATE TABLE" in capfd.readouterr().out
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        rows(to)


def test_the_source_has_to_be_named(
    to: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """There is no silent local engine for a load."""
    monkeypatch.delenv("E6DATA_URI", raising=False)

    assert main(["load", SQL, to]) == 2
    assert "names the source" in capfd.readouterr().err


def test_a_count_of_partitions_needs_their_column(
    uri: str, to: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is no load in one piece."""
    assert main(["load", SQL, to, "--uri", uri, "--partition-count", "4"]) == 2

    assert "--partition-on COLUMN" in capfd.readouterr().err
    assert not Path(to.removeprefix("sqlite://").partition("#")[0]).exists()


def test_what_failed_says_so(uri: str, to: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A failing query ends with 1, and a mistake in the command with 2."""
    assert main(["load", "select nothing from nowhere", to, "--uri", uri, "--job", "j"]) in {1, 2}
    assert main(["load", SQL, to, "--uri", uri, "--job", "j", "--commit-rows", "5"]) == 2
    assert "no place where a load could go on" in capfd.readouterr().err


def test_a_job_that_nobody_began(to: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The state of a job that is not there is not silence."""
    assert main(["load", "--status", "nightl", to]) == 0
    assert "no load of job 'nightl'" in capfd.readouterr().err
