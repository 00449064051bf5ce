"""The colour that each call uses: what the threads of one endpoint share about it, and what one call has tried."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Collection
from typing import Final

from e6data_adbc._session.colour import strategy
from e6data_adbc._session.colour.strategy import Action, Colour, Edge, Event, Kind, Phase, State

__all__ = ["MAX_COLOUR_TRIES", "Change", "Route", "StrategyStore", "Tries"]

#: What one user call may try in all, however often a cluster changes its mind.
MAX_COLOUR_TRIES: Final = 3

#: How old the last word of an active colour may be before another one is noted: making a state takes longer than the
#: rest of a report, and the colour is trusted for a thousand times as long.
_CONFIRMED_SECONDS: Final = 0.1

#: Not worth telling: they happen with every query.
_QUIET: Final = frozenset({Action.IGNORE, Action.CONFIRM, Action.LEND})


@dataclasses.dataclass(frozen=True)
class Route:
    """Where a call goes; a query keeps the one that prepared it for its whole life.

    Attributes:
        colour: The value of the header.
        epoch: The store's epoch that it was chosen in; reports carry it back.
    """

    colour: Colour
    epoch: int


@dataclasses.dataclass(frozen=True)
class Change:
    """One step of a store, for logs and metrics."""

    before: State
    event: Event
    kind: Kind
    edge: Edge
    after: State


class StrategyStore:
    """What is known about one endpoint's colour; any thread may call anything.

    `state` reads without a lock. The rest takes a lock for the few microseconds that replacing the state needs, never
    over a call, a log line or the listener. Time comes in as *now*, monotonic seconds of one clock.

    Args:
        now: The time.
        listener: Told of each change, outside of the lock and in the thread that caused it; must not raise.
    """

    def __init__(self, now: float, listener: Callable[[Change], None] | None = None) -> None:
        self._state = State(Phase.DETECTING, since=now, confirmed=now)
        self._listener = listener
        self._lock = threading.RLock()
        self._last: Colour | None = None
        #: What `settled` returned last.
        self._settled: Route | None = None
        self._counts = dict.fromkeys(
            ("detections", "transitions", "mismatches", "cache_hits", "announcements"), 0
        ) | {"ignored_colours": 0, "late_reports": 0, "late_mismatches": 0}

    @property
    def state(self) -> State:
        """What is known now."""
        return self._state

    def counters(self) -> dict[str, int]:
        """Returns how often what happened, since the store was made."""
        with self._lock:
            return dict(self._counts)

    def candidates(self, now: float) -> tuple[Colour, ...]:
        """Returns all colours, the best first."""
        return strategy.candidates(self._state, now)

    def tries(self) -> Tries:
        """Returns the counter of colour tries for one user call."""
        return Tries(self)

    def route(self, now: float, avoid: Collection[Colour] = ()) -> Route:
        """Returns where the next prepare or sign-in goes.

        An announced colour is given to one call; until that reports, or for a second, the others use the active one.

        Args:
            now: The time.
            avoid: Colours to use only if there is no other.
        """
        with self._lock:
            if not avoid and (settled := self.settled(now)) is not None:
                return settled  # of the candidates below it is the first
            state = self._state
            order = strategy.candidates(state, now)
            colour = next((c for c in order if c not in avoid), order[0])
            if colour == state.active and state.is_trusted(now):
                self._counts["cache_hits"] += 1
            if state.active is not None and colour == state.pending:
                self._state, _, _ = strategy.advance(state, strategy.Scouted(state.epoch), now)
            return Route(colour, state.epoch)

    def settled(self, now: float) -> Route | None:
        """Returns where the next prepare goes if that is beyond question: a colour is active, and none announced.

        Args:
            now: The time.
        """
        with self._lock:
            state = self._state
            if state.active is None or state.pending is not None or not state.is_trusted(now):
                return None
            self._counts["cache_hits"] += 1
            route = self._settled
            if route is None or route.epoch != state.epoch or route.colour != state.active:
                route = self._settled = Route(state.active, state.epoch)
            return route

    def report_success(self, route: Route, now: float) -> Route:
        """Notes that *route* was accepted; returns it in the epoch to pin the query to and to report with."""
        with self._lock:
            state = self._state
            if route.epoch == state.epoch and route.colour == state.active:
                # What the table says of an active colour that answers, in every phase, which each query passes.
                if now - state.confirmed >= _CONFIRMED_SECONDS:
                    self._state = dataclasses.replace(state, confirmed=now)
                return route
        after = self._advance(strategy.Answered(route.colour, route.epoch), now)
        if after.active != route.colour:
            return route
        return Route(route.colour, after.epoch)

    def report_mismatch(self, route: Route, now: float) -> None:
        """Notes that *route* was answered with 456; a report of an earlier epoch changes nothing."""
        self._advance(strategy.Refused(route.colour, route.epoch), now)

    def report_sign_in_failure(self, route: Route, now: float) -> None:
        """Notes that the credentials were refused on *route*: perhaps the colour is wrong, not the token."""
        self._advance(strategy.SignInFailed(route.epoch), now)

    def announce(self, text: str | None, route: Route, now: float) -> None:
        """Notes the `new_strategy` of a response to a call on *route*; the next prepare acts on it.

        Empty text says nothing. A text that is no colour is ignored and counted.
        """
        if not text:
            return
        colour = strategy.colour_of(text)
        if colour is None:
            with self._lock:
                self._counts["ignored_colours"] += 1
            return
        self._advance(strategy.Announced(colour, route.epoch), now)

    def suggest(self, text: str | None, now: float) -> None:
        """Notes what another process knew; it only decides which colour an unknown one is looked for first."""
        colour = strategy.colour_of(text)
        if colour is not None:
            self._advance(strategy.Suggested(colour), now)

    def invalidate(self, now: float) -> None:
        """Forgets the active colour; a notice stays."""
        self._advance(strategy.Invalidated(), now)

    def reset(self, now: float) -> None:
        """Forgets everything but the counters."""
        self._advance(strategy.Reset(), now)

    def _advance(self, event: Event, now: float) -> State:
        with self._lock:
            before = self._state
            after, kind, edge = strategy.advance(before, event, now)
            self._state = after
            self._count(event, kind, edge, before)
        if self._listener is not None and edge.action not in _QUIET:
            self._listener(Change(before, event, kind, edge, after))
        return after

    def _count(self, event: Event, kind: Kind, edge: Edge, before: State) -> None:
        counts = self._counts
        counts["late_reports"] += kind is Kind.LATE
        if isinstance(event, strategy.Refused):
            counts["mismatches"] += 1
            # Those were under way when the first one came.
            counts["late_mismatches"] += kind is Kind.LATE
        counts["announcements"] += kind is Kind.NEW_NOTICE
        if edge.action is Action.ADOPT:
            counts["detections"] += before.active is None
            counts["transitions"] += self._last not in (None, self._state.active)
            self._last = self._state.active


class Tries:
    """The colour tries of one user call; belongs to the thread that makes the call.

    ::

        tries = store.tries()
        while (route := tries.next(clock())) is not None:
            try:
                response = send(route)
            except WrongColour:
                tries.refused(route, clock())
                continue
            route = store.report_success(route, clock())
    """

    def __init__(self, store: StrategyStore) -> None:
        self._store = store
        self._refused: list[Colour] = []
        self._has_excused = False
        self.count = 0

    def next(self, now: float) -> Route | None:
        """Returns the next route to try, on a colour that did not refuse; None once the tries are used up.

        Where all refused, it is the one that the store knows best by then: a flip in between, or a refusal that was
        no truth, is the likely reason, and other calls may have found out.
        """
        if self.count >= MAX_COLOUR_TRIES:
            return None
        self.count += 1
        refused = self._refused
        return self._store.route(now, () if refused and self.all_refused else refused)

    @property
    def all_refused(self) -> bool:
        """Whether every colour refused the call."""
        return len(self._refused) == len(strategy.COLOURS)

    def refused(self, route: Route, now: float) -> bool:
        """Notes that *route* was answered with 456, here and in the store; returns whether it counts as a try.

        One refusal does not count: that of a call which was under way while another one found the cluster, so that
        nobody can tell which of the two answers is the newer.
        """
        if route.colour in self._refused:
            self._refused.remove(route.colour)
        self._refused.append(route.colour)
        state = self._store.state
        self._store.report_mismatch(route, now)
        if self._has_excused or state.active is None or state.epoch == route.epoch:
            return True
        self._has_excused = True
        self.count -= 1
        return False
