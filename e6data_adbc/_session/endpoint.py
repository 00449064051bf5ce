"""What the databases of one process share about an endpoint: its colour, its sessions, its troubles."""

from __future__ import annotations

import logging
import math
import os
import random
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._session.colour.routes import Change, StrategyStore
from e6data_adbc._session.colour.shared_file import REFRESH_SECONDS, HintFile
from e6data_adbc._session.colour.strategy import Action, State
from e6data_adbc._session.counters import Counters
from e6data_adbc._session.login.session_cache import SessionCache
from e6data_adbc._session.resume.audience import Audience
from e6data_adbc._session.retry.decide import RetryBudget
from e6data_adbc._session.single_flight import Flights
from e6data_adbc._transport.observer import Observer

__all__ = ["ENDPOINTS", "EndpointState", "Endpoints"]

_log = logging.getLogger("e6data_adbc.strategy")


class EndpointState:
    """The state of one endpoint; any thread may use any part of it.

    Attributes:
        store: Its colour.
        sessions: Its sessions, of all principals.
        budget: How many repetitions it is still worth.
        flights: Sign-ins and resumptions under way.
        counters: How often what happened.
        audience: Who is told of a resume under way.
        resumed_at: When this process last sent the cluster a resume, by the monotonic clock.
        rng: Draws pauses.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._listener = _Listener(where)
        self._on_release: list[Callable[[EndpointState], object]] = []
        self.store = StrategyStore(time.monotonic(), self._listener)
        self.sessions = SessionCache()
        self.budget = RetryBudget()
        self.flights = Flights()
        self.counters = Counters()
        self.audience = Audience()
        self.resumed_at: float | None = None
        self.rng = random.Random()  # noqa: S311 - spreads clients, hides nothing

    def observe(self, observer: Observer) -> None:
        """Tells *observer* from now on how long the colour was unknown; all of a process tell the same readers."""
        self._listener.observer = observer

    def exchange(self, hints: HintFile | None) -> None:
        """Takes the first guess at the colour from *hints*, and tells them what is learned; None changes nothing."""
        if hints is None or self._listener.hints is not None:
            return
        self._listener.hints = hints
        if self.store.state.active is None:
            self.store.suggest(hints.read(), time.monotonic())

    def begin(self) -> None:
        """Takes note that a call begins which needs the colour."""
        state = self.store.state
        if state.active is None:
            self._listener.look()
        else:
            self._listener.remind(state)

    def on_release(self, call: Callable[[EndpointState], object]) -> None:
        """Has *call* told when the last database has left."""
        self._on_release.append(call)

    def release(self) -> None:
        """Tells those who wanted to know that the last database has left."""
        calls, self._on_release = self._on_release, []
        for call in calls:
            call(self)

    def stats(self) -> dict[str, Any]:
        """Returns counters and colour, ready for JSON."""
        state = self.store.state
        return {
            "endpoint": self._where,
            "strategy": {
                "phase": state.phase.value,
                "active": state.active,
                "announced": state.pending,
                "epoch": state.epoch,
                **self.store.counters(),
            },
            **self.counters.read(),
            "retry_tokens": round(self.budget.tokens, 3),
        }


# No part of the state: one that refers to itself would outlive its last database.
class _Listener:
    """Tells the changes of one endpoint's colour, and how long it was unknown."""

    def __init__(self, where: str) -> None:
        self._where = where
        #: Since when a call has needed the colour and not known it; one assignment at a time is all it takes.
        self._since: float | None = None
        self.observer = Observer()
        #: Told what other processes may want to know.
        self.hints: HintFile | None = None
        self._told = -math.inf

    def look(self) -> None:
        """Takes note that a call needs the colour, which is unknown."""
        if self._since is None:
            self._since = time.monotonic()

    def __call__(self, change: Change) -> None:
        _log.log(
            logging.WARNING if change.edge.action is Action.FAIL else logging.INFO,
            "%s: %s: %s (%s, then %s)",
            self._where,
            change.kind.value,
            change.edge.action.value,
            change.before.phase.value,
            change.after.phase.value,
        )
        if self.hints is not None and change.edge.action is Action.ADOPT:
            self._tell(self.hints, change.after, change.after.confirmed)
        if change.after.active is None:
            if change.before.active is not None:
                self.look()
        elif change.before.active is None:
            since, self._since = self._since, None
            if since is not None:
                self.observer.detected(time.monotonic() - since)

    def remind(self, state: State) -> None:
        """Tells other processes again what *state* says, where that is due."""
        now = time.monotonic()
        if self.hints is not None and now - self._told >= REFRESH_SECONDS and state.is_trusted(now):
            self._tell(self.hints, state, now)

    def _tell(self, hints: HintFile, state: State, now: float) -> None:
        self._told = now
        if state.active is not None:
            hints.write(state.active, max(now - state.confirmed, 0.0))


class _Table:
    """The endpoints of one process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.RLock()
        self.states: weakref.WeakValueDictionary[Endpoint, EndpointState] = (
            weakref.WeakValueDictionary()
        )
        self.users: Counter[Endpoint] = Counter()


class Endpoints:
    """One state for all databases with the same endpoint, as long as one of them is open; for any thread.

    Databases share it because a cluster switches, suspends and forgets for all of them at once: each learning that for
    itself would be a storm. Two endpoints share nothing.
    """

    def __init__(self) -> None:
        self._table = _Table()

    def get(self, endpoint: Endpoint) -> EndpointState:
        """Returns the state of *endpoint*: server, cluster and how the server is trusted. `release` ends its use."""
        table = self._of_this_process()
        with table.lock:
            table.users[endpoint] += 1
            state = table.states.get(endpoint)
            if state is None:
                name = endpoint.cluster_name
                where = f"{endpoint.target}/{name}" if name else endpoint.target
                state = table.states[endpoint] = EndpointState(where)
            return state

    def release(self, endpoint: Endpoint) -> None:
        """Forgets the state of *endpoint* with its last user."""
        table = self._of_this_process()
        with table.lock:
            table.users[endpoint] -= 1
            if table.users[endpoint] > 0:
                return
            del table.users[endpoint]
            state = table.states.pop(endpoint, None)
        if state is not None:
            state.release()

    def _of_this_process(self) -> _Table:
        if self._table.pid != os.getpid():
            # The parent's locks may be held by threads that do not exist here.
            self._table = _Table()
        return self._table

    def __len__(self) -> int:
        return len(self._table.states)


#: The one of this process: databases that know nothing of each other meet nowhere else.
ENDPOINTS: Final = Endpoints()
