"""Clearing: the end of a query on the server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from e6data_adbc import errors
from e6data_adbc._driver.query.query_handle import QueryHandle
from e6data_adbc._session.manager import SessionManager
from e6data_adbc._session.retry.effort import Effort
from e6data_adbc._transport import methods
from e6data_adbc._transport.transport import PendingCall

__all__ = ["Departure", "clear", "start_apart"]

_log = logging.getLogger("e6data_adbc.query")


class Departure:
    """Whether a query is off the server, for those who wait for that. Any thread, and without a lock.

    A signal handler may wait in the middle of any of these lines.
    """

    __slots__ = ("_waiting", "is_over")

    def __init__(self) -> None:
        self.is_over = False
        self._waiting: list[threading.Event] = []

    def wait(self, seconds: float) -> None:
        """Waits until it is, or *seconds*."""
        over = threading.Event()
        self._waiting.append(over)
        if not self.is_over:
            over.wait(seconds)

    def tell(self) -> None:
        """Notes that it is."""
        self.is_over = True  # before they are told: whoever comes too late for that sees it
        for over in self._waiting:
            over.set()


def clear(
    sessions: SessionManager,
    handle: QueryHandle,
    effort: Effort,
    begun: PendingCall[Any] | None = None,
) -> None:
    """Clears the query of *handle* on the server; where that fails, it says so in the log and in the counters.

    Args:
        sessions: Make the calls.
        handle: The query.
        effort: Bounds it.
        begun: The first try, where that was sent before.
    """
    try:
        verb = f"clear {handle.name}"
        handle.call(methods.CLEAR_OR_CANCEL, verb, effort, begun=begun)
    except BaseException as error:
        sessions.state.counters.count("queries_uncleared")
        text = str(error) or type(error).__name__
        _log.warning("%s stays on the server until it expires: %s", handle.name, text)
        if not isinstance(error, errors.Error):  # an interrupt
            raise
    else:
        sessions.state.counters.count("queries_cleared")


def start_apart(job: Callable[[], object]) -> None:
    """Has *job*, which takes time, run in a thread of its own, so that it takes none of those behind it."""
    try:
        threading.Thread(target=job, name="e6data-clear", daemon=True).start()
    except RuntimeError:  # at exit: Python 3.12 and later start no thread then
        job()
