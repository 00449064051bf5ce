"""The queue before the planners: who asked for one, and who may go ahead."""

from __future__ import annotations

import dataclasses
import threading
import time
import uuid
from collections.abc import Callable
from typing import Final

from e6data_adbc.local.wire import refusal

__all__ = ["PlannerQueue", "Ticket"]

#: Seconds after which a place in the queue that nobody asks about is given up.
PATIENCE_SECONDS: Final = 600.0


@dataclasses.dataclass
class Ticket:
    """One place in the queue; its id becomes the id of the query."""

    query_id: str
    session_id: str
    waits_left: int
    seen: float

    @property
    def may_go(self) -> bool:
        """True once a planner is there."""
        return self.waits_left == 0


class PlannerQueue:
    """The places in the queue of one engine; any thread may call."""

    def __init__(self, waits: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Tells everybody *waits* times to wait, then to go ahead."""
        self._waits = waits
        self._clock = clock
        self._lock = threading.Lock()
        self._tickets: dict[str, Ticket] = {}

    def enter(self, session_id: str) -> Ticket:
        """Returns a new place in the queue."""
        now = self._clock()
        ticket = Ticket(str(uuid.uuid4()), session_id, self._waits, now)
        with self._lock:
            self._tickets = {
                query_id: known
                for query_id, known in self._tickets.items()
                if known.seen + PATIENCE_SECONDS > now
            }
            self._tickets[ticket.query_id] = ticket
        return ticket

    def ask(self, query_id: str, session_id: str) -> Ticket:
        """Returns the place of *query_id*, one step further.

        Raises:
            Refusal: There is none, or it is another session's.
        """
        with self._lock:
            ticket = self._find(query_id, session_id)
            ticket.waits_left = max(0, ticket.waits_left - 1)
            ticket.seen = self._clock()
            return ticket

    def leave(self, query_id: str, session_id: str) -> None:
        """Uses the place up, for the prepare that comes with it.

        Raises:
            Refusal: There is none, it is another session's, or its planner is not there yet.
        """
        with self._lock:
            if not self._find(query_id, session_id).may_go:
                raise refusal.sql_error(f"Query {query_id} still waits for a planner")
            del self._tickets[query_id]

    def _find(self, query_id: str, session_id: str) -> Ticket:
        ticket = self._tickets.get(query_id)
        if ticket is None:
            raise refusal.sql_error(f"Query {query_id} not found")
        if ticket.session_id != session_id:
            raise refusal.access_denied()
        return ticket
