"""A fake server and the transport to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.message import Message

from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import Settings
from e6data_adbc._transport.api import Call
from e6data_adbc._transport.methods import Method, R
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import Transport
from tests.transport.fake_server import FakeServer


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A server that answers as the test says; fails the test if a call came without a deadline."""
    with FakeServer() as running:
        yield running


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


def make_scope(**seconds: float) -> Scope:
    """Returns a scope with the time limits given, by the short names of their options."""
    settings = Settings()
    for name, value in seconds.items():
        settings = settings.with_option(f"adbc.e6data.rpc.{name}_timeout_seconds", value)
    return Scope(settings)


def call_of(
    method: Method[Any, R],
    scope: Scope,
    *,
    request: Callable[[], Message] | None = None,
    **more: Any,
) -> Call[R]:
    """Returns a call of *method* with an empty request, unless *request* makes one, within the option of *scope*."""
    make = request or method.request
    fields = {
        "headers": (),
        "timeout": scope.settings.get(method.limit),
        "verb": f"call {method.name}",
    }
    return Call(method, lambda: make().SerializeToString(), **(fields | more))
