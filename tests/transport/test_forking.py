"""A fork's moment of patience with calls that are about to end."""

from __future__ import annotations

import logging
import os
import threading

import pytest

from e6data_adbc._options.option_values import Settings
from e6data_adbc._transport import methods
from e6data_adbc._transport.forking import OPEN_CALLS, OpenCalls
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import Transport
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Error
from tests.support.calls import call_of
from tests.support.fake_server import FakeServer

pytestmark = pytest.mark.fork


def test_a_fork_waits_for_a_call_that_ends(caplog: pytest.LogCaptureFixture) -> None:
    """It goes on as soon as the last call is over, and says nothing."""
    open_calls = OpenCalls()
    open_calls.add("a call")
    settled = threading.Event()
    fork = threading.Thread(target=lambda: (open_calls.settle(60), settled.set()))
    fork.start()
    assert not settled.is_set()
    open_calls.discard("a call")

    fork.join(30)
    assert settled.is_set()
    assert not caplog.records


def test_a_fork_does_not_wait_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """A call that stays open is warned of, with the way out."""
    open_calls = OpenCalls()
    open_calls.add("a call")
    with caplog.at_level(logging.WARNING):
        open_calls.settle(0.001)

    assert "forking while 1 calls are open" in caplog.text
    assert "spawn or forkserver" in caplog.text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no forks")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # 3.12 warns of forking with threads
def test_a_child_has_no_open_calls() -> None:
    """The parent's calls are not there."""
    OPEN_CALLS.add("a call")
    try:
        child = os.fork()
        if child == 0:
            os._exit(len(OPEN_CALLS))
        _, status = os.waitpid(child, 0)
    finally:
        OPEN_CALLS.discard("a call")

    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize("is_answered", [True, False])
def test_every_call_is_counted_out(
    server: FakeServer, transport: Transport, is_answered: bool
) -> None:
    """After a call, good or failed, as many are open as before."""
    before = set(OPEN_CALLS)
    if is_answered:
        server.answer("prepareStatementV2", wire.PrepareStatementResponse(queryId="q-1"))
    else:
        transport.close()
    try:
        scope = Scope(Settings())
        transport.call(call_of(methods.PREPARE_V2, scope), scope)
        assert is_answered
    except Error:
        assert not is_answered

    assert before == OPEN_CALLS
