"""Many clients of one modelled endpoint, driving the core that the driver uses under a virtual clock.

`run(seed)` plays one world and returns it; everything random comes from the seed, so the same seed gives the same
trace. `Process` stands where the connection manager is in the driver: it does what strategy, retry and resume decide.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator
from typing import Any

from e6data_adbc._session.colour.routes import MAX_COLOUR_TRIES, Change, Route, StrategyStore, Tries
from e6data_adbc._session.colour.strategy import Colour
from e6data_adbc._session.login.session_cache import Session, SessionCache
from e6data_adbc._session.resume import script
from e6data_adbc._session.retry import decide
from e6data_adbc._session.retry.failure import Failure
from e6data_adbc._session.retry.retry_table import row
from tests.session.modelled_endpoint import (
    BATCHES,
    TURBULENCE_SECONDS,
    Endpoint,
    RpcError,
    Signal,
    Steps,
    World,
)

PRINCIPAL = "analyst"
QUIET_AFTER = TURBULENCE_SECONDS + 2 * script.RESUME_PAUSE_SECONDS
USER_SECONDS = 60.0
RESUME_LIMIT = 40.0


class Lost(Exception):
    """A user call failed with an error that the user can understand."""


class Process:
    """What the threads of one process share: the manager's part."""

    def __init__(self, world: World, endpoint: Endpoint) -> None:
        self.world = world
        self.endpoint = endpoint
        self.store = StrategyStore(world.now, self._changed)
        self.sessions = SessionCache()
        self.budget = decide.RetryBudget()
        self.resumed_at: float | None = None
        self.resumption: Signal | None = None
        self.resumption_ended: script.Done | script.Failed = script.Done()
        self._sign_ins: dict[Colour, Signal] = {}
        self._active_in_epoch: dict[int, Colour | None] = {}

    def _changed(self, change: Change) -> None:
        state = change.after
        self.world.say("store", f"{change.kind.value}: {state}")
        known = self._active_in_epoch.setdefault(state.epoch, state.active)
        self.world.expect(known == state.active, f"epoch {state.epoch} has two colours")
        self.world.expect(
            state.pending is None or state.pending != state.active, "pending is active"
        )

    # The calls, with what may be repeated repeated.

    def prepare(self, who: str, statement: str, deadline: float) -> Steps:
        """Returns route, session and query id."""
        world, rng = self.world, self.world.rng
        tries = self.store.tries()
        route = self.next_route(tries)
        repeats = decide.Repeats(self.budget, rng)
        recovery: Generator[script.Command, script.Reply, None] | None = None
        session: Session | None = None
        while True:
            try:
                session = yield from self.session(who, route, deadline)
                query = yield from self.endpoint.call(
                    "prepareStatementV2",
                    route.colour,
                    functools.partial(
                        self.endpoint.prepare, route.colour, session.session_id, statement
                    ),
                    timeout=deadline - world.now,
                    who=who,
                )
            except RpcError as error:
                outcome = decide.Outcome(error.failure)
                if error.failure is Failure.SUSPENDED and recovery is not None:
                    yield from self.recover(who, recovery, script.Reply(world.now))
                    continue
                match repeats.after(row(error.method), outcome, deadline - world.now):
                    case decide.RetryAfter(seconds):
                        yield seconds
                    case decide.OtherColour():
                        if not tries.refused(route, world.now):
                            repeats.forget()
                        route = self.next_route(tries)
                    case decide.Refresh():
                        assert session is not None
                        self.sessions.drop(session)
                    case decide.Resume():
                        recovery = script.recovery(limit=RESUME_LIMIT, rng=rng, now=world.now)
                        yield from self.recover(who, recovery, None)
                    case decision:
                        raise Lost(f"{error}: {decision}") from error
                continue
            self.budget.succeed()
            world.expect(tries.count <= MAX_COLOUR_TRIES, "too many colour tries")
            route = self.store.report_success(route, world.now)
            self.store.announce(self.endpoint.notice, route, world.now)
            return route, session, query

    def next_route(self, tries: Tries) -> Route:
        route = tries.next(self.world.now)
        if route is None:
            raise Lost("no colour answers")
        return route

    def session(self, who: str, route: Route, deadline: float) -> Steps:
        """Returns the session for *route*; one thread signs in, the others wait for it."""
        while (session := self.sessions.find(PRINCIPAL, route.colour)) is None:
            flight = self._sign_ins.get(route.colour)
            if flight is not None:
                yield flight
                continue
            flight = self._sign_ins[route.colour] = Signal()
            try:
                session_id = yield from self.endpoint.call(
                    "authenticate",
                    route.colour,
                    lambda: self.endpoint.authenticate(route.colour),
                    timeout=row("authenticate").timeout(deadline - self.world.now),
                    who=who,
                )
                self.sessions.grant(PRINCIPAL, route.colour, session_id)
            finally:
                del self._sign_ins[route.colour]
                self.world.set(flight)
        return session

    def recover(
        self,
        who: str,
        recovery: Generator[script.Command, script.Reply, None],
        reply: script.Reply | None,
    ) -> Steps:
        """Follows *recovery* until the call should be tried again."""
        world = self.world
        started = world.now
        command = next(recovery) if reply is None else recovery.send(reply)
        while True:
            match command:
                case script.TryAgain():
                    return
                case script.Sleep(seconds):
                    yield seconds
                    ended = None
                case script.Activate(limit):
                    ended = yield from self.activate(who, limit)
                case script.Failed() as failed:
                    world.expect(world.now <= started + RESUME_LIMIT + 1, "resume over its limit")
                    raise Lost(str(failed))
                case _:
                    raise AssertionError(command)
            command = recovery.send(script.Reply(world.now, ended=ended))

    def activate(self, who: str, limit: float) -> Steps:
        """Returns how the endpoint's resumption ended; one thread holds it, the others wait."""
        world = self.world
        if self.resumption is not None:
            yield self.resumption
            return self.resumption_ended
        flight = self.resumption = Signal()
        talk = script.resumption(
            limit=limit, rng=world.rng, now=world.now, resumed_at=self.resumed_at
        )
        deadline = world.now + limit
        command = next(talk)
        while not isinstance(command, (script.Done, script.Failed)):
            state, failure = None, None
            try:
                match command:
                    case script.Sleep(seconds):
                        yield seconds
                    case script.CallStatus(timeout):
                        state = yield from self.cluster(
                            who, "cluster status", self.endpoint.cluster_status, timeout
                        )
                    case script.CallResume(timeout):
                        self.resumed_at = world.now
                        yield from self.cluster(
                            who, "cluster resume", self.endpoint.cluster_resume, timeout
                        )
            except RpcError as error:
                failure = error.failure
                if isinstance(command, script.CallResume) and failure is Failure.UNSENT:
                    self.resumed_at = None
            command = talk.send(script.Reply(world.now, state=state, failure=failure))
        world.expect(world.now <= deadline + 1, "resumption over its limit")
        self.resumption_ended = command
        self.resumption = None
        world.set(flight)
        return command

    def cluster(self, who: str, method: str, effect: Callable[[], Any], timeout: float) -> Steps:
        colour = self.store.candidates(self.world.now)[0]
        return (yield from self.endpoint.call(method, colour, effect, timeout=timeout, who=who))

    def query_call(
        self, who: str, method: str, route: Route, effect: Callable[[], Any], deadline: float
    ) -> Steps:
        """Calls *method* about a query, repeating it only as its row says; raises what else is to be done."""
        world = self.world
        repeats = decide.Repeats(self.budget, world.rng)
        while True:
            try:
                timeout = row(method).timeout(deadline - world.now)
                result = yield from self.endpoint.call(
                    method, route.colour, effect, timeout=timeout, who=who
                )
            except RpcError as error:
                if error.failure is Failure.WRONG_COLOUR:
                    self.store.report_mismatch(route, world.now)
                match repeats.after(
                    row(method), decide.Outcome(error.failure), deadline - world.now
                ):
                    case decide.RetryAfter(seconds):
                        yield seconds
                    case decide.Refresh():
                        raise Again(decide.Refresh(), error) from error
                    case decide.Succeed():
                        return None
                    case decision:
                        raise Again(decision, error) from error
                continue
            self.budget.succeed()
            self.store.announce(self.endpoint.notice, route, world.now)
            return result


class Again(Exception):
    """A call about a query failed, and the query as a whole decides."""

    def __init__(self, decision: decide.Decision, error: RpcError) -> None:
        super().__init__(f"{error}: {decision}")
        self.decision = decision


class Client:
    """One thread of a process: runs its statements one after the other."""

    def __init__(self, process: Process, who: str, statements: int) -> None:
        self.process = process
        self.world = process.world
        self.endpoint = process.endpoint
        self.who = who
        self.statements = statements
        self.succeeded = 0
        self.failed: list[str] = []
        #: The statements of which it was told that they are done.
        self.done: list[str] = []

    def live(self) -> Steps:
        for number in range(self.statements):
            yield self.world.rng.uniform(0.0, 2.0)
            yield from self.run(f"{self.who}/{number}")
        yield max(QUIET_AFTER - self.world.now, 0.0)
        before = len(self.failed)
        yield from self.run(f"{self.who}/last")
        self.world.expect(len(self.failed) == before, f"{self.who} did not recover")

    def run(self, statement: str) -> Steps:
        started = self.world.now
        try:
            yield from self.query(statement)
            self.succeeded += 1
            self.done.append(statement)
        except (Lost, Again) as error:
            self.failed.append(f"{statement}: {error}")
            self.world.say(self.who, f"{statement} fails: {error}")
            self.world.expect(not self.endpoint.is_calm, f"{statement} failed in calm weather")
        took = self.world.now - started
        limit = USER_SECONDS + RESUME_LIMIT + 30.0
        self.world.expect(took <= limit, f"{statement} took {took:.1f} s")

    def query(self, statement: str) -> Steps:
        """Prepares, executes, reads and clears; prepares once more where the engine cannot have run it."""
        deadline = self.world.now + USER_SECONDS
        for attempt in (1, 2):
            route, session, query_id = yield from self.process.prepare(
                self.who, statement, deadline
            )
            is_refused: Failure | None = None
            try:
                doubt = yield from self.execute(route, session, query_id, deadline)
                yield from self.read(route, session, query_id, deadline, doubt)
            except Again as again:
                if attempt == 2 or not isinstance(again.decision, decide.PrepareAgain):
                    raise
                is_refused = again.decision.cause
                yield again.decision.seconds
            finally:
                yield from self.clear(route, query_id)
            if is_refused is None:
                return
            if is_refused is Failure.ACCESS_DENIED:
                self.process.sessions.drop(session)

    def execute(self, route: Route, session: Session, query_id: str, deadline: float) -> Steps:
        process, endpoint = self.process, self.endpoint
        try:
            yield from process.query_call(
                self.who,
                "executeStatementV2",
                route,
                lambda: endpoint.execute(route.colour, session.session_id, query_id),
                deadline,
            )
        except Again as again:
            if not isinstance(again.decision, decide.ReadStatus):
                raise
            doubt: Again | None = again
            # Whatever it says, it says no more than that the query is there.
            yield from process.query_call(
                self.who,
                "status",
                route,
                lambda: endpoint.read_status(route.colour, query_id),
                deadline,
            )
        else:
            doubt = None
        yield from self.in_session(
            "getResultMetadata", endpoint.metadata, route, session, query_id, deadline
        )
        return doubt

    def in_session(
        self,
        method: str,
        effect: Callable[[Colour, str, str], Any],
        route: Route,
        session: Session,
        query_id: str,
        deadline: float,
    ) -> Steps:
        """Makes a call about a query; where its session is gone, once more in another, which may be no better."""
        process = self.process

        def ask() -> Steps:
            bound = functools.partial(effect, route.colour, session.session_id, query_id)
            return process.query_call(self.who, method, route, bound, deadline)

        try:
            return (yield from ask())
        except Again as again:
            if not isinstance(again.decision, decide.Refresh):
                raise
        process.sessions.drop(session)
        try:
            session = yield from process.session(self.who, route, deadline)
        except RpcError as error:
            raise Lost(str(error)) from error
        return (yield from ask())

    def read(
        self,
        route: Route,
        session: Session,
        query_id: str,
        deadline: float,
        doubt: Again | None,
    ) -> Steps:
        got = 0
        while True:
            batch = yield from self.in_session(
                "getNextResultBatch", self.endpoint.fetch, route, session, query_id, deadline
            )
            if batch is None and doubt is not None and not got:
                raise Lost(f"nobody knows whether {query_id} runs") from doubt
            if batch is None:
                self.world.expect(got == BATCHES, f"{query_id} ended after {got} batches")
                return
            got += 1
            self.world.expect(batch == got, f"{query_id} gave batch {batch} as number {got}")

    def clear(self, route: Route, query_id: str) -> Steps:
        with contextlib.suppress(Again):
            yield from self.process.query_call(
                self.who,
                "clearOrCancelQuery",
                route,
                lambda: self.endpoint.clear(route.colour, query_id),
                self.world.now + 10.0,
            )


def run(seed: int) -> World:
    """Plays the world of *seed* and checks it; what does not hold is in its `broken`."""
    world = World(seed)
    endpoint = Endpoint(world)
    process = Process(world, endpoint)
    clients = [
        Client(process, f"client{number}", world.rng.randint(1, 4))
        for number in range(world.rng.randint(2, 6))
    ]
    world.start("cluster", endpoint.weather())
    for client in clients:
        world.start(client.who, client.live())
    world.play()
    check(world, endpoint, clients)
    return world


def check(world: World, endpoint: Endpoint, clients: list[Client]) -> None:
    """Compares what the endpoint did with what the clients were told."""
    for client in clients:
        ended = client.succeeded + len(client.failed)
        world.expect(ended == client.statements + 1, f"{client.who} never ended")
        for statement in client.done:
            ran = endpoint.executions.get(statement, 0)
            world.expect(ran == 1, f"{statement} is told to be done and ran {ran} times")
    for statement, times in endpoint.executions.items():
        world.expect(times == 1, f"{statement} was executed {times} times")
    world.expect(endpoint.resumes <= 1, f"{endpoint.resumes} resumes for one suspension")
    if endpoint.is_calm:
        left = [name for name, query in endpoint.queries.items() if not query.is_cleared]
        world.expect(not left, f"not cleared: {left}")
