"""Bringing a suspended cluster back: the conversations of `resume` carried out."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from typing import Final

from e6data_adbc import errors
from e6data_adbc._session.endpoint import EndpointState
from e6data_adbc._session.login.identity import Identity
from e6data_adbc._session.resume import script
from e6data_adbc._session.resume.audience import Progress
from e6data_adbc._session.resume.script import (
    Activate,
    CallResume,
    CallStatus,
    Done,
    Failed,
    Reply,
    Why,
)
from e6data_adbc._session.retry.decide import Repeats, RetryAfter
from e6data_adbc._session.retry.effort import Effort, mark_final, outcome_of
from e6data_adbc._session.retry.failure import Failure
from e6data_adbc._session.retry.retry_table import row
from e6data_adbc._transport import failures, methods
from e6data_adbc._transport.api import Call
from e6data_adbc._transport.headers import make_headers
from e6data_adbc._transport.methods import Method, Q, R
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import Transport
from e6data_adbc.options import DatabaseOptions

__all__ = ["Progress", "Resumer"]

_log = logging.getLogger("e6data_adbc.resume")

Talk = Generator[script.Command, Reply, None]

_MORE_TIME: Final = (
    f"raise {DatabaseOptions.RESUME_TIMEOUT.value},"
    " or run `e6data-adbc cluster resume --timeout SECONDS`"
)
#: What to do next where a cluster did not come back.
_NEXT: Final = {
    Why.LIMIT: _MORE_TIME,
    Why.STILL_REFUSED: _MORE_TIME,
    Why.CLUSTER_FAILED: "whoever runs the cluster can see why; `e6data-adbc cluster resume` tries again",
}


class Resumer:
    """Resumes one endpoint's cluster, once for all threads of the process; any thread may use it."""

    def __init__(self, transport: Transport, state: EndpointState, identity: Identity) -> None:
        self._transport = transport
        self._state = state
        self._identity = identity
        #: The user's callable, told of every resume that a call of this database waits for.
        self.on_progress: Progress | None = None
        self._verb = f"resume the cluster at {transport.endpoint.target!r}"

    def begin(self, effort: Effort) -> Talk:
        """Returns the conversation of a call that met the suspension."""
        limit = min(
            effort.scope.settings.get(DatabaseOptions.RESUME_TIMEOUT), max(effort.total_left, 0.0)
        )
        _log.info("%s is suspended", self._transport.endpoint.target)
        return script.recovery(limit=limit, rng=self._state.rng, now=time.monotonic())

    def follow(self, talk: Talk, scope: Scope, refusal: str | None) -> None:
        """Follows *talk* until the call should be tried again.

        Args:
            talk: What `begin` returned.
            scope: Of the call.
            refusal: What the server said when the call was tried again; None the first time.

        Raises:
            OperationalError: The cluster did not come back.
        """
        command = (
            next(talk) if refusal is None else talk.send(Reply(time.monotonic(), text=refusal))
        )
        while True:
            ended: Done | Failed | None = None
            match command:
                case script.TryAgain():
                    return
                case script.Sleep(seconds):
                    self._sleep(seconds, scope)
                case Activate(limit):
                    ended = self.activate(limit, scope)
                case Failed():
                    raise self.failed(command)
                case _:
                    raise AssertionError(command)
            command = talk.send(Reply(time.monotonic(), ended=ended))

    def activate(
        self, limit: float, scope: Scope, on_progress: Progress | None = None
    ) -> Done | Failed:
        """Returns how the endpoint's resumption ended; one thread holds it, the others wait.

        Args:
            limit: How long it may take, in seconds.
            scope: Cancels it.
            on_progress: Told each status that is read meanwhile, by whichever thread is the one; by default the
                database's.
        """
        on_progress = on_progress or self.on_progress
        if on_progress is None:
            return self._activate(limit, scope)
        self._state.audience.add(on_progress)
        try:
            return self._activate(limit, scope)
        finally:
            self._state.audience.remove(on_progress)

    def _activate(self, limit: float, scope: Scope) -> Done | Failed:
        deadline = time.monotonic() + limit
        ended = self._state.flights.join(
            "resume",
            lambda: self._resume(max(deadline - time.monotonic(), 0.0), scope),
            scope,
            verb=self._verb,
            seconds=limit,
            # Whose time was shorter than ours has not decided anything for us.
            is_shared=lambda end: not (isinstance(end, Failed) and end.why is Why.LIMIT),
        )
        return Failed(Why.LIMIT, "another thread's resume") if ended is None else ended

    def failed(self, end: Failed) -> errors.Error:
        """Returns the error for a cluster that did not come back."""
        is_late = end.why in (Why.LIMIT, Why.STILL_REFUSED)
        error = errors.make(
            errors.Status.TIMEOUT if is_late else errors.Status.IO,
            f"could not {self._verb}: {end}",
            hint=_NEXT.get(end.why),
            sqlstate="57P03",
        )
        return failures.with_evidence(error, methods.CLUSTER_RESUME)

    def call(self, method: Method[Q, R], scope: Scope, timeout: float) -> R:
        """Returns the answer of the cluster service, asked on one colour and, if it is the wrong one, on the other.

        Raises:
            Error: The call failed.
        """
        deadline = time.monotonic() + timeout
        store = self._state.store
        first, *others = store.candidates(time.monotonic())
        try:
            return self._ask(method, first, scope, timeout)
        except errors.Error as error:
            if outcome_of(error, scope).failure is not Failure.WRONG_COLOUR:
                raise
        return self._ask(method, others[0], scope, max(deadline - time.monotonic(), 0.001))

    def ask(self, method: Method[Q, R], scope: Scope, seconds: float) -> R:
        """Returns the answer of the cluster service, asked again where the table allows it.

        Raises:
            Error: The call failed for good.
        """
        state, steps = self._state, row(method.name)
        repeats = Repeats(state.budget, state.rng)
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            try:
                return self.call(method, scope, steps.timeout(max(left, 0.001)))
            except errors.Error as error:
                outcome = outcome_of(error, scope)
                decision = repeats.after(steps, outcome, deadline - time.monotonic())
                if not isinstance(decision, RetryAfter):
                    mark_final(error, outcome.failure)
                    raise
            state.counters.count("retries")
            self._sleep(decision.seconds, scope)

    def _ask(self, method: Method[Q, R], colour: str, scope: Scope, timeout: float) -> R:
        call = Call(
            method,
            self._identity.cluster_message(method.request),
            make_headers(self._transport.endpoint.cluster_name, colour),
            timeout,
            f"ask for the {method.name}",
            secret=self._identity.sign(method.path, scope, timeout),
        )
        return self._transport.call(call, scope)

    def _resume(self, limit: float, scope: Scope) -> Done | Failed:
        """Holds the resumption."""
        talk = script.resumption(
            limit=limit,
            rng=self._state.rng,
            now=time.monotonic(),
            resumed_at=self._state.resumed_at,
        )
        command = next(talk)
        while True:
            reply = Reply(time.monotonic())
            match command:
                case Done() | Failed():
                    end = "active" if isinstance(command, Done) else command
                    _log.info("%s: %s", self._verb, end)  # a failure is raised, which tells it
                    return command
                case script.Sleep(seconds):
                    self._sleep(seconds, scope)
                    reply = Reply(time.monotonic())
                case CallStatus(timeout):
                    reply = self._status(timeout, scope)
                case CallResume(timeout):
                    reply = self._send_resume(timeout, scope)
                case _:
                    raise AssertionError(command)
            command = talk.send(reply)

    def _status(self, timeout: float, scope: Scope) -> Reply:
        try:
            status = self.call(methods.CLUSTER_STATUS, scope, timeout).status
        except errors.Error as error:
            return self._reply(error, scope)
        _log.info("%s: status %r", self._verb, status)
        self._state.audience.tell(status)
        return Reply(time.monotonic(), state=status)

    def _send_resume(self, timeout: float, scope: Scope) -> Reply:
        state = self._state
        before, state.resumed_at = state.resumed_at, time.monotonic()
        _log.info("%s: sending resume", self._verb)
        try:
            self.call(methods.CLUSTER_RESUME, scope, timeout)
        except errors.Error as error:
            reply = self._reply(error, scope)
            if reply.failure is Failure.UNSENT:
                state.resumed_at = before
            return reply
        state.counters.count("resumes")
        return Reply(time.monotonic())

    def _reply(self, error: errors.Error, scope: Scope) -> Reply:
        """Returns what to say about a failed call; a cancellation ends the conversation."""
        scope.check(self._verb)
        text = failures.server_text(error) or str(error)
        return Reply(time.monotonic(), failure=outcome_of(error, scope).failure, text=text)

    def _sleep(self, seconds: float, scope: Scope) -> None:
        scope.pause(seconds)
        scope.check(self._verb)
