"""The handle of a query: a prepared query on the server, and the RPCs about it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from e6data_adbc import errors
from e6data_adbc._session.beginning import Beginning, adopt_result, begin_result
from e6data_adbc._session.bound_call import BoundCall, Journey
from e6data_adbc._session.lease import Lease
from e6data_adbc._session.manager import SessionManager
from e6data_adbc._session.retry.effort import Effort
from e6data_adbc._sql.effect import is_surely_query
from e6data_adbc._transport import methods
from e6data_adbc._transport.api import Opened, Usual
from e6data_adbc._transport.methods import Method, Q, R
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import PendingCall
from e6data_adbc.options import Secret

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
        announced: The colour that a response announced last, or ''.
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
        self.execute_method: Method[Any, Any] = (
            methods.EXECUTE_V2 if has_catalog else methods.EXECUTE
        )
        self.has_moved = False
        #: The session that a response named last, and the version of the lease then.
        self._noted: tuple[str, int] | None = None
        self.announced = ""
        self._sql = sql
        self._sessions = sessions

    def may_change(self) -> bool:
        """Tells whether the statement may do more than read. It is found out anew each time, from the whole text."""
        return self._sql is not None and not is_surely_query(self._sql)

    def _only_reads(self) -> bool:
        return self._sql is not None and is_surely_query(self._sql)

    def begin(self, method: Method[Q, R], verb: str, effort: Effort) -> PendingCall[R] | None:
        """Sends the first try of a call and does not wait; None if it cannot be sent, which `call` tells why.

        Args:
            method: The method.
            verb: What is attempted.
            effort: Bounds it.
        """
        effort.begin(method)
        with contextlib.suppress(errors.Error):
            bound = self.bind(method)
            return bound.begin(effort, verb)
        return None

    def call(
        self,
        method: Method[Q, R],
        verb: str,
        effort: Effort,
        *,
        begun: PendingCall[R] | None = None,
        arrived: Callable[[], None] | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> R:
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
        only_reads = self._only_reads if method is self.execute_method else None
        bound = BoundCall(
            self._sessions.caller, method, self.lease, self.query_id, fields, only_reads
        )
        response = bound.call(effort, verb, begun, arrived)
        if response is None:
            return method.decode(b"")
        if not isinstance(response, bytes):
            self.note(getattr(response, "sessionId", None), getattr(response, "new_strategy", None))
        return response

    def note(self, session_id: str | None, new_strategy: str | None) -> None:
        """Takes what a response says: the session of the calls to come, and the colour of queries to come."""
        lease = self.lease
        if session_id and self._noted != (session_id, lease.version):  # most name the same
            before = lease.version
            lease.move(session_id)
            self.has_moved |= lease.version != before
            self._noted = (session_id, lease.version)
        if new_strategy:
            self.announced = new_strategy
            self._sessions.announce(lease, new_strategy)

    def is_missing(self, method: Method[Q, R]) -> bool:
        """Tells whether the deployment of the query is known not to have *method*."""
        return (self.lease.route.colour, method.path) in self._sessions.transport.missing

    def note_missing(self, method: Method[Q, R]) -> None:
        """Notes that it does not."""
        self._sessions.transport.missing.add((self.lease.route.colour, method.path))

    def bind(self, method: Method[Q, R]) -> BoundCall[R]:
        """Returns *method* bound to the query, to be called often."""
        return BoundCall(self._sessions.caller, method, self.lease, self.query_id)

    @property
    def session_named(self) -> Secret:
        """The session that responses name, as far as is known."""
        if self._noted is not None and self._noted[1] == self.lease.version:
            return Secret(self._noted[0])
        return Secret(self.lease.session_id)

    def begin_result(
        self,
        fetch: BoundCall[bytes],
        verb_of: Callable[[int], str],
        usual: Usual,
        effort: Effort,
        *,
        fetch_seconds: float,
        small_rows: int,
    ) -> Beginning:
        """Returns how far native code came with the result of the query, which has no parameters. See `begin_result`.

        Args:
            fetch: The method that fetches.
            verb_of: Tells what its call for a response attempts, by that one's number from 1.
            usual: What answers say that nobody has to be told.
            effort: Bounds the execute and the metadata.
            fetch_seconds: The deadline of each fetch.
            small_rows: A result of so many rows, or fewer, is received as well.
        """
        bound, verbs = self._beginning(fetch, verb_of)
        return begin_result(
            *(self._sessions.caller, bound, verbs, usual, effort),
            fetch_seconds=fetch_seconds,
            small_rows=small_rows,
        )

    def adopt_result(
        self,
        fetch: BoundCall[bytes],
        verb_of: Callable[[int], str],
        opened: Opened,
        effort: Effort,
        *,
        fetch_seconds: float,
    ) -> Beginning:
        """Returns what was *opened* of the result by a shortcut; otherwise as `begin_result`."""
        bound, verbs = self._beginning(fetch, verb_of)
        return adopt_result(
            *(self._sessions.caller, bound, verbs, opened, effort), fetch_seconds=fetch_seconds
        )

    def _beginning(
        self, fetch: BoundCall[bytes], verb_of: Callable[[int], str]
    ) -> tuple[
        tuple[BoundCall[Any], BoundCall[Any], BoundCall[bytes]],
        tuple[str, str, Callable[[int], str]],
    ]:
        """Returns the calls that begin the result, and what each attempts."""
        bound = (self.bind(self.execute_method), self.bind(methods.RESULT_METADATA), fetch)
        verbs = (f"execute {self.name}", f"read the result metadata of {self.name}", verb_of)
        return bound, verbs

    def course(
        self,
        bound: BoundCall[bytes],
        usual: Usual,
        scope: Scope,
        timeout: float,
        verb: str,
        begun: PendingCall[bytes] | None,
    ) -> Journey[bytes] | None:
        """Returns the course of *bound*. See `BoundCall.course`."""
        return bound.course(usual, scope, timeout, verb, begun)

    def fetch(
        self,
        bound: BoundCall[bytes],
        begun: PendingCall[bytes] | None,
        scope: Scope,
        seconds: float,
        verb: str,
        arrived: Callable[[], None] | None,
    ) -> bytes:
        """Returns the bytes of one response. See `BoundCall.receive`."""
        return bound.receive(begun, scope, seconds, verb, arrived) or b""
