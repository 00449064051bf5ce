"""A cluster's life: colours by plan, rates, bearers that end, restarts, scripted resumes."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import grpc
import pytest

from e6data_adbc.local import LocalEngine
from e6data_adbc.local.cluster.bearers import Bearers
from e6data_adbc.local.cluster.pace import Pace
from e6data_adbc.local.cluster.sessions import Session, Sessions
from e6data_adbc.local.cluster.users import Users
from e6data_adbc.local.queries.query import Query
from e6data_adbc.local.queries.registry import Queries
from e6data_adbc.local.wire.refusal import Refusal
from tests.local.wire import Wire, refused

DENIED = ("INTERNAL", "Access denied")
WRONG_COLOUR = ("UNKNOWN", "status: 456")
SUSPENDED = ("UNAVAILABLE", "status: 503, cluster is suspended")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def wait_for(condition: Any) -> None:
    end = time.monotonic() + 10
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end
        pause.wait(0.001)


def test_the_colour_switches_before_every_nth_call(make_engine) -> None:
    """The calls 3, 6, … find the other colour."""
    engine = make_engine(switch_every_calls=3)
    with Wire(engine) as wire:
        colours = []
        for _ in range(7):
            wire.call("healthCheck")
            colours.append(engine.strategy)

    assert colours == ["blue"] * 2 + ["green"] * 3 + ["blue"] * 2
    assert len(engine.switches) == 2


def test_the_colour_switches_by_time(make_engine) -> None:
    """Again and again, until the plan ends."""
    engine = make_engine(switch_every_seconds=0.01)
    wait_for(lambda: len(engine.switches) >= 3)
    engine.switch_every()
    times = engine.switches
    assert all(later - earlier > 0.005 for earlier, later in itertools.pairwise(times))


def test_a_call_that_a_switch_overtakes_hears_of_the_switch(
    make_engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not that its query is unknown, which it is since the colour ended; that would end a result."""
    engine = make_engine()
    with Wire(engine, strategy="blue") as wire:
        wire.sign_in()
        query = wire.run("select 1 as n")
        find = Queries.find

        def overtaken(queries: Queries, *arguments: Any) -> Any:
            engine.switch("green")
            return find(queries, *arguments)

        monkeypatch.setattr(Queries, "find", overtaken)

        assert refused(query.start("getNextResultBatch")) == WRONG_COLOUR


def test_a_change_that_a_switch_overtakes_is_a_broken_call(
    make_engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be done, so nothing may say that it was refused: the client would do it again."""
    engine = make_engine()
    with Wire(engine, strategy="blue") as wire:
        wire.sign_in()
        query = wire.prepare("create table scratch.main.overtaken (a int)")

        def overtaken(_: Query) -> None:
            engine.switch("green")

        monkeypatch.setattr(Query, "_produce_more", overtaken)
        code, text = refused(query.start("executeStatement"))

        assert code == "UNAVAILABLE"
        assert "while it ran" in text


def test_an_announced_plan_tells_half_a_period_before(make_engine) -> None:
    """With four calls a period, calls 2 and 3 announce; after call 4 the old colour finishes its queries."""
    engine = make_engine()
    with Wire(engine, strategy="blue") as wire:
        wire.sign_in()
        engine.switch_every(calls=4, style="announced")
        query = wire.run("select 1 as n")  # calls 1 and 2
        assert query.call("status").new_strategy == "green"  # 3
        assert refused(wire.start("getCataloges")) == WRONG_COLOUR  # 4
        engine.switch_every()
        assert engine.strategy == "green"
        assert query.read().to_pylist() == [{"n": 1}]
        query.clear()


@pytest.mark.parametrize(
    "plan", [{"seconds": 0}, {"calls": 0}, {"seconds": 1, "calls": 1}, {"style": "sudden"}]
)
def test_a_plan_without_sense_is_refused(shared, plan: dict[str, Any]) -> None:
    """Nothing is changed by it."""
    with pytest.raises(ValueError, match=r"period|style|both"):
        shared.switch_every(**plan)


def test_an_early_announcement_names_a_colour_that_does_not_answer(make_wire) -> None:
    """Until the switch."""
    wire = make_wire()
    wire.headers["strategy"] = "blue"
    wire.engine.announce_early()
    green = {"strategy": "green"}

    assert wire.prepare("select 1").call("status").new_strategy == "green"
    assert refused(wire.start("authenticate", headers=green)) == WRONG_COLOUR
    wire.engine.switch()
    wire.headers["strategy"] = "green"
    assert wire.sign_in().session_id


def test_calls_may_come_at_a_rate(make_engine) -> None:
    """Above it RESOURCE_EXHAUSTED says when to try again."""
    engine = make_engine(calls_per_second=0.5)
    with Wire(engine) as wire:
        wire.sign_in()
        error = wire.start("authenticate").exception()

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    pushback = dict(error.trailing_metadata())["grpc-retry-pushback-ms"]
    assert 1000 < int(pushback) <= 2000


def test_the_rate_is_earned_back() -> None:
    """A second's worth may come at once; then one for each share of a second."""
    clock = Clock()
    pace = Pace(2, clock)
    pace.take()
    pace.take()
    with pytest.raises(Refusal) as caught:
        pace.take()
    assert caught.value.pushback_seconds == pytest.approx(0.5)
    clock.now += 0.5
    pace.take()
    clock.now += 100
    pace.take()
    pace.take()
    with pytest.raises(Refusal):
        pace.take()


def test_bearers_end() -> None:
    """After their time, or all at once; what ends was OAuth all the same."""
    clock = Clock()
    bearers = Bearers(None, clock=clock)
    assert not bearers.are_expected
    short, long = bearers.issue(10), bearers.issue(1000)
    assert bearers.admits(short)
    clock.now += 10
    assert (bearers.admits(short), bearers.admits(long)) == (False, True)
    assert bearers.expire() == 1

    assert not bearers.admits(long)
    assert bearers.are_expected


def test_an_engine_issues_and_expires_bearers(make_engine) -> None:
    """Calls with an expired one are UNAUTHENTICATED; a fresh one works."""
    engine = make_engine()
    with Wire(engine, authorization=f"Bearer {engine.issue_bearer()}") as wire:
        assert wire.select("select 1 as n").num_rows == 1
        assert engine.expire_bearers() == 1
        denied = ("UNAUTHENTICATED", "authentication denied")
        assert refused(wire.start("prepareStatementV2")) == denied
        wire.headers["authorization"] = f"Bearer {engine.issue_bearer()}"
        assert wire.select("select 1 as n").num_rows == 1


def test_a_bearer_check_decides_about_foreign_tokens(make_engine) -> None:
    """Tokens of an issuer elsewhere."""
    engine = make_engine(bearer_check=lambda token: token == "good")
    with Wire(engine, authorization="Bearer good") as wire:
        assert wire.select("select 1 as n").num_rows == 1
        wire.headers["authorization"] = "Bearer bad"
        assert refused(wire.start("prepareStatementV2"))[0] == "UNAUTHENTICATED"


def test_draining_sessions_finish_their_queries(make_wire) -> None:
    """New statements are denied, calls about old ones pass; a hard end ends those too."""
    wire = make_wire()
    query = wire.run("select 1 as n")
    assert wire.engine.expire_sessions(drain=True) == 1
    assert refused(wire.start("prepareStatementV2", sessionId=wire.session_id)) == DENIED
    assert query.read().to_pylist() == [{"n": 1}]
    wire.engine.expire_sessions()

    assert refused(query.start("status")) == DENIED


def test_a_draining_session_ends_in_its_time() -> None:
    """Draining does not make it longer."""
    clock = Clock()
    sessions = Sessions(Users("u", "t"), 10, clock)
    session = sessions.open("blue", "u")
    sessions.expire(drain=True)
    assert sessions.find(session.session_id, "blue", about_query=True) == session
    clock.now += 10

    assert sessions.find(session.session_id, "blue", about_query=True) is None


def test_a_restart_keeps_port_data_and_ledger(make_wire) -> None:
    """Sessions and queries are gone, tables are not; calls in between find nobody."""
    wire = make_wire()
    engine: LocalEngine = wire.engine
    wire.select("create table scratch.main.kept as select 7 as n")
    query = wire.run("select 1")
    port = engine.port
    engine.halt()
    engine.halt()
    assert refused(wire.start("healthCheck"))[0] == "UNAVAILABLE"
    assert query.record.dropped
    engine.restart()

    assert engine.port == port
    with Wire(engine) as again:
        assert refused(again.start("status", sessionId=wire.session_id)) == DENIED
        rows = again.sign_in().select("select n from scratch.main.kept").to_pylist()
    assert rows == [{"n": 7}]
    assert engine.ledger.calls["authenticate"] == 2


def test_a_restart_ends_calls_that_wait(make_wire) -> None:
    """They hear a broken connection, and the restart does not wait for them."""
    wire = make_wire()
    fault = wire.engine.faults.delay("healthCheck", gate=threading.Event())
    future = wire.start("healthCheck")
    assert fault.reached.wait(30)
    wire.engine.restart()

    assert refused(future)[0] in {"UNAVAILABLE", "CANCELLED"}


def test_only_a_running_engine_restarts() -> None:
    """One that was stopped, or never started, says so."""
    engine = LocalEngine()
    with pytest.raises(Exception, match="it is not running"):
        engine.restart()
    engine.start().stop()
    with pytest.raises(Exception, match="it is not running"):
        engine.restart()


def test_a_resume_can_fail(make_wire) -> None:
    """The script's last state stays."""
    wire = make_wire()
    wire.engine.suspend(states=("resuming", "failed"))
    assert wire.cluster("resume") == "resuming"

    assert [wire.cluster("status") for _ in range(3)] == ["resuming", "failed", "failed"]
    assert refused(wire.start("authenticate")) == SUSPENDED


def test_a_resume_can_flap(make_wire) -> None:
    """Suspended again, it can be resumed again."""
    wire = make_wire()
    wire.engine.suspend(states=("resuming", "suspended", "active"))
    wire.cluster("resume")
    assert [wire.cluster("status") for _ in range(2)] == ["resuming", "suspended"]
    assert wire.cluster("resume") == "resuming"

    assert wire.cluster("status") == "resuming"


def test_an_active_cluster_can_refuse_for_a_while(make_wire) -> None:
    """The status is active, and some calls still hear 503."""
    wire = make_wire()
    wire.engine.suspend(states=("active",), refusals=2)
    assert wire.cluster("resume") == "active"
    answers = [wire.start("healthCheck").exception() is None for _ in range(3)]

    assert answers == [False, False, True]
    assert wire.cluster("status") == "active"


def test_faults_can_be_decided_call_by_call(make_wire) -> None:
    """From method, side, request and response."""
    from e6data_adbc.local.faults import Fault

    wire = make_wire()
    seen = []

    def decide(method, when, request, response):
        seen.append((method, when.value, bool(response)))
        if method == "getSchemaNames" and b"no such" in request:
            return Fault(method, when, code="ABORTED", details="decided")
        return None

    wire.engine.faults.decide = decide
    wire.ask("getSchemaNames")
    future = wire.start("getSchemaNamesV2", sessionId=wire.session_id, catalog="sample")
    assert refused(wire.start("getSchemaNames", sessionId="no such")) == ("ABORTED", "decided")

    assert future.exception() is None
    assert seen[:2] == [("getSchemaNames", "before", False), ("getSchemaNames", "after", True)]


def test_calls_without_a_deadline_are_counted(make_wire) -> None:
    """For tests that demand one of every call."""
    wire = make_wire()
    with grpc.insecure_channel(wire.engine.target) as channel:
        channel.unary_unary("/QueryEngineService/healthCheck")(b"")
        channel.unary_unary("/QueryEngineService/healthCheck")(b"", timeout=60)

    assert wire.engine.ledger.without_deadline == {"healthCheck": 1}


def test_a_query_that_is_prepared_during_a_switch_is_gone_too(make_wire) -> None:
    """It does not stay behind in the colour that was left."""
    from e6data_adbc.local.queries.registry import Queries

    queries = Queries(make_wire().engine.ledger, shared=False)
    late, early = FakeQuery(), FakeQuery()
    drops = queries.drops("blue")
    queries.drop("blue")
    queries.add(late, drops)
    queries.add(early, queries.drops("blue"))

    assert (late.dropped, early.dropped) == (True, False)


class FakeQuery:
    """A query of blue that only knows whether it was dropped."""

    query_id = "q"
    session = Session("s", "u", "blue", float("inf"))
    dropped = False

    def drop(self) -> None:
        self.dropped = True
