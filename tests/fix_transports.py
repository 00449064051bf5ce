"""A fake server and the transport to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import Settings
from e6data_adbc._transport.transport import Transport
from e6data_adbc.options import TransportKind
from tests.support import transports
from tests.support.fake_server import FakeServer


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A server that answers as the test says; fails the test if a call came without a deadline."""
    with FakeServer() as running:
        yield running


@pytest.fixture(params=transports.KINDS, ids=lambda kind: kind.value)
def each_transport(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> TransportKind:
    """Runs the test over each transport, or over the one that E6DATA_TEST_TRANSPORT names."""
    kind: TransportKind = request.param
    transports.choose(kind, monkeypatch)
    return kind


@pytest.fixture
def open_transport() -> Iterator[Callable[..., Transport]]:
    """Opens transports and closes them."""
    opened: list[Transport] = []

    def open_one(endpoint: Endpoint, **limits: Any) -> Transport:
        opened.append(Transport(endpoint, dataclasses.replace(Settings().rpc, **limits)))
        return opened[-1]

    yield open_one
    for transport in opened:
        transport.close()


@pytest.fixture
def transport(server: FakeServer, open_transport: Callable[..., Transport]) -> Transport:
    """The transport to the fake server."""
    return open_transport(server.endpoint)
