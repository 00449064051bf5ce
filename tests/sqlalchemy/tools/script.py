"""Runs a user's script for a tool, and reads what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

__all__ = ["found_by"]

#: Read by every script: the engine, and `found`, which is written at the end.
HEAD = """
import json, os, sys
import sqlalchemy as sa
url = os.environ["URL"]
engine = sa.create_engine(url)
found = {}
"""
FOOT = """
json.dump(found, open("found.json", "w"), default=str)
"""


def found_by(script: str, url: str, folder: Path, **environment: str) -> dict[str, Any]:
    """Returns what *script* put into `found`; AssertionError, with its output, where it failed.

    Args:
        script: Python; it has `sa`, `url` and `engine`, and fills `found`.
        url: Of the database.
        folder: The process's home and current folder.
        environment: Further variables.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HEAD + textwrap.dedent(script) + FOOT],
        cwd=folder,
        env={**os.environ, "URL": url, "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert not done.returncode, done.stdout[-4000:] + done.stderr[-8000:]
    found: dict[str, Any] = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    return found
