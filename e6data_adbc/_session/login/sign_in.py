"""Signing in: once for all threads of the process that need the same session."""

from __future__ import annotations

import logging
import time

from e6data_adbc import errors
from e6data_adbc._session.colour.routes import Route
from e6data_adbc._session.endpoint import EndpointState
from e6data_adbc._session.login.identity import Identity
from e6data_adbc._session.login.session_cache import Session
from e6data_adbc._session.retry.decide import Repeats, RetryAfter
from e6data_adbc._session.retry.effort import Effort, outcome_of
from e6data_adbc._session.retry.retry_table import row
from e6data_adbc._transport import failures, methods
from e6data_adbc._transport.api import Call
from e6data_adbc._transport.headers import make_headers
from e6data_adbc._transport.transport import Transport
from e6data_adbc.options import DatabaseOptions

__all__ = ["SignIn"]

_log = logging.getLogger("e6data_adbc.session")


class SignIn:
    """Gets the sessions of one identity at one endpoint; any thread may use it."""

    def __init__(self, transport: Transport, state: EndpointState, identity: Identity) -> None:
        self._transport = transport
        self._state = state
        self._identity = identity
        name = transport.endpoint.cluster_name
        target = repr(transport.endpoint.target)
        self._where = f"{target}, cluster {name!r}" if name else target

    def session(self, route: Route, effort: Effort) -> Session:
        """Returns the session for *route*: the known one, or that of a sign-in by this thread or another.

        Raises:
            Error: Signing in failed, for good unless the server signalled another colour or a suspension; or the time
                is over.
        """
        sessions, principal = self._state.sessions, self._identity.principal
        session = sessions.find(principal, route.colour)
        if session is not None:
            return session
        verb = self._verb
        session = self._state.flights.join(
            # A refusal counts for those who knew no more about the cluster than the one who was refused.
            ("sign in", principal, route.colour, route.epoch),
            lambda: self._authenticate(route, effort),
            effort.scope,
            verb=verb,
            seconds=effort.seconds_left,
            known=lambda: sessions.find(principal, route.colour),
        )
        if session is None:
            raise failures.with_evidence(
                errors.make(
                    errors.Status.TIMEOUT,
                    f"could not {verb}: another thread's sign-in took too long",
                    hint=f"raise {effort.limit.value}",
                ),
                methods.AUTHENTICATE,
            )
        return session

    @property
    def _verb(self) -> str:
        return f"sign in {self._identity.user!r} at {self._where}"

    def _authenticate(self, route: Route, effort: Effort) -> Session:
        """Signs in for everyone who waits, repeating what the table lets repeat on the same colour."""
        state, method = self._state, methods.AUTHENTICATE
        repeats = Repeats(state.budget, state.rng)
        ends = time.monotonic() + effort.scope.settings.rpc.authenticate_timeout
        while True:
            own, left = ends - time.monotonic(), effort.seconds_left
            limit = method.limit if own <= left else effort.limit
            timeout = row(method.name).timeout(max(min(own, left), 0.001))
            try:
                session = self._ask(route, effort, timeout, limit)
            except errors.Error as error:
                outcome = outcome_of(error, effort.scope)
                left = min(ends - time.monotonic(), effort.seconds_left)
                decision = repeats.after(row(method.name), outcome, left)
                if not isinstance(decision, RetryAfter):
                    raise
                _log.info("authenticate failed, again in %.2f s: %s", decision.seconds, error)
                pause = decision.seconds
            else:
                state.budget.succeed()
                return session
            state.counters.count("retries")
            effort.scope.pause(pause)
            effort.scope.check(self._verb)

    def _ask(self, route: Route, effort: Effort, timeout: float, limit: DatabaseOptions) -> Session:
        verb, state, method = self._verb, self._state, methods.AUTHENTICATE
        try:
            call = Call(
                method,
                self._identity.authenticate_message,
                make_headers(self._transport.endpoint.cluster_name, route.colour),
                timeout,
                verb,
                secret=self._identity.sign(method.path, effort.scope, timeout),
                limit=limit,
            )
            response = self._transport.call(call, effort.scope)
        except errors.Error as error:
            if error.status_code not in (
                errors.Status.UNAUTHENTICATED,
                errors.Status.UNAUTHORIZED,
            ) or not failures.server_text(error):
                raise
            state.store.report_sign_in_failure(route, time.monotonic())
            raise self._refused(
                f"the server said {failures.server_text(error)!r}"
            ) from error.__cause__
        if not response.sessionId:
            state.store.report_sign_in_failure(route, time.monotonic())
            raise self._refused("the server granted no session")
        state.store.announce(response.new_strategy, route, time.monotonic())
        state.counters.count("sign_ins")
        _log.info("%s: signed in on %s", self._where, route.colour)
        return state.sessions.grant(self._identity.principal, route.colour, response.sessionId)

    def _refused(self, cause: str) -> errors.Error:
        error = errors.make(
            errors.Status.UNAUTHENTICATED,
            f"could not {self._verb}: {cause}",
            hint="check that the user is right, that the token is one of this user and has not expired, and the"
            " cluster name; a new token may need a restart of the cluster",
            sqlstate="28000",
        )
        return failures.with_evidence(error, methods.AUTHENTICATE)
