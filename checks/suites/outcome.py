"""How a suite went: pytest's report, with each failure held against what is known."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET  # the report is our own process's
from pathlib import Path
from typing import Final

from checks.suites import environment
from checks.suites.suite import Explanation, Suite

__all__ = ["Failure", "Outcome", "read_report", "run"]

#: What SQLAlchemy writes before a reason: the test, or its class.
_NAMED_TEST: Final = re.compile(r"^'.*?'(?: unsupported on any DB implementation '.*?'| : )")
STAND_INS: Final = Path(__file__).resolve().parent / "stand_ins"


@dataclasses.dataclass(frozen=True)
class Failure:
    """A test that failed."""

    test: str
    message: str
    explanation: Explanation | None


@dataclasses.dataclass
class Outcome:
    """What became of the tests of a suite."""

    suite: Suite
    #: Name and version of what was installed for it.
    versions: list[str]
    passed: int = 0
    failures: list[Failure] = dataclasses.field(default_factory=list)
    #: Why, and how many.
    skipped: dict[str, int] = dataclasses.field(default_factory=dict)
    #: Of which the suite itself says that they fail.
    expected: int = 0
    #: Passed without opening a connection, so that they say nothing of the driver; None where nobody counts.
    unconnected: int | None = None

    @property
    def unexplained(self) -> list[Failure]:
        """The failures that nothing is known of."""
        return [failure for failure in self.failures if failure.explanation is None]


def run(suite: Suite, wheel: Path) -> Outcome:
    """Makes the environment of *suite*, runs it there, and returns how it went.

    Raises:
        RuntimeError: pytest could not run it.
    """
    python = environment.prepare(suite.name, suite.requirements, wheel, suite.python)
    with tempfile.TemporaryDirectory() as name:
        empty = Path(name)
        suite.prepare(empty, python)
        report = empty / "report.xml"
        paths = [str(path) for path in (STAND_INS, suite.modules) if path is not None]
        done = subprocess.run(
            [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "stranger_plugin",
             f"--junitxml={report}", "-o", "junit_family=xunit1", *suite.arguments],
            cwd=suite.folder or empty,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        if done.returncode > 1 or not report.exists():
            sys.stderr.write(done.stdout[-8000:] + done.stderr[-8000:])
            raise RuntimeError(f"could not run {suite.title}: pytest ended with {done.returncode}")
        return read_report(suite, report, _versions(python, suite))


def read_report(suite: Suite, report: Path, versions: list[str]) -> Outcome:
    """Returns what the JUnit file *report* says of *suite*."""
    outcome = Outcome(suite, versions, unconnected=0 if suite.counts_connections else None)
    for case in ET.parse(report).getroot().iter("testcase"):
        where = (case.get("classname") or "").rsplit(".", 1)[-1]
        test = f"{where}::{case.get('name')}" if where else str(case.get("name"))
        bad = [found for kind in ("failure", "error") for found in case.findall(kind)]
        skip = case.find("skipped")
        if bad:
            message = "\n".join(f"{found.get('message')}\n{found.text}" for found in bad)
            fits = (known for known in suite.explanations if known.covers(test, message))
            outcome.failures.append(Failure(test, str(bad[0].get("message")), next(fits, None)))
        elif skip is None:
            if outcome.unconnected is not None and _connections(case) == 0:
                outcome.unconnected += 1
            else:
                outcome.passed += 1
        elif skip.get("type") == "pytest.xfail":
            outcome.expected += 1
        else:
            why = _NAMED_TEST.sub("", str(skip.get("message")))
            outcome.skipped[why] = outcome.skipped.get(why, 0) + 1
    return outcome


def _connections(case: ET.Element) -> int:
    """Returns how many connections the test opened, as the plugin beside the stand-ins has noted."""
    for found in case.iter("property"):
        if found.get("name") == "connections":
            return int(found.get("value", "0"))
    return 0


def _versions(python: Path, suite: Suite) -> list[str]:
    """Returns what matters of what is installed, `pyarrow 26.0.1` for instance."""
    own = re.split(r"[<=>\[]", suite.requirements[0])[0]
    names = list(dict.fromkeys([own, "adbc-driver-manager", "pyarrow", "duckdb"]))
    code = f"from importlib.metadata import version as v\nfor n in {names!r}: print(n, v(n))"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split("\n")[:-1]
