"""What a suite is: what it needs, what of it runs, and why some of it cannot pass."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

__all__ = ["Explanation", "Suite", "commit_of", "no_preparation"]


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Why certain tests fail in a certain way, and will."""

    reason: str
    #: Found in the test's id.
    tests: str
    #: Found in what the failure says, so that another failure of the same test is not explained.
    says: str

    def covers(self, test: str, message: str) -> bool:
        """Tells whether the failure of *test* with *message* is the one that is meant."""
        return bool(re.search(self.tests, test) and re.search(self.says, message, re.DOTALL))


def commit_of(checkout: Path) -> str:
    """Returns the commit that *checkout* is at."""
    done = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "--short=12", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "a commit that is not known"


def no_preparation(folder: Path, python: Path) -> None:
    """Does nothing."""
    del folder, python


@dataclasses.dataclass(frozen=True)
class Suite:
    """Somebody else's tests."""

    name: str
    #: What the page says it is.
    title: str
    #: What is installed beside this project's wheel.
    requirements: tuple[str, ...]
    #: For pytest, which runs in `folder`, or else in an empty one.
    arguments: tuple[str, ...]
    explanations: tuple[Explanation, ...]
    folder: Path | None = None
    #: A folder of modules that its tests import.
    modules: Path | None = None
    #: Of this version, where it must not be the one that runs this.
    python: str | None = None
    #: Whether the plugin sees each connection, so that tests which open none are told apart.
    counts_connections: bool = False
    #: Puts what is missing into the empty folder, or into the environment of the given Python.
    prepare: Callable[[Path, Path], None] = no_preparation
