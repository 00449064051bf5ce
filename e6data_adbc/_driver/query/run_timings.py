"""What the server says about how it ran a query: asked once the result is read, before the query is cleared."""

from __future__ import annotations

import contextlib
import copy
import logging
import threading

from e6data_adbc import errors
from e6data_adbc._driver.query.query_handle import QueryHandle
from e6data_adbc._session.bound_call import Undecided
from e6data_adbc._session.manager import SessionManager
from e6data_adbc._transport import methods
from e6data_adbc._transport.scope import Scope
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.options import DatabaseOptions

__all__ = ["RunTimings"]

_log = logging.getLogger("e6data_adbc.query")


class RunTimings:
    """The timings of one query. One thread calls `ask` or `end`, once; any thread may `read` and `cancel`."""

    def __init__(self, handle: QueryHandle, sessions: SessionManager, scope: Scope) -> None:
        """Asks nobody yet.

        Args:
            handle: The query.
            sessions: Make the call.
            scope: Of the query, whose settings and parent the call has; to end it is no end of the query's own calls.
        """
        self._handle = handle
        self._sessions = sessions
        self._scope = Scope(scope.settings, scope.parent)
        self._verb = f"read the timings of {handle.name}"
        self._answer: wire.ExplainAnalyzeResponse | None = None
        self._failure: errors.Error | None = None
        self._is_over = False
        # No lock: a signal handler may cancel what it interrupts, at any of these lines.
        self._waiting: list[threading.Lock] = []

    def ask(self, seconds: float) -> None:
        """Asks the server, within *seconds*; never raises: a result without timings is no failure."""
        limit = DatabaseOptions.CLEAR_TIMEOUT
        effort = self._sessions.effort(self._scope, seconds, limit)
        try:
            self._answer = self._handle.call(methods.EXPLAIN_ANALYZE, self._verb, effort)
        except Undecided as failed:
            self._fail(failed.error)
        except errors.Error as error:
            self._fail(error)
        finally:
            self.end()

    def _fail(self, error: errors.Error) -> None:
        if error.status_code != errors.Status.NOT_IMPLEMENTED:
            # A copy: the traceback of the error leads back to this object.
            self._failure = copy.copy(error)
            rpc, query_id = methods.EXPLAIN_ANALYZE.name, self._handle.query_id
            errors.complete(self._failure, rpc=rpc, query_id=query_id)
        # Whoever asks for them is told; a result without them is whole.
        _log.info("the timings of %s are not known: %s", self._handle.name, error)

    def end(self) -> None:
        """Tells whoever waits that nothing more comes."""
        self._is_over = True  # before they are told: whoever comes too late for that sees it
        for lock in tuple(self._waiting):
            _release(lock)

    def cancel(self) -> bool:
        """Ends the asking and every wait for it; False where nobody asks or waits any more. Returns at once."""
        if self._is_over:
            return False
        self._scope.cancel()
        return True

    def read(self, seconds: float) -> wire.ExplainAnalyzeResponse | None:
        """Returns the server's answer, for which it waits up to *seconds*; None where the server has none.

        Raises:
            OperationalError: The wait was cancelled, or took too long.
            Error: The call failed.
        """
        if not self._is_over and not self._scope.is_cancelled:
            # A bare lock: what Python adds to it is no place for a signal handler of this thread to wake it.
            woken = threading.Lock()
            woken.acquire()
            self._waiting.append(woken)
            with self._scope.waking(lambda: _release(woken)):
                if not self._is_over:
                    woken.acquire(timeout=seconds)
            self._waiting.remove(woken)
        if self._answer is not None:
            return self._answer
        if self._failure is not None:
            raise copy.copy(self._failure)
        self._scope.check(self._verb, query_id=self._handle.query_id)
        if self._is_over:
            return None
        raise errors.make(
            errors.Status.TIMEOUT,
            f"could not {self._verb}: no answer came for {seconds:g} s",
            hint=f"raise {DatabaseOptions.CLEAR_TIMEOUT.value}",
            query_id=self._handle.query_id,
        )


def _release(lock: threading.Lock) -> None:
    with contextlib.suppress(RuntimeError):  # somebody else was first
        lock.release()
