"""What a query keeps to from its prepare to its clear: colour, session, planner."""

from __future__ import annotations

from typing import NoReturn

from e6data_adbc._session.colour.routes import Route
from e6data_adbc._session.colour.strategy import colour_of
from e6data_adbc._session.login.session_cache import Session
from e6data_adbc._transport.headers import Headers

__all__ = ["Lease"]


class Lease:
    """The place of one query; belongs to whoever makes its calls.

    Attributes:
        route: The colour, with the epoch that its reports are about.
        session: The sign-in it began with; None where calls carry tokens.
        planner: The header that leads to its planner; None before there is one.
        is_barred: Whether sessions after the first may not touch the query.
        session_id: What its requests carry, the newest that the server named; only for the expression that makes one.
        headers: What leads its calls there, once a call has made them.
        version: Another number after each change of the session.
    """

    __slots__ = (
        *("_first", "headers", "is_barred"),
        *("planner", "route", "session", "session_id", "version"),
    )

    def __init__(self, route: Route, session: Session | None) -> None:
        self.route = route
        self.session = session
        self.session_id = "" if session is None else session.secret.reveal()
        self.planner: str | None = None
        self.headers: Headers | None = None
        self.is_barred = False
        self.version = 0
        #: The session that it was prepared in, and what that was called in the end; None as long as it is in it.
        self._first: tuple[Session | None, str] | None = None

    @property
    def is_renewed(self) -> bool:
        """Whether it goes on with another sign-in than it began with."""
        return self._first is not None

    def move(self, session_id: str | None) -> None:
        """Follows the server to the session that a response names.

        Older servers put a strategy where the session id is now, so a strategy is never taken for one; and where calls
        carry tokens there is no session to move to.
        """
        if self.session is None or not session_id or session_id == self.session_id:
            return
        if colour_of(session_id) is None:
            self.session_id = session_id
            self.version += 1

    def renew(self, session: Session) -> None:
        """Goes on with another sign-in."""
        if self._first is None:
            self._first = (self.session, self.session_id)
        self.session = session
        self.session_id = session.secret.reveal()
        self.version += 1

    def bar(self) -> None:
        """Goes back to the session that it began with, for good: if anybody may still clear the query, that may."""
        self.is_barred = True
        if self._first is not None:
            (self.session, self.session_id), self._first = self._first, None
            self.version += 1

    # The session id is a secret: neither of these, nor `vars()`, shows it.

    def __repr__(self) -> str:
        return f"Lease({self.route.colour!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a session is not pickled")
