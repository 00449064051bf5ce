"""The commands beside `sql`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e6data_adbc.cli import main, version
from e6data_adbc.cli.exits import Exit

pytestmark = pytest.mark.seconds


def test_tables(uri: str, capfd: pytest.CaptureFixture[str]) -> None:
    """`tables` lists tables, and with a pattern the columns of those that match."""
    assert main(["tables", "--uri", uri, "--catalog", "sample"]) == 0
    tables = capfd.readouterr().out.splitlines()
    assert main(["tables", "--uri", uri, "--catalog", "sample", "date%"]) == 0
    columns = capfd.readouterr().out.splitlines()

    assert tables[0].split() == ["catalog", "|", "schema", "|", "table"]
    assert ["sample", "|", "sales", "|", "date_dim"] in [line.split() for line in tables]
    assert ["sample", "|", "sales", "|", "date_dim", "|", "d_date", "|", "date"] in [
        line.split() for line in columns
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve(tmp_path: Path, number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    """`serve` says where it listens, answers, and ends with exit code 0 on a signal."""
    pq.write_table(pa.table({"a": [1, 2, 3]}), tmp_path / "numbers.parquet")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "e6data_adbc",
            "serve",
            "--port",
            "0",
            "--user",
            "u",
            "--path",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "E6DATA_TOKEN": "t"},
    )
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        target = line.strip().removeprefix("listening on e6data://")
        code = main(
            [
                "sql",
                "-q",
                "--format",
                "csv",
                "--uri",
                f"e6data://u:t@{target}",
                "SELECT sum(a) AS a FROM numbers",
            ]
        )
        process.send_signal(number)

        assert process.wait(timeout=60) == 0
    assert target.startswith("127.0.0.1:")
    assert (code, capfd.readouterr().out) == (0, "a\n6\n")


def test_serve_without_folder() -> None:
    """A folder that is not there is a usage error."""
    assert main(["serve", "--path", "no/such/folder"]) == 2


def test_an_interrupt_stays_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What fails while a command puts its things away after Ctrl-C is not reported in its place."""

    def interrupted(_given: object) -> int:
        try:
            raise KeyboardInterrupt
        finally:
            raise OSError("could not remove the file")

    monkeypatch.setattr(version, "run", interrupted)

    assert main(["version"]) == Exit.INTERRUPTED
    assert capsys.readouterr().err == "e6data-adbc: interrupted\n"
