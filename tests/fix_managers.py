"""Session managers, and the fake server that they ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import Settings
from e6data_adbc._session.endpoint import Endpoints
from e6data_adbc._session.login.call_signer import CallSigner
from e6data_adbc._session.login.hooks import Hook
from e6data_adbc._session.login.identity import Identity
from e6data_adbc._session.login.login_methods import Authenticator
from e6data_adbc._session.manager import SessionManager
from e6data_adbc._transport.transport import Transport
from tests.support.fake_server import FakeServer
from tests.support.managed import PASSWORD, OpenManager


@pytest.fixture
def fake_server() -> Iterator[FakeServer]:
    """A server that answers as the test says."""
    with FakeServer() as running:
        yield running


@pytest.fixture
def open_manager(fake_server: FakeServer) -> Iterator[OpenManager]:
    """Opens managers on the server and closes them; they share what they learn, as in one process."""
    opened: list[SessionManager] = []
    endpoints = Endpoints()

    def open_one(
        cluster_name: str | None = None,
        authenticator: Authenticator = PASSWORD,
        signer: Callable[[str], Any] | None = None,
    ) -> SessionManager:
        endpoint = Endpoint(
            "127.0.0.1", fake_server.port, encrypted=False, cluster_name=cluster_name
        )
        hook = None if signer is None else Hook("request_signer", signer)
        identity = Identity(authenticator, CallSigner(hook))
        transport = Transport(endpoint, Settings().rpc)
        opened.append(SessionManager(transport, identity, endpoints=endpoints))
        return opened[-1]

    yield open_one
    for manager in opened:
        manager.close()
        manager.transport.close()
    assert len(endpoints) == 0


@pytest.fixture
def manager(open_manager: OpenManager) -> SessionManager:
    """A manager that has not signed in."""
    return open_manager()
