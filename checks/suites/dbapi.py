"""The DB-API compliance suite of PyPI, `dbapi-compliance`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from checks.suites.environment import ROOT
from checks.suites.suite import Explanation, Suite

__all__ = ["suite"]

OURS: Final = ROOT / "tests" / "dbapi" / "test_compliance.py"


def _copy(folder: Path, python: Path) -> None:
    del python
    shutil.copy(OURS, folder)


def suite() -> Suite:
    """Returns the suite, as the project's own tests run it, but against the wheel."""
    return Suite(
        name="dbapi",
        title="`dbapi-compliance` 1.15.0 from PyPI, its 36 tests",
        requirements=("dbapi-compliance==1.15.0", "pytest>=8.3"),
        arguments=("--runxfail", OURS.name),
        prepare=_copy,
        explanations=(
            Explanation(
                "The engine has no stored procedures: `callproc` raises `NotSupportedError`, which PEP 249 asks for.",
                r"test_callproc$",
                r"NotSupportedError",
            ),
        ),
    )
