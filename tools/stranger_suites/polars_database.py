"""Polars' own database tests, those that go through ADBC; they are in no package and need a checkout of Polars."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

from tools.stranger_suites.suite import Explanation, Suite

__all__ = ["suite"]

TESTS: Final = "tests/unit/io/database"

EXPLANATIONS: Final = (
    Explanation(
        "The suite demands that this fails, because SQLite's driver binds nothing by name; here it passes.",
        r"_parameterised",
        r"XPASS\(strict\).*Named binding not supported",
    ),
    Explanation(
        "e6data has no temporary tables.",
        r"test_write_database_adbc_temporary_table",
        r"could not ingest into a temporary table",
    ),
)


def suite(source: Path) -> Suite:
    """Returns the suite of the checkout of Polars in *source*, for the version of Polars that it says it is.

    Raises:
        ValueError: There are no such tests.
    """
    folder = source.resolve() / "py-polars"
    if not (folder / TESTS).is_dir():
        raise ValueError(f"{source} is no checkout of Polars: it has no py-polars/{TESTS}")
    found = re.search(
        r'^version = "([^"]+)"', (folder / "pyproject.toml").read_text(), re.MULTILINE
    )
    if found is None:
        raise ValueError(f"{folder / 'pyproject.toml'} names no version")
    return Suite(
        name="polars",
        title=f"`py-polars/{TESTS}` of Polars' repository at {_commit(source)}, every test that goes through ADBC,"
        " SQLite's driver replaced by this one",
        requirements=(
            f"polars=={found[1]}",
            "pytest>=8.3",
            "pytest-xdist>=3.6",  # its settings name an option of it
            "hypothesis>=6.100",
            "pandas>=2.2",
            "sqlalchemy[asyncio]>=2.0",
            "aiosqlite>=0.20",
            "connectorx>=0.4",
        ),
        # Its settings leave out what writes to disk.
        arguments=("-m", "", TESTS, "-k", "adbc or uri_parameterised"),
        folder=folder,
        explanations=EXPLANATIONS,
    )


def _commit(source: Path) -> str:
    done = subprocess.run(
        ["git", "-C", str(source), "rev-parse", "--short=12", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "a commit that is not known"
