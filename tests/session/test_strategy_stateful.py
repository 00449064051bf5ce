"""The strategy store under any order of calls, replies and reports, as Hypothesis finds them.

`HYPOTHESIS_PROFILE=thorough` runs 2,000 examples of 50 steps; the default is small enough for every run.
"""

from __future__ import annotations

import dataclasses
import os

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from e6data_adbc._session.colour.routes import MAX_COLOUR_TRIES, Change, Route, StrategyStore, Tries
from e6data_adbc._session.colour.strategy import (
    COLOURS,
    LONGEST_HOLD_SECONDS,
    Colour,
    Phase,
    State,
)
from e6data_adbc._session.login.session_cache import Session, SessionCache

pytestmark = pytest.mark.seconds

IS_THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
TEXTS = ("blue", "green", "BLUE", "Green", "purple", "", None, "status: 456")


@dataclasses.dataclass
class UserCall:
    """A call under way: its tries, and the route that is on the wire."""

    tries: Tries
    route: Route
    session: Session | None = None
    sent: int = 1
    excused: int = 0
    is_over: bool = False


@dataclasses.dataclass
class RunningQuery:
    """A prepared query, and the colour that its prepare was accepted on."""

    route: Route
    session: Session
    accepted_on: Colour


class StoreMachine(RuleBasedStateMachine):
    """Calls start, travel and end in any order, while the endpoint changes its mind."""

    calls = Bundle("calls")
    queries = Bundle("queries")

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.changes: list[Change] = []
        self.store = StrategyStore(self.now, self.changes.append)
        self.sessions = SessionCache()
        self.serving: Colour = "blue"
        self.granted: dict[str, Colour] = {}
        self.running: list[RunningQuery] = []
        self.active_in_epoch: dict[int, Colour | None] = {}
        self.last_epoch = 0

    @initialize(colour=st.sampled_from(COLOURS))
    def begin(self, colour: Colour) -> None:
        self.serving = colour

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.5, 1.0, 5.0, 31.0, 301.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def flip(self) -> None:
        self.serving = COLOURS[1 - COLOURS.index(self.serving)]

    @rule(target=calls)
    def start(self) -> UserCall:
        tries = self.store.tries()
        route = tries.next(self.now)
        assert route is not None
        return UserCall(tries, route)

    @rule(target=queries, call=calls)
    def arrive(self, call: UserCall) -> RunningQuery | None:
        """The call on the wire reaches the endpoint as it is now, and its reply the client."""
        if call.is_over:
            return None
        if call.route.colour != self.serving:
            self._refuse(call)
            return None
        session = self.sessions.find("ann", call.route.colour)
        if session is None:
            name = f"s{len(self.granted)}"
            self.granted[name] = call.route.colour
            session = self.sessions.grant("ann", call.route.colour, name)
        route = self.store.report_success(call.route, self.now)
        call.is_over = True
        query = RunningQuery(route, session, call.route.colour)
        self.running.append(query)
        return query

    @rule(call=calls)
    def refuse_late(self, call: UserCall) -> None:
        """A refusal of a while ago arrives now."""
        if not call.is_over:
            self._refuse(call)

    @rule(call=calls)
    def abandon(self, call: UserCall) -> None:
        """A lost reply, a cancelled call: nobody ever reports."""
        call.is_over = True

    @rule(call=calls)
    def refuse_sign_in(self, call: UserCall) -> None:
        if not call.is_over:
            self.store.report_sign_in_failure(call.route, self.now)
            call.is_over = True

    @rule(query=queries, text=st.sampled_from(TEXTS))
    def announce(self, query: RunningQuery | None, text: str | None) -> None:
        if query is not None:
            self.store.announce(text, query.route, self.now)

    @rule(query=queries)
    def lose_query(self, query: RunningQuery | None) -> None:
        """A call about a query says that its colour is gone."""
        if query is not None:
            self.store.report_mismatch(query.route, self.now)

    @rule(query=queries)
    def deny_session(self, query: RunningQuery | None) -> None:
        if query is not None:
            self.sessions.drop(query.session)

    @rule(text=st.sampled_from(TEXTS))
    def suggest(self, text: str | None) -> None:
        self.store.suggest(text, self.now)

    @rule()
    def invalidate(self) -> None:
        self.store.invalidate(self.now)

    @rule()
    def reset(self) -> None:
        self.store.reset(self.now)

    def _refuse(self, call: UserCall) -> None:
        call.excused += not call.tries.refused(call.route, self.now)
        route = call.tries.next(self.now)
        if route is None:
            call.is_over = True
            return
        call.route, call.sent = route, call.sent + 1
        assert call.excused <= 1
        assert call.sent <= MAX_COLOUR_TRIES + call.excused

    @invariant()
    def state_is_consistent(self) -> None:
        """The phase says what the fields say, and the announced colour is never the active one."""
        state = self.store.state
        assert state.pending is None or state.pending != state.active
        match state.phase:
            case Phase.DETECTING | Phase.ERROR:
                assert state.active is None
            case Phase.TRANSITIONING:
                assert state.active is not None
                assert state.pending is not None
            case colour:
                assert (state.active, state.pending) == (colour.value, None)

    @invariant()
    def an_epoch_has_one_colour(self) -> None:
        """Epochs only grow, and a colour changes at most once in each."""
        for state in (*(change.after for change in self.changes), self.store.state):
            assert self.active_in_epoch.setdefault(state.epoch, state.active) == state.active
            assert state.epoch >= self.last_epoch
            self.last_epoch = state.epoch
        self.changes.clear()

    @invariant()
    def queries_are_pinned(self) -> None:
        """Whatever happens, a query's colour is the one that accepted it, and its session is of that colour."""
        for query in self.running:
            assert query.route.colour == query.accepted_on
            assert query.session.colour == query.accepted_on
            assert self.granted[query.session.session_id] == query.accepted_on

    @invariant()
    def every_colour_can_be_tried(self) -> None:
        """There is always a full order of candidates, so nobody waits for a colour."""
        assert sorted(self.store.candidates(self.now)) == sorted(COLOURS)

    @invariant()
    def holds_are_bounded(self) -> None:
        """No notice is left alone for more than 30 s."""
        state: State = self.store.state
        if state.hold is not None:
            assert state.hold.until <= self.now + LONGEST_HOLD_SECONDS


class QuietEndMachine(StoreMachine):
    """The same, and at the end the endpoint is quiet: then the next call finds it within its tries."""

    def teardown(self) -> None:
        tries = self.store.tries()
        while (route := tries.next(self.now)) is not None:
            if route.colour == self.serving:
                self.store.report_success(route, self.now)
                break
            tries.refused(route, self.now)
        assert route is not None
        assert tries.count <= 2
        assert self.store.state.active == self.serving


TestStore = StoreMachine.TestCase
TestQuietEnd = QuietEndMachine.TestCase
TestStore.settings = TestQuietEnd.settings = settings(
    max_examples=2000 if IS_THOROUGH else 60,
    stateful_step_count=50 if IS_THOROUGH else 30,
)
