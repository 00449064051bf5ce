"""A fork's moment of patience with calls that are about to end."""

from __future__ import annotations

import logging
import threading

import pytest

from e6data_adbc._options.option_values import Settings
from e6data_adbc._transport import calls
from e6data_adbc._transport.channel import Transport
from e6data_adbc._transport.forking import CALLS, OpenCalls
from e6data_adbc._transport.scope import Scope
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Error
from tests.transport.fake_server import FakeServer


def test_a_fork_waits_for_a_call_that_ends(caplog: pytest.LogCaptureFixture) -> None:
    """It goes on as soon as the last call is over, and says nothing."""
    open_calls = OpenCalls(patience=60)
    open_calls.begin()
    settled = threading.Event()
    fork = threading.Thread(target=lambda: (open_calls.settle(), settled.set()))
    fork.start()
    assert not settled.is_set()
    open_calls.end()

    fork.join(30)
    assert settled.is_set()
    assert not caplog.records


def test_a_fork_does_not_wait_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """A call that stays open is warned of, with the way out."""
    open_calls = OpenCalls(patience=0.001)
    open_calls.begin()
    with caplog.at_level(logging.WARNING):
        open_calls.settle()

    assert "forking while 1 calls are open" in caplog.text
    assert "spawn or forkserver" in caplog.text


def test_a_child_has_no_open_calls(caplog: pytest.LogCaptureFixture) -> None:
    """The parent's calls are not there, and neither is who holds the lock."""
    open_calls = OpenCalls(patience=60)
    open_calls.begin()
    open_calls._changed.acquire()
    open_calls.reset()
    open_calls.settle()

    assert not caplog.records


@pytest.mark.parametrize("is_answered", [True, False])
def test_every_call_is_counted_out(
    server: FakeServer, transport: Transport, is_answered: bool
) -> None:
    """After a call, good or failed, as many are open as before."""
    before = CALLS._count
    if is_answered:
        server.answer("prepareStatementV2", wire.PrepareStatementResponse(queryId="q-1"))
    else:
        transport.close()
    try:
        transport.call(
            calls.PREPARE_V2,
            wire.PrepareStatementV2Request,
            (),
            Scope(Settings()),
            verb="prepare the statement",
        )
        assert is_answered
    except Error:
        assert not is_answered

    assert CALLS._count == before
