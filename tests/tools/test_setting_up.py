"""What stands in the way of setting up, and how it is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import set_up


@pytest.mark.parametrize("module", ["ssl", "ensurepip"])
def test_a_python_that_cannot_fetch_packages_is_refused(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """It is said before anything is made, which module is missing and what to do."""
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(set_up.SetUpError, match=f"{module}.*make PYTHON="):
        set_up.check_python()


def test_this_python_will_do() -> None:
    """A whole Python is not refused."""
    set_up.check_python()


def test_a_failed_fetch_of_rust_is_said_in_a_few_lines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The last line of what the fetching program printed, what ran, and what to do instead; no traceback."""

    def run(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        printed = "Traceback (most recent call last):\n" + "  frame\n" * 40 + "Error: no way out"
        return subprocess.CompletedProcess([], 1, stdout=printed)

    monkeypatch.setattr(set_up, "RUST", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(set_up.SetUpError) as caught:
        set_up.fetch_rust(sys.executable)

    lines = str(caught.value).splitlines()
    assert lines[0] == "Error: no way out"
    assert len(lines) <= 6
    assert "make demo WHEEL=" in lines[-1]
