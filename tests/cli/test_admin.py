"""`serve` and `admin` together, as two programs."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e6data_adbc.cli import main

pytestmark = pytest.mark.seconds


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An engine that `serve` runs; its URI, and the file with the admin token."""
    file = tmp_path / "admin-token"
    command = [sys.executable, "-m", "e6data_adbc", "serve", "--user", "u"]
    process = subprocess.Popen(
        [*command, "--admin-token-file", str(file)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "E6DATA_TOKEN": "t"},
    )
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on e6data://127.0.0.1:")
        yield f"e6data://u:t@{line.strip().rpartition('/')[2]}", file
        process.terminate()
        assert process.wait(timeout=60) == 0
        assert process.stdout.read() == ""


@pytest.fixture
def admin(
    served: tuple[str, Path], capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, Any]]:
    """Runs `admin` and returns exit code and answer, or what it said."""
    uri, file = served

    def run(action: str, *words: str) -> tuple[int, Any]:
        code = main(["admin", action, "--uri", uri, "--admin-token-file", str(file), *words])
        said = capfd.readouterr()
        return code, json.loads(said.out) if code == 0 else said.err

    return run


def test_a_cluster_is_played_from_another_program(
    served: tuple[str, Path], admin: Callable[..., tuple[int, Any]]
) -> None:
    """Each action has its words, and the answer is one line of JSON; the token file is its owner's only."""
    assert stat.S_IMODE(served[1].stat().st_mode) == 0o600
    assert admin("switch", "green") == (0, {"strategy": "green"})
    assert admin("switch", "--announce") == (0, {"strategy": "green"})
    assert admin("switch", "--every-calls", "5", "--style", "draining") == (
        0,
        {"strategy": "green"},
    )
    assert admin("switch", "--every-calls", "0") == (0, {"strategy": "green"})
    assert admin("suspend", "--states", "resuming,active", "--refusals", "1") == (
        0,
        {"status": "suspended"},
    )
    assert admin("resume") == (0, {"status": "resuming"})
    assert admin("expire", "bearers") == (0, {"expired": 0})
    assert admin("expire", "--drain") == (0, {"expired": 0})
    code, planned = admin("fault", "healthCheck", "--code", "ABORTED", "--times", "2")
    assert (code, planned["faults"][0]["times"]) == (0, 2)
    assert admin("fault", "--clear") == (0, {"faults": []})
    code, ledger = admin("ledger", "--last", "0")
    assert (code, ledger["strategy"], ledger["prepared"]) == (0, "green", 0)


def test_mistakes_are_told(
    served: tuple[str, Path],
    admin: Callable[..., tuple[int, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wrong action, token, place or request has its own exit code and one line."""
    monkeypatch.delenv("E6DATA_ADMIN_TOKEN", raising=False)
    monkeypatch.delenv("E6DATA_URI", raising=False)
    code, words = admin("fault")
    assert (code, words.count("\n")) == (2, 1)
    assert "a fault needs a method" in words
    assert main(["admin", "ledger", "--uri", served[0]]) == 2
    monkeypatch.setenv("E6DATA_ADMIN_TOKEN", "wrong")
    assert main(["admin", "ledger", "--uri", served[0]]) == 3
    assert main(["admin", "ledger"]) == 2
    assert main(["admin", "ledger", "--uri", "e6data:local"]) == 2
    assert main(["admin", "explode", "--uri", served[0]]) == 2
