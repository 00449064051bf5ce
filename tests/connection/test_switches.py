"""Queries follow the colour, the session and the token of the moment; a running result stays where it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import e6data_adbc
from e6data_adbc import errors
from e6data_adbc._driver.connection import Connection
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine
from tests.support.recovering import SQL, OpenDb, detail, read
from tests.support.scripted import error_of, rows_of, statement_of

pytestmark = pytest.mark.seconds


@pytest.fixture
def live(cluster_engine: LocalEngine, open_db: OpenDb) -> Connection:
    """A connection to it."""
    return open_db(cluster_engine.uri).connect({})


def test_a_flip_is_not_noticed(cluster_engine: LocalEngine, live: Connection) -> None:
    """Before each query the colour changes, now abruptly, now announced; each query works, and runs once."""
    for number in range(6):
        cluster_engine.switch(announce=number % 2 == 0)
        assert read(live) == 1000

    assert all(record.executes == 1 for record in cluster_engine.ledger.queries)
    assert cluster_engine.ledger.calls["prepareStatementV2"] <= 6 + 3


def test_a_running_query_stays_where_it_is(cluster_engine: LocalEngine, live: Connection) -> None:
    """Colour, session and planner of a result outlive the switch, also when others have gone on."""
    old = statement_of(live, SQL).execute()
    first = old.next_response()
    cluster_engine.switch(drain=True)

    assert read(live) == 1000
    assert first is not None
    assert 100 + sum(rows_of(old)) == 1000
    old.close()
    assert [record.strategy for record in cluster_engine.ledger.queries] == ["blue", "green"]
    assert cluster_engine.ledger.open_queries == []


def test_a_result_whose_deployment_is_gone_is_lost(
    cluster_engine: LocalEngine, live: Connection
) -> None:
    """456 in the middle of a result: it fails for good, and the next query goes to the new colour."""
    old = statement_of(live, "select * from range(100000) t(n)").execute()
    old.next_response()
    cluster_engine.switch()
    error = error_of(lambda: rows_of(old))
    old.close()

    assert "the deployment that this call is bound to is gone" in str(error)
    assert read(live) == 1000


def test_an_abandoned_cursor_holds_up_nobody(cluster_engine: LocalEngine, live: Connection) -> None:
    """An announced colour is used by the next query although an old result is still open."""
    abandoned = statement_of(live, SQL).execute()
    cluster_engine.switch(announce=True)
    for _ in range(3):
        read(live)

    assert cluster_engine.ledger.last.strategy == "green"
    abandoned.close()


def test_clusters_of_opposite_colour_do_not_meet(open_db: OpenDb) -> None:
    """Two endpoints in one process: each is probed once, and then never refuses again."""
    with LocalEngine(strategy="blue") as one, LocalEngine(strategy="green") as two:
        connections = [open_db(engine.uri).connect({}) for engine in (one, two)]
        for _ in range(5):
            for connection in connections:
                assert read(connection) == 1000
        for connection in connections:
            connection.close()

        assert sum(one.ledger.refused.values()) == 0
        assert sum(two.ledger.refused.values()) == 1


@pytest.mark.parametrize("connections", [1, 16])
def test_lost_sessions_cost_one_sign_in(
    cluster_engine: LocalEngine, open_db: OpenDb, connections: int
) -> None:
    """Sessions end under 16 threads, on one connection or on as many: every query works, and is cleared."""
    opened = [open_db(cluster_engine.uri).connect({}) for _ in range(connections)]
    losses = 3
    for _ in range(losses):
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda n: read(opened[n % connections]), range(32)))
        assert answers == [1000] * 32
        cluster_engine.expire_sessions()

    assert cluster_engine.ledger.calls["authenticate"] == losses
    assert cluster_engine.ledger.open_queries == []


def test_an_endless_session_trouble_ends(cluster_engine: LocalEngine, live: Connection) -> None:
    """A permanent `Access denied` costs two sign-ins more, then it is the user's."""
    read(live)
    cluster_engine.faults.fail(
        "prepareStatementV2", times=None, code="INTERNAL", details="Access denied"
    )

    assert error_of(lambda: read(live)).status_code == Status.UNAUTHORIZED
    assert cluster_engine.ledger.calls["authenticate"] == 3


def test_queries_with_a_bearer() -> None:
    """With a token there is no sign-in, through a flip and a suspension; the signer sees every call."""
    paths: list[str] = []

    def sign(path: str) -> dict[str, str]:
        paths.append(path)
        return {"x-gateway": "yes"}

    with LocalEngine(bearer="b-1") as engine:
        with (
            e6data_adbc.connect(
                f"e6data://{engine.target}",
                token_provider=lambda: ("b-1", 900),
                request_signer=sign,
            ) as connection,
            connection.cursor() as cursor,
        ):
            for change in (lambda: None, engine.switch, engine.suspend):
                change()
                cursor.execute("select 42")
                assert cursor.fetchone() == (42,)

        assert engine.ledger.calls["authenticate"] == 0
        assert engine.ledger.open_queries == []
        # A fetch ahead of the reader may be signed and then not sent.
        assert len(paths) >= sum(engine.ledger.calls.values())
        assert {path.rsplit("/", 1)[-1] for path in paths} == {
            method.removeprefix("cluster.") for method in engine.ledger.calls
        }


def test_one_way_to_sign_in(cluster_engine: LocalEngine) -> None:
    """Two ways at once are refused by name, before anything is sent."""
    with pytest.raises(errors.ProgrammingError, match="more than one way") as caught:
        e6data_adbc.connect(cluster_engine.uri, token_provider=lambda: "secret-token")

    assert "secret-token" not in str(caught.value)
    assert sum(cluster_engine.ledger.calls.values()) == 0


def test_an_execute_whose_token_was_refused_is_prepared_with_another() -> None:
    """The router refused the token of an execute: another token, another prepare, one execute."""
    given: list[str] = []

    def provide() -> str:
        given.append(f"b-{len(given)}")
        return given[-1]

    with LocalEngine(bearer_check=lambda token: token in given) as engine:
        engine.faults.fail("executeStatement", code="UNAUTHENTICATED", details="denied")
        with (
            e6data_adbc.connect(f"e6data://{engine.target}", token_provider=provide) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("select 42")
            assert cursor.fetchone() == (42,)

        assert [record.executes for record in engine.ledger.queries] == [0, 1]
        assert given == ["b-0", "b-1"]


def test_an_execute_whose_token_cannot_be_renewed_fails(open_db: OpenDb) -> None:
    """A token that was given once and for all: the refusal is the error, and the query is cleared."""
    with LocalEngine(bearer="b-1") as engine:
        engine.faults.fail("executeStatement", code="UNAUTHENTICATED", details="denied")
        database = open_db(f"e6data://{engine.target}", adbc__e6data__auth__access_token="b-1")
        error = error_of(lambda: read(database.connect({})))

        assert error.status_code == Status.UNAUTHENTICATED
        assert detail(error, "rpc") == "executeStatement"
        assert detail(error, "retryable") == "false"
        assert [record.executes for record in engine.ledger.queries] == [0]
        assert engine.ledger.open_queries == []
