"""A query whose small result came by the shortcut: it is whole, and the query is being cleared."""

from __future__ import annotations

import functools
import os
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from e6data_adbc import _schemas, errors
from e6data_adbc._driver.query.clearing import Departure, clear, start_apart
from e6data_adbc._driver.query.look_ahead import shapes_of
from e6data_adbc._driver.query.prepare import sent_text
from e6data_adbc._driver.query.query import Query
from e6data_adbc._driver.query.query_handle import QueryHandle
from e6data_adbc._driver.workspace import Workspace
from e6data_adbc._session.lease import Lease
from e6data_adbc._session.shortcut import Begun, Taken
from e6data_adbc._sql.command import Command
from e6data_adbc._transport import methods
from e6data_adbc._transport.api import Opened, Rpc
from e6data_adbc._transport.scope import Scope, cancelled
from e6data_adbc._transport.transport import Answered
from e6data_adbc.options import ResultProtocol

if TYPE_CHECKING:
    from e6data_adbc._native import Response, StreamStats
    from e6data_adbc._wire import e6x_engine_pb2 as wire

__all__ = ["ShortcutQuery", "take_shortcut"]

_NO_COLUMNS: Final = pa.schema([])


def take_shortcut(
    workspace: Workspace, command: Command, scope: Scope
) -> ShortcutQuery | Begun | None:
    """Returns *command* as a query whose result is here, or how far it came; None where nothing was sent.

    Args:
        workspace: Whose names and sessions it has.
        command: One statement.
        scope: Cancels it, and holds the options.

    Raises:
        BaseException: An interrupt, after which nothing is left on the server.
    """
    sessions = workspace.sessions
    transport = sessions.transport
    if (
        command.values
        or scope.is_cancelled
        or transport.observer.headers_unseen(scope.parent) != ()
    ):
        return None
    sessions.state.begin()
    text = sent_text(command.sql, scope.settings)
    taken = workspace.shortcuts.take(sessions.caller, scope.settings, workspace.names, text)
    if taken is None:
        return None
    began = time.monotonic()
    query = ShortcutQuery(workspace, command, scope, taken)
    workspace.tell(query)
    try:
        opened = transport.run(taken.opening, scope)
    except BaseException:  # an interrupt, which leaves no call behind
        query.abandon()
        raise
    route = taken.route
    if opened.prepared is not None:
        route = sessions.accept(route, taken.session)
    if opened.clear is not None:
        sessions.caller.reward(opened)
        query.take(opened, opened.clear)
        return query
    return Begun(opened, Lease(route, taken.session), began)


class ShortcutQuery:
    """A query that is run by a shortcut. Threads: as `Query`.

    Until it has all of its result it is only what other threads may ask about.

    Attributes:
        schema: The Arrow schema of the result.
        options: The limits of its stream.
        announced_rows: The rows of the result.
        rpc: The method that fetches, for errors.
        whole: All of the result: one response at most.
    """

    is_open = False

    def __init__(self, workspace: Workspace, command: Command, scope: Scope, taken: Taken) -> None:
        """Calls nobody."""
        settings = scope.settings
        self._workspace = workspace
        self._command = command
        self._settings = settings
        self._parent = scope.parent
        self._taken = taken
        self._pid = os.getpid()
        self._departure = Departure()
        self._left: deque[Response] = deque()
        self._is_cancelled = False
        self._stats: StreamStats | None = None
        self.schema = _NO_COLUMNS
        self.options = settings.stream
        self.announced_rows = -1
        self.whole: list[Response] | None = None

    @property
    def query_id(self) -> str:
        """The server's id; "" before there is one."""
        prepared = self._taken.opening.prepared
        return "" if prepared is None else prepared[1]

    @property
    def engine_address(self) -> str:
        """Where the query is, as the server named it."""
        prepared = self._taken.opening.prepared
        return "" if prepared is None else prepared[0]

    @property
    def rpc(self) -> str:
        """The method that fetches, for errors."""
        is_v1 = self._settings.result.protocol is ResultProtocol.V1
        return (methods.FETCH if is_v1 else methods.FETCH_V2).name

    @property
    def rows_delivered(self) -> int:
        """The rows that the reader got so far."""
        return self._stats.rows_delivered if self._stats is not None else 0

    def take(self, opened: Opened, cleared: Rpc) -> None:
        """Takes the whole result, and sees to the answer of the clear, which is under way.

        Raises:
            ProgrammingError: The connection was closed meanwhile.
            DataError: The result is broken, or a column's type is unknown.
        """
        sessions = self._workspace.sessions
        sessions.state.counters.count("queries_prepared")
        try:
            self._workspace.add(self)
        finally:  # also where the connection was closed meanwhile: a call that nobody holds is cancelled
            sessions.background.submit(functools.partial(self._end_clear, cleared))
        assert opened.described is not None  # noqa: S101 - a result is whole by its metadata
        self.announced_rows, columns = opened.described
        # V1 ends with a response that is none of the result.
        rows = [
            response
            for response in opened.responses
            if response.row_count or not response.end_of_stream
        ]
        shapes: list[_schemas.Shape] | None = None
        try:
            if _schemas.needs_first_chunk(columns):
                for number, response in enumerate(rows, 1):
                    verb = f"read response {number} of query {self.query_id!r}"
                    shapes = shapes_of(response, columns, shapes, verb=verb)
            layout = self._settings.result.layout
            self.schema = _schemas.result_schema(columns, shapes, layout=layout)
        except errors.Error as error:
            errors.complete(error, rpc=self.rpc, query_id=self.query_id)
            raise
        self.whole = rows
        self._left.extend(rows)

    def attach(self, stats: StreamStats) -> None:
        """Takes the counters of the stream that reads the result."""
        self._stats = stats

    def next_response(self) -> Response | None:
        """Returns the response, then None.

        Raises:
            OperationalError: The query was cancelled before that was asked for.
        """
        if self._is_cancelled and self._left:
            raise cancelled("read the result", query_id=self.query_id)
        return self._left.popleft() if self._left else None

    def timings(self) -> wire.ExplainAnalyzeResponse | None:
        """Returns None: who asks for them takes no shortcut."""
        return None

    def cancel_timings(self) -> bool:
        """Returns False: nobody waits for them."""
        return False

    def cancel(self) -> None:
        """Ends the calls that are under way. Returns at once."""
        self._is_cancelled = True
        self._taken.opening.cancel()

    def close(self, timeout: float | None = None) -> None:
        """Waits until the query is off the server, up to *timeout* seconds or those of the option; never raises."""
        if os.getpid() != self._pid:
            return
        limit = self._settings.rpc.clear_timeout if timeout is None else timeout
        self._workspace.sessions.background.hurry()
        self._departure.wait(limit)

    def abandon(self) -> None:
        """Clears what was prepared before an interrupt; waits for that."""
        if self._taken.opening.prepared is not None:
            scope = Scope(self._settings, self._parent)
            Query(self._handle(), self._workspace, scope).close()

    def _handle(self) -> QueryHandle:
        planner, query_id = self.engine_address, self.query_id
        lease = Lease(self._taken.route, self._taken.session)
        lease.planner = planner
        has_catalog = bool(self._workspace.names.catalog)
        sessions = self._workspace.sessions
        return QueryHandle(
            sessions, lease, query_id, sql=self._command.sql, has_catalog=has_catalog
        )

    def _end_clear(self, cleared: Rpc) -> None:
        answer = cleared.receive()
        if isinstance(answer, bytes) and not answer:
            self._workspace.sessions.state.counters.count("queries_cleared")
            self._leave()
            return
        # Repeating takes time, which must not be that of the queries behind this one.
        again = functools.partial(self._clear, Answered(answer))
        if isinstance(answer, bytes):
            again()
        else:
            start_apart(again)

    def _clear(self, answered: Rpc) -> None:
        """Does what there is to do about the answer of the clear."""
        sessions = self._workspace.sessions
        method, handle = methods.CLEAR_OR_CANCEL, self._handle()
        scope = Scope(self._settings, self._parent)
        effort = sessions.effort(scope, self._settings.rpc.clear_timeout)
        effort.begin(method)
        try:
            call = handle.bind(method).make(scope, effort.most(method), f"clear {handle.name}")
            clear(sessions, handle, effort, sessions.transport.adopt(answered, call, scope))
        finally:
            self._leave()

    def _leave(self) -> None:
        self._workspace.remove(self)
        self._departure.tell()
