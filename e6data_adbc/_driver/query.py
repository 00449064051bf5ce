"""One query on the server, from execute to clear."""

from __future__ import annotations

import copy
import dataclasses
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from e6data_adbc import errors, types
from e6data_adbc._driver.prepared import Prepared, prepare
from e6data_adbc._session.manager import SessionManager, newest_session_id
from e6data_adbc._transport import calls
from e6data_adbc._transport.calls import Method, Signal
from e6data_adbc._transport.scope import Scope
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.options import ResultProtocol, Settings

if TYPE_CHECKING:
    from e6data_adbc._native import Response, StreamStats

__all__ = ["Query", "StreamOptions", "open_query"]

_log = logging.getLogger("e6data_adbc.query")

#: Between two asks for a V2 response when the server had nothing yet: this, doubled up to that.
_FIRST_PAUSE_SECONDS: Final = 0.010
_LONGEST_PAUSE_SECONDS: Final = 0.100


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
) -> Query:
    """Returns *sql* running on the server, with its schema known; on any failure nothing of it is left there.

    Args:
        sessions: Who asks.
        sql: One statement.
        scope: Bounds all of it, and holds the settings of the result.
        catalog: Where unqualified schemas are looked up.
        db_schema: Where unqualified tables are looked up.
        on_prepared: Told as soon as the query has an id.
        on_close: Told once the query is off the server.

    Raises:
        Error: A call failed, or the result is of an unknown kind.
    """
    prepared = prepare(sessions, sql, scope, catalog=catalog, db_schema=db_schema)
    query = Query(prepared, sessions, scope.settings, on_close)
    try:
        on_prepared(query)
        with scope.waking(query.cancel):
            query.start()
    except BaseException:
        query.close()
        raise
    return query


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
    ) -> None:
        self.query_id = prepared.query_id
        self.schema = pa.schema([])
        self.announced_rows = -1
        self.options = StreamOptions.of(settings)
        self._stats: StreamStats | None = None
        self._name = f"query {prepared.query_id!r}"
        self._prepared = prepared
        self._session_id = prepared.session_id
        self._sessions = sessions
        self._settings = settings
        self._scope = Scope(settings)
        self._on_close = on_close
        self._pid = os.getpid()
        # Reading.
        self._protocol = settings.result.protocol
        self._received = 0
        self._ahead: deque[Response] = deque()
        self._has_ended = False
        self._failure: errors.Error | None = None
        # Closing.
        self._lock = threading.Lock()
        self._is_closing = False
        self._closed = threading.Event()

    @property
    def is_open(self) -> bool:
        """Whether the server still holds the query for us."""
        return not self._is_closing

    @property
    def rows_delivered(self) -> int:
        """The rows that the reader got so far."""
        return self._stats.rows_delivered if self._stats is not None else 0

    def start(self) -> None:
        """Executes the query and waits until its schema is known.

        Raises:
            Error: A call failed, the metadata or a response is broken, or a column's type is unknown.
        """
        verb = f"execute {self._name}"
        if self._prepared.has_catalog:
            response = self._call(
                calls.EXECUTE_V2, self._about(wire.ExecuteStatementV2Request), verb
            )
        else:
            response = self._call(calls.EXECUTE, self._about(wire.ExecuteStatementRequest), verb)
        self._note(response.sessionId, response.new_strategy)
        self.announced_rows, columns = self.read_metadata()
        shapes = self._look_ahead(columns) if types.needs_first_chunk(columns) else None
        self.schema = types.result_schema(columns, shapes, layout=self._settings.result.layout)

    def read_metadata(self) -> tuple[int, list[types.Column]]:
        """Returns the announced number of rows, -1 where unknown, and the columns.

        Raises:
            Error: The call failed.
            DataError: The metadata is broken.
        """
        from e6data_adbc import _native

        verb = f"read the result metadata of {self._name}"
        response = self._call(
            calls.RESULT_METADATA, self._about(wire.GetResultMetadataRequest), verb
        )
        self._note(response.sessionId, response.new_strategy)
        try:
            rows, columns = _native.parse_metadata(response.resultMetaData)
        except _native.NativeDecodeError as error:
            raise errors.from_native(error, verb=verb) from error
        return max(rows, -1), columns

    def attach(self, stats: StreamStats) -> None:
        """Takes the counters of the stream that reads this query."""
        self._stats = stats

    def next_response(self) -> Response | None:
        """Returns the next response, or None at the end; blocks.

        Raises:
            Error: A call failed or a response is broken, now or before; or the query was cancelled or closed.
        """
        if self._failure is not None:
            raise copy.copy(self._failure)
        self._scope.check(f"fetch from {self._name}", query_id=self.query_id)
        ahead = self._ahead
        if ahead:
            return ahead.popleft()
        if self._has_ended:
            return None
        response = self._receive()
        return None if self._is_marker(response) else response

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
            self._closed.wait(limit)
            return
        self._scope.cancel()
        self._ahead = deque()
        try:
            self._clear(limit)
        finally:
            self._on_close(self)
            self._closed.set()

    def _clear(self, timeout: float) -> None:
        try:
            response = self._sessions.transport.call(
                calls.CLEAR_OR_CANCEL,
                self._about(wire.ClearOrCancelQueryRequest),
                self._prepared.headers,
                Scope(self._settings),
                verb=f"clear {self._name}",
                query_id=self.query_id,
                timeout=timeout,
            )
            self._sessions.announce(response.new_strategy)
        except errors.Error as error:
            # The server does not know it, or its whole deployment is gone: then it is as good as cleared.
            if calls.signal(error) not in {Signal.UNKNOWN_QUERY, Signal.WRONG_STRATEGY}:
                _log.warning("%s stays on the server until it expires: %s", self._name, error)

    def _look_ahead(self, columns: list[types.Column]) -> list[types.Shape] | None:
        """Fetches until every column's type is decided; keeps the responses for the reader.

        Returns:
            What the chunks tell about each column; None where there was no chunk. A decimal that is null as far as
            the look-ahead may go (`queue_bytes`) stays without a scale.
        """
        from e6data_adbc import _native

        shapes: list[types.Shape] | None = None
        held = 0
        while not self._has_ended and held < self.options.queue_bytes:
            response = self._receive()
            try:
                chunks = response.probe()
            except _native.NativeDecodeError as error:
                raise errors.from_native(
                    error,
                    verb=f"read response {self._received} of {self._name}",
                    columns=[column[0] for column in columns],
                ) from error
            for _, vectors in chunks:
                # Another number of vectors is an empty chunk without any, or an error that decoding reports.
                if len(vectors) == len(columns):
                    shapes = _merge(columns, shapes, vectors)
            if not self._is_marker(response):
                self._ahead.append(response)
                held += response.nbytes
            if shapes and not any(map(types.is_open, columns, shapes)):
                break
        return shapes

    def _receive(self) -> Response:
        """Returns the next response of any kind; notes what it says about session and end."""
        try:
            response = self._fetch()
        except errors.Error as error:
            self._failure = error
            raise
        except BaseException as interrupt:
            # The server may have handed out rows that nobody received.
            self._failure = errors.make(
                errors.Status.CANCELLED,
                f"could not fetch from {self._name}: {type(interrupt).__name__} interrupted it",
                query_id=self.query_id,
            )
            raise
        self._received += 1
        self._has_ended = response.end_of_stream
        return response

    def _is_marker(self, response: Response) -> bool:
        """Tells whether *response*, just received, has no rows by its protocol: V1 ends with such a one."""
        return self._protocol is ResultProtocol.V1 and response.end_of_stream

    def _fetch(self) -> Response:
        if self._protocol is not ResultProtocol.V1:
            try:
                return self._fetch_v2()
            except errors.Error as error:
                is_unknown_method = calls.signal(error) is Signal.UNIMPLEMENTED
                if not is_unknown_method or self._protocol is ResultProtocol.V2:
                    raise
                # The server says so before it advances: nothing is lost by asking the other way, for good.
                self._protocol = ResultProtocol.V1
        return self._fetch_one(calls.FETCH, 1)

    def _fetch_v2(self) -> Response:
        """Asks until there is a chunk or the end; the limit of one fetch bounds all asking together."""
        limit = self._settings.rpc.fetch_timeout
        deadline = time.monotonic() + limit
        pause = _FIRST_PAUSE_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            response = self._fetch_one(calls.FETCH_V2, 2, timeout=left)
            if response.chunk_count or response.end_of_stream:
                return response
            self._scope.pause(min(pause, left))
            self._scope.check(f"fetch from {self._name}", query_id=self.query_id)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        raise errors.make(
            errors.Status.TIMEOUT,
            f"could not fetch from {self._name}: no rows came for {limit:g} s",
            hint=f"raise {calls.FETCH_V2.limit.value}",
            query_id=self.query_id,
        )

    def _fetch_one(
        self,
        method: Method[wire.GetNextResultBatchRequest, bytes],
        version: int,
        timeout: float | None = None,
    ) -> Response:
        from e6data_adbc import _native

        verb = f"fetch response {self._received + 1} of {self._name}"
        request = self._about(wire.GetNextResultBatchRequest)
        data = self._call(method, request, verb, timeout=timeout)
        try:
            response = _native.Response(data, version)
        except _native.NativeDecodeError as error:
            raise errors.from_native(error, verb=verb) from error
        self._note(response.session_id, response.new_strategy)
        return response

    def _call(
        self,
        method: Method[calls.Q, calls.R],
        request: Callable[[], calls.Q],
        verb: str,
        timeout: float | None = None,
    ) -> calls.R:
        return self._sessions.transport.call(
            method,
            request,
            self._prepared.headers,
            self._scope,
            verb=verb,
            query_id=self.query_id,
            timeout=timeout,
        )

    def _about(self, kind: Callable[..., calls.Q]) -> Callable[[], calls.Q]:
        """Returns what makes a request about this query; they all begin alike."""
        return lambda: kind(
            engineIP=self._prepared.engine, sessionId=self._session_id, queryId=self.query_id
        )

    def _note(self, session_id: str | None, new_strategy: str | None) -> None:
        self._session_id = newest_session_id(self._session_id, session_id)
        self._sessions.announce(new_strategy)


def _merge(
    columns: list[types.Column], known: list[types.Shape] | None, new: list[types.Shape]
) -> list[types.Shape]:
    """Returns *known*, with the columns that it leaves open as *new* has them."""
    if known is None:
        return new
    return [
        later if types.is_open(column, earlier) else earlier
        for column, earlier, later in zip(columns, known, new, strict=True)
    ]
