"""What a fake server answers a session manager, and the calls that tests make through one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from e6data_adbc import errors
from e6data_adbc._options.option_values import Settings
from e6data_adbc._session.lease import Lease
from e6data_adbc._session.login.login_methods import Password
from e6data_adbc._session.manager import SessionManager
from e6data_adbc._transport import methods
from e6data_adbc._transport.scope import Scope
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.options import Secret
from tests.support.fake_server import Answer, fail

TOKEN = "canary-token-7f3a"
WRONG_STRATEGY = fail(grpc.StatusCode.UNKNOWN, "status: 456")
ACCESS_DENIED = fail(grpc.StatusCode.INTERNAL, "Access denied")
UNAUTHENTICATED = fail(grpc.StatusCode.UNAUTHENTICATED, "authentication denied")
GONE = fail(grpc.StatusCode.UNAVAILABLE, "gone")
TABLES = wire.GetTablesResponse(tables=["t"])
PASSWORD = Password("me@example.com", Secret(TOKEN))
OpenManager = Callable[..., SessionManager]


def scope(**seconds: float) -> Scope:
    settings = Settings()
    for name, value in seconds.items():
        settings = settings.with_option(f"adbc.e6data.rpc.{name}_timeout_seconds", value)
    return Scope(settings)


def granted(session_id: str, new_strategy: str | None = None) -> wire.AuthenticateResponse:
    return wire.AuthenticateResponse(sessionId=session_id, new_strategy=new_strategy)


def only_on(strategy: str, response: Any) -> Answer:
    """Returns the answer of a cluster on which only *strategy* is deployed."""

    def reply(request: bytes, context: grpc.ServicerContext) -> bytes:
        if dict(context.invocation_metadata())["strategy"] != strategy:
            return WRONG_STRATEGY(request, context)  # type: ignore[return-value]
        data: bytes = response.SerializeToString()
        return data

    return reply


def list_tables(manager: SessionManager, within: Scope | None = None) -> list[str]:
    """Makes one call that may be repeated."""
    response, _ = manager.call(
        methods.TABLES,
        lambda session_id: wire.GetTablesV2Request(sessionId=session_id),
        manager.effort(within or scope()),
        verb="list the tables",
    )
    return list(response.tables)


def prepare(manager: SessionManager, within: Scope | None = None) -> tuple[str, Lease]:
    """Makes the call that begins a query."""
    response, lease = manager.call(
        methods.PREPARE_V2,
        lambda session_id: wire.PrepareStatementV2Request(sessionId=session_id),
        manager.effort(within or scope()),
        verb="prepare the statement",
    )
    return response.queryId, lease


def error_of(action: Callable[[], object]) -> errors.Error:
    with pytest.raises(errors.Error) as caught:
        action()
    return caught.value


def is_retryable(error: errors.Error) -> bool:
    return errors.detail(error, "e6data.retryable") == "true"
