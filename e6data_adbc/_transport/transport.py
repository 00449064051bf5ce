"""The calls of one database over its channel: checked, watched, counted, and their failures made errors."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from typing import Any, Final, Generic

from google.protobuf.message import DecodeError

from e6data_adbc import errors
from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import RpcSettings
from e6data_adbc._transport import failures
from e6data_adbc._transport.api import (
    Call,
    Calls,
    Channel,
    Code,
    Course,
    Opened,
    Opening,
    Plan,
    Rpc,
    RpcFailure,
    Shortcut,
    Usual,
)
from e6data_adbc._transport.channels import open_channel
from e6data_adbc._transport.forking import OPEN_CALLS
from e6data_adbc._transport.headers import LONGEST_PLANNER, Headers, size_problem
from e6data_adbc._transport.heartbeat import Heartbeat
from e6data_adbc._transport.methods import HEALTH_CHECK, R
from e6data_adbc._transport.observer import IGNORED, TRACE_PARENT_HEADER, Observer, Watch
from e6data_adbc._transport.proxies import proxy_of
from e6data_adbc._transport.scope import Scope

__all__ = ["Answered", "PendingCall", "Transport"]

#: How long a sign of life may take.
_HEARTBEAT_SECONDS: Final = 10.0

#: Of how many headers it is remembered that they are sound: a cluster has a few planners in two colours.
_MOST_SOUND_HEADERS: Final = 256


class PendingCall(Generic[R]):
    """One call under way. One thread at a time waits for it; any thread may `cancel`.

    Attributes:
        call: What was sent.
        started: When, by the monotonic clock.
    """

    __slots__ = (
        "_failure",
        "_response",
        "_rpc",
        "_scope",
        "_transport",
        "_watch",
        "call",
        "started",
    )

    def __init__(
        self, call: Call[R], rpc: Rpc, transport: Transport, scope: Scope, watch: Watch
    ) -> None:
        self.call = call
        self.started = time.monotonic()
        self._rpc = rpc
        self._transport = transport
        self._scope = scope
        self._watch = watch
        self._response: R | None = None
        self._failure: errors.Error | None = None

    def cancel(self) -> None:
        """Ends the call; a blocked `result` fails at once."""
        self._rpc.cancel()

    @property
    def rpc(self) -> Rpc:
        """What waits for the answer."""
        return self._rpc

    def let_go(self) -> None:
        """Takes the call out of its scope and off the heartbeat: it has ended, or somebody else waits for it."""
        self._scope.remove(self.cancel)
        self._transport.heartbeat.waiting.pop(self, None)
        OPEN_CALLS.discard(self)

    def has_succeeded(self) -> bool:
        """Waits for the answer, and tells whether it is one; `result` then does not wait."""
        if self._response is None and self._failure is None:
            try:
                self._response = self.result()
            except errors.Error as error:
                # Without its frames: they hold this call, and with it all that waited for it.
                self._failure = error.with_traceback(None)
        return self._failure is None

    def result(self, arrived: Callable[[], None] | None = None) -> R:
        """Returns the response; blocks until it is whole.

        Args:
            arrived: See `Rpc.receive`.

        Raises:
            Error: The call failed, passed its deadline or was cancelled.
        """
        if self._failure is not None:
            raise self._failure
        if self._response is not None:
            return self._response
        try:
            answer = self._rpc.receive(arrived)
            if not isinstance(answer, bytes):
                raise self._error_of(answer)
            response = self.call.method.decode(answer)
        except DecodeError:
            error = self._broken("answered what does not parse")
            self._watch.end(error)
            try:
                raise error from error.__cause__
            finally:
                del error
        except errors.Error as error:
            self._watch.end(error)
            raise
        except BaseException as interrupt:  # which leaves no call behind
            self._rpc.cancel()
            self._watch.end(interrupt)
            raise
        finally:
            self.let_go()
        if self._watch is not IGNORED:
            self._watch.end()
        return response

    # Whoever raises an error holds it in no variable: its traceback leads there, and both would be the garbage
    # collector's.

    def _error_of(self, failure: RpcFailure | None) -> errors.Error:
        if failure is None:
            return self._broken("did not answer with exactly one message")
        error = self._transport.error_of(failure, self.call, self._scope)
        error.__cause__ = failure
        return error

    def _broken(self, cause: str) -> errors.Error:
        error, evidence = failures.broken_answer(self.call, cause)
        error.__cause__ = evidence
        return error


class Answered:
    """A call whose answer is here already."""

    __slots__ = ("_answer",)

    def __init__(self, answer: bytes | RpcFailure | None) -> None:
        self._answer = answer

    def receive(self, arrived: Callable[[], None] | None = None) -> bytes | RpcFailure | None:
        """Returns the answer."""
        del arrived
        return self._answer

    def cancel(self) -> None:
        """Does nothing: the call has ended."""


class Transport:
    """Makes the calls of one database over its channel; safe to use from any thread of the process that made it.

    Attributes:
        endpoint: The server.
        proxy: The proxy of the environment that the connection goes through, as `host:port`.
        observer: Told of each call.
        missing: The methods that a deployment does not have, as `(colour, path)`; any thread may add one.
        heartbeat: Keeps the server from taking a silent connection for abuse.
    """

    def __init__(self, endpoint: Endpoint, limits: RpcSettings) -> None:
        """Opens nothing yet.

        Args:
            endpoint: The server.
            limits: The size of messages and the time to connect; the times of calls come with each call.

        Raises:
            ProgrammingError: The trusted certificates are not PEM.
        """
        self.endpoint = endpoint
        self.proxy = proxy_of(endpoint.host)
        self.observer = Observer()
        self.missing: set[tuple[str, str]] = set()
        self._pid = os.getpid()
        self._connect_timeout = limits.connect_timeout
        self._is_closed = False
        #: Headers that are known to be no larger than proxies take, as most calls have those of calls before them.
        self._sound_headers: set[Headers] = set()
        self._channel: Channel = open_channel(endpoint, limits)
        self.heartbeat = Heartbeat(self._beat, tend=self._channel.tend)

    def call(self, call: Call[R], scope: Scope) -> R:
        """Returns the response of *call*. See `start`."""
        return self.start(call, scope).result()

    def start(self, call: Call[R], scope: Scope) -> PendingCall[R]:
        """Returns *call*, sent.

        Args:
            call: What to send.
            scope: Cancels it.

        Raises:
            Error: The scope is cancelled, or the transport is closed.
        """
        if self._is_closed or os.getpid() != self._pid:
            self._check_usable(call.verb)
        if scope.is_cancelled:
            scope.check(call.verb, query_id=call.query_id)
        watch = IGNORED
        if scope.parent is not None or not self.observer.only_hands_on:
            watch = self.observer.call(call.method.path, scope.parent, call.query_id)
        try:
            if watch.headers:
                call = _traced(call, watch)
            problem = self._size_problem(call)
            if problem is not None:
                raise _too_large(call, problem)
            rpc = self._channel.start(call)
            if rpc is None:
                raise self._closed(f"call {call.method.path!r}")
        except BaseException as error:
            watch.end(error)
            raise
        pending = PendingCall(call, rpc, self, scope, watch)
        if self._channel.minds_forks:
            OPEN_CALLS.add(pending)
        heartbeat = self.heartbeat
        heartbeat.waiting[pending] = pending.started
        if not heartbeat.is_running:
            heartbeat.start()
        scope.add(pending.cancel)
        return pending

    def course(
        self, call: Call[Any], scope: Scope, usual: Usual, begun: PendingCall[Any] | None
    ) -> Course | None:
        """Returns a course of *call*; None where each call has to be made here. Whoever leaves it calls `leave`.

        Args:
            call: What to send again and again; its headers are those of a call that was sent.
            scope: Cancels it.
            usual: What ends it if it is not so.
            begun: The first call, which is the course's from then on.
        """
        headers = self.observer.headers_unseen(scope.parent)
        if headers is None or self._is_closed or os.getpid() != self._pid:
            return None
        if headers:
            call = dataclasses.replace(call, headers=call.headers + headers)
        course = self._channel.course(call, usual, None if begun is None else begun.rpc)
        if course is None:
            return None
        if begun is not None:
            begun.let_go()
        self.heartbeat.courses[course] = None
        if not self.heartbeat.is_running:
            self.heartbeat.start()
        scope.add(course.cancel)
        return course

    def open(self, calls: Calls, scope: Scope, usual: Usual) -> Opened | None:
        """Makes the *calls* that begin a result as far as native code can, and returns how far that was; blocks.

        None where none was sent, and each call has to be made here.

        Args:
            calls: What to send.
            scope: Cancels it.
            usual: What ends it if it is not so.
        """
        if self._is_closed or os.getpid() != self._pid or scope.is_cancelled:
            return None
        if self.observer.headers_unseen(scope.parent) != ():
            return None
        if self._size_problem(calls.execute) is not None:  # all have the same metadata
            return None
        opening = self._channel.opening(calls, usual)
        return None if opening is None else self.run(opening, scope)

    def shortcut(self, plan: Plan) -> Shortcut | None:
        """Returns the calls of the queries of *plan*, for `run`; None where each call has to be made here."""
        if self._is_closed or os.getpid() != self._pid:
            return None
        if size_problem((*plan.headers, (plan.planner_header, LONGEST_PLANNER))) is not None:
            return None
        return self._channel.shortcut(plan)

    def run(self, opening: Opening, scope: Scope) -> Opened:
        """Makes the calls of *opening*, which *scope* cancels, and returns how far that was; blocks."""
        courses = self.heartbeat.courses
        courses[opening] = None
        if not self.heartbeat.is_running:
            self.heartbeat.start()
        scope.add(opening.cancel)
        try:
            return opening.run()
        finally:
            scope.remove(opening.cancel)
            courses.pop(opening, None)

    def leave(self, course: Course, scope: Scope) -> tuple[int, int, int, Rpc | None]:
        """Ends *course* in *scope*; see `Course.leave`."""
        scope.remove(course.cancel)
        self.heartbeat.courses.pop(course, None)
        return course.leave()

    def adopt(self, rpc: Rpc, call: Call[R], scope: Scope) -> PendingCall[R]:
        """Returns *rpc*, which is *call* and was left by a course or an opening, as a call of *scope*."""
        pending = PendingCall(call, rpc, self, scope, IGNORED)
        self.heartbeat.waiting[pending] = pending.started
        scope.add(pending.cancel)
        return pending

    def error_of(self, failure: RpcFailure, call: Call[Any], scope: Scope) -> errors.Error:
        """Returns the error for a failed *call*; raise it `from` *failure*."""
        if failures.signal(failure) is failures.Signal.UNREACHABLE:
            return failures.unreachable(
                failure,
                call.method,
                endpoint=self.endpoint,
                connect_timeout=self._connect_timeout,
                proxy=self.proxy,
            )
        if self._is_closed and failure.code is Code.CANCELLED:
            return failures.with_evidence(self._closed(call.verb), call.method)
        return failures.error_of(failure, call, scope=scope, proxy=self.proxy)

    def close(self) -> None:
        """Closes the connection; calls still open fail. In a forked child it leaves the parent's socket alone."""
        self._is_closed = True
        if os.getpid() == self._pid:
            self.heartbeat.close()
            self._channel.close()

    def check_process(self, verb: str) -> None:
        """Raises INVALID_STATE in a process other than the one that opened the transport."""
        if os.getpid() != self._pid:
            raise errors.make(
                errors.Status.INVALID_STATE,
                f"could not {verb}: the connection was opened before this process was forked",
                hint="connect again in this process",
            )

    def _beat(self) -> None:
        """Makes the server send something; what it says is of no interest, an error is as good as an answer."""
        call = Call(HEALTH_CHECK, bytes, (), _HEARTBEAT_SECONDS, "give a sign of life")
        if self._channel.minds_forks:
            OPEN_CALLS.add(call)
        rpc = self._channel.start(call)
        if rpc is not None:
            rpc.receive()
        OPEN_CALLS.discard(call)

    def _check_usable(self, verb: str) -> None:
        self.check_process(verb)
        if self._is_closed:
            raise self._closed(verb)

    def _closed(self, verb: str) -> errors.Error:
        return errors.make(
            errors.Status.INVALID_STATE, f"could not {verb}: the connection is closed"
        )

    def _size_problem(self, call: Call[Any]) -> str | None:
        """Returns what is too large about the metadata of *call*, or None."""
        if call.secret is None and call.headers in self._sound_headers:
            return None
        problem = size_problem(call.headers, call.secret)
        if problem is None:
            if len(self._sound_headers) >= _MOST_SOUND_HEADERS:
                self._sound_headers = set()
            self._sound_headers.add(call.headers)
        return problem


def _too_large(call: Call[Any], problem: str) -> errors.Error:
    return errors.make(
        errors.Status.INVALID_ARGUMENT,
        f"could not send the metadata of {call.method.path!r}: {problem}",
        hint="send less: proxies end the whole connection for larger ones, and all calls on it",
    )


def _traced(call: Call[R], watch: Watch) -> Call[R]:
    """Returns *call* with what tells the server the trace, unless the user's signer does so."""
    if call.secret is not None and TRACE_PARENT_HEADER in dict(call.secret.reveal()):
        return call
    return dataclasses.replace(call, headers=call.headers + watch.headers)
