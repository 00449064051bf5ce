"""Polars' own database tests, those that go through ADBC; they are in no package and need a checkout of Polars."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from checks.suites.suite import Explanation, Suite, commit_of

__all__ = ["has_tests", "suite"]

TESTS: Final = "tests/unit/io/database"

EXPLANATIONS: Final = (
    Explanation(
        "The suite demands that this fails, because SQLite's driver binds nothing by name; here it passes.",
        r"_parameterised",
        r"XPASS\(strict\).*Named binding not supported",
    ),
    Explanation(
        "The test counts calls of the driver manager's own `Cursor.adbc_ingest`, which ours has in its place.",
        r"test_write_database_append_existing_table_no_create",
        r"assert \[\] == \['create_append', 'append'\]",
    ),
    Explanation(
        "e6data has no temporary tables.",
        r"test_write_database_adbc_temporary_table",
        r"could not ingest into a temporary table",
    ),
)


def has_tests(source: Path) -> bool:
    """Tells whether *source* is a checkout of Polars."""
    return (source / "py-polars" / TESTS).is_dir()


def suite(source: Path) -> Suite:
    """Returns the suite of the checkout of Polars in *source*, on the newest Polars that there is."""
    folder = source.resolve() / "py-polars"
    return Suite(
        name="polars",
        title=f"`py-polars/{TESTS}` of Polars' repository at {commit_of(source)}, every test that goes through ADBC,"
        " SQLite's driver replaced by this one",
        requirements=(
            "polars",
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
        counts_connections=True,
        explanations=EXPLANATIONS,
    )
