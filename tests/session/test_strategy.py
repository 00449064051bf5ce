"""What is known about an endpoint's colour, and how each event changes it."""

from __future__ import annotations

import ast
import importlib
import inspect
import pickle
import random

import pytest

import e6data_adbc
from e6data_adbc._session.colour import routes, strategy
from e6data_adbc._session.colour.routes import Route, StrategyStore
from e6data_adbc._session.colour.strategy import (
    Action,
    Announced,
    Answered,
    Hold,
    Invalidated,
    Phase,
    Refused,
    Reset,
    Scouted,
    SignInFailed,
    State,
    Suggested,
    advance,
    candidates,
)

NOW = 1000.0
DETECTING = State(Phase.DETECTING, epoch=4)
BLUE = State(Phase.BLUE, "blue", epoch=4, confirmed=NOW)
GREEN = State(Phase.GREEN, "green", epoch=4, confirmed=NOW)
TO_GREEN = State(Phase.TRANSITIONING, "blue", "green", epoch=4, confirmed=NOW)
TO_BLUE = State(Phase.TRANSITIONING, "green", "blue", epoch=4, confirmed=NOW)
ERROR = State(Phase.ERROR, epoch=4, refused=("green", "blue"))
WHOLE = (DETECTING, BLUE, GREEN, TO_GREEN, TO_BLUE, ERROR)


@pytest.mark.parametrize(
    ("before", "event", "phase", "active", "pending", "epoch"),
    [
        # Learning a colour.
        (DETECTING, Answered("green", 4), Phase.GREEN, "green", None, 5),
        (DETECTING, Refused("blue", 4), Phase.DETECTING, None, None, 4),
        (DETECTING, Announced("green", 4), Phase.DETECTING, None, "green", 4),
        (DETECTING, Suggested("green"), Phase.DETECTING, None, "green", 4),
        (DETECTING, SignInFailed(4), Phase.DETECTING, None, None, 4),
        (ERROR, Answered("blue", 4), Phase.BLUE, "blue", None, 5),
        (ERROR, Refused("green", 4), Phase.ERROR, None, None, 4),
        (ERROR, Announced("green", 4), Phase.DETECTING, None, "green", 4),
        # Keeping one.
        (BLUE, Answered("blue", 4), Phase.BLUE, "blue", None, 4),
        (BLUE, Announced("blue", 4), Phase.BLUE, "blue", None, 4),
        (BLUE, Suggested("green"), Phase.BLUE, "blue", None, 4),
        (BLUE, Refused("green", 4), Phase.BLUE, "blue", None, 4),
        # A switch without notice.
        (BLUE, Refused("blue", 4), Phase.DETECTING, None, None, 5),
        (BLUE, Answered("green", 4), Phase.GREEN, "green", None, 5),
        # A switch with notice.
        (BLUE, Announced("green", 4), Phase.TRANSITIONING, "blue", "green", 4),
        (TO_GREEN, Announced("green", 4), Phase.TRANSITIONING, "blue", "green", 4),
        (TO_GREEN, Answered("green", 4), Phase.GREEN, "green", None, 5),
        (TO_GREEN, Answered("blue", 4), Phase.TRANSITIONING, "blue", "green", 4),
        (TO_GREEN, Refused("green", 4), Phase.TRANSITIONING, "blue", "green", 4),
        (TO_GREEN, Refused("blue", 4), Phase.DETECTING, None, "green", 5),
        (TO_GREEN, Announced("blue", 4), Phase.BLUE, "blue", None, 4),
        (TO_BLUE, Announced("green", 4), Phase.GREEN, "green", None, 4),
        # Doubt.
        (GREEN, SignInFailed(4), Phase.DETECTING, None, None, 5),
        (TO_BLUE, Invalidated(), Phase.DETECTING, None, "blue", 5),
        (TO_BLUE, Reset(), Phase.DETECTING, None, None, 5),
        (ERROR, Invalidated(), Phase.DETECTING, None, None, 5),
    ],
)
def test_edges(
    before: State,
    event: strategy.Event,
    phase: Phase,
    active: str | None,
    pending: str | None,
    epoch: int,
) -> None:
    """Each event leads where the table says."""
    after, _, _ = advance(before, event, NOW)

    assert (after.phase, after.active, after.pending, after.epoch) == (
        phase,
        active,
        pending,
        epoch,
    )


@pytest.mark.parametrize("state", WHOLE, ids=lambda state: state.phase.value)
@pytest.mark.parametrize(
    "event",
    [
        *(
            kind(colour, 3)
            for kind in (Answered, Refused, Announced)
            for colour in ("blue", "green")
        ),
        Scouted(3),
        SignInFailed(3),
    ],
    ids=repr,
)
def test_reports_of_earlier_epochs_change_nothing(state: State, event: strategy.Event) -> None:
    """What a call tells about a colour that was replaced meanwhile is no news."""
    after, kind, _ = advance(state, event, NOW)

    assert after is state
    assert kind is strategy.Kind.LATE


def test_an_edge_that_is_missing_raises() -> None:
    """An event that cannot happen in a state is named with it, and moves nothing."""
    with pytest.raises(e6data_adbc.InternalError, match=r"Scouted.*'blue'"):
        advance(BLUE, Scouted(4), NOW)


def test_every_edge_can_be_taken() -> None:
    """From each phase, events reach every kind that the table lists for it, and no other."""
    reached = set()
    rng = random.Random(1)
    for _ in range(300):
        state = State(Phase.DETECTING)
        for _ in range(30):
            colour = rng.choice(strategy.COLOURS)
            epoch = state.epoch - (rng.random() < 0.2)
            event = rng.choice(
                [
                    *(Answered(colour, epoch), Refused(colour, epoch), Announced(colour, epoch)),
                    *(SignInFailed(epoch), Suggested(colour)),
                    *((Scouted(epoch),) if state.phase is Phase.TRANSITIONING else ()),
                    *((Invalidated(), Reset()) if rng.random() < 0.3 else ()),
                ]
            )
            before = state.phase
            state, kind, _ = advance(state, event, NOW)
            reached.add((before, kind))

    assert reached == set(strategy.TABLE)


def test_an_unknown_colour_is_looked_for_on_blue_first() -> None:
    """Without evidence the order is fixed; a suggestion or a notice changes it, a refusal turns it around."""
    assert candidates(DETECTING, NOW) == ("blue", "green")
    for event in (Suggested("green"), Announced("green", 4), Refused("blue", 4)):
        assert candidates(advance(DETECTING, event, NOW)[0], NOW) == ("green", "blue")


def test_a_suggestion_does_not_outweigh_evidence() -> None:
    """What another process knew counts for nothing once a colour refused or was announced here."""
    refused = advance(DETECTING, Refused("blue", 4), NOW)[0]
    announced = advance(DETECTING, Announced("green", 4), NOW)[0]

    assert advance(refused, Suggested("blue"), NOW)[0] is refused
    assert advance(announced, Suggested("blue"), NOW)[0] is announced


def test_an_old_colour_is_not_trusted_first() -> None:
    """300 s without an answer put the colour into the common order; being refused by the other restores it."""
    assert candidates(GREEN, NOW + 300) == ("green", "blue")
    assert candidates(GREEN, NOW + 301) == ("blue", "green")

    confirmed = advance(GREEN, Refused("blue", 4), NOW + 301)[0]
    assert candidates(confirmed, NOW + 302) == ("green", "blue")
    assert confirmed.epoch == GREEN.epoch


def test_a_notice_that_comes_too_early_is_held_longer_each_time() -> None:
    """1 s, doubled up to 30 s; meanwhile the old colour is first; a long peace starts it over."""
    state, now, holds = TO_GREEN, NOW, []
    for _ in range(7):
        state, _, _ = advance(state, Refused("green", 4), now)
        assert state.hold is not None
        assert candidates(state, now) == ("blue", "green")
        holds.append(state.hold.until - now)
        now = state.hold.until
        assert candidates(state, now) == ("green", "blue")

    assert holds == [1, 2, 4, 8, 16, 30, 30]
    state, _, _ = advance(state, Refused("green", 4), now + 31)
    assert state.hold == Hold("green", now + 32, 1.0)


def test_a_held_notice_is_not_brought_forward_by_age() -> None:
    """An active colour that is no longer trusted still comes before an announced one that is held."""
    state = advance(TO_BLUE, Refused("blue", 4), NOW + 400)[0]
    assert candidates(state, NOW + 400) == ("green", "blue")


def test_a_held_notice_is_used_when_the_old_colour_is_gone() -> None:
    """With no active colour there is nothing to wait for."""
    held = advance(TO_GREEN, Refused("green", 4), NOW)[0]
    gone = advance(held, Refused("blue", 4), NOW)[0]

    assert candidates(gone, NOW) == ("green", "blue")


def test_one_call_tries_the_announced_colour() -> None:
    """While it is under way the others use the old one; a second later another call may try."""
    store = StrategyStore(NOW)
    blue = store.report_success(store.route(NOW), NOW)
    store.announce("GREEN", blue, NOW)

    assert [store.route(NOW).colour for _ in range(4)] == ["green", "blue", "blue", "blue"]
    assert store.route(NOW + 1).colour == "green"


def test_a_flip_happens_once_for_all_threads() -> None:
    """Ten refusals of one epoch are one flip, and the ten calls that follow share the new colour."""
    store = StrategyStore(NOW)
    first = store.report_success(store.route(NOW), NOW)

    for _ in range(10):
        store.report_mismatch(first, NOW)
    flipped = [store.report_success(store.route(NOW), NOW) for _ in range(10)]

    assert set(flipped) == {Route("green", first.epoch + 2)}
    assert store.counters() | {"cache_hits": 0} == {
        "detections": 2,
        "transitions": 1,
        "mismatches": 10,
        "cache_hits": 0,
        "announcements": 0,
        "ignored_colours": 0,
        "late_reports": 9,
        "late_mismatches": 9,
    }


def test_a_success_returns_the_epoch_to_report_with() -> None:
    """A query that was routed before the colour was known is believed later on all the same."""
    store = StrategyStore(NOW)
    chosen = store.route(NOW)
    pinned = store.report_success(chosen, NOW)

    store.announce("green", chosen, NOW)
    assert store.state.pending is None
    store.announce("green", pinned, NOW)
    assert store.state.pending == "green"


@pytest.mark.parametrize("before", WHOLE)
@pytest.mark.parametrize("route", [Route(c, epoch) for c in strategy.COLOURS for epoch in (3, 4)])
def test_a_success_is_what_the_table_says(before: State, route: Route) -> None:
    """The short way of a success ends where the table's edge does, in every state, and tells and counts the same."""
    told: list[routes.Change] = []
    store = StrategyStore(NOW, told.append)
    store._state = before
    counted = store.counters()

    returned = store.report_success(route, NOW + 7)

    after, kind, edge = advance(before, Answered(route.colour, route.epoch), NOW + 7)
    assert store.state == after
    assert returned.colour == route.colour
    assert returned.epoch == (after.epoch if after.active == route.colour else route.epoch)
    assert [change.kind for change in told] == ([kind] if edge.action is Action.ADOPT else [])
    if edge.action is Action.CONFIRM:
        assert store.counters() == counted


def test_what_is_no_colour_is_ignored_and_counted() -> None:
    """Empty text says nothing; unknown colours are counted; case does not matter."""
    store = StrategyStore(NOW)
    route = store.report_success(store.route(NOW), NOW)

    for text in (None, "", "purple", "bl\u00fce", "blue ", "Blue"):
        store.announce(text, route, NOW)

    assert store.state.phase is Phase.BLUE
    assert store.counters()["ignored_colours"] == 3


def test_a_user_call_has_three_colour_tries() -> None:
    """A storm of 456 ends after three; the third is the colour that refused first, as a flip is the likely reason."""
    store = StrategyStore(NOW)
    tries = store.tries()
    tried = []
    while (route := tries.next(NOW)) is not None:
        tried.append(route.colour)
        tries.refused(route, NOW)

    assert tried == ["blue", "green", "blue"]
    assert store.state.phase is Phase.ERROR
    assert store.tries().next(NOW) is not None


def test_the_third_try_goes_where_others_found_the_cluster() -> None:
    """After both colours refused a call, what other calls learned meanwhile decides its last try."""
    store = StrategyStore(NOW)
    store.report_mismatch(store.report_success(store.route(NOW), NOW), NOW)
    tries = store.tries()
    first = tries.next(NOW)
    assert first is not None
    tries.refused(first, NOW)
    second = tries.next(NOW)
    assert second is not None
    store.report_success(store.route(NOW), NOW)
    assert not tries.refused(second, NOW)
    third = tries.next(NOW)
    assert third is not None

    assert [first.colour, second.colour, third.colour] == ["green", "blue", "blue"]


def test_a_switch_and_back_during_one_call_is_followed() -> None:
    """The cluster leaves green, answers another call on blue and is back on green before this call meets blue."""
    store = StrategyStore(NOW)
    store.report_success(Route("green", store.state.epoch), NOW)
    tries = store.tries()
    tried = []
    for _ in range(3):
        route = tries.next(NOW)
        assert route is not None
        tried.append(route.colour)
        if len(tried) == 2:
            store.report_success(store.route(NOW), NOW)
        tries.refused(route, NOW)
    last = tries.next(NOW)

    assert tried == ["green", "blue", "blue"]
    assert last is not None
    assert last.colour == "green"
    store.report_success(Route("blue", store.state.epoch), NOW)
    assert tries.refused(last, NOW), "one refusal is excused, not each"
    assert tries.next(NOW) is None


def test_the_listener_is_told_of_changes() -> None:
    """Logs and metrics see what changed, outside of the lock, and not what happens with every query."""
    told: list[routes.Change] = []

    def listen(change: routes.Change) -> None:
        store.counters()  # would wait for ever under the lock
        told.append(change)

    store = StrategyStore(NOW, listen)
    route = store.report_success(store.route(NOW), NOW)
    store.report_success(store.route(NOW), NOW)
    store.announce("green", route, NOW)
    store.report_mismatch(route, NOW)
    store.invalidate(NOW)
    store.reset(NOW)

    assert [change.after.phase.value for change in told] == [
        *("blue", "transitioning", "detecting", "detecting", "detecting")
    ]
    assert store.state.pending is None


def test_two_endpoints_do_not_disturb_each_other() -> None:
    """Nothing is shared between stores."""
    left, right = StrategyStore(NOW), StrategyStore(NOW)
    left.report_success(Route("green", 0), NOW)

    assert right.state.phase is Phase.DETECTING


def test_states_are_values() -> None:
    """A state can be compared, pickled and not changed."""
    assert pickle.loads(pickle.dumps(TO_GREEN)) == TO_GREEN
    with pytest.raises(AttributeError):
        TO_GREEN.active = "green"  # type: ignore[misc]


@pytest.mark.parametrize(
    "name",
    [
        *("colour.strategy", "colour.routes", "login.session_cache", "resume.script"),
        *("retry.failure", "retry.retry_table", "retry.decide"),
    ],
)
def test_the_core_is_pure(name: str) -> None:
    """The decisions know neither gRPC nor a clock, so a test plays a minute in a millisecond."""
    tree = ast.parse(inspect.getsource(importlib.import_module(f"e6data_adbc._session.{name}")))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert not imported & {"grpc", "time", "datetime", "os", "socket"}
