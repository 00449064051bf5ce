"""A suspended cluster is resumed once, within a limit; the helper of clusters does it by hand."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from e6data_adbc import cluster, errors
from e6data_adbc._driver.connection import Connection
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine, When
from tests.support.recovering import SQL, OpenDb, detail, read, stats
from tests.support.scripted import error_of, statement_of

pytestmark = pytest.mark.seconds


@pytest.fixture
def live(cluster_engine: LocalEngine, open_db: OpenDb) -> Connection:
    """A connection to it."""
    return open_db(cluster_engine.uri).connect({})


@pytest.mark.parametrize("has_session", [False, True])
def test_a_suspended_cluster_is_resumed(
    cluster_engine: LocalEngine,
    live: Connection,
    caplog: pytest.LogCaptureFixture,
    has_session: bool,
) -> None:
    """503 on authenticate or on prepare: one resume, told in the log, and the query goes on."""
    if has_session:
        read(live)
    cluster_engine.suspend()
    with caplog.at_level(logging.INFO, "e6data_adbc.resume"):
        assert read(live) == 1000

    assert cluster_engine.ledger.calls["cluster.resume"] == 1
    assert "status 'suspended'" in caplog.text
    assert stats(live)["resumes"] == 1


def test_the_next_suspension_is_another_one(cluster_engine: LocalEngine, live: Connection) -> None:
    """Once the cluster has answered, it may be resumed again without waiting a minute."""
    for count in (1, 2):
        cluster_engine.suspend()
        assert read(live) == 1000
        assert cluster_engine.ledger.calls["cluster.resume"] == count


def test_many_clients_resume_once(cluster_engine: LocalEngine, open_db: OpenDb) -> None:
    """16 clients with a connection each find the cluster suspended: one resume, all are served."""
    opened = [open_db(cluster_engine.uri).connect({}) for _ in range(16)]
    cluster_engine.suspend()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(read, opened))

    assert answers == [1000] * 16
    assert cluster_engine.ledger.calls["cluster.resume"] == 1


def test_the_resume_limit_holds(cluster_engine: LocalEngine, open_db: OpenDb) -> None:
    """A cluster service that does not answer cannot hold a query beyond the limit."""
    gate = threading.Event()
    cluster_engine.faults.delay("cluster.status", gate=gate, times=None)
    cluster_engine.suspend()
    connection = open_db(f"{cluster_engine.uri}?resume_timeout_seconds=0.3").connect({})

    error = error_of(lambda: read(connection))

    assert error.status_code == Status.TIMEOUT
    assert "adbc.e6data.cluster.resume_timeout_seconds" in str(error)
    assert cluster_engine.ledger.calls["cluster.resume"] == 0
    gate.set()


def test_an_active_cluster_that_refuses_is_named(
    cluster_engine: LocalEngine, open_db: OpenDb
) -> None:
    """ "Active, but still 503" is repeated until the limit, and told as what it is."""
    read(open_db(cluster_engine.uri).connect({}))
    cluster_engine.faults.fail(
        "prepareStatementV2",
        times=None,
        code="UNAVAILABLE",
        details="status: 503, cluster is suspended",
    )
    connection = open_db(f"{cluster_engine.uri}?resume_timeout_seconds=0.4").connect({})

    error = error_of(lambda: read(connection))

    assert "it is active, but calls are still answered with 503" in str(error)
    assert cluster_engine.ledger.calls["cluster.resume"] == 0


def test_waiting_for_a_resume_can_be_cancelled(
    cluster_engine: LocalEngine, live: Connection
) -> None:
    """Cancelling ends the wait at once."""
    gate = threading.Event()
    fault = cluster_engine.faults.delay("cluster.status", gate=gate, times=None)
    cluster_engine.suspend()
    statement = statement_of(live, SQL)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(statement.execute)
        assert fault.reached.wait(10)
        statement.cancel()
        error = running.exception(10)
    gate.set()

    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED


def test_the_cluster_helper(cluster_engine: LocalEngine) -> None:
    """Status, suspend and resume by hand; the progress is told."""
    seen: list[str] = []

    assert cluster.status(cluster_engine.uri) == "active"
    assert cluster.resume(cluster_engine.uri) == "active"
    assert cluster.suspend(cluster_engine.uri) == "suspended"
    assert cluster.status(cluster_engine.uri) == "suspended"
    assert cluster.resume(cluster_engine.uri, on_progress=seen.append) == "active"
    assert seen == ["suspended", "resuming", "active"]
    assert cluster_engine.ledger.calls["cluster.resume"] == 1
    with pytest.raises(errors.ProgrammingError, match="Access denied"):
        cluster.status(cluster_engine.uri, password="wrong")


def test_the_cluster_helper_finds_the_colour() -> None:
    """The cluster service is behind the same router: 456 leads to the other colour."""
    with LocalEngine(strategy="green") as engine:
        assert cluster.status(engine.uri) == "active"


@pytest.mark.parametrize("sent", [False, True])
def test_a_resume_whose_answer_is_lost(
    cluster_engine: LocalEngine, live: Connection, sent: bool
) -> None:
    """What may have worked is not sent again, the status tells; what never left is."""
    text = "gone" if sent else "failed to connect to all addresses; last error: refused"
    cluster_engine.faults.fail(
        "cluster.resume", details=text, when=When.AFTER if sent else When.BEFORE
    )
    cluster_engine.suspend()

    assert read(live) == 1000
    assert cluster_engine.ledger.calls["cluster.resume"] == (1 if sent else 2)


def test_a_cluster_call_that_fails_is_told(cluster_engine: LocalEngine) -> None:
    """A refused suspend is an error at once; one that found no connection is tried again."""
    cluster_engine.faults.fail("cluster.suspend", code="PERMISSION_DENIED", details="no")
    error = error_of(lambda: cluster.suspend(cluster_engine.uri))
    assert (error.status_code, detail(error, "rpc")) == (Status.UNAUTHORIZED, "cluster suspend")

    cluster_engine.faults.fail("cluster.suspend", details="failed to connect to all addresses; x")
    assert cluster.suspend(cluster_engine.uri) == "suspended"
    assert cluster_engine.ledger.calls["cluster.suspend"] == 3
