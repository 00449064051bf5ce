"""The small parts of the command line: exit codes, parameters, the progress line, manifests."""

from __future__ import annotations

import decimal
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from e6data_adbc import errors
from e6data_adbc.cli import COMMANDS, main, manifest
from e6data_adbc.cli.exits import Exit, UsageError, describe, exit_for
from e6data_adbc.cli.progress import Progress
from e6data_adbc.cli.sql import parse_parameters
from e6data_adbc.errors import Status

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.make(Status.INVALID_ARGUMENT, "could not x"), Exit.QUERY),
        (errors.make(Status.INVALID_DATA, "could not x"), Exit.QUERY),
        (errors.make(Status.UNAUTHENTICATED, "could not x"), Exit.CONNECTION),
        (errors.make(Status.IO, "could not x"), Exit.CONNECTION),
        (errors.make(Status.TIMEOUT, "could not x"), Exit.TIMEOUT),
        (OSError("[e6data] could not fetch: deadline (TIMEOUT)"), Exit.TIMEOUT),
        (OSError(28, "No space left on device"), Exit.OUTPUT),
        (BrokenPipeError(), Exit.PIPE),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (UsageError("x"), Exit.USAGE),
        (ValueError("x"), Exit.QUERY),
    ],
    ids=repr,
)
def test_exit_codes(error: BaseException, expected: Exit) -> None:
    """Each kind of error has its exit code, also when it lost its type on the way."""
    assert exit_for(error) is expected


def test_an_error_is_one_line() -> None:
    """Line breaks in a server's text do not break ours; the type is told where the text does not say what it is."""
    assert describe(errors.make(Status.IO, "could not x: a\n  b")) == "could not x: a b (IO)"
    assert describe(KeyError("x")) == "KeyError: 'x'"


def test_every_exit_code_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    """The help text names all exit codes."""
    assert main(["--help"]) == 0

    shown = " ".join(capsys.readouterr().out.split())
    assert all(f"{code.value} {code.meaning}" in shown for code in Exit)


def test_named_parameters() -> None:
    """A JSON value has its type, decimals exactly; anything else is text."""
    words = [
        "a=5",
        "b=1.10",
        "c=x=y",
        "d=null",
        'e="5"',
        "f=[1, 2]",
        "g=2024-01-02",
        "h=NaN",
        "i=",
        'j={"k": 1}',
    ]

    assert parse_parameters(words) == {
        "a": 5,
        "b": decimal.Decimal("1.10"),
        "c": "x=y",
        "d": None,
        "e": "5",
        "f": [1, 2],
        "g": "2024-01-02",
        "h": "NaN",
        "i": "",
        "j": '{"k": 1}',
    }


def test_positional_parameters() -> None:
    """Without names the values are taken in order; text that looks like a name goes in quotes."""
    assert parse_parameters(["5", '"a=b"', "x"]) == [5, "a=b", "x"]
    assert parse_parameters([]) is None


def test_parameters_do_not_mix() -> None:
    """Named and unnamed values together are a usage error."""
    with pytest.raises(UsageError, match="some have a name"):
        parse_parameters(["a=1", "2"])


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_progress_waits_and_clears() -> None:
    """The line appears after a second, tells the share where the total is known, and goes away."""
    clock, stream = Clock(), io.StringIO()
    progress = Progress(stream, enabled=True, clock=clock)
    progress.update(10)
    assert stream.getvalue() == ""

    clock.now = 2.0
    progress.announced = 2000
    progress.update(1000)
    assert "[############............]  50%  1,000 of 2,000 rows  2.00 s" in stream.getvalue()

    progress.clear()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_progress_is_silent_elsewhere() -> None:
    """Nothing is drawn where there is no terminal."""
    clock, stream = Clock(), io.StringIO()
    progress = Progress(stream, clock=clock)
    clock.now = 100.0
    progress.update(1)
    progress.clear()

    assert stream.getvalue() == ""


def test_manifest(tmp_path: Path) -> None:
    """A manifest for each name points to the library by its absolute path, whatever characters it has."""
    library = tmp_path / 'a"b\\ü' / "_native.so"
    files = manifest.install(tmp_path / "drivers", library)

    assert [file.name for file in files] == ["e6data.toml", "adbc_driver_e6data.toml"]
    for file in files:
        content: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
        assert content["Driver"] == {"entrypoint": "AdbcDriverE6dataInit", "shared": str(library)}
        assert content["manifest_version"] == 1


def test_manifest_uninstall(tmp_path: Path) -> None:
    """Only what is ours is removed, and what is not there is no error."""
    manifest.install(tmp_path, tmp_path / "x.so")
    (tmp_path / "e6data.toml").write_text('name = "another"')

    assert [file.name for file in manifest.uninstall(tmp_path)] == ["adbc_driver_e6data.toml"]
    assert [file.name for file in tmp_path.iterdir()] == ["e6data.toml"]
    assert manifest.uninstall(tmp_path) == []


def test_manifest_of_another_driver_stays(tmp_path: Path) -> None:
    """A manifest that somebody else wrote is not overwritten."""
    (tmp_path / "e6data.toml").write_text('name = "another"')

    with pytest.raises(UsageError, match="another driver"):
        manifest.install(tmp_path, tmp_path / "x.so")
    assert not (tmp_path / "adbc_driver_e6data.toml").exists()


def test_user_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On Linux the user's manifests lie where XDG says."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    assert manifest.user_folder() == tmp_path / "adbc" / "drivers"


def test_install_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`install-manifest --dir` prints what it wrote, `--uninstall` what it removed."""
    assert main(["install-manifest", "--dir", str(tmp_path)]) == 0
    written = capsys.readouterr().out
    assert main(["install-manifest", "--dir", str(tmp_path), "--uninstall"]) == 0

    assert written == capsys.readouterr().out
    assert len(written.splitlines()) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error says which folder, and where manifests can go instead."""
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "drivers"

    assert main(["install-manifest", "--dir", str(folder)]) == Exit.OUTPUT
    error = capsys.readouterr().err
    assert error.startswith(f"e6data-adbc: could not write manifests into '{folder}': Not a ")
    assert error.endswith("; --venv and --dir DIR name other folders\n")


def test_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Without any word the help is shown, and the exit code is that of a usage error."""
    assert main([]) == Exit.USAGE
    shown = capsys.readouterr().err
    assert all(name in shown for name in COMMANDS)


#: Output that is kept until the end, as where nobody asked for something else.
BUFFERED = {name: os.environ[name] for name in os.environ if name != "PYTHONUNBUFFERED"}


@pytest.mark.parametrize("words", [("completion", "bash"), ("version",), ("--help",)])
def test_a_reader_that_goes_away(words: tuple[str, ...]) -> None:
    """Output that nobody reads any more ends any command silently, be it short or long."""
    here, there = os.pipe()
    os.close(here)
    done = subprocess.run(
        [sys.executable, "-m", "e6data_adbc", *words],
        env=BUFFERED,
        stdout=there,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(there)

    assert (done.stderr, done.returncode) == ("", Exit.PIPE)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
@pytest.mark.parametrize(
    "environment", [BUFFERED, {**BUFFERED, "PYTHONUNBUFFERED": "1"}], ids=["end", "at once"]
)
@pytest.mark.parametrize(
    "words",
    [
        ("version",),
        pytest.param(
            ("sql", "select * from range(200000)", "-q", "--format", "csv"),
            marks=pytest.mark.seconds,
        ),
    ],
    ids=lambda words: words[0],
)
def test_a_full_disk(words: tuple[str, ...], environment: dict[str, str]) -> None:
    """What cannot be written is an error with its own exit code, and told once."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "e6data_adbc", *words],
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.stderr == "e6data-adbc: could not write the output: No space left on device\n"
    assert done.returncode == Exit.OUTPUT


@pytest.mark.parametrize(
    ("closed", "words", "told", "code"),
    [
        (
            "1",
            "version",
            "e6data-adbc: could not write the output: Bad file descriptor\n",
            Exit.OUTPUT,
        ),
        ("0", "sql -", "e6data-adbc: could not run SQL: there is none\n", Exit.USAGE),
        ("2", "sql -f /no/such/file", "", Exit.USAGE),
    ],
    ids=["output", "input", "error"],
)
def test_a_closed_stream(closed: str, words: str, told: str, code: Exit) -> None:
    """Whoever closed a standard stream gets an error where it was needed, and no other file has its number."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -m e6data_adbc {words} {closed}>&-', sys.executable],
        env=BUFFERED,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.stderr, done.returncode) == (told, code)


def test_version_command() -> None:
    """`python -m e6data_adbc version` names the package and its libraries."""
    done = subprocess.run(
        [sys.executable, "-m", "e6data_adbc", "version"], capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("e6data-adbc ")
    assert "pyarrow " in done.stdout
