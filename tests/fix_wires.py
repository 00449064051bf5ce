"""Engines, and clients that speak to them on the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e6data_adbc.local import LocalEngine
from tests.local.wire import Wire


@pytest.fixture(scope="session")
def shared() -> Iterator[LocalEngine]:
    """An engine that many tests read from; whoever changes its state takes `make_engine`."""
    with LocalEngine() as engine:
        yield engine


@pytest.fixture
def wire(shared: LocalEngine) -> Iterator[Wire]:
    """A signed-in client of the shared engine."""
    with Wire(shared) as client:
        yield client.sign_in()


@pytest.fixture
def make_engine() -> Iterator[Callable[..., LocalEngine]]:
    """Starts engines that end with the test."""
    engines: list[LocalEngine] = []

    def make(*args: Any, **settings: Any) -> LocalEngine:
        engines.append(LocalEngine(*args, **settings).start())
        return engines[-1]

    yield make
    for engine in engines:
        engine.stop()


@pytest.fixture
def make_wire(make_engine: Callable[..., LocalEngine]) -> Iterator[Callable[..., Wire]]:
    """Starts an engine and returns a signed-in client of it."""
    wires: list[Wire] = []

    def make(*args: Any, **settings: Any) -> Wire:
        wires.append(Wire(make_engine(*args, **settings)).sign_in())
        return wires[-1]

    yield make
    for wire in wires:
        wire.__exit__()
