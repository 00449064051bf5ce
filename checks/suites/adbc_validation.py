"""The validation suite of ADBC drivers, with cases of types of our own; it is in no package and needs a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from checks.suites.suite import Explanation, Suite, commit_of

__all__ = ["has_tests", "suite"]

TESTS: Final = "adbc_drivers_validation"
OURS: Final = Path(__file__).resolve().parent / "validation"

EXPLANATIONS: Final = (
    Explanation(
        "A choice: statistics that may be approximate are answered with none, since the server keeps none; rows are"
        " counted only when exact ones are asked for.",
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
        title=f"`adbc-drivers/validation` at {commit_of(source)}: connections, statements, queries, types, schemas"
        " without rows and bulk ingestion; its cases of types are this project's (`tests/validation`)",
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
        # What looks at cases without asking the driver is no test of it.
        arguments=("-k", "not test_lint_query and not test_show_queries"),
        folder=OURS,
        modules=source.resolve(),
        python="3.13",
        explanations=EXPLANATIONS,
    )
