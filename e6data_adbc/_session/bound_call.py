"""An RPC about one query: what its calls send, worked out once, and what follows where one fails."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic

from e6data_adbc import errors
from e6data_adbc._session.caller import Caller
from e6data_adbc._session.lease import Lease
from e6data_adbc._session.retry.decide import (
    BUDGET_TOKENS,
    GiveUp,
    PrepareAgain,
    ReadStatus,
    Refresh,
    RetryAfter,
    Succeed,
)
from e6data_adbc._session.retry.effort import Effort, mark_final, outcome_of
from e6data_adbc._session.retry.failure import Failure
from e6data_adbc._session.retry.retry_table import row
from e6data_adbc._transport import failures, methods
from e6data_adbc._transport.api import Call, Course, Rpc, Usual
from e6data_adbc._transport.headers import make_headers
from e6data_adbc._transport.methods import Method, R
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import PendingCall
from e6data_adbc.options import DatabaseOptions, Secret

__all__ = ["TOKEN_SECONDS", "BoundCall", "Journey", "Undecided", "token_of"]

#: For how long calls are sent without asking for the token again.
TOKEN_SECONDS: Final = 1.0

_log = logging.getLogger("e6data_adbc.retry")


class Undecided(Exception):  # noqa: N818 - a question to the caller, who holds the query
    """A call about a query failed, and the query as a whole decides what follows.

    Attributes:
        decision: What the table says: to read the status, to prepare again, or to give up in doubt.
        error: The failure.
        token: The access token that the call carried, if it did.
    """

    def __init__(
        self,
        decision: ReadStatus | PrepareAgain | GiveUp,
        error: errors.Error,
        token: Secret | None,
    ) -> None:
        super().__init__(str(decision))
        self.decision = decision
        self.error = error
        self.token = token


class _Barred(Exception):  # noqa: N818 - told to the caller, who knows the call that was refused
    """Signing in for a query failed with *error*."""

    def __init__(self, error: errors.Error) -> None:
        super().__init__(str(error))
        self.error = error


class _Message:
    """The bytes of a request, which hold a session id: no `repr` shows them."""

    __slots__ = ("_bytes",)

    def __init__(self, encoded: bytes) -> None:
        self._bytes = encoded

    def __call__(self) -> bytes:
        return self._bytes


class Journey(Generic[R]):
    """A course under way, and what its calls are; any thread may leave it, and the first one does.

    Attributes:
        course: The course.
    """

    __slots__ = ("_call", "_caller", "_scope", "course")

    def __init__(self, course: Course, call: Call[R], scope: Scope, caller: Caller) -> None:
        self.course = course
        self._call = call
        self._scope = scope
        self._caller = caller

    def leave(self) -> tuple[int, int, int, Rpc | None]:
        """Ends the course; returns responses, rows, the most rows of one response, and the call that is left."""
        left = self._caller.transport.leave(self.course, self._scope)
        budget = self._caller.state.budget
        for _ in range(left[0]):
            if budget.tokens >= BUDGET_TOKENS:
                break
            budget.succeed()
        return left

    def adopt(self, rpc: Rpc, verb: str) -> PendingCall[R]:
        """Returns the call *rpc*, which was left, as one that attempts *verb*."""
        call = dataclasses.replace(self._call, verb=verb)
        return self._caller.transport.adopt(rpc, call, self._scope)


class BoundCall(Generic[R]):
    """One RPC bound to one query; one thread at a time uses it.

    Headers and message are made with the first call, and again where the session has changed. As long as calls succeed
    nothing else is looked up: the retry table, the routes and the sign-in are for those that fail.
    """

    __slots__ = (
        *("_caller", "_fields", "_headers", "_lease", "_message", "_only_reads", "_query_id"),
        *("_version", "method"),
    )

    def __init__(
        self,
        caller: Caller,
        method: Method[Any, R],
        lease: Lease,
        query_id: str,
        fields: Mapping[str, Any] | None = None,
        only_reads: Callable[[], bool] | None = None,
    ) -> None:
        """Sends nothing yet.

        Args:
            caller: Who calls.
            method: The method.
            lease: What the query keeps to.
            query_id: The query.
            fields: Of the request, besides those that all requests about a query have.
            only_reads: Tells whether the statement surely only reads, where it is executed; asked where that failed.
        """
        self.method = method
        self._caller = caller
        self._lease = lease
        self._query_id = query_id
        self._fields = fields or {}
        self._only_reads = only_reads
        #: The lease's version that message and headers are of.
        self._version = -1

    def start(
        self, scope: Scope, timeout: float, verb: str, limit: DatabaseOptions | None = None
    ) -> PendingCall[R]:
        """Returns one try, sent and not waited for.

        Args:
            scope: Cancels it.
            timeout: Seconds until its deadline.
            verb: What is attempted.
            limit: The option that *timeout* comes from, where that is not the method's.

        Raises:
            Error: Nothing was sent.
        """
        return self._caller.transport.start(self.make(scope, timeout, verb, limit), scope)

    def course(
        self, usual: Usual, scope: Scope, timeout: float, verb: str, begun: PendingCall[R] | None
    ) -> Journey[R] | None:
        """Returns the call sent again and again by native code; None where each try has to be made here.

        Args:
            usual: What ends it if it is not so.
            scope: Cancels it.
            timeout: Seconds until the deadline of each.
            verb: What is attempted.
            begun: The first one, if it was sent; it is the course's from then on.

        Raises:
            Error: There is no token to be had.
        """
        if self._caller.identity.signs_each:
            return None
        if not self._caller.identity.has_sessions:
            # A token may be replaced before it is refused.
            usual = usual._replace(seconds=TOKEN_SECONDS)
        call = self.make(scope, timeout, verb)
        course = self._caller.transport.course(call, scope, usual, begun)
        return None if course is None else Journey(course, call, scope, self._caller)

    def make(
        self, scope: Scope, timeout: float, verb: str, limit: DatabaseOptions | None = None
    ) -> Call[R]:
        """Returns one try, not sent; arguments as those of `start`."""
        caller, lease, method = self._caller, self._lease, self.method
        if lease.version != self._version:
            self._version = lease.version
            self._headers = headers = lease.headers or make_headers(
                caller.cluster_name, lease.route.colour, lease.planner
            )
            lease.headers = headers
            self._message = _Message(
                method.request(
                    engineIP=lease.planner or "",
                    sessionId=lease.session_id,
                    queryId=self._query_id,
                    **self._fields,
                ).SerializeToString()
            )
        identity = caller.identity
        secret = None if identity.signs_nothing else identity.sign(method.path, scope, timeout)
        return Call(
            *(method, self._message, self._headers, timeout, verb, self._query_id),
            *(secret, lease.session, limit),
        )

    def begin(self, effort: Effort, verb: str) -> PendingCall[R]:
        """Returns one try, sent within *effort*; otherwise as `start`."""
        timeout = effort.timeout(self.method, verb=verb, query_id=self._query_id)
        return self.start(effort.scope, timeout, verb, effort.limit)

    def call(
        self,
        effort: Effort,
        verb: str,
        begun: PendingCall[R] | None = None,
        arrived: Callable[[], None] | None = None,
    ) -> R | None:
        """Returns the response, asked for again as its row in the table says.

        Args:
            effort: Bounds it.
            verb: What is attempted.
            begun: The first try, where that was sent before.
            arrived: See `Rpc.receive`.

        Returns:
            None where the failure says that there is nothing left to do.

        Raises:
            Undecided: The query has to decide.
            Error: The call, or the renewal of its session or token, failed for good; it names the query.
        """
        pending, failed = begun, None
        try:
            if pending is None:
                pending = self.begin(effort, verb)
            response = pending.result(arrived)
        except errors.Error as error:
            failed = error
        if failed is None:
            if self._caller.state.budget.tokens < BUDGET_TOKENS:
                self._caller.state.budget.succeed()
            return response
        try:
            return self._try_again(failed, pending, effort, verb)
        finally:
            del failed  # an error in a local of its own traceback keeps the frames alive

    def receive(
        self,
        begun: PendingCall[R] | None,
        scope: Scope,
        seconds: float,
        verb: str,
        arrived: Callable[[], None] | None = None,
    ) -> R | None:
        """As `call`, with *seconds* for all tries; what that takes is only made where the first one fails."""
        pending, failed = begun, None
        ends = time.monotonic() + seconds
        try:
            if pending is None:
                pending = self.start(scope, seconds, verb)
            response = pending.result(arrived)
        except errors.Error as error:
            failed = error
        if failed is None:
            if self._caller.state.budget.tokens < BUDGET_TOKENS:
                self._caller.state.budget.succeed()
            return response
        try:
            effort = Effort(self._caller.state, scope, ends - time.monotonic())
            effort.begin(self.method)
            return self._try_again(failed, pending, effort, verb)
        finally:
            del failed

    def _try_again(
        self, failed: errors.Error, pending: PendingCall[R] | None, effort: Effort, verb: str
    ) -> R | None:
        """Does what `call` says after its first try *pending* has *failed*."""
        try:
            return self._repeat(failed, pending, effort, verb)
        except errors.Error as error:
            named = errors.about_query(error, self._query_id)
            try:
                if named is error:
                    raise
                raise named from error.__cause__
            finally:
                del named
        finally:
            del failed

    def _repeat(
        self, failed: errors.Error, pending: PendingCall[R] | None, effort: Effort, verb: str
    ) -> R | None:
        try:
            #: Why there is no other session, where one was looked for.
            barred: errors.Error | None = None
            while True:
                outcome = outcome_of(failed, effort.scope)
                if outcome.failure is Failure.WRONG_COLOUR:
                    self._caller.report_wrong_colour(self._lease)
                only_reads = self._only_reads is not None and self._only_reads()
                steps = row(self.method.name, only_reads=only_reads)
                decision = effort.repeats.after(steps, outcome, effort.seconds_left)
                is_final = False
                match decision:
                    case RetryAfter(seconds):
                        self._caller.wait(seconds, self.method, failed, effort.scope)
                    case Refresh():
                        try:
                            is_final = not self._refresh(pending, effort)
                        except _Barred as found:
                            barred, is_final = found.error, True
                    case Succeed():
                        _log.info("%s: taken for done: %s", verb, failed)
                        return None
                    case ReadStatus() | PrepareAgain() | GiveUp(is_in_doubt=True):
                        raise Undecided(decision, failed, token_of(pending)) from failed
                    case _:
                        is_final = True
                if is_final:
                    is_consuming = self.method in (methods.FETCH, methods.FETCH_V2)
                    mark_final(failed, outcome.failure, is_in_doubt=is_consuming, decision=decision)
                    if outcome.failure is Failure.ACCESS_DENIED and self._lease.session is not None:
                        self._lease.bar()
                        raise self._session_ended(failed, verb, barred) from failed.__cause__
                    raise failed
                pending = None
                try:
                    pending = self.begin(effort, verb)
                    response = pending.result()
                except errors.Error as error:
                    failed = error
                    continue
                self._caller.state.budget.succeed()
                return response
        finally:
            del failed, pending

    def _refresh(self, pending: PendingCall[R] | None, effort: Effort) -> bool:
        """Makes the next try use another session or token; False if no other would help.

        Raises:
            _Barred: Signing in failed.
        """
        lease, token = self._lease, token_of(pending)
        if token is not None:
            return self._caller.renew(token, effort)
        if pending is not None and pending.call.origin is not lease.session:
            return not lease.is_barred  # another call of the query has renewed it since
        if lease.is_barred or self._is_good(lease):
            return False
        self._caller.drop(lease)
        try:
            lease.renew(self._caller.sign_in.session(lease.route, effort))
        except errors.Error as error:
            effort.scope.check("sign in", query_id=self._query_id)
            _log.info("signing in for query %r failed: %s", self._query_id, error)
            raise _Barred(error) from error
        return True

    def _is_good(self, lease: Lease) -> bool:
        """Tells whether the session that *lease* was renewed with is in use, so that only the query is closed to it."""
        session = lease.session
        if session is None or not lease.is_renewed:
            return False
        sessions = self._caller.state.sessions
        is_current = sessions.find(session.principal, session.colour) is session
        return is_current and sessions.was_accepted(session)

    def _session_ended(
        self, refusal: errors.Error, verb: str, barred: errors.Error | None
    ) -> errors.Error:
        """Returns the error for a call whose session ended, which *refusal* says; raise it from its cause.

        The session was good when the query was prepared in it.

        Args:
            refusal: What the call failed with.
            verb: What was attempted.
            barred: Why there is no new session; None where there is one, which may not go on with the query.
        """
        why = (
            "a new one may not go on with it"
            if barred is None
            else f"there is no new one: {barred}"
        )
        said = failures.server_text(refusal)
        reads = self.method in (methods.FETCH, methods.FETCH_V2, methods.RESULT_METADATA)
        again = f"{DatabaseOptions.ON_LOSS.value}=rerun_reads"
        return errors.make(
            errors.Status.IO,
            f"could not {verb}: its session ended, and {why}; the server said {said!r}",
            hint=f"run the statement again, or have that done for reads by {again}"
            if reads
            else None,
            query_id=self._query_id,
            sqlstate="08003",
            vendor_code=refusal.vendor_code,
            details=[item for item in refusal.details if item[0] != errors.QUERY_ID],
        )


def token_of(pending: PendingCall[Any] | None) -> Secret | None:
    """Returns the access token that *pending* carried, if it did."""
    if pending is None or pending.call.secret is None:
        return None
    return pending.call.secret.token
