"""The table of what is known about an endpoint's deployment colour: which event changes it, and into what.

Nothing here waits, locks, reads a clock or calls: `advance` takes a state, an event and the time, and returns the
next state. `routes.StrategyStore` is the object that threads share. `docs/connection.md` draws `TABLE`.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Final, Literal

from e6data_adbc import errors

__all__ = [
    # The table
    "COLOURS",
    "TABLE",
    "Action",
    "Colour",
    "Edge",
    "Kind",
    "Phase",
    "State",
    # Events
    "Announced",
    "Answered",
    "Event",
    "Invalidated",
    "Refused",
    "Reset",
    "Scouted",
    "SignInFailed",
    "Suggested",
    # Reading it
    "advance",
    "candidates",
    "classify",
    "colour_of",
]

Colour = Literal["blue", "green"]

#: The colours there are, in the order in which an unknown one is tried.
COLOURS: Final[tuple[Colour, ...]] = ("blue", "green")

#: A colour that nothing confirmed for so long is not tried first any more; nobody probes because of it.
TRUST_SECONDS: Final = 300.0

#: How long an announced colour that was not there yet is left alone: this, doubled each time, up to that.
FIRST_HOLD_SECONDS: Final = 1.0
LONGEST_HOLD_SECONDS: Final = 30.0


class Phase(enum.Enum):
    """Where an endpoint stands."""

    DETECTING = "detecting"
    BLUE = "blue"
    GREEN = "green"
    TRANSITIONING = "transitioning"
    ERROR = "error"


class Kind(enum.Enum):
    """What an event means in the state that it meets; the value is its name in the diagram."""

    ACTIVE_ANSWERED = "the active colour answers"
    BLUE_ANSWERED = "blue answers"
    GREEN_ANSWERED = "green answers"
    ACTIVE_REFUSED = "456 from the active colour"
    ANNOUNCED_REFUSED = "456 from the announced colour"
    OTHER_REFUSED = "456 from the other colour"
    ONE_REFUSED = "456 from one colour"
    ALL_REFUSED = "456 from both colours"
    NEW_NOTICE = "another colour is announced"
    BLUE_STAYS = "blue is announced again"
    GREEN_STAYS = "green is announced again"
    SUGGESTED = "another process knew a colour"
    NOTHING_NEW = "what is known is said again"
    SCOUTED = "one call goes to the announced colour"
    SIGN_IN_FAILED = "sign-in fails"
    INVALIDATED = "asked to forget"
    RESET = "reset"
    LATE = "report of an earlier epoch"


class Action(enum.Enum):
    """What happens to the state besides its phase."""

    ADOPT = "the colour becomes the active one"
    CONFIRM = "the active colour is trusted for longer"
    FORGET = "no colour is active; a notice is kept"
    CLEAR = "everything learned is dropped"
    NOTE = "the announced colour is remembered"
    WITHDRAW = "the notice is dropped"
    HOLD = "the notice is left alone for a while"
    LEND = "other calls leave the notice to the one that tries it"
    REFUSE = "the colour is tried last"
    FAIL = "no colour answers"
    IGNORE = "nothing"


@dataclasses.dataclass(frozen=True)
class Edge:
    """What one kind of event does in one phase."""

    action: Action
    to: Phase


@dataclasses.dataclass(frozen=True)
class Hold:
    """An announced colour that was not there yet: left alone for *seconds*, until the clock reads *until*."""

    colour: Colour
    until: float
    seconds: float


@dataclasses.dataclass(frozen=True)
class State:
    """What is known about one endpoint; never changed, only replaced.

    Attributes:
        phase: Where it stands.
        active: The colour that new queries use; None while detecting and in error.
        pending: The announced colour, for the next prepare to try; never the active one.
        epoch: Counts the changes of `active`, so in one epoch it has one value. A report carries the epoch it is about.
        since: When the phase began, in the caller's monotonic seconds.
        confirmed: When the active colour last answered.
        hold: The announced colour that refused last.
        refused: The colours that refused since there is no active one, the latest last.
    """

    phase: Phase
    active: Colour | None = None
    pending: Colour | None = None
    epoch: int = 0
    since: float = 0.0
    confirmed: float = 0.0
    hold: Hold | None = None
    refused: tuple[Colour, ...] = ()

    def is_held(self, colour: Colour, now: float) -> bool:
        """Tells whether *colour* refused so recently that it is left alone."""
        return self.hold is not None and self.hold.colour == colour and now < self.hold.until

    def is_trusted(self, now: float) -> bool:
        """Tells whether the active colour is the first to try."""
        return self.active is not None and now - self.confirmed <= TRUST_SECONDS


@dataclasses.dataclass(frozen=True)
class Answered:
    """A deployment took a call that was sent in *epoch*."""

    colour: Colour
    epoch: int


@dataclasses.dataclass(frozen=True)
class Refused:
    """A call that was sent in *epoch* came back with 456."""

    colour: Colour
    epoch: int


@dataclasses.dataclass(frozen=True)
class Announced:
    """A response of a call of *epoch* asks new queries to use *colour*."""

    colour: Colour
    epoch: int


@dataclasses.dataclass(frozen=True)
class Suggested:
    """Another process knew *colour* a while ago."""

    colour: Colour


@dataclasses.dataclass(frozen=True)
class Scouted:
    """A call takes it upon itself to try the announced colour."""

    epoch: int


@dataclasses.dataclass(frozen=True)
class SignInFailed:
    """The credentials were refused by the colour of *epoch*."""

    epoch: int


@dataclasses.dataclass(frozen=True)
class Invalidated:
    """Somebody asks to learn the colour anew."""


@dataclasses.dataclass(frozen=True)
class Reset:
    """Nothing learned so far is worth anything."""


Event = Answered | Refused | Announced | Suggested | Scouted | SignInFailed | Invalidated | Reset

_D, _B, _G, _T, _E = Phase

#: Every edge there is; what is not here cannot happen, and raises.
TABLE: Final[Mapping[tuple[Phase, Kind], Edge]] = {
    # Looking for a colour.
    (_D, Kind.BLUE_ANSWERED): Edge(Action.ADOPT, _B),
    (_D, Kind.GREEN_ANSWERED): Edge(Action.ADOPT, _G),
    (_D, Kind.ONE_REFUSED): Edge(Action.REFUSE, _D),
    (_D, Kind.ALL_REFUSED): Edge(Action.FAIL, _E),
    (_D, Kind.NEW_NOTICE): Edge(Action.NOTE, _D),
    (_D, Kind.SUGGESTED): Edge(Action.NOTE, _D),
    (_D, Kind.SIGN_IN_FAILED): Edge(Action.IGNORE, _D),
    (_E, Kind.BLUE_ANSWERED): Edge(Action.ADOPT, _B),
    (_E, Kind.GREEN_ANSWERED): Edge(Action.ADOPT, _G),
    (_E, Kind.ALL_REFUSED): Edge(Action.FAIL, _E),
    (_E, Kind.NEW_NOTICE): Edge(Action.NOTE, _D),
    (_E, Kind.SIGN_IN_FAILED): Edge(Action.IGNORE, _E),
    # A colour is known.
    **{
        (phase, kind): edge
        for phase in (_B, _G)
        for kind, edge in {
            Kind.ACTIVE_ANSWERED: Edge(Action.CONFIRM, phase),
            Kind.OTHER_REFUSED: Edge(Action.CONFIRM, phase),
            Kind.ACTIVE_REFUSED: Edge(Action.FORGET, _D),
            Kind.NEW_NOTICE: Edge(Action.NOTE, _T),
            Kind.SIGN_IN_FAILED: Edge(Action.FORGET, _D),
        }.items()
    },
    (_B, Kind.GREEN_ANSWERED): Edge(Action.ADOPT, _G),
    (_G, Kind.BLUE_ANSWERED): Edge(Action.ADOPT, _B),
    # A colour is known, and the other one announced.
    (_T, Kind.ACTIVE_ANSWERED): Edge(Action.CONFIRM, _T),
    (_T, Kind.BLUE_ANSWERED): Edge(Action.ADOPT, _B),
    (_T, Kind.GREEN_ANSWERED): Edge(Action.ADOPT, _G),
    (_T, Kind.ANNOUNCED_REFUSED): Edge(Action.HOLD, _T),
    (_T, Kind.ACTIVE_REFUSED): Edge(Action.FORGET, _D),
    (_T, Kind.BLUE_STAYS): Edge(Action.WITHDRAW, _B),
    (_T, Kind.GREEN_STAYS): Edge(Action.WITHDRAW, _G),
    (_T, Kind.SCOUTED): Edge(Action.LEND, _T),
    (_T, Kind.SIGN_IN_FAILED): Edge(Action.FORGET, _D),
    # Everywhere.
    **{
        (phase, kind): edge
        for phase in Phase
        for kind, edge in {
            Kind.NOTHING_NEW: Edge(Action.IGNORE, phase),
            Kind.LATE: Edge(Action.IGNORE, phase),
            Kind.INVALIDATED: Edge(Action.FORGET, _D),
            Kind.RESET: Edge(Action.CLEAR, _D),
        }.items()
    },
}

_ANSWERED: Final = {"blue": Kind.BLUE_ANSWERED, "green": Kind.GREEN_ANSWERED}
_STAYS: Final = {"blue": Kind.BLUE_STAYS, "green": Kind.GREEN_STAYS}


_BY_TEXT: Final[Mapping[str, Colour]] = {colour: colour for colour in COLOURS}


def colour_of(text: str | None) -> Colour | None:
    """Returns the colour that a server's *text* names, in any case; None where it names none."""
    return _BY_TEXT.get((text or "").lower())


def candidates(state: State, now: float) -> tuple[Colour, ...]:
    """Returns all colours, best first: announced and due, active and trusted, untried, refused."""
    best: list[Colour] = []
    last: list[Colour] = list(state.refused)
    if state.pending is not None:
        # With no active colour to fall back on, there is nothing to gain from waiting.
        is_held = state.active is not None and state.is_held(state.pending, now)
        (last if is_held else best).append(state.pending)
    if state.active is not None and state.is_trusted(now):
        best.append(state.active)
    return tuple(dict.fromkeys((*best, *(c for c in COLOURS if c not in last), *last)))


def classify(state: State, event: Event) -> Kind:
    """Returns what *event* means in *state*."""
    reported = getattr(event, "epoch", None)
    if reported is not None and reported != state.epoch:
        return Kind.LATE
    match event:
        case Answered(colour=colour):
            return Kind.ACTIVE_ANSWERED if colour == state.active else _ANSWERED[colour]
        case Refused(colour=colour):
            return _refusal(state, colour)
        case Announced(colour=colour):
            if colour == state.active and state.pending is not None:
                return _STAYS[colour]
            return Kind.NOTHING_NEW if colour in (state.active, state.pending) else Kind.NEW_NOTICE
        case Suggested():
            is_news = state.phase is Phase.DETECTING and not (state.pending or state.refused)
            return Kind.SUGGESTED if is_news else Kind.NOTHING_NEW
        case Scouted():
            return Kind.SCOUTED
        case SignInFailed():
            return Kind.SIGN_IN_FAILED
        case Invalidated():
            return Kind.INVALIDATED
        case Reset():
            return Kind.RESET


def _refusal(state: State, colour: Colour) -> Kind:
    if state.active is None:
        everyone = all(other == colour or other in state.refused for other in COLOURS)
        return Kind.ALL_REFUSED if everyone else Kind.ONE_REFUSED
    if colour == state.active:
        return Kind.ACTIVE_REFUSED
    return Kind.ANNOUNCED_REFUSED if colour == state.pending else Kind.OTHER_REFUSED


def advance(state: State, event: Event, now: float) -> tuple[State, Kind, Edge]:
    """Returns the state after *event*, with the edge taken.

    Args:
        state: What is known.
        event: What happened.
        now: Monotonic seconds.

    Raises:
        InternalError: The table has no such edge; nothing has changed.
    """
    kind = classify(state, event)
    edge = TABLE.get((state.phase, kind))
    if edge is None:
        raise errors.make(
            errors.Status.INTERNAL,
            f"could not apply {event!r} ({kind.value}) in state {state.phase.value!r}: the table has no such edge",
        )
    return _apply(state, event, edge, now), kind, edge


def _apply(state: State, event: Event, edge: Edge, now: float) -> State:
    colour: Colour | None = getattr(event, "colour", None)
    new = dataclasses.replace
    if edge.to is not state.phase:
        state = new(state, phase=edge.to, since=now)
    match edge.action:
        case Action.ADOPT:
            hold = state.hold if state.hold and state.hold.colour != colour else None
            return State(
                edge.to, colour, epoch=state.epoch + 1, since=now, confirmed=now, hold=hold
            )
        case Action.FORGET:
            # Only a refusal says that the colour is wrong; otherwise it is as good a guess as any.
            refused = (colour,) if colour is not None else ()
            return new(state, active=None, epoch=state.epoch + 1, refused=refused)
        case Action.CLEAR:
            return State(Phase.DETECTING, epoch=state.epoch + 1, since=now, confirmed=now)
        case Action.CONFIRM:
            return new(state, confirmed=now)
        case Action.NOTE:
            return new(state, pending=colour, refused=())
        case Action.WITHDRAW:
            return new(state, pending=None, hold=None)
        case Action.HOLD:
            assert colour is not None  # noqa: S101 - only refusals hold
            return new(state, hold=_longer(state.hold, colour, now))
        case Action.LEND:
            assert state.pending is not None  # noqa: S101 - it is what TRANSITIONING means
            before = state.hold if state.hold and state.hold.colour == state.pending else None
            seconds = before.seconds if before is not None else 0.0
            return new(state, hold=Hold(state.pending, now + FIRST_HOLD_SECONDS, seconds))
        case Action.REFUSE | Action.FAIL:
            assert colour is not None  # noqa: S101 - only refusals lead here
            if colour == state.pending:
                state = new(state, pending=None, hold=_longer(state.hold, colour, now))
            return new(state, refused=(*(c for c in state.refused if c != colour), colour))
        case Action.IGNORE:
            return state


def _longer(hold: Hold | None, colour: Colour, now: float) -> Hold:
    """Returns the hold after another refusal: twice the last one, or the first if that was long ago."""
    seconds = FIRST_HOLD_SECONDS
    if hold is not None and hold.colour == colour and now < hold.until + LONGEST_HOLD_SECONDS:
        seconds = min(max(2 * hold.seconds, FIRST_HOLD_SECONDS), LONGEST_HOLD_SECONDS)
    return Hold(colour, now + seconds, seconds)
