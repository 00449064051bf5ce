"""What the suite of SQLAlchemy is told, and what the page says of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from e6data_adbc.sqlalchemy import requirements

pytestmark = pytest.mark.seconds

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "sqlalchemy.md"


def test_the_page_has_each_closed_requirement() -> None:
    """The page's table is that of the file, with each reason."""
    _, _, table = PAGE.read_text(encoding="utf-8").partition("## What the suite does not test")
    rows = dict(
        line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `")
    )
    assert rows == {f"`{name}`": reason for name, reason in requirements.CLOSED.items()}


def test_no_requirement_is_open_and_closed() -> None:
    """A row stands once."""
    assert not set(requirements.OPEN) & set(requirements.CLOSED)
    assert len(set(requirements.OPEN)) == len(requirements.OPEN)


def test_it_imports_alone() -> None:
    """The suite imports it before anything else of SQLAlchemy's tests."""
    code = "from e6data_adbc.sqlalchemy.requirements import Requirements; Requirements()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
