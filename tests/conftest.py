"""Fixtures that every test may use: a running engine and connections to it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import e6data_adbc
from tests.canary import CANARIES, canaries, no_secret_is_logged  # noqa: F401 - fixtures
from tests.deadlines import DEADLINES, every_call_has_a_deadline  # noqa: F401 - a fixture


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--e6data-uri",
        default=None,
        help="run the tests that need no faults on this engine instead of the local one",
    )


# The same examples on every run, however long a busy machine takes; or as many new ones as somebody waits for.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", _PATIENT, derandomize=True)
settings.register_profile("thorough", _PATIENT, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "repeatable")


def pytest_configure(config: pytest.Config) -> None:
    """Watches deadlines, and makes Ctrl-C work: a shell that starts the tests in the background has it ignored."""
    del config
    DEADLINES.install()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """A local engine with the sample data, shared by the session: leave it as you found it."""
    from e6data_adbc.local import LocalEngine

    with LocalEngine() as running:
        CANARIES.watch("the engine's token", running.token)
        yield running


@pytest.fixture(scope="session")
def uri(request: pytest.FixtureRequest) -> str:
    """The URI of the engine under test."""
    live = request.config.getoption("--e6data-uri")
    return str(live or request.getfixturevalue("engine").uri)


@pytest.fixture
def connect(uri: str) -> Iterator[Callable[..., Any]]:
    """Opens connections to the engine under test, and closes them after it."""
    opened = []

    def open_connection(**arguments: Any) -> Any:
        connection = e6data_adbc.connect(uri, **arguments)
        opened.append(connection)
        return connection

    yield open_connection
    for connection in opened:
        connection.close()


@pytest.fixture
def connection(connect: Callable[..., Any]) -> Any:
    """One open connection to the engine under test."""
    return connect()


@pytest.fixture(scope="session")
def upstream_packages() -> Path:
    """The folder in which the public connector is installed; skips where it cannot be."""
    from checks.upstream import environment

    try:
        python = environment.interpreter()
    except environment.UnavailableError as cause:
        pytest.skip(str(cause))
    (found,) = python.parent.parent.glob("lib/python3*/site-packages")
    return found
