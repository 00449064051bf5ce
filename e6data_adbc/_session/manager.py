"""The session that all connections of a database share: signing in, and signing in again."""

from __future__ import annotations

import copy
import dataclasses
import threading
from collections.abc import Callable
from typing import Final

from e6data_adbc import errors
from e6data_adbc._transport import calls
from e6data_adbc._transport.calls import Method, Q, R, Signal
from e6data_adbc._transport.channel import Transport
from e6data_adbc._transport.headers import Headers, check_cluster_name, make_headers
from e6data_adbc._transport.scope import Scope
from e6data_adbc.options import Secret

__all__ = ["Session", "SessionManager", "newest_session_id"]

#: The two deployments of a cluster, in the order in which an unknown one is tried.
STRATEGIES: Final = ("blue", "green")

#: After these the session is worth nothing, and a call that may be repeated is repeated once with a new one.
_SESSION_LOST: Final = frozenset({Signal.ACCESS_DENIED, Signal.WRONG_STRATEGY})


@dataclasses.dataclass(frozen=True)
class Session:
    """One sign-in, valid on one deployment.

    Attributes:
        session_id: What requests carry; as good as a password, so no `repr` shows it.
        strategy: The deployment that granted it.
        serial: Counts sign-ins, so that a late failure of an old session does not end a new one.
    """

    session_id: str = dataclasses.field(repr=False)
    strategy: str
    serial: int


class _SignIn:
    """One sign-in under way, on which any number of threads wait."""

    def __init__(self) -> None:
        self.is_done = False
        self.error: errors.Error | None = None


class SessionManager:
    """Signs in when the first call needs it, once for all threads; every method may be called from any thread."""

    def __init__(self, transport: Transport, user: str, token: Secret) -> None:
        self.transport = transport
        self._user = user
        self._token = token
        self._cluster_name = check_cluster_name(transport.endpoint.cluster_name)
        # Guards the four below, and tells the end of a sign-in; never held over a call.
        self._changed = threading.Condition()
        self._session: Session | None = None
        self._sign_in: _SignIn | None = None
        self._serial = 0
        self._strategy: str | None = None
        #: The deployment that the server announced for new queries, not yet acted on.
        self.announced_strategy: str | None = None

    def headers(self, session: Session, planner: str | None = None) -> Headers:
        """Returns the headers of a call in *session*, about the query that *planner* prepared if there is one."""
        return make_headers(self._cluster_name, session.strategy, planner)

    def call(
        self,
        method: Method[Q, R],
        request: Callable[[str], Q],
        scope: Scope,
        *,
        verb: str,
    ) -> tuple[R, Session]:
        """Returns the response of a call that may be repeated, and the session that got it.

        Where the server says that the session is void, the call is repeated once with a new one.

        Args:
            method: A method without effect on rows: preparing, listing.
            request: Makes the request for a session id.
            scope: Bounds the call and the sign-ins.
            verb: What is attempted.

        Raises:
            Error: The call failed twice, or signing in failed.
        """
        session = self.session(scope)
        try:
            return self._send(method, request, session, scope, verb), session
        except errors.Error as error:
            if calls.signal(error) not in _SESSION_LOST:
                raise
        session = self.session(scope, instead_of=session)
        return self._send(method, request, session, scope, verb), session

    def session(self, scope: Scope, *, instead_of: Session | None = None) -> Session:
        """Returns the current session, signing in if there is none.

        Args:
            scope: Bounds the wait.
            instead_of: A session that the server no longer knows. It ends, unless it has been replaced already.

        Raises:
            Error: Signing in failed.
        """
        while True:
            with self._changed:
                current = self._session
                if current is not None and (
                    instead_of is None or current.serial > instead_of.serial
                ):
                    return current
                self._session = None
                flight = self._sign_in
                leads = flight is None
                if flight is None:
                    flight = self._sign_in = _SignIn()
            if leads:
                return self._lead(flight, scope)
            self._follow(flight, scope)

    def announce(self, strategy: str | None) -> None:
        """Notes the deployment that a response asks new queries to use; what is not a strategy is ignored."""
        if strategy and strategy.lower() in STRATEGIES:
            self.announced_strategy = strategy.lower()

    def _send(
        self,
        method: Method[Q, R],
        request: Callable[[str], Q],
        session: Session,
        scope: Scope,
        verb: str,
    ) -> R:
        response = self.transport.call(
            method,
            lambda: request(session.session_id),
            self.headers(session),
            scope,
            verb=verb,
        )
        self.announce(getattr(response, "new_strategy", None))
        return response

    def _lead(self, flight: _SignIn, scope: Scope) -> Session:
        """Signs in for everyone who waits on *flight*."""
        session: Session | None = None
        try:
            session = self._authenticate(scope)
        except errors.Error as error:
            flight.error = error
            raise
        finally:
            with self._changed:
                self._session = session
                self._sign_in = None
                flight.is_done = True
                self._changed.notify_all()
        return session

    def _follow(self, flight: _SignIn, scope: Scope) -> None:
        """Waits for the end of *flight*, which has deadlines, and raises its error."""
        with scope.waking(self._wake), self._changed:
            self._changed.wait_for(lambda: flight.is_done or scope.is_cancelled)
        scope.check("sign in")
        # A leader that was cancelled says nothing about its followers: one of them leads the next round.
        if flight.error and flight.error.status_code != errors.Status.CANCELLED:
            error = copy.copy(flight.error)  # an exception belongs to one thread
            error.__cause__ = flight.error.__cause__
            raise error

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _authenticate(self, scope: Scope) -> Session:
        first = self._strategy or STRATEGIES[0]
        refusal: errors.Error | None = None
        for strategy in (first, *(other for other in STRATEGIES if other != first)):
            try:
                session_id = self._authenticate_on(strategy, scope)
            except errors.Error as error:
                if calls.signal(error) is not Signal.WRONG_STRATEGY:
                    raise
                refusal = error
                continue
            self._strategy = strategy
            self._serial += 1
            return Session(session_id, strategy, self._serial)
        raise errors.make(
            errors.Status.IO,
            f"could not sign in {self._user!r} at {self._where}: no deployment answers, neither"
            f" {' nor '.join(STRATEGIES)}",
            hint="check the cluster name",
        ) from refusal

    def _authenticate_on(self, strategy: str, scope: Scope) -> str:
        verb = f"sign in {self._user!r} at {self._where}"
        try:
            response = self.transport.call(
                calls.AUTHENTICATE,
                lambda: calls.AUTHENTICATE.request(user=self._user, password=self._token.reveal()),
                make_headers(self._cluster_name, strategy),
                scope,
                verb=verb,
            )
        except errors.Error as error:
            if error.status_code in (errors.Status.UNAUTHENTICATED, errors.Status.UNAUTHORIZED):
                raise self._refused(
                    verb, f"the server said {calls.server_text(error)!r}"
                ) from error
            raise
        self.announce(response.new_strategy)
        if not response.sessionId:
            raise self._refused(verb, "the server granted no session")
        return response.sessionId

    @property
    def _where(self) -> str:
        target = repr(self.transport.endpoint.target)
        return f"{target}, cluster {self._cluster_name!r}" if self._cluster_name else target

    def _refused(self, verb: str, cause: str) -> errors.Error:
        return errors.make(
            errors.Status.UNAUTHENTICATED,
            f"could not {verb}: {cause}",
            hint="check that the user is right, that the token is one of this user and has not expired, and the"
            " cluster name; a new token may need a restart of the cluster",
            sqlstate="28000",
        )


def newest_session_id(current: str, received: str | None) -> str:
    """Returns the session id for the next call about a query, after a response that carried *received*.

    The server may move a query to another session. Older servers put a strategy where the session id is now, so a
    strategy is never taken for one.
    """
    if not received or received.lower() in STRATEGIES:
        return current
    return received
