"""Who may call: the sessions, and the colour that gave each of them."""

from __future__ import annotations

import dataclasses
import threading
import time
import uuid
from collections.abc import Callable

from e6data_adbc.local.cluster.users import Users

__all__ = ["Session", "Sessions"]


@dataclasses.dataclass(frozen=True)
class Session:
    """The right to call, given by one colour of the engine; `session_id` is empty for a bearer."""

    session_id: str
    user: str
    strategy: str
    expires: float


class Sessions:
    """The sessions of one engine; any thread may call."""

    def __init__(
        self,
        users: Users,
        seconds: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._users = users
        self._seconds = float("inf") if seconds is None else seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._draining: dict[str, Session] = {}

    def knows(self, user: str, token: str) -> bool:
        """Tells whether *user* and *token* are a right pair."""
        return self._users.verify(user, token) is not None

    def open(self, strategy: str, user: str) -> Session:
        """Returns a new session of the colour *strategy*."""
        session = Session(str(uuid.uuid4()), user, strategy, self._clock() + self._seconds)
        with self._lock:
            self._sessions[session.session_id] = session
        return session

    def find(self, session_id: str, strategy: str, *, about_query: bool = False) -> Session | None:
        """Returns the living session *session_id* of the colour *strategy*, or None.

        For a call *about_query* a session that only finishes its queries lives, too.
        """
        with self._lock:
            session = self._sessions.get(session_id)
            if session is None and about_query:
                session = self._draining.get(session_id)
            if session is not None and session.expires <= self._clock():
                self._sessions.pop(session_id, None)
                self._draining.pop(session_id, None)
                return None
        return session if session is not None and session.strategy == strategy else None

    def expire(self, strategy: str | None = None, *, drain: bool = False) -> int:
        """Ends the sessions of the colour *strategy*, or all; returns how many there were.

        With *drain* they may finish the queries that they have prepared.
        """
        with self._lock:
            if not drain:
                self._draining = {
                    session_id: session
                    for session_id, session in self._draining.items()
                    if strategy not in (None, session.strategy)
                }
            due = [
                session_id
                for session_id, session in self._sessions.items()
                if strategy in (None, session.strategy)
            ]
            for session_id in due:
                session = self._sessions.pop(session_id)
                if drain:
                    self._draining[session_id] = session
        return len(due)
