"""`SessionManager`: routes, signs, times and retries every RPC of a database."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Any, Final, cast

from e6data_adbc import errors
from e6data_adbc._session.background import Background
from e6data_adbc._session.bound_call import Undecided, token_of
from e6data_adbc._session.caller import Caller
from e6data_adbc._session.colour.routes import MAX_COLOUR_TRIES, Route
from e6data_adbc._session.colour.shared_file import hint_file
from e6data_adbc._session.colour.strategy import COLOURS, Colour
from e6data_adbc._session.endpoint import ENDPOINTS, Endpoints, EndpointState
from e6data_adbc._session.lease import Lease
from e6data_adbc._session.login.identity import Identity
from e6data_adbc._session.login.session_cache import Session
from e6data_adbc._session.resume.resumer import Resumer, Talk
from e6data_adbc._session.retry.decide import (
    BUDGET_TOKENS,
    GiveUp,
    OtherColour,
    Refresh,
    Resume,
    RetryAfter,
    pause,
)
from e6data_adbc._session.retry.effort import Effort, mark_final, outcome_of
from e6data_adbc._session.retry.failure import Failure
from e6data_adbc._session.retry.retry_table import row
from e6data_adbc._session.shortcut import Begun
from e6data_adbc._transport import failures, methods
from e6data_adbc._transport.api import Call
from e6data_adbc._transport.headers import check_cluster_name, make_headers
from e6data_adbc._transport.methods import Method, Q, R
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import PendingCall, Transport
from e6data_adbc.options import DatabaseOptions

__all__ = ["SessionManager", "Undecided"]

_log = logging.getLogger("e6data_adbc.retry")

#: How many sessions that worked for others one call may lose, on top of what the table allows.
_MOST_LOSSES: Final = 2

#: Closing waits this long for work in the background. The connections have waited for theirs by then.
_LAST_WAIT_SECONDS: Final = 1.0


@dataclasses.dataclass
class _Try:
    """Where a call that may move stands: what it was sent with, and the suspension and the losses that it met."""

    method: Method[Any, Any]
    route: Route
    lease: Lease | None = None
    pending: PendingCall[Any] | None = None
    recovery: Talk | None = None
    losses: int = 0


class SessionManager:
    """Routes, signs, times and retries every RPC of one database; every method may be called from any thread.

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
        self._endpoints = endpoints
        check_cluster_name(transport.endpoint.cluster_name)
        self.state: Final[EndpointState] = endpoints.get(transport.endpoint)
        #: What its calls need, for those that are bound to a query.
        self.caller = Caller(transport, identity, self.state)
        self.resumer = Resumer(transport, self.state, identity)
        #: Waits for what nobody else waits for: the answers of clears.
        self.background = Background()

    def effort(
        self,
        scope: Scope,
        seconds: float | None = None,
        limit: DatabaseOptions | None = None,
        *,
        began: float | None = None,
    ) -> Effort:
        """Returns the budget for one user call; see `Effort`."""
        return Effort(self.state, scope, seconds, limit, began)

    def share_colour(self) -> None:
        """Exchanges the endpoint's colour with the user's other processes, where the platform has a place for that."""
        state = self.state
        state.exchange(hint_file(self.transport.endpoint, state.counters.count))

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
        begun: Begun | None = None,
    ) -> tuple[R, Lease]:
        """Returns the response of a call that belongs to no query yet, and what later calls have to keep to.

        Signs in where there is no session, follows the cluster to its other colour, resumes it.

        Args:
            method: A method without effect on rows: preparing, listing.
            request: Makes the request for a session id, which is empty where tokens are used.
            effort: Bounds all of it.
            verb: What is attempted.
            begun: Where its first try was sent by a shortcut, and nobody has seen the answer.

        Raises:
            Error: The call or what it needed failed for good.
        """
        self.transport.check_process(verb)
        effort.begin(method)
        self.state.begin()
        route = self._next_route(effort, None)
        first = None
        if begun is not None and begun.opened.prepare is not None:
            first, route = begun.opened.prepare, begun.lease.route
            effort.extend(-begun.opened.seconds)
        current = _Try(method, route)
        while True:
            try:
                current.pending = None
                if first is not None and begun is not None:
                    current.lease = lease = begun.lease
                    call = self._make(method, request, lease, effort, effort.most(method), verb)
                    rpc, first = first, None
                    current.pending = self.transport.adopt(rpc, call, effort.scope)
                else:
                    current.method = methods.AUTHENTICATE
                    current.lease = lease = self.caller.lease(current.route, effort)
                    current.method = method
                    timeout = effort.timeout(method, verb=verb)
                    call = self._make(method, request, lease, effort, timeout, verb)
                    current.pending = self.transport.start(call, effort.scope)
                response = current.pending.result()
            except errors.Error as error:
                self._proceed(current, error, effort)
                continue
            if self.state.budget.tokens < BUDGET_TOKENS:
                self.state.budget.succeed()
            lease.route = self.accept(current.route, lease.session)
            if strategy := getattr(response, "new_strategy", None):
                self.announce(lease, strategy)
            return response, lease

    def accept(self, route: Route, session: Session | None) -> Route:
        """Notes that a call of *route* in *session* was answered; returns the route that its query keeps to."""
        if session is not None:
            self.state.sessions.accept(session)
        # It answers, so a suspension to come is another one, and may be resumed at once.
        self.state.resumed_at = None
        return self.state.store.report_success(route, time.monotonic())

    def _make(
        self,
        method: Method[Q, R],
        request: Callable[[str], Q],
        lease: Lease,
        effort: Effort,
        timeout: float,
        verb: str,
    ) -> Call[R]:
        caller, scope = self.caller, effort.scope
        identity = caller.identity
        return Call(
            method,
            lambda: request(lease.session_id).SerializeToString(),
            make_headers(caller.cluster_name, lease.route.colour),
            timeout,
            verb,
            secret=None if identity.signs_nothing else identity.sign(method.path, scope, timeout),
            limit=effort.limit,
        )

    def _proceed(self, current: _Try, error: errors.Error, effort: Effort) -> None:
        """Does what has to be done before the call is sent again; raises *error* where it is final."""
        try:
            scope = effort.scope
            outcome = outcome_of(error, scope)
            failure = outcome.failure
            if failure is Failure.SUSPENDED and current.recovery is not None:
                self._recover(current, effort, failures.server_text(error))
                return
            decision = effort.repeats.after(row(current.method.name), outcome, effort.seconds_left)
            is_sign_in = current.method is methods.AUTHENTICATE
            match decision:
                case RetryAfter(seconds) if not is_sign_in:  # a sign-in has been repeated by then
                    self.caller.wait(seconds, current.method, error, scope)
                case OtherColour():
                    if not effort.tries.refused(current.route, time.monotonic()):
                        effort.repeats.forget()
                    if effort.tries.all_refused and effort.tries.count < MAX_COLOUR_TRIES:
                        # Meanwhile other calls find out which of the refusals was wrong, or too early.
                        self.caller.wait(pause(0, self.state.rng), current.method, error, scope)
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
                    self.caller.drop(cast("Lease", current.lease))
                case _:
                    raise mark_final(error, failure, decision=decision)
        finally:
            del error  # its traceback leads here

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
        return mark_final(error, Failure.WRONG_COLOUR)

    def _refresh(self, current: _Try, effort: Effort) -> bool:
        """Makes the next try use another session or token; False if there is no other."""
        assert current.lease is not None  # noqa: S101 - the caller has looked
        token = token_of(current.pending)
        if token is None:
            self.caller.drop(current.lease)
            return True
        return self.caller.renew(token, effort)

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
        effort.begin(methods.AUTHENTICATE)
        route = Route(colour, self.state.store.state.epoch)
        try:
            lease = self.caller.lease(route, effort)
        except errors.Error as error:
            failure = outcome_of(error, effort.scope).failure
            if failure is Failure.WRONG_COLOUR:
                self.state.store.report_mismatch(route, time.monotonic())
            mark_final(error, failure)
            raise
        lease.planner = planner
        return lease

    def mend(self, undecided: Undecided, cause: Failure, lease: Lease, effort: Effort) -> None:
        """Mends what *cause* says is wrong, before the statement of *undecided* is prepared anew.

        Raises:
            Error: It cannot be mended.
        """
        if cause not in (Failure.ACCESS_DENIED, Failure.EDGE_REFUSED, Failure.UNAUTHENTICATED):
            return
        if undecided.token is None:
            self.caller.drop(lease)
        elif not self.caller.renew(undecided.token, effort):
            raise mark_final(undecided.error, cause)

    def announce(self, lease: Lease, strategy: str | None) -> None:
        """Notes the colour that a response to a call under *lease* asks new queries to use."""
        if strategy:
            self.state.store.announce(strategy, lease.route, time.monotonic())
