"""What mypy says of the code of every page, as users who type their own code see it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.page_blocks import ROOT, write_blocks

pytestmark = pytest.mark.slow

#: pandas-stubs know `read_sql` and `to_sql` of SQLAlchemy and sqlite3 alone; SQLAlchemy's own type of a connection has
#: a `__getattr__` that those of sqlite3 have not either.
_OF_OTHERS = ('"read_sql"', '"to_sql"', 'expected "_CreatorFnType')


def complaints(folder: Path) -> list[str]:
    """The errors in the files of *folder*, with its own defaults."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--config-file=", "--ignore-missing-imports"),
            *("--follow-imports=silent", "--no-error-summary", f"--cache-dir={folder / 'cache'}"),
            *map(str, sorted(folder.glob("*.py"))),
        ],
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [
        line.removeprefix(f"{folder}/")
        for line in done.stdout.splitlines()
        if ": error: " in line and not any(text in line for text in _OF_OTHERS)
    ]


def test_the_code_of_pages(tmp_path: Path) -> None:
    """Every block, behind those above it whose names it uses; and a mistake among them is found."""
    assert write_blocks(tmp_path) > 50
    (tmp_path / "wrong.py").write_text(
        "import e6data_adbc\ne6data_adbc.connect().cursor().no_such_thing()\n"
    )

    (only,) = complaints(tmp_path)
    assert only.startswith("wrong.py:2: error: ")
