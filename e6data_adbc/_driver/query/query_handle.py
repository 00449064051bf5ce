"""The handle of a query: a prepared query on the server, and the RPCs about it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from e6data_adbc import errors
from e6data_adbc._session.lease import Lease
from e6data_adbc._session.manager import Begun, SessionManager
from e6data_adbc._session.retry.effort import Effort
from e6data_adbc._sql.effect import is_surely_query
from e6data_adbc._transport import calls
from e6data_adbc._transport.calls import Method

__all__ = ["QueryHandle"]


class QueryHandle:
    """A prepared query on the server, and the RPCs about it. From here on somebody has to clear it.

    Each call goes where the query is, under the session that it belongs to by then, which responses tell.

    Attributes:
        query_id: The server's id.
        name: What errors call it.
        engine: The planner that owns it, as the server named it.
        lease: What each of its calls keeps to, for its whole life.
        execute_method: What executes it, which depends on how it was prepared.
        has_moved: Whether the server named another session than it was prepared in.
    """

    def __init__(
        self,
        sessions: SessionManager,
        lease: Lease,
        query_id: str,
        *,
        sql: str | None = None,
        has_catalog: bool = False,
    ) -> None:
        """Calls nobody.

        Args:
            sessions: Make the calls.
            lease: What they keep to; it knows the planner.
            query_id: The server's id.
            sql: What was prepared; None where somebody else did that.
            has_catalog: Whether it was prepared with a catalog.
        """
        self.query_id = query_id
        self.name = f"query {query_id!r}"
        self.engine = lease.planner or ""
        self.lease = lease
        self.execute_method: Method[Any, Any] = calls.EXECUTE_V2 if has_catalog else calls.EXECUTE
        self.has_moved = False
        self._sql = sql
        self._sessions = sessions

    def may_change(self) -> bool:
        """Tells whether the statement may do more than read. It is found out anew each time, from the whole text."""
        return self._sql is not None and not is_surely_query(self._sql)

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
                self.lease,
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
            self.lease,
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
        before = self.lease.session_id
        self.lease.move(session_id)
        self.has_moved |= self.lease.session_id != before
        self._sessions.announce(self.lease, new_strategy)

    def is_missing(self, method: Method[calls.Q, calls.R]) -> bool:
        """Tells whether the deployment of the query is known not to have *method*."""
        return (self.lease.route.colour, method.path) in self._sessions.transport.missing

    def note_missing(self, method: Method[calls.Q, calls.R]) -> None:
        """Notes that it does not."""
        self._sessions.transport.missing.add((self.lease.route.colour, method.path))

    def _request(
        self, method: Method[calls.Q, calls.R], fields: Mapping[str, Any] | None = None
    ) -> Callable[[], calls.Q]:
        """Returns what makes the request, with the session id of the moment; they all begin alike."""
        kind: Callable[..., calls.Q] = method.request
        more = fields or {}
        return lambda: kind(
            engineIP=self.engine,
            sessionId=self.lease.session_id,
            queryId=self.query_id,
            **more,
        )
