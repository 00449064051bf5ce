"""The environment of the benchmarks: the development one, with the peers and the plotting library on top."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["DATA", "ROOT", "cargo", "enter", "upstream_python"]

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv-bench"
#: Where the results to be served are written; everything in it can be made again.
DATA = ENVIRONMENT / "data"

REQUIREMENTS = (
    "adbc-driver-flightsql==1.13.0",
    "adbc-driver-postgresql==1.13.0",
    "matplotlib>=3.8",
    "thrift==0.25.0",
    "py-spy==0.4.3",
)
_READY = ENVIRONMENT / "ready"


def enter() -> None:
    """Makes the environment if it is missing, and starts this module again in it if it runs in another one."""
    if Path(sys.prefix) == ENVIRONMENT:
        _refuse_debug_build()
        return
    python = _prepared()
    arguments = sys.orig_argv[1:]
    os.execve(python, [str(python), *arguments], os.environ | {"PYTHONPATH": str(ROOT)})


def upstream_python() -> Path | None:
    """Returns the interpreter that has the public connector, or None where it cannot be installed."""
    from checks.upstream.environment import UnavailableError, interpreter

    try:
        return interpreter()
    except UnavailableError as error:
        print(f"[benchmarks] without the public connector: {error}", file=sys.stderr)
        return None


def cargo(*arguments: str, directory: Path) -> None:
    """Runs cargo in *directory*; its output is shown only when it fails."""
    command = ["cargo", "--config", "net.git-fetch-with-cli=true", *arguments]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"could not run {' '.join(command)!r}: {done.stderr[-2000:]}")


def _prepared() -> Path:
    python = ENVIRONMENT / "bin" / "python"
    ENVIRONMENT.mkdir(exist_ok=True)
    with (ENVIRONMENT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = "\n".join(REQUIREMENTS)
        if python.exists() and _READY.exists() and _READY.read_text() == wanted:
            return python
        print("[benchmarks] making .venv-bench", file=sys.stderr)
        _run(sys.executable, "-m", "venv", "--without-pip", str(ENVIRONMENT))
        # What is installed for development is used as it is: its packages follow those of this environment.
        packages = next((ENVIRONMENT / "lib").glob("python3*/site-packages"))
        base = next((Path(sys.prefix) / "lib").glob("python3*/site-packages"))
        line = f"import site; site.addsitedir({str(base)!r})\n"
        (packages / "development.pth").write_text(line)
        pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet")
        _run(*pip, "--disable-pip-version-check", *REQUIREMENTS)
        _READY.write_text(wanted)
    return python


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=600)


def _refuse_debug_build() -> None:
    from e6data_adbc import _native

    if _native.DEBUG_BUILD:
        raise SystemExit("[benchmarks] the driver is a debug build; build it with --release")
