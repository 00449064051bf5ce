"""`e6data-adbc serve` that cannot start: what is said, in one line, and with which exit code."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.seconds


def refused(*arguments: str) -> tuple[int, str]:
    """Runs `serve` with *arguments*, which must not start; returns its exit code and all that it said."""
    env = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    done = subprocess.run(
        [sys.executable, "-m", "e6data_adbc", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=env,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_a_port_that_is_taken() -> None:
    """The cause is the system's, without the words of the library below."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = refused("--port", str(port))

    assert said == (
        f"e6data-adbc: could not listen on '127.0.0.1:{port}': Address already in use (IO); "
        "stop what has the port, or choose another\n"
    )
    assert code == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "99999"], "port '99999': must be between 0 and 65535"),
        (["--host", "0.0.0.0"], "set listen_anywhere if other machines may connect"),
        (["--tls-key", "key.pem"], ": tls_certificate and tls_key are needed together"),
        (["--tpch-path", "/nowhere"], "tpch_path '/nowhere': needs tpch, the scale factor"),
        (["--users", "/nowhere/users.json"], "could not read the users file"),
        (["--scratch", "/nowhere/x.duckdb"], "could not open '/nowhere/x.duckdb'"),
        (["--grace", "-1"], "--grace has to be 0 or more, and is -1"),
        (["--grace", "nan"], "--grace has to be 0 or more, and is nan"),
    ],
)
def test_a_setting_that_is_wrong(arguments: list[str], words: str) -> None:
    """Whatever finds it, it is a usage error."""
    code, said = refused(*arguments)

    assert words in said
    assert said.count("\n") == 1
    assert code == 2


@pytest.mark.parametrize("option", ["--log", "--token-file", "--admin-token-file"])
def test_a_file_that_cannot_be_written(option: str, tmp_path: Path) -> None:
    """The line says which, in words."""
    file = tmp_path / "missing" / "file"
    code, said = refused(option, str(file))

    assert said == f"e6data-adbc: could not open {str(file)!r}: No such file or directory\n"
    assert code == 5
