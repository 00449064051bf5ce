"""The virtual environments of the suites, each with this project's wheel in it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from checks.pythons import find_python

__all__ = ["ENVIRONMENTS", "ROOT", "build_wheel", "packages", "prepare"]

ROOT: Final = Path(__file__).resolve().parents[2]
ENVIRONMENTS: Final = ROOT / ".venv-suites"


def build_wheel() -> Path:
    """Returns the wheel of this checkout, built now."""
    folder = ENVIRONMENTS / "wheel"
    command = [sys.executable, "-m", "maturin", "build", "--release", "--quiet", "--out"]
    subprocess.run([*command, str(folder)], cwd=ROOT, check=True)
    return max(folder.glob("*.whl"), key=lambda path: path.stat().st_mtime)


def prepare(
    name: str, requirements: Sequence[str], wheel: Path, version: str | None = None
) -> Path:
    """Returns the Python of the environment *name* after installing *requirements* and *wheel* into it.

    Raises:
        RuntimeError: There is no Python of that *version* here.
    """
    program = sys.executable if version is None else find_python(version)
    if program is None:
        raise RuntimeError(f"could not make the environment of {name}: no Python {version} here")
    environment = ENVIRONMENTS / name
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([program, "-m", "venv", str(environment)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # An environment that is there already gets what is newest, too.
    newest = ("--upgrade", "--upgrade-strategy", "eager")
    subprocess.run([*install, *newest, f"{wheel}[local]", *requirements], check=True)
    # The version says nothing about what was changed since the last time.
    subprocess.run([*install, "--force-reinstall", "--no-deps", str(wheel)], check=True)
    return python


def packages(python: Path) -> Path:
    """Returns the folder in which the packages of *python* are."""
    (found,) = python.parent.parent.glob("lib/python3*/site-packages")
    return found
