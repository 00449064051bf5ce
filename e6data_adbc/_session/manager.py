"""The way of every call: to the right colour, in the right session, again where that does no harm."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Any, Final, Generic, cast

from e6data_adbc import errors
from e6data_adbc._session.background import Background
from e6data_adbc._session.colour.routes import MAX_COLOUR_TRIES, Route
from e6data_adbc._session.colour.shared_file import hint_file
from e6data_adbc._session.colour.strategy import COLOURS, Colour
from e6data_adbc._session.endpoint import ENDPOINTS, Endpoints, EndpointState
from e6data_adbc._session.lease import Lease
from e6data_adbc._session.login.identity import Identity, Signed
from e6data_adbc._session.login.session_cache import Session
from e6data_adbc._session.login.sign_in import SignIn
from e6data_adbc._session.resume.resumer import Resumer, Talk
from e6data_adbc._session.retry.decide import (
    Decision,
    GiveUp,
    OtherColour,
    PrepareAgain,
    ReadStatus,
    Refresh,
    Resume,
    RetryAfter,
    Succeed,
    pause,
)
from e6data_adbc._session.retry.effort import Effort, outcome_of, refused_for_good
from e6data_adbc._session.retry.failure import Failure
from e6data_adbc._session.retry.retry_table import row
from e6data_adbc._transport import calls
from e6data_adbc._transport.calls import Method, Q, R
from e6data_adbc._transport.channel import Call, Transport
from e6data_adbc._transport.headers import check_cluster_name, make_headers
from e6data_adbc._transport.scope import Scope
from e6data_adbc.options import DatabaseOptions

__all__ = ["Begun", "SessionManager", "Undecided"]

_log = logging.getLogger("e6data_adbc.retry")

#: How many sessions that worked for others one call may lose, on top of what the table allows.
_MOST_LOSSES: Final = 2

#: Closing waits this long for work in the background. The connections have waited for theirs by then.
_LAST_WAIT_SECONDS: Final = 1.0


class Undecided(Exception):  # noqa: N818 - a question to the caller, who holds the query
    """A call about a query failed, and the query as a whole decides what follows.

    Attributes:
        decision: What the table says: to read the status, to prepare again, or to give up in doubt.
        error: The failure.
        signed: What the call was signed with.
    """

    def __init__(
        self,
        decision: ReadStatus | PrepareAgain | GiveUp,
        error: errors.Error,
        signed: Signed | None,
    ) -> None:
        super().__init__(str(decision))
        self.decision = decision
        self.error = error
        self.signed = signed


class _Barred(Exception):  # noqa: N818 - told to the caller, who knows the call that was refused
    """Signing in for a query failed with *error*."""

    def __init__(self, error: errors.Error) -> None:
        super().__init__(str(error))
        self.error = error


def _session_ended(
    refusal: errors.Error, verb: str, query_id: str, barred: errors.Error | None, *, reads: bool
) -> errors.Error:
    """Returns the error for a call about a query whose session ended, which *refusal* says; raise it from its cause.

    The session was good when the query was prepared in it.

    Args:
        refusal: What the call failed with.
        verb: What was attempted.
        query_id: The query.
        barred: Why there is no new session; None where there is one, which may not go on with the query.
        reads: Whether the call was part of reading the result.
    """
    why = "a new one may not go on with it" if barred is None else f"there is no new one: {barred}"
    return errors.make(
        errors.Status.IO,
        f"could not {verb}: its session ended, and {why}; the server said {calls.server_text(refusal)!r}",
        hint=f"run the statement again, or have that done for reads by {DatabaseOptions.ON_LOSS.value}=rerun_reads"
        if reads
        else None,
        query_id=query_id,
        sqlstate="08003",
        vendor_code=refusal.vendor_code,
        details=[item for item in refusal.details if item[0] != errors.QUERY_ID],
    )


class Begun(Generic[R]):
    """The first try of a call about a query, sent and not waited for; belongs to one thread at a time."""

    __slots__ = ("_call", "_failure", "_response", "session", "signed")

    def __init__(self, call: Call[R], signed: Signed, session: Session | None) -> None:
        self._call: Call[R] | None = call
        self._response: R | None = None
        self._failure: errors.Error | None = None
        #: What it was signed with, and the session that it was sent in.
        self.signed = signed
        self.session = session

    def has_succeeded(self) -> bool:
        """Waits for the answer, and tells whether it is one; `result` then does not wait."""
        if self._call is not None:
            try:
                self._response = self._call.result()
            except errors.Error as error:
                self._failure = error
            self._call = None
        return self._failure is None

    def result(self, arrived: Callable[[], None] | None = None) -> R:
        """Returns the response; blocks until it is whole.

        Args:
            arrived: See `Rpc.receive`.

        Raises:
            Error: The call failed.
        """
        if self._call is not None:
            return self._call.result(arrived)
        if self._failure is not None:
            raise self._failure
        return cast("R", self._response)


@dataclasses.dataclass
class _Try:
    """Where a call that may move stands: what it was sent with, and the suspension and the losses that it met."""

    method: Method[Any, Any]
    route: Route
    lease: Lease | None = None
    signed: Signed | None = None
    recovery: Talk | None = None
    losses: int = 0


class SessionManager:
    """Makes the calls of one database; every method may be called from any thread.

    What it learns about the endpoint it shares with the other databases of the process that have the same.
    """

    def __init__(
        self,
        transport: Transport,
        identity: Identity,
        *,
        endpoints: Endpoints = ENDPOINTS,
    ) -> None:
        """Signs in nowhere yet.

        Args:
            transport: The way to the endpoint.
            identity: Who calls.
            endpoints: Where the endpoint's state is shared.

        Raises:
            ProgrammingError: The cluster name fits no header.
        """
        self.transport = transport
        self._identity = identity
        self._cluster_name = check_cluster_name(transport.endpoint.cluster_name)
        self._endpoints = endpoints
        self.state: Final[EndpointState] = endpoints.get(transport.endpoint)
        self._sign_in = SignIn(transport, self.state, identity)
        self.resumer = Resumer(transport, self.state, identity)
        #: Waits for what nobody else waits for: the answers of clears.
        self.background = Background()

    def effort(self, scope: Scope, seconds: float | None = None) -> Effort:
        """Returns the budget for one user call; see `Effort`."""
        return Effort(self.state, scope, seconds)

    def share_colour(self) -> None:
        """Exchanges the endpoint's colour with the user's other processes, where the platform has a place for that."""
        state = self.state
        state.exchange(hint_file(self.transport.endpoint, state.happening.count))

    def close(self) -> None:
        """Ends the work in the background, and takes no more part in the endpoint's state."""
        self.background.close(_LAST_WAIT_SECONDS)
        self._endpoints.release(self.transport.endpoint)

    # ---- calls that may go anywhere: preparing, listing

    def call(
        self,
        method: Method[Q, R],
        request: Callable[[str], Q],
        effort: Effort,
        *,
        verb: str,
    ) -> tuple[R, Lease]:
        """Returns the response of a call that belongs to no query yet, and what later calls have to keep to.

        Signs in where there is no session, follows the cluster to its other colour, resumes it.

        Args:
            method: A method without effect on rows: preparing, listing.
            request: Makes the request for a session id, which is empty where tokens are used.
            effort: Bounds all of it.
            verb: What is attempted.

        Raises:
            Error: The call or what it needed failed for good.
        """
        self.transport.check_process(verb)
        effort.begin(method)
        self.state.begin()
        current = _Try(method, self._next_route(effort, None))
        while True:
            try:
                current.method = calls.AUTHENTICATE
                current.lease = lease = self._lease(current.route, effort)
                current.method = method
                timeout = effort.timeout(method, verb=verb)
                current.signed = self._identity.sign(method.path, effort.scope, timeout)
                response = self.transport.call(
                    method,
                    lambda: request(lease.session_id),  # noqa: B023 - called before it changes
                    make_headers(self._cluster_name, current.route.colour),
                    effort.scope,
                    verb=verb,
                    timeout=timeout,
                    hidden=current.signed.headers,
                )
            except errors.Error as error:
                self._proceed(current, error, effort)
                continue
            self.state.budget.succeed()
            if lease.session is not None:
                self.state.sessions.accept(lease.session)
            # It answers, so a suspension to come is another one, and may be resumed at once.
            self.state.resumed_at = None
            lease.route = self.state.store.report_success(current.route, time.monotonic())
            self.announce(lease, getattr(response, "new_strategy", None))
            return response, lease

    def _proceed(self, current: _Try, error: errors.Error, effort: Effort) -> None:
        """Does what has to be done before the call is sent again; raises *error* where it is final."""
        scope = effort.scope
        outcome = outcome_of(error, scope)
        failure = outcome.failure
        if failure is Failure.SUSPENDED and current.recovery is not None:
            self._recover(current, effort, calls.server_text(error))
            return
        decision = effort.repeats.after(row(current.method.name), outcome, effort.seconds_left)
        is_sign_in = current.method is calls.AUTHENTICATE
        match decision:
            case RetryAfter(seconds) if not is_sign_in:  # a sign-in has been repeated by then
                self._wait(seconds, current.method, error, scope)
            case OtherColour():
                if not effort.tries.refused(current.route, time.monotonic()):
                    effort.repeats.forget()
                if effort.tries.all_refused and effort.tries.count < MAX_COLOUR_TRIES:
                    # Meanwhile other calls find out which of the refusals was wrong, or too early.
                    self._wait(pause(0, self.state.rng), current.method, error, scope)
                current.route = self._next_route(effort, error)
            case Refresh() if current.lease is not None and self._refresh(current, effort):
                pass
            case Resume() if scope.settings.get(DatabaseOptions.AUTO_RESUME):
                current.recovery = self.resumer.begin(effort)
                self._recover(current, effort, None)
            case GiveUp() if failure is Failure.WRONG_COLOUR:
                effort.tries.refused(current.route, time.monotonic())
                raise self._no_colour(error) from error
            case GiveUp() if failure is Failure.ACCESS_DENIED and self._is_loss(current):
                current.losses += 1
                self._drop(cast("Lease", current.lease))
            case _:
                raise refused_for_good(error, failure, decision=decision)

    def _is_loss(self, current: _Try) -> bool:
        """Tells whether the session was good and is lost, rather than one that the call is denied with for good."""
        session = None if current.lease is None else current.lease.session
        return (
            session is not None
            and current.losses < _MOST_LOSSES
            and self.state.sessions.was_accepted(session)
        )

    def _next_route(self, effort: Effort, cause: errors.Error | None) -> Route:
        route = effort.tries.next(time.monotonic())
        if route is None:
            raise self._no_colour(cause) from cause
        return route

    def _no_colour(self, cause: errors.Error | None) -> errors.Error:
        error = errors.make(
            errors.Status.IO,
            f"could not find the cluster at {self.transport.endpoint.target!r}: no deployment answers,"
            f" neither {' nor '.join(COLOURS)}",
            hint="check the cluster name",
            sqlstate="08004",
            details=[]
            if cause is None
            else [item for item in cause.details if item[0] == errors.RPC],
        )
        return refused_for_good(error, Failure.WRONG_COLOUR)

    def _refresh(self, current: _Try, effort: Effort) -> bool:
        """Makes the next try use another session or token; False if there is no other."""
        assert current.lease is not None  # noqa: S101 - the caller has looked
        if current.signed is None or current.signed.token is None:
            self._drop(current.lease)
            return True
        return self._renew(current.signed, effort)

    def _recover(self, current: _Try, effort: Effort, refusal: str | None) -> None:
        """Has the cluster resumed; its time is not the call's."""
        assert current.recovery is not None  # noqa: S101 - the caller has begun it
        started = time.monotonic()
        self.resumer.follow(current.recovery, effort.scope, refusal)
        effort.extend(time.monotonic() - started)

    # ---- calls about a query, which stay where it is

    def adopt(self, colour: Colour, planner: str, effort: Effort) -> Lease:
        """Returns what the calls about a query keep to that somebody else has prepared; signs in where that is needed.

        Args:
            colour: The deployment that has the query.
            planner: The planner there.
            effort: Bounds the sign-in.

        Raises:
            Error: Signing in failed, also because the deployment is gone.
        """
        effort.begin(calls.AUTHENTICATE)
        route = Route(colour, self.state.store.state.epoch)
        try:
            lease = self._lease(route, effort)
        except errors.Error as error:
            failure = outcome_of(error, effort.scope).failure
            if failure is Failure.WRONG_COLOUR:
                self.state.store.report_mismatch(route, time.monotonic())
            refused_for_good(error, failure)
            raise
        lease.planner = planner
        return lease

    def call_about(
        self,
        method: Method[Q, R],
        request: Callable[[], Q],
        lease: Lease,
        effort: Effort,
        *,
        verb: str,
        query_id: str,
        begun: Begun[R] | None = None,
        arrived: Callable[[], None] | None = None,
    ) -> R | None:
        """Returns the response of a call about a query, repeated as its row in the table says.

        Args:
            method: The method.
            request: Makes the request, with the session id that *lease* has by then.
            lease: What the query keeps to.
            effort: Bounds it.
            verb: What is attempted.
            query_id: The query.
            begun: Its first try, where that was sent before.
            arrived: See `Rpc.receive`.

        Returns:
            None where the failure says that there is nothing left to do.

        Raises:
            Undecided: The query has to decide.
            Error: The call, or the renewal of its session or token, failed for good; it names the query.
        """
        try:
            return self._repeat_about(
                method,
                request,
                lease,
                effort,
                verb=verb,
                query_id=query_id,
                begun=begun,
                arrived=arrived,
            )
        except errors.Error as error:
            named = errors.about_query(error, query_id)
            if named is error:
                raise
            raise named from error.__cause__

    def _repeat_about(
        self,
        method: Method[Q, R],
        request: Callable[[], Q],
        lease: Lease,
        effort: Effort,
        *,
        verb: str,
        query_id: str,
        begun: Begun[R] | None,
        arrived: Callable[[], None] | None,
    ) -> R | None:
        steps = row(method.name)
        #: Why there is no other session, where one was looked for.
        barred: errors.Error | None = None
        while True:
            one, begun = begun, None
            try:
                if one is None:
                    one = self.begin_about(
                        method, request, lease, effort, verb=verb, query_id=query_id
                    )
                response = one.result(arrived)
            except errors.Error as error:
                outcome = outcome_of(error, effort.scope)
                if outcome.failure is Failure.WRONG_COLOUR:
                    self.state.store.report_mismatch(lease.route, time.monotonic())
                decision: Decision = effort.repeats.after(steps, outcome, effort.seconds_left)
                match decision:
                    case RetryAfter(seconds):
                        self._wait(seconds, method, error, effort.scope)
                    case Refresh():
                        try:
                            if self._refresh_lease(lease, one, effort, query_id):
                                continue
                        except _Barred as found:
                            barred = found.error
                    case Succeed():
                        _log.info("%s: taken for done: %s", verb, error)
                        return None
                    case ReadStatus() | PrepareAgain() | GiveUp(is_in_doubt=True):
                        signed = None if one is None else one.signed
                        raise Undecided(decision, error, signed) from error
                    case _:
                        pass
                if not isinstance(decision, RetryAfter):
                    is_consuming = method in (calls.FETCH, calls.FETCH_V2)
                    refused_for_good(
                        error, outcome.failure, is_in_doubt=is_consuming, decision=decision
                    )
                    if outcome.failure is Failure.ACCESS_DENIED and lease.session is not None:
                        lease.bar()
                        reads = is_consuming or method is calls.RESULT_METADATA
                        raise _session_ended(
                            error, verb, query_id, barred, reads=reads
                        ) from error.__cause__
                    raise
                continue
            self.state.budget.succeed()
            return response

    def begin_about(
        self,
        method: Method[Q, R],
        request: Callable[[], Q],
        lease: Lease,
        effort: Effort,
        *,
        verb: str,
        query_id: str,
    ) -> Begun[R]:
        """Sends the first try of a call about a query and does not wait; `call_about` takes what it returns.

        Raises:
            Error: Nothing was sent.
        """
        timeout = effort.timeout(method, verb=verb, query_id=query_id)
        signed = self._identity.sign(method.path, effort.scope, timeout)
        call = self.transport.start(
            method,
            request,
            make_headers(self._cluster_name, lease.route.colour, lease.planner),
            effort.scope,
            verb=verb,
            query_id=query_id,
            timeout=timeout,
            hidden=signed.headers,
        )
        return Begun(call, signed, lease.session)

    def _refresh_lease(
        self, lease: Lease, one: Begun[Any] | None, effort: Effort, query_id: str
    ) -> bool:
        """Makes the next try use another session or token; False if no other would help.

        Raises:
            _Barred: Signing in failed.
        """
        if one is not None and one.signed.token is not None:
            return self._renew(one.signed, effort)
        if one is not None and one.session is not lease.session:
            return not lease.is_barred  # another call of the query has renewed it since
        if lease.is_barred or self._is_good(lease):
            return False
        self._drop(lease)
        try:
            lease.renew(self._sign_in.session(lease.route, effort))
        except errors.Error as error:
            effort.scope.check("sign in", query_id=query_id)
            _log.info("signing in for query %r failed: %s", query_id, error)
            raise _Barred(error) from error
        return True

    def _is_good(self, lease: Lease) -> bool:
        """Tells whether the session that *lease* was renewed with is in use, so that only the query is closed to it."""
        session = lease.session
        if session is None or not lease.is_renewed:
            return False
        sessions = self.state.sessions
        is_current = sessions.find(session.principal, session.colour) is session
        return is_current and sessions.was_accepted(session)

    def mend(self, undecided: Undecided, cause: Failure, lease: Lease, effort: Effort) -> None:
        """Mends what *cause* says is wrong, before the statement of *undecided* is prepared anew.

        Raises:
            Error: It cannot be mended.
        """
        if cause not in (Failure.ACCESS_DENIED, Failure.UNAUTHENTICATED):
            return
        signed = undecided.signed
        if signed is None or signed.token is None:
            self._drop(lease)
        elif not self._renew(signed, effort):
            raise refused_for_good(undecided.error, cause)

    def announce(self, lease: Lease, strategy: str | None) -> None:
        """Notes the colour that a response to a call under *lease* asks new queries to use."""
        if strategy:
            self.state.store.announce(strategy, lease.route, time.monotonic())

    # ---- both

    def _lease(self, route: Route, effort: Effort) -> Lease:
        if not self._identity.has_sessions:
            return Lease(route, None)
        return Lease(route, self._sign_in.session(route, effort))

    def _drop(self, lease: Lease) -> None:
        if lease.session is not None and self.state.sessions.drop(lease.session):
            self.state.happening.count("session_renewals")
            _log.info("the session on %s is no longer known, signing in again", lease.route.colour)

    def _renew(self, signed: Signed, effort: Effort) -> bool:
        """Gets another token; False if there is no other."""
        assert signed.token is not None  # noqa: S101 - the caller has looked
        timeout = max(effort.seconds_left, 0.001)
        if not self._identity.renew(signed.token, effort.scope, timeout):
            return False
        self.state.happening.count("token_renewals")
        _log.info("the access token was refused, using another one")
        return True

    def _wait(
        self, seconds: float, method: Method[Q, R], error: errors.Error, scope: Scope
    ) -> None:
        self.state.happening.count("retries")
        _log.info("%s failed, again in %.2f s: %s", method.name, seconds, error)
        scope.pause(seconds)
        scope.check(f"call {method.name}")
