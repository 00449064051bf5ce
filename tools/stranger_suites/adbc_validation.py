"""The validation suite of ADBC drivers, but for its cases of types; it is in no package and needs a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tools.stranger_suites.suite import Explanation, Suite, commit_of

__all__ = ["has_tests", "suite"]

TESTS: Final = "adbc_drivers_validation"
OURS: Final = Path(__file__).resolve().parent / "validation"

EXPLANATIONS: Final = (
    Explanation(
        "Statistics that may be approximate are answered with none: the server keeps none, and counting rows is done"
        " only when exact ones are asked for.",
        r"test_get_statistics",
        r"not found in statistics results",
    ),
)


def has_tests(source: Path) -> bool:
    """Tells whether *source* is a checkout of the suite."""
    return (source / TESTS / "tests").is_dir()


def suite(source: Path) -> Suite:
    """Returns the suite of the checkout in *source*."""
    return Suite(
        name="validation",
        title=f"`adbc-drivers/validation` at {commit_of(source)}: connections, statements and bulk ingestion",
        requirements=(
            "pyarrow>=25.0.1,<26",
            "adbc-driver-manager>=1.12",
            "duckdb<2",
            "sqlglot>=30.17",
            "bidict>=0.23.1",
            "jinja2>=3.1.6",
            "plpygis>=0.6.1",
            "pydantic>=2.13.4",
            "pytest>=9.1.1",
            "whenever>=0.10.5",
        ),
        # Its cases of types are for each driver to replace by its own.
        arguments=("-k", "not test_create["),
        folder=OURS,
        modules=source.resolve(),
        python="3.13",
        explanations=EXPLANATIONS,
    )
