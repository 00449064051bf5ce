"""One query on the server, from execute to clear."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from e6data_adbc import errors, types
from e6data_adbc._driver.fetching import Fetcher, FetchMethod
from e6data_adbc._driver.looking_ahead import look_ahead
from e6data_adbc._driver.prepared import Prepared, prepare
from e6data_adbc._driver.server_binding import TURN_OFF, answer
from e6data_adbc._session.effort import Effort, refused_for_good
from e6data_adbc._session.failures import Failure
from e6data_adbc._session.manager import Begun, SessionManager, Undecided
from e6data_adbc._session.retry import PrepareAgain, ReadStatus
from e6data_adbc._settings import Settings
from e6data_adbc._transport import calls
from e6data_adbc._transport.calls import Method
from e6data_adbc._transport.observer import IGNORED, Watch
from e6data_adbc._transport.scope import Scope
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.options import ConnectionOptions, DatabaseOptions

if TYPE_CHECKING:
    from e6data_adbc._native import Response, StreamStats

__all__ = ["AMBIGUOUS", "Query", "StreamOptions", "open_query"]

_log = logging.getLogger("e6data_adbc.query")

#: Where only the rows tell a type, so many times the bytes that may wait for the reader are held to find out.
_LOOK_AHEAD: Final = 4
#: A result of so many rows, or fewer, is received by whoever executes the query.
_SMALL_ROWS: Final = 4096

#: The detail of an error after which nobody knows whether the statement ran.
AMBIGUOUS: Final = "e6data.ambiguous"

_OPERATIONAL: Final = frozenset({errors.Status.IO, errors.Status.TIMEOUT, errors.Status.UNKNOWN})


@dataclasses.dataclass(frozen=True)
class StreamOptions:
    """What the native stream is told about a result; sizes in bytes, `prefetch` in responses."""

    queue_bytes: int
    batch_rows: int
    batch_bytes: int
    max_chunk_rows: int
    max_chunk_bytes: int
    allow_missing_rows: bool
    prefetch: int

    @staticmethod
    def of(settings: Settings) -> StreamOptions:
        """Returns the part of *settings* that a stream needs."""
        fetch, result = settings.fetch, settings.result
        return StreamOptions(
            queue_bytes=fetch.queue_bytes,
            batch_rows=fetch.batch_rows,
            batch_bytes=fetch.batch_bytes,
            max_chunk_rows=result.max_chunk_rows,
            max_chunk_bytes=result.max_chunk_bytes,
            allow_missing_rows=result.allow_missing_rows,
            prefetch=fetch.prefetch_responses,
        )


def open_query(
    sessions: SessionManager,
    sql: str,
    scope: Scope,
    *,
    catalog: str | None,
    db_schema: str | None,
    on_prepared: Callable[[Query], None],
    on_close: Callable[[Query], None],
    values: Sequence[pa.Scalar[Any]] = (),
    effort: Effort | None = None,
    kind: Callable[..., Query] | None = None,
) -> Query:
    """Returns *sql* running on the server, with its schema known; on any failure nothing of it is left there.

    Where the server refused to execute it, so that it cannot have run, it is prepared once more.

    Args:
        sessions: Who asks.
        sql: One statement.
        scope: Bounds all of it, and holds the settings of the result.
        catalog: Where unqualified schemas are looked up.
        db_schema: Where unqualified tables are looked up.
        on_prepared: Told as soon as the query has an id.
        on_close: Told once the query is off the server.
        values: What the server binds to the `?` of *sql*, which takes a catalog.
        effort: The budget, where the query has no new one.
        kind: Makes the query of the arguments that `Query` has, where it is more than one.

    Raises:
        ProgrammingError: A value does not fit its parameter, or there is no catalog to bind it with.
        Error: A call failed, or the result is of an unknown kind.
    """
    if values and not catalog:
        raise errors.make(
            errors.Status.INVALID_STATE,
            "could not bind parameters on the server: there is no current catalog, and only calls with one take values",
            hint=f"set {ConnectionOptions.CURRENT_CATALOG.value!r}, or {TURN_OFF}",
        )
    effort = sessions.effort(scope) if effort is None else effort.within(scope)
    watch = sessions.transport.observer.execution(scope.parent)
    try:
        with scope.beneath(watch.parent):
            query = _open(
                sessions,
                sql,
                effort,
                watch,
                catalog,
                db_schema,
                on_prepared,
                on_close,
                values,
                kind or Query,
            )
    except BaseException as error:
        watch.end(error)
        raise
    query.watch_with(watch)
    return query


def _open(
    sessions: SessionManager,
    sql: str,
    effort: Effort,
    watch: Watch,
    catalog: str | None,
    db_schema: str | None,
    on_prepared: Callable[[Query], None],
    on_close: Callable[[Query], None],
    values: Sequence[pa.Scalar[Any]],
    kind: Callable[..., Query],
) -> Query:
    scope = effort.scope
    for is_last in (False, True):
        prepared = prepare(sessions, sql, effort, catalog=catalog, db_schema=db_schema)
        query = kind(prepared, sessions, scope.settings, on_close, scope.parent)
        watch.note(query_id=query.query_id, strategy=query.lease.route.colour)
        try:
            on_prepared(query)
            with scope.waking(query.cancel):
                query.start(effort, values)
            return query
        except Undecided as undecided:
            query.close()
            if is_last:
                error = refused_for_good(undecided.error, Failure.ANSWERED)
                execute = calls.EXECUTE_V2 if prepared.has_catalog else calls.EXECUTE
                raise errors.complete(error, rpc=execute.name, query_id=prepared.query_id) from None
            _prepare_again(sessions, query, undecided, effort)
        except BaseException:
            query.close()
            raise
    raise AssertionError("the last round returns or raises")


def _prepare_again(
    sessions: SessionManager, query: Query, undecided: Undecided, effort: Effort
) -> None:
    """Makes the next prepare worth trying after *query* was refused."""
    decision = undecided.decision
    assert isinstance(decision, PrepareAgain)  # noqa: S101 - `Query.start` has settled everything else
    _log.info("query %r was not executed, preparing again: %s", query.query_id, undecided.error)
    sessions.state.happening.count("queries_prepared_again")
    sessions.mend(undecided, decision.cause, query.lease, effort)
    effort.scope.pause(decision.seconds)
    effort.scope.check("execute the statement", query_id=query.query_id)


class Query:
    """A prepared query and, once started, the source of its raw responses.

    One thread at a time calls `start`, `read_metadata` and `next_response`; any thread may call `cancel` and `close`.
    After a failure the result stays failed: which rows the server already handed out cannot be known.
    """

    def __init__(
        self,
        prepared: Prepared,
        sessions: SessionManager,
        settings: Settings,
        on_close: Callable[[Query], None],
        parent: object = None,
    ) -> None:
        self.query_id = prepared.query_id
        self.schema = pa.schema([])
        #: What the metadata say about each column, and its vectors as far as they were looked at.
        self.columns: list[types.Column] = []
        self.shapes: list[types.Shape] | None = None
        self.announced_rows = -1
        self.options = StreamOptions.of(settings)
        self.lease = prepared.lease
        self._name = f"query {prepared.query_id!r}"
        self._prepared = prepared
        self._sessions = sessions
        self._settings = settings
        self._parent = parent
        self._scope = Scope(settings, parent)
        self._on_close = on_close
        self._pid = os.getpid()
        # Reading.
        self._fetcher = Fetcher(
            self.query_id,
            settings.result.protocol,
            self._scope,
            self,
            lambda seconds: sessions.effort(self._scope, seconds),
        )
        self._ahead: deque[Response] = deque()
        #: Whether the server named another session than the query was prepared in.
        self._has_moved = False
        #: The whole result, if one response holds it, or none was needed: then the query is being cleared already, and
        #: nobody has to read it through `next_response`.
        self.whole: list[Response] | None = None
        #: What went wrong with executing, if nobody knows whether the query runs.
        self._doubt: errors.Error | None = None
        # Closing.
        self._lock = threading.Lock()
        self._is_closing = False
        self._closed = threading.Event()
        self._watch = IGNORED
        self._failure: errors.Error | None = None
        #: Whether all of the result came, and what the server said then about how it made it, if the option asks.
        self._is_read = False
        self._wants_timings = bool(settings.get(DatabaseOptions.TIMINGS))
        self._timings: wire.ExplainAnalyzeResponse | None = None

    @property
    def engine_address(self) -> str:
        """Where the query is, as the server named it."""
        return self._prepared.engine

    @property
    def is_open(self) -> bool:
        """Whether the server still holds the query for us."""
        return not self._is_closing

    @property
    def rows_delivered(self) -> int:
        """The rows that the reader got so far."""
        stats = self._fetcher.stats
        return stats.rows_delivered if stats is not None else 0

    @property
    def rpc(self) -> str:
        """The method that fetches, for errors."""
        return self._fetcher.method.name

    @property
    def loss(self) -> errors.Error | None:
        """What the result failed with, if it has; behind it is what gRPC said."""
        return self._failure

    def watch_with(self, watch: Watch) -> None:
        """Takes the watch over the execution, which ends with the query."""
        self._watch = watch
        if self._closed.is_set():
            watch.end()

    def start(self, effort: Effort, values: Sequence[pa.Scalar[Any]] = ()) -> None:
        """Executes the query and waits until its schema is known.

        Args:
            effort: The budget of the user's call.
            values: What the server binds to its parameters; only a query that was prepared with a catalog has any.

        Raises:
            ProgrammingError: A value does not fit its parameter.
            Undecided: It was not executed, and has to be prepared anew.
            Error: A call failed, the metadata or a response is broken, or a column's type is unknown.
        """
        effort = effort.within(self._scope)
        rpc = (calls.EXECUTE_V2 if self._prepared.has_catalog else calls.EXECUTE).name
        try:
            try:
                self._execute(effort, values)
            except Undecided as undecided:
                if isinstance(undecided.decision, PrepareAgain):
                    raise
                self._settle(undecided, effort)
            fetches_ahead = self.options.prefetch > 0 and self._doubt is None
            # Both on their way together. Fetching consumes rows, but they are ours whatever the metadata say.
            also = self._fetcher.begin if fetches_ahead else None
            rpc = calls.RESULT_METADATA.name
            self.announced_rows, self.columns = self.read_metadata(effort, also)
            rpc = self.rpc
            self.schema = self._find_schema(self.columns)
            # A query that is to tell its times is cleared by whoever reads its end.
            if fetches_ahead and not self._wants_timings:
                self._read_if_small()
        except errors.Error as error:
            errors.complete(error, rpc=rpc, query_id=self.query_id)
            raise

    def _find_schema(self, columns: list[types.Column]) -> pa.Schema:
        """Returns the Arrow schema of the result, for which its first rows may be needed.

        Raises:
            Error: A call failed, or a column's type is unknown.
        """
        if types.needs_first_chunk(columns):
            self.shapes, ahead = look_ahead(
                self._fetcher,
                self._receive,
                columns,
                limit=_LOOK_AHEAD * self.options.queue_bytes,
            )
            self._ahead.extend(ahead)
        return types.result_schema(columns, self.shapes, layout=self._settings.result.layout)

    def _read_if_small(self) -> None:
        """Receives the result here, if it looks as if one response held it; no thread has to be started for that.

        How many rows are announced only says whether to look: what ends a result is its protocol.

        Raises:
            Error: It was cancelled. Any other failure is for the reader, after the rows that came before it.
        """
        try:
            if not self._ahead and 0 < self.announced_rows <= _SMALL_ROWS:
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

    def _execute(self, effort: Effort, values: Sequence[pa.Scalar[Any]]) -> None:
        verb = f"execute {self._name}"
        if not self._prepared.has_catalog:
            self._call(calls.EXECUTE, self._about(wire.ExecuteStatementRequest), verb, effort)
            return
        bound = self._bind(effort, values) if values else ()
        request = functools.partial(wire.ExecuteStatementV2Request, params=bound)
        self._call(calls.EXECUTE_V2, self._about(request), verb, effort)

    def _bind(self, effort: Effort, values: Sequence[pa.Scalar[Any]]) -> list[wire.ParameterValue]:
        verb = f"read the parameters of {self._name}"
        asked = self._call(
            calls.DYNAMIC_PARAMETERS, self._about(wire.GetDynamicParamsRequest), verb, effort
        )
        return answer(asked.params, values)

    def _settle(self, undecided: Undecided, effort: Effort) -> None:
        """Finds out whether the query runs, after its execute got no answer.

        Raises:
            OperationalError: Nobody can tell.
        """
        failure = undecided.error
        _log.warning("nobody knows whether %s runs: %s", self._name, failure)
        if not isinstance(undecided.decision, ReadStatus):
            raise self._in_doubt(failure) from failure
        try:
            status = self._call(
                calls.STATUS,
                self._about(wire.StatusRequest),
                f"read the status of {self._name}",
                effort,
            )
        except (errors.Error, Undecided) as error:
            self._scope.check(f"execute {self._name}", query_id=self.query_id)
            raise self._in_doubt(failure) from error
        # "Not finished" is what a query is that runs, but also one that never started: the first response tells.
        if not status.status:
            self._doubt = failure

    def _in_doubt(self, failure: errors.Error) -> errors.Error:
        self._sessions.state.happening.count("queries_in_doubt")
        known = failure.status_code in _OPERATIONAL
        return errors.make(
            failure.status_code if known else errors.Status.UNKNOWN,
            f"could not execute {self._name}: nobody knows whether it runs or ran;"
            f" {calls.server_text(failure) or 'the server gave no reason'}",
            hint="look it up by its id before running the statement again",
            query_id=self.query_id,
            sqlstate="08007",
            vendor_code=failure.vendor_code,
            details=[
                (AMBIGUOUS, b"true"),
                (errors.RETRYABLE, b"false"),
                *(item for item in failure.details if item[0] in {errors.RPC, errors.GRPC_CODE}),
            ],
        )

    def read_metadata(
        self, effort: Effort, also: Callable[[], None] | None = None
    ) -> tuple[int, list[types.Column]]:
        """Returns the announced number of rows, -1 where unknown, and the columns.

        Args:
            effort: The budget of the user's call.
            also: Done between asking and waiting for the answer.

        Raises:
            Error: The call failed.
            DataError: The metadata is broken.
        """
        from e6data_adbc import _native

        verb, method = f"read the result metadata of {self._name}", calls.RESULT_METADATA
        effort = effort.within(self._scope)
        request = self._about(wire.GetResultMetadataRequest)
        try:
            begun = self._begin(method, request, verb, effort)
            if also is not None:
                also()
            response = self._call(method, request, verb, effort, begun)
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
        request = self._about(wire.ExplainRequest)
        verb = f"explain {self._name}"
        return self._call(calls.EXPLAIN, request, verb, effort.within(self._scope)).explain

    def analyze(self, effort: Effort) -> wire.ExplainAnalyzeResponse:
        """Returns what the server says about how it ran the query, which has ended.

        Raises:
            Error: The call failed.
        """
        request = self._about(wire.ExplainAnalyzeRequest)
        verb = f"analyze {self._name}"
        return self._call(calls.EXPLAIN_ANALYZE, request, verb, effort.within(self._scope))

    def timings(self) -> wire.ExplainAnalyzeResponse | None:
        """Returns what the option for timings asked of the server; None where there is nothing.

        Any thread. After the end of the result it waits until the server has answered, as long as clearing may take.
        """
        if self._wants_timings and (self._is_read or self._is_closing):
            self._closed.wait(self._settings.rpc.clear_timeout)
        return self._timings

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
            self._sessions.transport.check_process(f"fetch from {self._name}")
            if self._ahead and not self._scope.is_cancelled:
                return self._ahead.popleft()
            self._fetcher.check()
            if not self._fetcher.has_ended:
                # Not where a response may name another session for the call after it.
                is_followed = not self._has_moved and self._fetcher.expects_more_than_next(
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

    def cancel(self) -> None:
        """Ends what is under way, on this side; `close` then ends it on the server. Returns at once."""
        self._scope.cancel()

    def close(self, timeout: float | None = None) -> None:
        """Clears the query on the server, once however often it is called; never raises.

        Args:
            timeout: Seconds that it may take; by default those of the option.
        """
        if os.getpid() != self._pid:
            return  # the parent's query, and perhaps the parent's locks
        limit = self._settings.rpc.clear_timeout if timeout is None else timeout
        with self._lock:
            is_first = not self._is_closing
            self._is_closing = True
        if not is_first:
            self._sessions.background.hurry()
            self._closed.wait(limit)
            return
        self._scope.cancel()
        self._fetcher.abandon()
        self._ahead = deque()
        if self._wants_timings and self._is_read:
            self._read_timings(limit)
        self._clear(self._sessions.effort(Scope(self._settings, self._parent), limit))

    def _read_timings(self, limit: float) -> None:
        """Asks for them, before the query is gone; a result without them is no failure."""
        effort = self._sessions.effort(Scope(self._settings, self._parent), limit)
        request = self._about(wire.ExplainAnalyzeRequest)
        try:
            self._timings = self._call(
                calls.EXPLAIN_ANALYZE, request, f"read the timings of {self._name}", effort
            )
        except (errors.Error, Undecided) as error:
            _log.warning("the timings of %s are not known: %s", self._name, error)

    def leave(self) -> bool:
        """Leaves the query to others: this object clears it no more. False if it is being cleared already."""
        with self._lock:
            if self._is_closing:
                return False
            self._is_closing = True
        self._fetcher.abandon()
        self._on_close(self)
        self._closed.set()
        self._watch.end()
        return True

    def _clear_later(self) -> None:
        """Clears the query, all of which is here, without waiting: the call is sent, its answer is for the background.

        Whoever calls `close` waits for that answer.
        """
        with self._lock:
            if self._is_closing:
                return
            self._is_closing = True
        effort = self._sessions.effort(
            Scope(self._settings, self._parent), self._settings.rpc.clear_timeout
        )
        request = self._about(wire.ClearOrCancelQueryRequest)
        begun = self._begin(calls.CLEAR_OR_CANCEL, request, f"clear {self._name}", effort)
        self._sessions.background.submit(functools.partial(self._end_clear, effort, begun))

    def _end_clear(
        self, effort: Effort, begun: Begun[wire.ClearOrCancelQueryResponse] | None
    ) -> None:
        if begun is not None and begun.has_succeeded():
            self._clear(effort, begun)
            return
        # Repeating takes time, which must not be that of the queries behind this one.
        clear = functools.partial(self._clear, effort, begun)
        try:
            threading.Thread(target=clear, name="e6data-clear", daemon=True).start()
        except RuntimeError:  # at exit: Python 3.12 and later start no thread then
            clear()

    def _clear(
        self, effort: Effort, begun: Begun[wire.ClearOrCancelQueryResponse] | None = None
    ) -> None:
        happening = self._sessions.state.happening
        try:
            self._call(
                calls.CLEAR_OR_CANCEL,
                self._about(wire.ClearOrCancelQueryRequest),
                f"clear {self._name}",
                effort,
                begun,
            )
        except errors.Error as error:
            happening.count("queries_uncleared")
            _log.warning("%s stays on the server until it expires: %s", self._name, error)
        else:
            happening.count("queries_cleared")
        finally:
            self._on_close(self)
            self._closed.set()
            self._watch.note(rows=self._fetcher.rows)
            self._watch.end(self._failure)

    def _receive(self, *, is_followed: bool = False) -> Response:
        """Returns the next response of any kind; notes what it says about the session."""
        try:
            response = self._fetcher.receive(is_followed=is_followed)
        except errors.Error as error:
            if error.status_code == errors.Status.CANCELLED:
                raise
            self._sessions.state.happening.count("results_incomplete")
            self._failure = error
            if self._doubt is None:
                raise
            raise self._in_doubt(self._doubt) from error
        self._doubt = None
        self._note(response.session_id, response.new_strategy)
        return response

    def begin_fetch(self, method: FetchMethod, verb: str, effort: Effort) -> Begun[bytes] | None:
        """See `Asking`."""
        request = self._about(wire.GetNextResultBatchRequest)
        return self._begin(method, request, verb, effort)

    def fetch(
        self,
        method: FetchMethod,
        verb: str,
        effort: Effort,
        begun: Begun[bytes] | None,
        arrived: Callable[[], None] | None,
    ) -> bytes:
        """See `Asking`."""
        request = self._about(wire.GetNextResultBatchRequest)
        return self._call(method, request, verb, effort, begun, arrived)

    def _begin(
        self,
        method: Method[calls.Q, calls.R],
        request: Callable[[], calls.Q],
        verb: str,
        effort: Effort,
    ) -> Begun[calls.R] | None:
        """Sends the first try of a call and does not wait; None if it cannot be sent, which `_call` tells why."""
        effort.begin(method)
        with contextlib.suppress(errors.Error):
            return self._sessions.begin_about(
                method, request, self.lease, effort, verb=verb, query_id=self.query_id
            )
        return None

    def _call(
        self,
        method: Method[calls.Q, calls.R],
        request: Callable[[], calls.Q],
        verb: str,
        effort: Effort,
        begun: Begun[calls.R] | None = None,
        arrived: Callable[[], None] | None = None,
    ) -> calls.R:
        """Returns the response of one call about this query, or an empty one where there was nothing left to do."""
        if begun is None:
            effort.begin(method)
        response = self._sessions.call_about(
            method,
            request,
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
            self._note(
                getattr(response, "sessionId", None), getattr(response, "new_strategy", None)
            )
        return response

    def _about(self, kind: Callable[..., calls.Q]) -> Callable[[], calls.Q]:
        """Returns what makes a request about this query; they all begin alike."""
        return lambda: kind(
            engineIP=self._prepared.engine,
            sessionId=self.lease.session_id,
            queryId=self.query_id,
        )

    def _note(self, session_id: str | None, new_strategy: str | None) -> None:
        before = self.lease.session_id
        self.lease.move(session_id)
        self._has_moved |= self.lease.session_id != before
        self._sessions.announce(self.lease, new_strategy)
