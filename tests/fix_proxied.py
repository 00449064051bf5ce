"""An engine behind a fault proxy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import e6data_adbc
from checks.fault_proxy import FaultProxy
from e6data_adbc.local import LocalEngine


@pytest.fixture
def proxied_engine() -> Iterator[LocalEngine]:
    """An engine of this test's own, with small chunks."""
    with LocalEngine(chunk_rows=1000) as running:
        yield running


@pytest.fixture
def proxied(proxied_engine: LocalEngine) -> Iterator[FaultProxy]:
    """A fault proxy in front of that engine."""
    with FaultProxy(proxied_engine.target) as running:
        yield running


@pytest.fixture
def connect_through(
    proxied_engine: LocalEngine, proxied: FaultProxy
) -> Iterator[Callable[..., Any]]:
    """Opens connections through the proxy; keyword arguments are short names of options."""
    opened = []

    def connect(**options: object) -> Any:
        query = "&".join(f"{name}={value}" for name, value in options.items())
        uri = (
            proxied_engine.uri.replace(f":{proxied_engine.port}/", f":{proxied.port}/")
            + f"?{query}"
        )
        opened.append(e6data_adbc.connect(uri))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()
