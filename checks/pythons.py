"""Other versions of Python on this machine, and virtual environments of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["find_python", "prepared"]


def find_python(version: str) -> str | None:
    """Returns the program of Python *version*, `3.12` for instance: pyenv's newest, or one on the path."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(root.glob(f"{version}.*"), key=lambda path: int(path.name.split(".")[2]))
    if found:
        return str(found[-1] / "bin" / "python")
    program = shutil.which(f"python{version}")
    works = program and subprocess.run([program, "-c", ""], capture_output=True, check=False)
    return program if works and works.returncode == 0 else None


def prepared(program: str, environment: Path, requirements: Sequence[str]) -> Path:
    """Returns the Python of *environment*, made by *program* with *requirements* unless it has them from before."""
    python = environment / "bin" / "python"
    stamp = environment / "requirements.txt"
    wanted = "\n".join(requirements)
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    subprocess.run([program, "-m", "venv", "--clear", str(environment)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *requirements], check=True)
    stamp.write_text(wanted, encoding="utf-8")
    return python
