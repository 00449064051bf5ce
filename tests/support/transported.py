"""One ordinary call over a transport, and the error that an action raises."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from e6data_adbc import errors
from e6data_adbc._options.option_values import Settings
from e6data_adbc._transport import methods
from e6data_adbc._transport.headers import make_headers
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import Transport
from e6data_adbc._wire import e6x_engine_pb2 as wire
from tests.support.calls import call_of


def prepare(transport: Transport, scope: Scope | None = None, **more: float) -> str:
    """Makes one ordinary call and returns what it brought."""
    scope = scope or Scope(Settings())
    call = call_of(
        methods.PREPARE_V2,
        scope,
        request=lambda: wire.PrepareStatementV2Request(sessionId="s", queryString="select 1"),
        headers=make_headers("c", "blue"),
        verb="prepare the statement",
        **more,
    )
    response = transport.call(call, scope)
    return str(response.queryId)


def error_of(action: Callable[[], object]) -> errors.Error:
    """Returns the error that *action* raises."""
    with pytest.raises(errors.Error) as caught:
        action()
    return caught.value
