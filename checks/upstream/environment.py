"""The public connector's own virtual environment, made when it is needed first."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

__all__ = ["VERSION", "UnavailableError", "interpreter", "packages"]

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv-upstream"
VERSION = "3.0.2"
REQUIREMENTS = (
    f"e6data-python-connector[async]=={VERSION}",
    "sqlalchemy[asyncio]>=2.0,<2.1",  # its asyncio dialect refuses 2.1
    "pytest>=8.3",  # and are run by it
)


class UnavailableError(RuntimeError):
    """The connector cannot be installed here."""


def interpreter() -> Path:
    """Returns the Python that has the connector.

    Raises:
        UnavailableError: It cannot be installed, for instance without a network.
    """
    python = ENVIRONMENT / "bin" / "python"
    ENVIRONMENT.mkdir(exist_ok=True)
    with (ENVIRONMENT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes ask for it at the same time
        return _prepared(python)


def packages(python: Path) -> Path:
    """Returns the folder in which the packages of *python* are."""
    (found,) = python.parent.parent.glob("lib/python3*/site-packages")
    return found


def _prepared(python: Path) -> Path:
    if python.exists() and _has_connector(python):
        return python
    try:
        _run([sys.executable, "-m", "venv", str(ENVIRONMENT)])
        _run([str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS])
    except (OSError, subprocess.SubprocessError) as error:
        output = getattr(error, "stderr", None) or str(error)
        last = str(output).strip().rsplit("\n", 1)[-1]
        raise UnavailableError(f"could not install {REQUIREMENTS[0]!r}: {last}") from error
    return python


def _has_connector(python: Path) -> bool:
    code = (
        "import greenlet, httpx, pytest, sqlalchemy\n"
        "from importlib.metadata import version\n"
        f"assert version('e6data-python-connector') == {VERSION!r}\n"
        "assert version('sqlalchemy').startswith('2.0.')"
    )
    return (
        subprocess.run([str(python), "-c", code], capture_output=True, check=False).returncode == 0
    )


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
