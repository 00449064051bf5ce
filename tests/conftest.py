"""Settings of all tests; the fixtures are in `fix_<what>.py`, and what tests import is in `support/`."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support import transports
from tests.support.deadlines import DEADLINES

pytest_plugins = [
    "tests.fix_databases",
    "tests.fix_decoders",
    "tests.fix_engines",
    "tests.fix_fakes",
    "tests.fix_issuers",
    "tests.fix_listed",
    "tests.fix_managers",
    "tests.fix_proxied",
    "tests.fix_scratch",
    "tests.fix_served",
    "tests.fix_sharing",
    "tests.fix_shortcuts",
    "tests.fix_transports",
    "tests.fix_walls",
    "tests.fix_watches",
    "tests.fix_wires",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--e6data-uri",
        default=None,
        help="run the tests that need no faults on this engine instead of the local one",
    )


_MARKS_OF_A_FILE = re.compile(r"^pytestmark = (.*)$", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves files unread all of whose tests have a mark that is not wanted: reading them is half of a fast run."""
    unwanted = config.option.markexpr.split(" and ")
    if collection_path.suffix != ".py" or not all(
        re.fullmatch(r"not \w+", part) for part in unwanted
    ):
        return None
    lines = _MARKS_OF_A_FILE.findall(collection_path.read_text(encoding="utf-8"))
    marks = re.findall(r"\bpytest\.mark\.(\w+)", " ".join(lines))
    return True if any(f"not {mark}" in unwanted for mark in marks) else None


# The same examples on every run, however long a busy machine takes; or as many new ones as somebody waits for.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", _PATIENT, derandomize=True)
settings.register_profile("thorough", _PATIENT, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "repeatable")


def pytest_configure(config: pytest.Config) -> None:
    """Watches deadlines, has the named transport carry calls, and makes Ctrl-C work.

    A shell that starts the tests in the background has that ignored.
    """
    del config
    DEADLINES.install()
    # Of processes that tests start: gRPC says on standard error that a server has gone, at times.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    transports.choose()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
