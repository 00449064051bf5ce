"""The sessions of one endpoint: one for each principal on each colour."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping

from e6data_adbc._session.colour.strategy import Colour
from e6data_adbc.options import Secret

__all__ = ["Session", "SessionCache"]


@dataclasses.dataclass(frozen=True, init=False)
class Session:
    """One sign-in, valid on one colour.

    Attributes:
        secret: The session id; as good as a password, so no `repr`, `vars()` or pickle shows it.
        principal: Whose it is; a key that holds no secret.
        colour: The colour that granted it, and the only one it may be used on.
        serial: Counts the sign-ins of the cache, so that a late failure of an old session does not end a new one.
    """

    secret: Secret
    principal: str
    colour: Colour
    serial: int

    def __init__(self, session_id: str, principal: str, colour: Colour, serial: int) -> None:
        for name, value in (
            ("secret", Secret(session_id)),
            ("principal", principal),
            ("colour", colour),
            ("serial", serial),
        ):
            object.__setattr__(self, name, value)

    @property
    def session_id(self) -> str:
        """What requests carry; only for the expression that makes one."""
        return self.secret.reveal()


class SessionCache:
    """Finds sessions; any thread may call anything, and `find` takes no lock.

    A flip drops nothing: queries that run on the old colour go on with its session, and a cluster that flips back finds
    it still there. A session ends when the server denies it (`drop`), or with everything else (`clear`).
    """

    def __init__(self) -> None:
        self._sessions: Mapping[tuple[str, Colour], Session] = {}
        self._accepted: dict[tuple[str, Colour], int] = {}
        self._serial = 0
        self._lock = threading.RLock()

    def find(self, principal: str, colour: Colour) -> Session | None:
        """Returns the session of *principal* on *colour*; None if he has to sign in there."""
        return self._sessions.get((principal, colour))

    def grant(self, principal: str, colour: Colour, session_id: str) -> Session:
        """Returns the session that a sign-in gave, now the one to use."""
        with self._lock:
            self._serial += 1
            session = Session(session_id, principal, colour, self._serial)
            self._sessions = {**self._sessions, (principal, colour): session}
        return session

    def accept(self, session: Session) -> None:
        """Notes that a call in *session* was accepted."""
        key = (session.principal, session.colour)
        if self._accepted.get(key, 0) < session.serial:  # nearly never, so without a lock
            with self._lock:
                self._accepted[key] = max(session.serial, self._accepted.get(key, 0))

    def was_accepted(self, session: Session) -> bool:
        """Tells whether a call in *session*, or in one after it, was ever accepted."""
        return self._accepted.get((session.principal, session.colour), 0) >= session.serial

    def drop(self, session: Session) -> bool:
        """Forgets *session*, which the server no longer knows; False if it had been replaced already."""
        key = (session.principal, session.colour)
        with self._lock:
            current = self._sessions.get(key)
            if current is None or current.serial != session.serial:
                return False
            self._sessions = {k: v for k, v in self._sessions.items() if k != key}
        return True

    def clear(self) -> None:
        """Forgets all of them."""
        with self._lock:
            self._sessions = {}
