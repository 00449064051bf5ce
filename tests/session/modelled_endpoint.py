"""A virtual clock with a seeded scheduler, and the model of an endpoint that lives in it.

Whoever lives there is a generator that yields how long to wait, or the `Signal` to wait for. The endpoint flips its
colour, announced or not, loses sessions, is suspended, and loses requests and replies; it writes down what it did.
"""

from __future__ import annotations

import dataclasses
import heapq
import random
from collections.abc import Callable, Generator
from typing import Any

from e6data_adbc._session.colour.strategy import COLOURS, Colour
from e6data_adbc._session.retry.failure import Failure

BATCHES = 3
TURBULENCE_SECONDS = 12.0

#: The code of whoever lives in a world: yields seconds to sleep, or a signal to wait for.
Steps = Generator["float | Signal", None, Any]


class RpcError(Exception):
    """A failed call, as `_transport` would classify it."""

    def __init__(self, method: str, failure: Failure) -> None:
        super().__init__(f"{method}: {failure.value}")
        self.method = method
        self.failure = failure


class Signal:
    """Something that happens once."""

    def __init__(self) -> None:
        self.is_set = False
        self.waiters: list[tuple[str, Steps]] = []


@dataclasses.dataclass
class Query:
    """A query, as the endpoint knows it."""

    colour: Colour
    statement: str
    session: str
    is_executed: bool = False
    batches_left: int = BATCHES
    is_cleared: bool = False


class World:
    """The clock, the scheduler and the trace; invariants that break are collected in `broken`."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.now = 0.0
        self.trace: list[tuple[float, str, str]] = []
        self.broken: list[str] = []
        self._queue: list[tuple[float, int, str, Steps]] = []
        self._count = 0

    def say(self, who: str, what: str) -> None:
        self.trace.append((self.now, who, what))

    def expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.say("!", what)
            self.broken.append(what)

    def start(self, who: str, steps: Steps, after: float = 0.0) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self.now + after, self._count, who, steps))

    def set(self, signal: Signal) -> None:
        signal.is_set = True
        for who, steps in signal.waiters:
            self.start(who, steps)
        signal.waiters.clear()

    def play(self) -> None:
        """Runs until nobody has anything left to do."""
        while self._queue:
            self.now, _, who, steps = heapq.heappop(self._queue)
            try:
                wish = next(steps)
            except StopIteration:
                continue
            if isinstance(wish, Signal):
                if wish.is_set:
                    self.start(who, steps)
                else:
                    wish.waiters.append((who, steps))
            else:
                self.start(who, steps, wish)

    def story(self) -> str:
        """Returns seed and trace, to read after a failure."""
        lines = [f"{when:9.3f}  {who:<8} {what}" for when, who, what in self.trace]
        return "\n".join([f"seed {self.seed}: {self.broken}", *lines])


class Endpoint:
    """The modelled cluster behind one address."""

    def __init__(self, world: World) -> None:
        rng = world.rng
        self.world = world
        self.active: Colour = rng.choice(COLOURS)
        self.notice: str | None = None
        self.sessions: dict[str, tuple[Colour, float]] = {}
        self.queries: dict[str, Query] = {}
        self.executions: dict[str, int] = {}
        self.resumes = 0
        self.status = "active"
        self.refuses_until = 0.0
        self.is_calm = rng.random() < 0.3
        #: Whether queries of the old colour end with it.
        self.is_abrupt = not self.is_calm and rng.random() < 0.4
        self.fault_rate = 0.0 if self.is_calm else rng.choice((0.01, 0.05, 0.15))
        self.latency = rng.choice((0.001, 0.01, 0.05))
        #: What it does with a query that was never executed: it gives an empty result, or refuses to fetch.
        self.is_vague = rng.random() < 0.5
        #: What it says of such a query's status.
        self.early_status = rng.random() < 0.5
        #: Whether a new session may go on with a query of an old one.
        self.shares_queries = rng.random() < 0.5
        self._ids = 0

    def next_id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}{self._ids}"

    def weather(self) -> Steps:
        """Flips, session losses and a suspension, until the turbulence ends."""
        rng, world = self.world.rng, self.world
        suspends_at = rng.uniform(0, TURBULENCE_SECONDS) if rng.random() < 0.4 else None
        while True:
            yield rng.uniform(0.4, 3.0)
            if world.now >= TURBULENCE_SECONDS:
                break
            if suspends_at is not None and world.now >= suspends_at:
                suspends_at, self.status = None, "suspended"
                world.say("cluster", "suspended")
                continue
            match rng.randrange(5):
                case 0:
                    self.flip()
                case 1 | 2:
                    self.notice = rng.choice((self.other.upper(), self.other, "purple"))
                    world.say("cluster", f"announces {self.notice}")
                    yield rng.uniform(0.0, 2.0)
                    if rng.random() < 0.8:
                        self.flip()
                    self.notice = rng.choice((None, self.active))
                case 3:
                    self.lose_sessions()
                case 4:
                    self.notice = None
        self.fault_rate, self.notice = 0.0, None
        world.say("cluster", "calms down")

    @property
    def other(self) -> Colour:
        return COLOURS[1 - COLOURS.index(self.active)]

    def lose_sessions(self) -> None:
        """Forgets all sessions; in calm weather only those that had time to be used."""
        youngest = self.world.now - (1.0 if self.is_calm else 0.0)
        self.sessions = {k: v for k, v in self.sessions.items() if v[1] > youngest}
        self.world.say("cluster", "loses its sessions")

    def flip(self) -> None:
        self.active = self.other
        self.world.say("cluster", f"is {self.active} now")

    def call(
        self, method: str, colour: Colour, effect: Callable[[], Any], *, timeout: float, who: str
    ) -> Steps:
        """Yields while the call travels; returns what *effect* returns, unless something goes wrong."""
        rng = self.world.rng
        fate = rng.random() / self.fault_rate if self.fault_rate else 1.0
        if fate < 0.2:
            self._fail(method, Failure.UNSENT, who)
        yield self.latency * rng.uniform(0.5, 1.5)
        if fate < 0.4:
            self._fail(method, rng.choice((Failure.UNAVAILABLE, Failure.EXHAUSTED)), who)
        if self._is_refused(method):
            self._fail(method, Failure.SUSPENDED, who)
        try:
            result = effect()
        except RpcError as error:
            yield self.latency * rng.uniform(0.5, 1.5)
            self._fail(method, error.failure, who)
        if fate < 0.7:
            yield self.latency
            self._fail(method, rng.choice((Failure.UNAVAILABLE, Failure.LOST)), who)
        if fate < 1.0:
            yield timeout
            self._fail(method, Failure.DEADLINE, who)
        yield self.latency * rng.uniform(0.5, 1.5)
        self.world.say(who, f"{method} on {colour}: {result!r}")
        return result

    def _is_refused(self, method: str) -> bool:
        """Tells whether the suspension meets *method*; in calm weather it waits for queries to end."""
        is_new = method in ("authenticate", "prepareStatementV2", "executeStatementV2")
        if method.startswith("cluster") or (self.is_calm and not is_new):
            return False
        return self.status != "active" or self.world.now < self.refuses_until

    def _fail(self, method: str, failure: Failure, who: str) -> None:
        self.world.say(who, f"{method}: {failure.value}")
        raise RpcError(method, failure)

    # What each method does, once it has arrived.

    def authenticate(self, colour: Colour) -> str:
        self._check_colour("authenticate", colour)
        session = self.next_id("s")
        self.sessions[session] = (colour, self.world.now)
        return session

    def prepare(self, colour: Colour, session: str, statement: str) -> str:
        self._check_colour("prepareStatementV2", colour)
        self._check_session("prepareStatementV2", colour, session)
        query = self.next_id("q")
        self.queries[query] = Query(colour, statement, session)
        return query

    def execute(self, colour: Colour, session: str, query_id: str) -> None:
        query = self._find("executeStatementV2", colour, query_id)
        self._check_session("executeStatementV2", colour, session)
        self.world.expect(not query.is_executed, f"{query_id} executed twice")
        query.is_executed = True
        self.executions[query.statement] = self.executions.get(query.statement, 0) + 1

    def metadata(self, colour: Colour, session: str, query_id: str) -> None:
        query = self._find("getResultMetadata", colour, query_id)
        self._check_session("getResultMetadata", colour, session)
        self._check_owner("getResultMetadata", query, session)

    def fetch(self, colour: Colour, session: str, query_id: str) -> int | None:
        query = self._find("getNextResultBatch", colour, query_id)
        self._check_session("getNextResultBatch", colour, session)
        self._check_owner("getNextResultBatch", query, session)
        if not query.is_executed:
            if not self.is_vague:
                raise RpcError("getNextResultBatch", Failure.ANSWERED)
            return None
        if not query.batches_left:
            return None
        query.batches_left -= 1
        return BATCHES - query.batches_left

    def read_status(self, colour: Colour, query_id: str) -> bool:
        return self._find("status", colour, query_id).is_executed or self.early_status

    def clear(self, colour: Colour, query_id: str) -> None:
        self._find("clearOrCancelQuery", colour, query_id).is_cleared = True

    def cluster_status(self) -> str:
        return self.status

    def cluster_resume(self) -> None:
        self.resumes += 1
        if self.status == "suspended":
            self.status = "resuming"
            self.world.start("cluster", self._wake())

    def _wake(self) -> Steps:
        yield self.world.rng.uniform(0.5, 20.0)
        self.refuses_until = self.world.now + self.world.rng.choice((0.0, 2.0))
        self.status = "active"
        self.world.say("cluster", "active")

    def _check_colour(self, method: str, colour: Colour) -> None:
        if colour != self.active:
            raise RpcError(method, Failure.WRONG_COLOUR)

    def _check_session(self, method: str, colour: Colour, session: str) -> None:
        granted = self.sessions.get(session)
        if granted is None:
            raise RpcError(method, Failure.ACCESS_DENIED)
        self.world.expect(granted[0] == colour, f"a session of {granted[0]} used on {colour}")

    def _check_owner(self, method: str, query: Query, session: str) -> None:
        # In calm weather a session may end, and its queries go on in the next one.
        if query.session != session and not (self.shares_queries or self.is_calm):
            raise RpcError(method, Failure.ACCESS_DENIED)

    def _find(self, method: str, colour: Colour, query_id: str) -> Query:
        query = self.queries[query_id]
        self.world.expect(query.colour == colour, f"{method} of {query_id} on {colour}")
        if self.is_abrupt:
            self._check_colour(method, colour)
        return query
