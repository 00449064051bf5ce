"""What a query keeps to from its prepare to its clear: colour, session, planner."""

from __future__ import annotations

from e6data_adbc._session.colour.routes import Route
from e6data_adbc._session.colour.strategy import colour_of
from e6data_adbc._session.login.session_cache import Session
from e6data_adbc.options import Secret

__all__ = ["Lease"]


class Lease:
    """The place of one query; belongs to whoever makes its calls.

    Attributes:
        route: The colour, with the epoch that its reports are about.
        session: The sign-in it began with; None where calls carry tokens.
        planner: The header that leads to its planner; None before there is one.
        is_barred: Whether sessions after the first may not touch the query.
        version: Another number after each change of the session.
    """

    __slots__ = (
        *("_first", "_secret"),
        *("is_barred", "planner", "route", "session", "version"),
    )

    def __init__(self, route: Route, session: Session | None) -> None:
        self.route = route
        self.session = session
        self._secret = Secret("") if session is None else session.secret
        self.planner: str | None = None
        self.is_barred = False
        self.version = 0
        #: The session that it was prepared in, and what that was called in the end; None as long as it is in it.
        self._first: tuple[Session | None, Secret] | None = None

    @property
    def is_renewed(self) -> bool:
        """Whether it goes on with another sign-in than it began with."""
        return self._first is not None

    @property
    def session_id(self) -> str:
        """What its requests carry, the newest that the server named; only for the expression that makes one."""
        return self._secret.reveal()

    def move(self, session_id: str | None) -> None:
        """Follows the server to the session that a response names.

        Older servers put a strategy where the session id is now, so a strategy is never taken for one; and where calls
        carry tokens there is no session to move to.
        """
        if self.session is None or not session_id or colour_of(session_id) is not None:
            return
        if session_id != self._secret.reveal():
            self._secret = Secret(session_id)
            self.version += 1

    def renew(self, session: Session) -> None:
        """Goes on with another sign-in."""
        if self._first is None:
            self._first = (self.session, self._secret)
        self.session = session
        self._secret = session.secret
        self.version += 1

    def bar(self) -> None:
        """Goes back to the session that it began with, for good: if anybody may still clear the query, that may."""
        self.is_barred = True
        if self._first is not None:
            (self.session, self._secret), self._first = self._first, None
            self.version += 1

    def __repr__(self) -> str:
        return f"Lease({self.route.colour!r})"
