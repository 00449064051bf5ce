"""The commands beside `sql`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import e6data_adbc
from e6data_adbc.cli import COMMANDS, main, version
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


def test_tables_for_programs(uri: str, capfd: pytest.CaptureFixture[str]) -> None:
    """`tables --format json` gives objects."""
    assert main(["tables", "--uri", uri, "--format", "json", "--catalog", "sample", "date%"]) == 0

    (first, *_) = json.loads(capfd.readouterr().out)
    assert {name: first[name] for name in ("catalog", "schema", "table")} == {
        "catalog": "sample",
        "schema": "sales",
        "table": "date_dim",
    }


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["--catalog", "nosuch"], "catalog"),
        (["--schema", "nosuch"], "schema"),
        (["nosuch"], "table"),
    ],
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_tables_that_are_not_there(
    words: list[str], kind: str, form: str, uri: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """What matches nothing is an error that says which pattern it was, not an empty list."""
    assert main(["tables", "--uri", uri, "--format", form, *words]) == Exit.QUERY

    said = capfd.readouterr()
    assert said.out == ""
    assert f"there is no {kind} like 'nosuch' (NOT_FOUND)" in said.err


def test_version(capfd: pytest.CaptureFixture[str]) -> None:
    """`--version` says it in one line."""
    assert main(["--version"]) == 0
    assert capfd.readouterr().out == f"e6data-adbc {e6data_adbc.__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_file(shell: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Every command and its options are in the file, and a shell that is here can read it."""
    assert main(["completion", shell]) == 0
    text = capfd.readouterr().out

    for word in (*COMMANDS, "--timeout" if shell != "fish" else "-l timeout", "vertical"):
        assert word in text
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n"], input=text, text=True, timeout=60, check=True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["cl"], ["cluster"]),
        (["sql", "--format", "v"], ["vertical"]),
        (["sql", "--tim"], ["--timeout"]),
        (["cluster", "re"], ["resume"]),
        (["cluster", "resume", "--ti"], ["--timeout"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["serve", "--switch-style", "a"], ["abrupt", "announced"]),
        (["serve", "--strict", "--nano"], ["--nanoseconds"]),
    ],
    ids=" ".join,
)
def test_completion_in_bash(
    words: list[str], expected: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """What bash offers."""
    program = shutil.which("bash")
    if program is None:
        pytest.skip("bash is not here")
    assert main(["completion", "bash"]) == 0
    script = f"""
{capfd.readouterr().out}
COMP_WORDS=(e6data-adbc "$@"); COMP_CWORD={len(words)}
_e6data_adbc
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        [program, "-c", script, "bash", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    found = done.stdout.split()
    assert [word for word in found if not word.startswith("-") or words[-1]] == expected


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
