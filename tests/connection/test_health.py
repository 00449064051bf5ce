"""Reading the health of a connection."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

import e6data_adbc
from e6data_adbc import ConnectionOptions, DatabaseOptions, _native, cluster
from e6data_adbc.cli import main
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds

HEALTH = ConnectionOptions.HEALTH.value


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    """A cluster of this test's own, on green."""
    with LocalEngine(strategy="green", resume_polls=1) as running:
        yield running


def test_a_healthy_connection_says_so(engine: LocalEngine) -> None:
    """The answer is state, deployment and latency; one query was run for it, and none is left."""
    with e6data_adbc.connect(engine.uri) as connection:
        found = json.loads(connection.adbc_connection.get_option(HEALTH))

        assert (found["state"], found["strategy"]) == ("active", "green")
        assert 0 < found["latency_seconds"] < 60
        (record,) = engine.ledger.queries
        assert (record.sql.upper(), record.executes) == ("SELECT 1", 1)
        assert not engine.ledger.open_queries


def test_a_lost_session_is_renewed(engine: LocalEngine) -> None:
    """A server that forgot the session is not ill."""
    with e6data_adbc.connect(engine.uri) as connection:
        cluster.ping(connection)
        before = engine.ledger.calls["authenticate"]
        engine.expire_sessions()

        assert cluster.ping(connection).state == "active"
        assert engine.ledger.calls["authenticate"] == before + 1


def test_a_suspended_cluster_stays_suspended(engine: LocalEngine) -> None:
    """It is an error that says so; looking does not start machines."""
    with e6data_adbc.connect(engine.uri) as connection:
        engine.suspend()
        with pytest.raises(e6data_adbc.OperationalError, match="suspended"):
            cluster.ping(connection)

    assert engine.ledger.calls["cluster.resume"] == 0


@pytest.mark.parametrize("method", ["authenticate", "prepareStatementV2", "getNextResultBatch"])
def test_the_time_limit_holds_wherever_it_hangs(engine: LocalEngine, method: str) -> None:
    """A server that does not answer is a TIMEOUT that names the option, and the option is as it was."""
    gate = threading.Event()
    engine.faults.delay(method, gate=gate, times=None)
    with e6data_adbc.connect(engine.uri) as connection:
        with pytest.raises(e6data_adbc.OperationalError, match="health_timeout_seconds") as caught:
            cluster.ping(connection, timeout_seconds=0.2)
        gate.set()

        assert caught.value.status_code == Status.TIMEOUT
        key = DatabaseOptions.HEALTH_TIMEOUT.value
        assert connection.adbc_connection.get_option_float(key) == 10.0


def test_a_server_that_is_gone(engine: LocalEngine) -> None:
    """The error names where it was looked for."""
    uri = engine.uri
    engine.stop()
    with pytest.raises(e6data_adbc.OperationalError, match=str(engine.port)):
        cluster.ping(uri, timeout_seconds=60, connect_timeout_seconds=1)


def test_any_driver_manager_can_ask(engine: LocalEngine) -> None:
    """The option is all it takes, by its name; a database does not have it."""
    from adbc_driver_manager import dbapi

    by_path = {"driver": _native.__file__, "entrypoint": "AdbcDriverE6dataInit"}
    with dbapi.connect(**by_path, db_kwargs={"uri": engine.uri}, autocommit=True) as found:
        assert '"state": "active"' in found.adbc_connection.get_option(HEALTH)
        with pytest.raises(e6data_adbc.ProgrammingError, match="NOT_FOUND"):
            found.adbc_database.get_option(HEALTH)


def test_a_running_query_is_not_disturbed(engine: LocalEngine) -> None:
    """A connection may be asked while it reads a result."""
    with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
        cursor.execute("select range as n from range(100000)")
        cursor.fetchmany(10)

        assert cluster.ping(connection).state == "active"
        assert len(cursor.fetchall()) == 99990


def test_the_command_prints_it(engine: LocalEngine, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each time, over one session; a suspended cluster is an exit code and one line."""
    assert main(["ping", "-q", "--uri", engine.uri, "-n", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rsplit(",", 1)[0] for line in lines] == ["active, green"] * 2
    assert engine.ledger.calls["authenticate"] == 2  # blue, which refused, and green
    engine.suspend()
    assert main(["ping", "-q", "--uri", engine.uri]) != 0
    assert "suspended" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["-n", "0"], ["--timeout", "0"]])
def test_the_command_refuses_nonsense(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A count or a time of nothing is a usage error."""
    assert main(["ping", "--uri", "e6data://u:t@127.0.0.1:1", *words]) == 2
    assert "could not" in capsys.readouterr().err
