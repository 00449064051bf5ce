"""What every call of a database needs: the transport, who calls, and the state of the endpoint."""

from __future__ import annotations

import logging
import time

from e6data_adbc import errors
from e6data_adbc._session.colour.routes import Route
from e6data_adbc._session.endpoint import EndpointState
from e6data_adbc._session.lease import Lease
from e6data_adbc._session.login.identity import Identity
from e6data_adbc._session.login.sign_in import SignIn
from e6data_adbc._session.retry.decide import BUDGET_TOKENS
from e6data_adbc._session.retry.effort import Effort
from e6data_adbc._transport.api import Opened
from e6data_adbc._transport.methods import Method, Q, R
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import Transport
from e6data_adbc.options import Secret

__all__ = ["Caller"]

_log = logging.getLogger("e6data_adbc.retry")


class Caller:
    """One identity at one endpoint, and what it does about lost sessions and tokens; any thread may use it.

    Attributes:
        transport: The way to the endpoint.
        identity: Who calls.
        state: What the process knows of the endpoint.
        sign_in: Gets sessions.
        cluster_name: The cluster behind a shared host; None where there is one only.
    """

    def __init__(self, transport: Transport, identity: Identity, state: EndpointState) -> None:
        self.transport = transport
        self.identity = identity
        self.state = state
        self.cluster_name = transport.endpoint.cluster_name
        self.sign_in = SignIn(transport, state, identity)

    def lease(self, route: Route, effort: Effort) -> Lease:
        """Returns what calls on *route* keep to; signs in where they need a session and there is none."""
        if not self.identity.has_sessions:
            return Lease(route, None)
        return Lease(route, self.sign_in.session(route, effort))

    def reward(self, opened: Opened) -> None:
        """Has the endpoint's repetitions grow by the calls that native code made without a failure."""
        budget = self.state.budget
        if budget.tokens >= BUDGET_TOKENS:
            return
        done = (opened.prepared, opened.is_executed, opened.described, *opened.responses)
        for _ in filter(None, done):
            budget.succeed()

    def drop(self, lease: Lease) -> None:
        """Forgets the session of *lease*, which the server no longer knows."""
        if lease.session is not None and self.state.sessions.drop(lease.session):
            self.state.counters.count("session_renewals")
            _log.info("the session on %s is no longer known, signing in again", lease.route.colour)

    def renew(self, token: Secret, effort: Effort) -> bool:
        """Gets another token in the place of *token*, which was refused; False if there is no other."""
        timeout = max(effort.seconds_left, 0.001)
        if not self.identity.renew(token, effort.scope, timeout):
            return False
        self.state.counters.count("token_renewals")
        _log.info("the access token was refused, using another one")
        return True

    def wait(self, seconds: float, method: Method[Q, R], error: errors.Error, scope: Scope) -> None:
        """Waits before *method*, which failed with *error*, is called again."""
        self.state.counters.count("retries")
        _log.info("%s failed, again in %.2f s: %s", method.name, seconds, error)
        scope.pause(seconds)
        scope.check(f"call {method.name}")

    def report_wrong_colour(self, lease: Lease) -> None:
        """Notes that the deployment of *lease* is gone."""
        self.state.store.report_mismatch(lease.route, time.monotonic())
