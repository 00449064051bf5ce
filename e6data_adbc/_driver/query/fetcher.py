"""Fetching: the responses of one result, each asked for once."""

from __future__ import annotations

import contextlib
import copy
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from e6data_adbc import errors
from e6data_adbc._driver.query.query_handle import QueryHandle
from e6data_adbc._session.beginning import Beginning
from e6data_adbc._session.bound_call import BoundCall, Journey
from e6data_adbc._session.retry.effort import Effort
from e6data_adbc._transport import failures, methods
from e6data_adbc._transport.api import Course, Opened, Usual
from e6data_adbc._transport.failures import Signal
from e6data_adbc._transport.methods import Method
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import PendingCall
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.options import ResultProtocol

if TYPE_CHECKING:
    from e6data_adbc._native import Response, StreamStats

__all__ = ["INCOMPLETE", "ROWS_DELIVERED", "Fetcher"]

#: Details of an error: whether a result broke off, and the rows that its reader has by then.
INCOMPLETE: Final = "e6data.incomplete"
ROWS_DELIVERED: Final = "e6data.rows_delivered"

#: Between two asks for a V2 response when the server had nothing yet: this, doubled up to that.
_FIRST_PAUSE_SECONDS: Final = 0.010
_LONGEST_PAUSE_SECONDS: Final = 0.100

FetchMethod = Method[wire.GetNextResultBatchRequest, bytes]


class Fetcher:
    """The way of one result from the server; one thread at a time uses it.

    A call consumes the rows that it brings. So after a failure the result stays failed: which rows the server had
    handed out already cannot be known.
    """

    def __init__(
        self,
        handle: QueryHandle,
        protocol: ResultProtocol,
        scope: Scope,
    ) -> None:
        """Asks for nothing yet.

        Args:
            handle: The query.
            protocol: How it travels.
            scope: Cancels it.
        """
        self._query_id = handle.query_id
        self.name = handle.name
        self._protocol = protocol
        self._scope = scope
        self._handle = handle
        #: The next call, once it is sent and until somebody waits for it: whoever takes it out.
        self._begun: list[PendingCall[bytes]] = []
        #: What came before anybody received it here.
        self._arrived: deque[Response] = deque()
        #: The course that is under way, if one is: whoever takes it out.
        self._journeys: list[Journey[bytes]] = []
        self._limit = scope.settings.rpc.fetch_timeout
        #: How the next response is asked for, at first.
        self.method: FetchMethod = (
            methods.FETCH if protocol is ResultProtocol.V1 else methods.FETCH_V2
        )
        #: The method that fetches, bound to the query.
        self._bound: BoundCall[bytes] | None = None
        self._failure: errors.Error | None = None
        #: The counters of the stream that reads the result.
        self.stats: StreamStats | None = None
        #: How many responses came, their rows, and the most rows that one of them had.
        self.received = 0
        self.rows = self._most_rows = 0
        self.has_ended = False

    def check(self) -> None:
        """Raises the failure of the result, if it has failed; or CANCELLED."""
        if self._failure is not None:
            raise copy.copy(self._failure)
        if self._scope.is_cancelled:
            self._scope.check(f"fetch from {self.name}", query_id=self._query_id)

    def fail(self, failure: errors.Error) -> None:
        """Makes *failure* that of the result, for good."""
        self._failure = failure

    def begin_result(self, effort: Effort, *, small_rows: int) -> Beginning:
        """Returns how far native code came with executing the query and its metadata; its responses are received here.

        Args:
            effort: Bounds both.
            small_rows: A result of so many rows, or fewer, is asked for to its end.
        """
        usual = self._usual(-1, is_followed=False)
        begun = self._handle.begin_result(
            *(self._call(), self._verb_of, usual, effort),
            fetch_seconds=self._limit,
            small_rows=small_rows,
        )
        return self._take_over(begun)

    def adopt_result(self, opened: Opened, effort: Effort) -> Beginning:
        """Returns what was *opened* of the result by a shortcut; its responses are received here.

        Args:
            opened: That.
            effort: Bounds execute and metadata.
        """
        limit = self._limit
        begun = self._handle.adopt_result(
            self._call(), self._verb_of, opened, effort, fetch_seconds=limit
        )
        return self._take_over(begun)

    def _take_over(self, begun: Beginning) -> Beginning:
        self._arrived.extend(begun.responses)
        if begun.fetch is not None:
            self._begun.append(begun.fetch)
        return begun

    def _usual(self, announced_rows: int, *, is_followed: bool) -> Usual:
        return Usual(
            protocol=1 if self._protocol is ResultProtocol.V1 else 2,
            session=self._handle.session_named,
            strategy=self._handle.announced,
            missing_rows=announced_rows - self.rows,
            most_rows=self._most_rows,
            is_followed=is_followed,
            seconds=None,
        )

    def begin(self) -> None:
        """Sends the first call; `receive` then waits for its answer."""
        self._send(1)

    def _send(self, number: int) -> None:
        """Sends the call for response *number*; where it cannot be sent, the wait for it tells why."""
        with contextlib.suppress(errors.Error):
            begun = self._call().start(self._scope, self._limit, self._verb_of(number))
            self._begun.append(begun)

    def _follow(self) -> None:
        """Asks for the response after the one that has arrived, if the stream has room for both."""
        if self.stats is not None and self.stats.has_room:
            self._send(self.received + 2)

    def _call(self) -> BoundCall[bytes]:
        """Returns the method that fetches, bound to the query once."""
        if self._bound is None:
            self._bound = self._handle.bind(self.method)
        return self._bound

    def expects_more_than_next(self, announced_rows: int) -> bool:
        """Tells whether rows will be missing after the next response, if that is no larger than those before it."""
        return 0 < self._most_rows < announced_rows - self.rows

    def course(self, announced_rows: int, *, is_followed: bool) -> Course | None:
        """Returns how the responses from here on come without Python; None where they do not.

        Whoever it is for calls `rejoin` before anything else is asked of this object.

        Args:
            announced_rows: The rows of the result; -1 where unknown.
            is_followed: See `receive`; here for all responses.
        """
        if self._failure is not None or self._scope.is_cancelled or self.has_ended:
            return None
        if self._arrived:
            return None
        usual = self._usual(announced_rows, is_followed=is_followed)
        begun = self._take_begun()
        journey = None
        try:
            # A token that cannot be had is for the next call to report.
            with contextlib.suppress(errors.Error):
                verb = self._verb_of(self.received + 1)
                journey = self._handle.course(
                    self._call(), usual, self._scope, self._limit, verb, begun
                )
        finally:
            if journey is None and begun is not None:
                self._begun.append(begun)
        if journey is None:
            return None
        self._journeys.append(journey)
        return journey.course

    def rejoin(self) -> None:
        """Takes what came by the course, and the call that is left of it."""
        try:
            journey = self._journeys.pop()
        except IndexError:
            return
        responses, rows, most_rows, left = journey.leave()
        self.received += responses
        self.rows += rows
        self._most_rows = max(self._most_rows, most_rows)
        if left is not None:
            self._begun.append(journey.adopt(left, self._verb_of(self.received + 1)))

    def abandon(self) -> None:
        """Takes the end of a call that nobody waited for: gRPC keeps a call until then. Its scope is cancelled."""
        self.rejoin()
        begun = self._take_begun()
        if begun is not None:
            begun.has_succeeded()

    def _take_begun(self) -> PendingCall[bytes] | None:
        try:
            return self._begun.pop()
        except IndexError:
            return None

    def receive(self, *, is_followed: bool = False) -> Response:
        """Returns the next response of any kind; blocks.

        Args:
            is_followed: Ask for the one after it as soon as it has arrived, before its bytes are copied, if the stream
                has room for both. The answer is complete then: the server is never asked twice at a time.

        Raises:
            Error: A call failed or a response is broken. From then on the result is failed.
        """
        try:
            arrived = self._arrived
            response = arrived.popleft() if arrived else self._fetch(is_followed=is_followed)
        except errors.Error as error:
            self._failure = self._incomplete(error)
            raise
        except BaseException as interrupt:
            # The server may have handed out rows that nobody received.
            self._failure = errors.make(
                errors.Status.CANCELLED,
                f"could not fetch from {self.name}: {type(interrupt).__name__} interrupted it",
                query_id=self._query_id,
            )
            raise
        self.received += 1
        rows = response.row_count
        self.rows += rows
        self._most_rows = max(self._most_rows, rows)
        self.has_ended = response.end_of_stream
        return response

    def is_marker(self, response: Response) -> bool:
        """Tells whether *response*, just received, has no rows by its protocol: V1 ends with such a one."""
        return self._protocol is ResultProtocol.V1 and response.end_of_stream

    def _incomplete(self, error: errors.Error) -> errors.Error:
        """Returns *error*, which says by now what had come before it."""
        if error.status_code != errors.Status.CANCELLED:
            rows = 0 if self.stats is None else self.stats.rows_delivered
            batches = 0 if self.stats is None else self.stats.batches_delivered
            note = (
                f"the result is incomplete: {self.received} responses had come, of which {rows} rows in"
                f" {batches} batches are delivered"
            )
            so_far = [(INCOMPLETE, b"true"), (ROWS_DELIVERED, str(rows).encode())]
            errors.amend(error, note=note, details=so_far)
        return error

    def _fetch(self, *, is_followed: bool) -> Response:
        if self._protocol is not ResultProtocol.V1:
            response = self._fetch_v2_if_known(is_followed=is_followed)
            if response is not None:
                return response
            # The server says so before it advances: nothing is lost by asking the other way, for good.
            self._protocol, self.method = ResultProtocol.V1, methods.FETCH
            self._bound = None
        return self._fetch_one(self._limit, is_followed=is_followed)

    def _fetch_v2_if_known(self, *, is_followed: bool) -> Response | None:
        """Returns the next response in V2; None where V1 is allowed and the server does not know V2.

        It has to say that twice, as a request that was cut on the way gets such an answer, too: from grpcio's servers
        in known words, from others perhaps in others. Either way the server has not advanced.
        """
        method = methods.FETCH_V2
        for is_last in (self._handle.is_missing(method), True):
            try:
                return self._fetch_v2(is_followed=is_followed)
            except errors.Error as error:  # noqa: PERF203 - a round trip costs more
                if self._protocol is ResultProtocol.V2:
                    raise
                meaning = failures.signal(error)
                if is_last and meaning is Signal.UNIMPLEMENTED:
                    break
                if is_last or meaning not in (Signal.UNIMPLEMENTED, Signal.CUT_REQUEST):
                    raise
        self._handle.note_missing(method)
        return None

    def _fetch_v2(self, *, is_followed: bool) -> Response:
        """Asks until there is a chunk or the end; the limit of one fetch bounds all asking together."""
        deadline = time.monotonic() + self._limit
        pause = _FIRST_PAUSE_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            response = self._fetch_one(left, is_followed=is_followed)
            if response.chunk_count or response.end_of_stream:
                return response
            is_followed = False
            if self._begun:
                continue  # asked again already
            self._scope.pause(min(pause, left))
            self._scope.check(f"fetch from {self.name}", query_id=self._query_id)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        raise errors.make(
            errors.Status.TIMEOUT,
            f"could not fetch from {self.name}: no rows came for {self._limit:g} s",
            hint=f"raise {methods.FETCH_V2.limit.value}",
            query_id=self._query_id,
            sqlstate="HYT00",
        )

    def _verb_of(self, number: int) -> str:
        return f"fetch response {number} of {self.name}"

    def _fetch_one(self, seconds: float, *, is_followed: bool) -> Response:
        from e6data_adbc import _native

        verb = self._verb_of(self.received + 1)
        follow = self._follow if is_followed else None
        bound, begun = self._call(), self._take_begun()
        data = self._handle.fetch(bound, begun, self._scope, seconds, verb, follow)
        try:
            return _native.Response(data, 1 if self._protocol is ResultProtocol.V1 else 2)
        except _native.NativeDecodeError as error:
            raise errors.from_native(error, verb=verb) from error
