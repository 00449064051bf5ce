"""The engine under test, shared by all tests, and connections to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import e6data_adbc
from tests.support.canary import CANARIES


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
