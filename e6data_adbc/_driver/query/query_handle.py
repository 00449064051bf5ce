"""The calls about one query: each goes where the query is, under the session that it belongs to by then."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from e6data_adbc import errors
from e6data_adbc._driver.query.prepare import Prepared
from e6data_adbc._session.manager import Begun, SessionManager
from e6data_adbc._session.retry.effort import Effort
from e6data_adbc._transport import calls
from e6data_adbc._transport.calls import Method

__all__ = ["QueryCalls"]


class QueryCalls:
    """Makes the calls about a prepared query, and notes what their responses say about its session.

    Attributes:
        prepared: The query.
        name: What errors call it.
        has_moved: Whether the server named another session than the query was prepared in.
    """

    def __init__(self, prepared: Prepared, sessions: SessionManager) -> None:
        self.prepared = prepared
        self.query_id = prepared.query_id
        self.name = f"query {prepared.query_id!r}"
        self.has_moved = False
        self._lease = prepared.lease
        self._sessions = sessions

    def begin(
        self, method: Method[calls.Q, calls.R], verb: str, effort: Effort
    ) -> Begun[calls.R] | None:
        """Sends the first try of a call and does not wait; None if it cannot be sent, which `call` tells why.

        Args:
            method: The method.
            verb: What is attempted.
            effort: Bounds it.
        """
        effort.begin(method)
        with contextlib.suppress(errors.Error):
            return self._sessions.begin_about(
                method,
                self._request(method),
                self._lease,
                effort,
                verb=verb,
                query_id=self.query_id,
            )
        return None

    def call(
        self,
        method: Method[calls.Q, calls.R],
        verb: str,
        effort: Effort,
        *,
        begun: Begun[calls.R] | None = None,
        arrived: Callable[[], None] | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> calls.R:
        """Returns the response of one call, or an empty one where there was nothing left to do.

        Args:
            method: The method.
            verb: What is attempted.
            effort: Bounds it.
            begun: Its first try, where that was sent before.
            arrived: See `Rpc.receive`.
            fields: Of the request, besides those that all requests about a query have.

        Raises:
            Undecided: The query has to decide.
            Error: The call failed for good.
        """
        if begun is None:
            effort.begin(method)
        response = self._sessions.call_about(
            method,
            self._request(method, fields),
            self._lease,
            effort,
            verb=verb,
            query_id=self.query_id,
            begun=begun,
            arrived=arrived,
        )
        if response is None:
            return method.decode(b"")
        if not isinstance(response, bytes):
            self.note(getattr(response, "sessionId", None), getattr(response, "new_strategy", None))
        return response

    def note(self, session_id: str | None, new_strategy: str | None) -> None:
        """Takes what a response says: the session of the calls to come, and the colour of queries to come."""
        before = self._lease.session_id
        self._lease.move(session_id)
        self.has_moved |= self._lease.session_id != before
        self._sessions.announce(self._lease, new_strategy)

    def is_missing(self, method: Method[calls.Q, calls.R]) -> bool:
        """Tells whether the deployment of the query is known not to have *method*."""
        return (self._lease.route.colour, method.path) in self._sessions.transport.missing

    def note_missing(self, method: Method[calls.Q, calls.R]) -> None:
        """Notes that it does not."""
        self._sessions.transport.missing.add((self._lease.route.colour, method.path))

    def _request(
        self, method: Method[calls.Q, calls.R], fields: Mapping[str, Any] | None = None
    ) -> Callable[[], calls.Q]:
        """Returns what makes the request, with the session id of the moment; they all begin alike."""
        kind: Callable[..., calls.Q] = method.request
        more = fields or {}
        return lambda: kind(
            engineIP=self.prepared.engine,
            sessionId=self._lease.session_id,
            queryId=self.query_id,
            **more,
        )
