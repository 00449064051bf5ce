"""SQLAlchemy's own suite for dialects, which its wheels bring along, under each version that the dialect is for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from checks.suites.suite import Suite

__all__ = ["SUITES"]

OURS: Final = Path(__file__).resolve().parent / "sqlalchemy_dialect"

#: The version's name, and what is installed.
VERSIONS: Final = {
    "1.4": ("sqlalchemy==1.4.54",),
    "2.0": ("sqlalchemy>=2.0,<2.1",),
    "2.1": ("sqlalchemy>=2.1,<2.2",),
}


def _of(version: str) -> Callable[[], Suite]:
    def suite() -> Suite:
        return Suite(
            name=f"sqlalchemy-{version}",
            title=f"SQLAlchemy {version}'s suite for dialects, on `e6data+adbc`; what it skips has its reason in"
            " `e6data_adbc/sqlalchemy/requirements.py`",
            requirements=(*VERSIONS[version], "greenlet", "pytest>=8.3,<10"),
            arguments=("-W", "ignore", "-p", "no:e6data-adbc", "test_suite.py"),
            explanations=(),
            folder=OURS,
        )

    return suite


#: By the name that the command line takes.
SUITES: Final = {f"sqlalchemy-{version}": _of(version) for version in VERSIONS}
