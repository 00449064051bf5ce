"""One query on the server, from execute to clear."""

from __future__ import annotations

import functools
import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NoReturn

import pyarrow as pa

from e6data_adbc import _schemas, errors
from e6data_adbc._driver.query.clearing import Departure, clear, start_apart
from e6data_adbc._driver.query.execution import Execution, in_doubt_when_cancelled
from e6data_adbc._driver.query.fetcher import Fetcher
from e6data_adbc._driver.query.look_ahead import look_ahead
from e6data_adbc._driver.query.query_handle import QueryHandle
from e6data_adbc._driver.query.run_timings import RunTimings
from e6data_adbc._driver.workspace import Workspace
from e6data_adbc._session.beginning import NOT_BEGUN
from e6data_adbc._session.retry.effort import Effort, outcome_of
from e6data_adbc._session.retry.failure import Failure
from e6data_adbc._session.shortcut import SMALL_ROWS
from e6data_adbc._sql.command import Operand
from e6data_adbc._transport import methods
from e6data_adbc._transport.api import Opened
from e6data_adbc._transport.observer import IGNORED, Watch
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import PendingCall
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.options import DatabaseOptions

if TYPE_CHECKING:
    from e6data_adbc._native import Response, StreamStats

__all__ = ["Query"]

_log = logging.getLogger("e6data_adbc.query")

#: Where only the rows tell a type, so many times the bytes that may wait for the reader are held to find out.
_LOOK_AHEAD: Final = 4
#: What leaves no doubt about a statement: the engine's answer, and the caller's own word.
_CLEAR_ENDS: Final = frozenset({Failure.ANSWERED, Failure.FORBIDDEN, Failure.CANCELLED})


class Query:
    """A prepared query and, once started, the source of its raw responses.

    One thread at a time calls `start`, `read_metadata` and `next_response`; any thread may call `cancel` and `close`.
    After a failure the result stays failed: which rows the server already handed out cannot be known.
    """

    def __init__(self, handle: QueryHandle, workspace: Workspace, scope: Scope) -> None:
        """Calls nobody yet.

        Args:
            handle: The query.
            workspace: What it is removed from once it is off the server.
            scope: Of the call that opens it; the query has the same settings and the same parent, and a scope of its
                own, because it outlives that call.
        """
        sessions, settings = workspace.sessions, scope.settings
        self.query_id = handle.query_id
        self.schema = pa.schema([])
        #: What the metadata say about each column, and its vectors as far as they were looked at.
        self.columns: list[_schemas.Column] = []
        self.shapes: list[_schemas.Shape] | None = None
        self.announced_rows = -1
        self.options = settings.stream
        self.lease = handle.lease
        self._sessions = sessions
        self._settings = settings
        self._workspace = workspace
        self._parent = scope.parent
        self._scope = Scope(settings, scope.parent)
        self._handle = handle
        self._execution = Execution(handle, sessions, self._scope)
        self._pid = os.getpid()
        # Reading.
        self._fetcher = Fetcher(
            handle,
            settings.result.protocol,
            self._scope,
        )
        self._ahead: deque[Response] = deque()
        #: The whole result, if one response holds it, or none was needed: then the query is being cleared already, and
        #: nobody has to read it through `next_response`.
        self.whole: list[Response] | None = None
        #: What went wrong with executing, if nobody knows whether the query runs.
        self._doubt: errors.Error | None = None
        # Closing, without a lock: a signal handler may close what it interrupts, at any of these lines.
        #: Empty from when it is being cleared, or left to others: whoever takes out what is in it does that.
        self._mine = [True]
        self._departure = Departure()
        self._watch = IGNORED
        #: What the result failed with, if it has; behind it is what gRPC said.
        self.loss: errors.Error | None = None
        #: Whether all of the result came, and what the server says then about how it made it, if the option asks.
        self._is_read = False
        self._timings: RunTimings | None = None
        if settings.get(DatabaseOptions.TIMINGS):
            self._timings = RunTimings(handle, sessions, self._scope)

    @property
    def engine_address(self) -> str:
        """Where the query is, as the server named it."""
        return self._handle.engine

    @property
    def is_open(self) -> bool:
        """Whether the server still holds the query for us."""
        return bool(self._mine)

    def _take_over(self) -> bool:
        """Begins the end of the query; False where that has begun."""
        try:
            return self._mine.pop()
        except IndexError:
            return False

    @property
    def rows_delivered(self) -> int:
        """The rows that the reader got so far."""
        stats = self._fetcher.stats
        return stats.rows_delivered if stats is not None else 0

    @property
    def rpc(self) -> str:
        """The method that fetches, for errors."""
        return self._fetcher.method.name

    def watch_with(self, watch: Watch) -> None:
        """Takes the watch over the execution, which ends with the query."""
        self._watch = watch
        if self._departure.is_over:
            watch.end()

    def start(
        self, effort: Effort, values: Sequence[Operand] = (), opened: Opened | None = None
    ) -> None:
        """Executes the query and waits until its schema is known.

        Args:
            effort: The budget of the user's call.
            values: What the server binds to its parameters; only a query that was prepared with a catalog has any.
            opened: What a shortcut that prepared it has done since.

        Raises:
            ProgrammingError: A value does not fit its parameter.
            Undecided: It was not executed, and has to be prepared anew.
            Error: A call failed, the metadata or a response is broken, or a column's type is unknown.
        """
        effort = effort.within(self._scope)
        rpc = self._handle.execute_method.name
        try:
            begun = NOT_BEGUN
            if opened is not None and opened.prepared is not None:
                begun = self._fetcher.adopt_result(opened, effort)
            elif self.options.prefetch > 0 and not values:
                small_rows = 0 if self._timings is not None else SMALL_ROWS
                begun = self._fetcher.begin_result(effort, small_rows=small_rows)
            if not begun.is_executed:
                self._doubt = self._execution.run(effort, values, begun.execute)
            fetches_ahead = self.options.prefetch > 0 and self._doubt is None
            rpc = methods.RESULT_METADATA.name
            try:
                if begun.described is not None:
                    rows, self.columns = begun.described
                    self.announced_rows = max(rows, -1)
                elif begun.metadata is not None:
                    effort.begin(methods.RESULT_METADATA)
                    effort.extend(-begun.seconds)
                    self.announced_rows, self.columns = self._end_metadata(effort, begun.metadata)
                else:
                    # Both on their way together. Fetching consumes rows, but they are ours whatever the metadata say.
                    also = self._fetcher.begin if fetches_ahead else None
                    self.announced_rows, self.columns = self.read_metadata(effort, also)
            except errors.Error as error:
                self._raise_verdict(error)
            rpc = self._fetcher.method.name
            self.schema = self._find_schema(self.columns)
            if self._doubt is not None:
                self._prove_start()
            # A query that is to tell its times is cleared by whoever reads its end.
            if fetches_ahead and self._timings is None:
                self._read_if_small()
        except errors.Error as error:
            errors.complete(error, rpc=rpc, query_id=self.query_id)
            raise

    def _find_schema(self, columns: list[_schemas.Column]) -> pa.Schema:
        """Returns the Arrow schema of the result, for which its first rows may be needed.

        Raises:
            Error: A call failed, or a column's type is unknown.
        """
        if _schemas.needs_first_chunk(columns):
            self.shapes, ahead = look_ahead(
                self._fetcher,
                self._receive,
                columns,
                limit=_LOOK_AHEAD * self.options.queue_bytes,
            )
            self._ahead.extend(ahead)
        return _schemas.result_schema(columns, self.shapes, layout=self._settings.result.layout)

    def _prove_start(self) -> None:
        """Where nobody knows whether the query runs, waits for the row that only a started one has.

        Raises:
            OperationalError: None came: nobody can tell.
        """
        while self._doubt is not None:
            self._receive_ahead()

    def _raise_verdict(self, error: errors.Error) -> NoReturn:
        """Raises what *error*, which came before the first row, says about the statement.

        Raises:
            OperationalError: Nobody knows whether it ran, or what a change did that was started.
            Error: It is *error* itself.
        """
        if self._scope.is_cancelled:
            raise error if self._doubt is None else in_doubt_when_cancelled(error)
        verdict = error
        if self._doubt is not None:
            verdict = self._execution.in_doubt(self._doubt)
        elif (
            not self._fetcher.rows
            and _is_outcome_lost(error, self._scope)
            and self._handle.may_change()
        ):
            verdict = self._execution.without_outcome(error)
        self.loss = verdict
        self._fetcher.fail(verdict)
        if verdict is error:
            raise error
        raise verdict from error

    def _read_if_small(self) -> None:
        """Receives the result here, if it looks as if one response held it; no thread has to be started for that.

        How many rows are announced only says whether to look: what ends a result is its protocol.

        Raises:
            Error: It was cancelled. Any other failure is for the reader, after the rows that came before it.
        """
        try:
            if not self._ahead and 0 < self.announced_rows <= SMALL_ROWS:
                self._receive_ahead()
            if len(self._ahead) == 1 and 0 < self.announced_rows == self._ahead[0].row_count:
                self._receive_ahead()
        except errors.Error as error:
            if error.status_code == errors.Status.CANCELLED:
                raise
            return
        if self._fetcher.has_ended and len(self._ahead) <= 1:
            self.whole = list(self._ahead)
            self._clear_later()

    def _receive_ahead(self) -> None:
        if not self._fetcher.has_ended:
            response = self._receive()
            if not self._fetcher.is_marker(response):
                self._ahead.append(response)

    def read_metadata(
        self, effort: Effort, also: Callable[[], None] | None = None
    ) -> tuple[int, list[_schemas.Column]]:
        """Returns the announced number of rows, -1 where unknown, and the columns.

        Args:
            effort: The budget of the user's call.
            also: Done between asking and waiting for the answer.

        Raises:
            Error: The call failed.
            DataError: The metadata is broken.
        """
        verb, method = f"read the result metadata of {self._handle.name}", methods.RESULT_METADATA
        if effort.scope is not self._scope:
            effort = effort.within(self._scope)
        begun = self._handle.begin(method, verb, effort)
        if also is not None:
            also()
        return self._end_metadata(effort, begun)

    def _end_metadata(
        self, effort: Effort, begun: PendingCall[wire.GetResultMetadataResponse] | None
    ) -> tuple[int, list[_schemas.Column]]:
        """Does what `read_metadata` says after the call was sent as *begun*."""
        from e6data_adbc import _native

        verb, method = f"read the result metadata of {self._handle.name}", methods.RESULT_METADATA
        try:
            response = self._handle.call(method, verb, effort, begun=begun)
            try:
                rows, columns = _native.parse_metadata(response.resultMetaData)
            except _native.NativeDecodeError as broken:
                raise errors.from_native(broken, verb=verb) from broken
        except errors.Error as error:
            errors.complete(error, rpc=method.name, query_id=self.query_id)
            raise
        return max(rows, -1), columns

    def explain(self, effort: Effort) -> str:
        """Returns the server's plan of the query, as its text; the query need not have run.

        Raises:
            Error: The call failed.
        """
        verb = f"explain {self._handle.name}"
        return self._handle.call(methods.EXPLAIN, verb, effort.within(self._scope)).explain

    def analyze(self, effort: Effort) -> wire.ExplainAnalyzeResponse:
        """Returns what the server says about how it ran the query, which has ended.

        Raises:
            Error: The call failed.
        """
        verb = f"analyze {self._handle.name}"
        return self._handle.call(methods.EXPLAIN_ANALYZE, verb, effort.within(self._scope))

    def timings(self) -> wire.ExplainAnalyzeResponse | None:
        """Returns what the option for timings asked of the server; None where there is nothing.

        Any thread. After the end of the result it waits until the server has answered, as long as clearing may take.

        Raises:
            OperationalError: The wait was cancelled, or took too long.
            Error: The server did not tell.
        """
        if self._timings is None or (not self._is_read and self._mine):
            return None
        return self._timings.read(self._settings.rpc.clear_timeout)

    def cancel_timings(self) -> bool:
        """Ends the wait for the timings; False where nobody waits. Returns at once."""
        # Before the end of the result nobody asks; what is cleared unread is never asked.
        return self._timings is not None and self._is_read and self._timings.cancel()

    def attach(self, stats: StreamStats) -> None:
        """Takes the counters of the stream that reads this query."""
        self._fetcher.stats = stats

    def next_response(self) -> Response | None:
        """Returns the next response, or None at the end; blocks.

        Raises:
            Error: A call failed or a response is broken, now or before; or the query was cancelled or closed.
        """
        try:
            # Also of what came before the fork: it is the parent's.
            self._sessions.transport.check_process(f"fetch from {self._handle.name}")
            self._fetcher.rejoin()
            if self._ahead and not self._scope.is_cancelled:
                return self._ahead.popleft()
            self._fetcher.check()
            if not self._fetcher.has_ended:
                # Not where a response may name another session for the call after it.
                is_followed = not self._handle.has_moved and self._fetcher.expects_more_than_next(
                    self.announced_rows
                )
                response = self._receive(is_followed=is_followed)
                if not self._fetcher.is_marker(response):
                    return response
        except errors.Error as error:
            errors.complete(error, rpc=self.rpc, query_id=self.query_id)
            raise
        self._is_read = True
        return None

    def course(self) -> object:
        """Returns how native code gets the responses from here on until `next_response` is called, or None."""
        if self._ahead or self._doubt is not None:
            return None
        course = self._fetcher.course(self.announced_rows, is_followed=not self._handle.has_moved)
        return None if course is None else course.native

    def cancel(self) -> None:
        """Ends what is under way, on this side; `close` then ends it on the server. Returns at once."""
        self._scope.cancel()
        self.cancel_timings()

    def close(self, timeout: float | None = None) -> None:
        """Clears the query on the server, once however often it is called; never raises.

        Args:
            timeout: Seconds that it may take; by default those of the option.
        """
        if os.getpid() != self._pid:
            return  # the parent's query, and perhaps the parent's locks
        limit = self._settings.rpc.clear_timeout if timeout is None else timeout
        if not self._take_over():
            self._sessions.background.hurry()
            self._departure.wait(limit)
            return
        self._scope.cancel()
        self._fetcher.abandon()
        self._ahead = deque()
        if self._timings is not None:
            if self._is_read:
                self._timings.ask(limit)
            else:
                self._timings.end()
        self._clear(self._sessions.effort(Scope(self._settings, self._parent), limit))

    def leave(self) -> bool:
        """Leaves the query to others: this object clears it no more. False if it is being cleared already."""
        if not self._take_over():
            return False
        self._fetcher.abandon()
        self._workspace.remove(self)
        if self._timings is not None:
            self._timings.end()
        self._departure.tell()
        self._watch.end()
        return True

    def _clear_later(self) -> None:
        """Clears the query, all of which is here, without waiting: the call is sent, its answer is for the background.

        Whoever calls `close` waits for that answer.
        """
        if not self._take_over():
            return
        effort = self._sessions.effort(
            Scope(self._settings, self._parent), self._settings.rpc.clear_timeout
        )
        begun = self._handle.begin(methods.CLEAR_OR_CANCEL, f"clear {self._handle.name}", effort)
        self._sessions.background.submit(functools.partial(self._end_clear, effort, begun))

    def _end_clear(
        self, effort: Effort, begun: PendingCall[wire.ClearOrCancelQueryResponse] | None
    ) -> None:
        if begun is not None and begun.has_succeeded():
            self._clear(effort, begun)
            return
        start_apart(functools.partial(self._clear, effort, begun))

    def _clear(
        self, effort: Effort, begun: PendingCall[wire.ClearOrCancelQueryResponse] | None = None
    ) -> None:
        try:
            clear(self._sessions, self._handle, effort, begun)
        finally:
            self._workspace.remove(self)
            self._departure.tell()
            self._watch.note(rows=self._fetcher.rows)
            self._watch.end(self.loss)

    def _receive(self, *, is_followed: bool = False) -> Response:
        """Returns the next response of any kind; notes what it says about the session."""
        try:
            response = self._fetcher.receive(is_followed=is_followed)
        except errors.Error as error:
            if not self._scope.is_cancelled:
                self._sessions.state.counters.count("results_incomplete")
            self._raise_verdict(error)
        if response.row_count:
            self._doubt = None
        elif self._doubt is not None and self._fetcher.has_ended:
            self._raise_verdict(self._doubt)
        self._handle.note(response.session_id, response.new_strategy)
        return response


def _is_outcome_lost(error: errors.Error, scope: Scope) -> bool:
    """Tells whether *error*, of a call after the execute, leaves open what the statement did."""
    if outcome_of(error, scope).failure not in _CLEAR_ENDS:
        return True
    return error.status_code == errors.Status.TIMEOUT
