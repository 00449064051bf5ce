"""What databases share about an endpoint, and work that one thread does for others."""

from __future__ import annotations

import dataclasses
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from e6data_adbc import errors
from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import Settings
from e6data_adbc._session.counters import COUNTERS
from e6data_adbc._session.endpoint import Endpoints
from e6data_adbc._session.single_flight import Flights
from e6data_adbc._transport.scope import Scope

HERE = Endpoint("127.0.0.1", 80, encrypted=False)


def test_equal_endpoints_share_their_state() -> None:
    """Same server, cluster and trust: one state; anything else: another."""
    endpoints = Endpoints()
    state = endpoints.get(HERE)

    assert endpoints.get(dataclasses.replace(HERE)) is state
    for other in ({"port": 81}, {"cluster_name": "c"}, {"encrypted": True}):
        assert endpoints.get(dataclasses.replace(HERE, **other)) is not state


def test_a_state_ends_with_its_last_user() -> None:
    """What was learned is not kept for a server that may start anew at the same address."""
    endpoints = Endpoints()
    state = endpoints.get(HERE)
    endpoints.get(HERE)
    endpoints.release(HERE)
    assert endpoints.get(HERE) is state
    endpoints.release(HERE)
    endpoints.release(HERE)

    assert endpoints.get(HERE) is not state


def test_a_state_that_nobody_closed_ends_with_its_holder() -> None:
    """A database that was forgotten holds up nothing, not even until the garbage collection."""
    endpoints = Endpoints()
    endpoints.get(HERE)

    assert len(endpoints) == 0


def test_another_process_starts_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a fork nothing of the parent is used: its locks may be held."""
    endpoints = Endpoints()
    state = endpoints.get(HERE)
    monkeypatch.setattr(os, "getpid", lambda: -1)

    assert endpoints.get(HERE) is not state


def test_stats_name_everything() -> None:
    """Each counter is there from the start."""
    stats = Endpoints().get(HERE).stats()

    assert {name: stats[name] for name in COUNTERS} == dict.fromkeys(COUNTERS, 0)
    assert stats["endpoint"] == "127.0.0.1:80"
    assert stats["strategy"]["phase"] == "detecting"


def test_work_is_done_once_for_all_who_wait() -> None:
    """One thread works, the others get its outcome; who comes later works anew."""
    flights, gate = Flights(), threading.Event()
    done: list[int] = []

    def work() -> int:
        gate.wait(10)
        done.append(1)
        return len(done)

    def join() -> int | None:
        return flights.join("key", work, Scope(Settings()), verb="wait", seconds=10)

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(join) for _ in range(8)]
        while flights.waiting < 7:
            pass
        gate.set()
        assert [future.result(10) for future in running] == [1] * 8
    assert join() == 2


def test_an_outcome_may_be_the_leader_s_alone() -> None:
    """What does not count for others is done again by one of them."""
    flights, gate = Flights(), threading.Event()
    done: list[int] = []

    def work() -> int:
        gate.wait(10)
        done.append(1)
        return len(done)

    def join() -> int | None:
        return flights.join(
            "key",
            work,
            Scope(Settings()),
            verb="wait",
            seconds=10,
            is_shared=lambda outcome: outcome > 1,
        )

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(join) for _ in range(4)]
        while flights.waiting < 3:
            pass
        gate.set()
        assert sorted(str(future.result(10)) for future in running)[:2] == ["1", "2"]


def test_a_defect_of_the_leader_holds_up_nobody() -> None:
    """An exception that is no error of ours is the leader's; the others go on."""
    flights, gate = Flights(), threading.Event()
    turns: list[int] = []

    def work() -> str:
        gate.wait(10)
        turns.append(1)
        if len(turns) == 1:
            raise KeyboardInterrupt
        return "done"

    def join() -> str | None:
        return flights.join("key", work, Scope(Settings()), verb="wait", seconds=10)

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(join) for _ in range(2)]
        while flights.waiting < 1:
            pass
        gate.set()
        outcomes = [future.exception(10) or future.result() for future in running]

    assert {type(outcome) for outcome in outcomes} == {KeyboardInterrupt, str}


def test_waiting_ends_with_its_time_or_its_scope() -> None:
    """A wait has its own end; what is waited for goes on."""
    flights, gate = Flights(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(
            flights.join, "key", lambda: gate.wait(10), Scope(Settings()), verb="w", seconds=10
        )
        while not flights._under_way:
            pass
        assert flights.join("key", lambda: True, Scope(Settings()), verb="w", seconds=0.01) is None
        cancelled = Scope(Settings())
        cancelled.cancel()
        with pytest.raises(errors.OperationalError, match="cancelled"):
            flights.join("key", lambda: True, cancelled, verb="wait", seconds=10)
        gate.set()

        assert leader.result(10) is True


def test_what_is_known_is_not_worked_for() -> None:
    """Who finds what it needs neither works nor waits."""
    flights = Flights()

    found = flights.join("key", lambda: 1, Scope(Settings()), verb="w", seconds=10, known=lambda: 2)

    assert found == 2
    assert flights.waiting == 0
