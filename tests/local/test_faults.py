"""Faults on command."""

from __future__ import annotations

import threading

import pytest

from e6data_adbc.local import When
from tests.local.wire import Wire, refused

pytestmark = pytest.mark.seconds


@pytest.fixture
def wire(make_wire) -> Wire:
    """A client of an engine whose faults this test plans."""
    return make_wire()


def test_a_call_fails_after_n_good_ones(wire: Wire) -> None:
    """`after` calls pass, `times` fail, the rest pass."""
    fault = wire.engine.faults.fail("getSchemaNames", after=1, times=2, code="UNAVAILABLE")
    outcomes = []
    for _ in range(4):
        error = wire.start("getSchemaNames", sessionId=wire.session_id).exception()
        outcomes.append(error and error.code().name)

    assert outcomes == [None, "UNAVAILABLE", "UNAVAILABLE", None]
    assert fault.hits == 2


def test_a_failure_before_the_work_consumes_nothing(wire: Wire) -> None:
    """The next fetch gets the rows."""
    query = wire.run("select 5 as n")
    wire.engine.faults.fail("getNextResultBatch", details="gone")
    assert refused(query.start("getNextResultBatch")) == ("UNAVAILABLE", "gone")

    assert query.read().num_rows == 1


def test_a_failure_after_the_work_consumes(wire: Wire) -> None:
    """The chunk was handed out, although nobody got it."""
    query = wire.run("select 5 as n")
    wire.engine.faults.fail("getNextResultBatch", when=When.AFTER)
    refused(query.start("getNextResultBatch"))

    assert query.fetch().end_of_stream
    assert query.record.rows == 1


def test_a_delay_waits_for_its_gate(wire: Wire) -> None:
    """Nothing is answered before."""
    gate = threading.Event()
    fault = wire.engine.faults.delay("getSchemaNames", gate=gate)
    future = wire.start("getSchemaNames", sessionId=wire.session_id)
    assert fault.reached.wait(30)
    assert not future.done()
    gate.set()

    assert future.result().schemas
    wire.engine.faults.delay("getSchemaNames", seconds=0.001)
    assert wire.ask("getSchemaNames").schemas


def test_responses_and_chunks_can_be_broken(wire: Wire) -> None:
    """mutate and truncate work on the response's bytes, or on the chunks in it."""
    query = wire.run("select 5 as n")
    whole = next(query.chunks())
    wire.engine.faults.truncate("chunk", keep=10)
    broken = wire.run("select 5 as n").fetch()
    assert broken.chunks == [whole[:10]]
    wire.engine.faults.mutate("getResultMetadata", lambda data: b"\xff" + data[1:])
    error = wire.run("select 5").start("getResultMetadata").exception()
    assert error is not None


def test_faults_can_be_called_off(wire: Wire) -> None:
    """One or all; a call that waits goes on."""
    faults = wire.engine.faults
    fault = faults.fail("*", times=None)
    refused(wire.start("healthCheck"))
    fault.remove()
    wire.call("healthCheck")
    waiting = faults.delay("healthCheck", gate=threading.Event())
    future = wire.start("healthCheck")
    waiting.reached.wait(30)
    faults.clear()

    future.result()


def test_faults_name_methods_that_exist(wire: Wire) -> None:
    """A misspelt method is a mistake of the test."""
    with pytest.raises(ValueError, match="there is no method 'fetch'"):
        wire.engine.faults.fail("fetch")
    wire.engine.faults.fail("cluster.status")
    assert refused(wire.start("status", service="ClusterService"))[0] == "UNAVAILABLE"


def test_the_ledger_counts_calls_and_refusals(wire: Wire) -> None:
    """By method, code and text."""
    wire.engine.faults.fail("healthCheck", details="why")
    refused(wire.start("healthCheck"))
    wire.call("healthCheck")

    assert wire.engine.ledger.calls["healthCheck"] == 2
    assert wire.engine.ledger.refused["healthCheck", "UNAVAILABLE", "why"] == 1
