"""The driver on a bad network."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import e6data_adbc
from checks.fault_proxy import FaultProxy, Way
from e6data_adbc.errors import Status, query_id
from e6data_adbc.local import LocalEngine, When

pytestmark = pytest.mark.seconds

ROWS = 20_000
SQL = f"select range as n, 'row ' || range as t from range({ROWS})"


def test_a_slow_link_changes_nothing(
    proxied_engine: LocalEngine, proxied: FaultProxy, connect_through: Callable[..., Any]
) -> None:
    """With latency and little bandwidth every row arrives, once and in order."""
    connection = connect_through()
    proxied.slow(latency_seconds=0.01, bytes_per_second=2_000_000)
    with connection.cursor() as cursor:
        cursor.execute(SQL)
        table = cursor.fetch_arrow_table()

    assert table.column("n").to_pylist() == list(range(ROWS))
    assert table.column("t")[ROWS - 1].as_py() == f"row {ROWS - 1}"


@pytest.mark.parametrize("ways", [(Way.UP,), (Way.DOWN,), ()], ids=["up", "down", "both"])
def test_a_black_hole_is_noticed_within_the_limit(
    proxied_engine: LocalEngine,
    proxied: FaultProxy,
    connect_through: Callable[..., Any],
    ways: tuple[Way, ...],
) -> None:
    """A fetch whose bytes vanish ends at its timeout, as a timeout of that query."""
    connection = connect_through(
        fetch_timeout_seconds=0.5, clear_timeout_seconds=0.3, prefetch_responses=1
    )
    gate = threading.Event()
    fault = proxied_engine.faults.delay("getNextResultBatch", gate=gate, after=2)
    with connection.cursor() as cursor:
        cursor.execute(SQL)
        assert fault.reached.wait(30)
        proxied.black_hole(*ways)
        gate.set()
        with pytest.raises(e6data_adbc.Error) as caught:
            cursor.fetchall()
        proxied.heal()

    assert caught.value.status_code == Status.TIMEOUT
    assert proxied_engine.ledger.last.executes == 1


def test_a_cut_in_the_middle_is_one_typed_error(
    proxied_engine: LocalEngine, proxied: FaultProxy, connect_through: Callable[..., Any]
) -> None:
    """The result fails for good and names the query; the rows before are right; the connection goes on."""
    connection = connect_through(prefetch_responses=1)
    with connection.cursor() as cursor:
        cursor.execute("select 1 as n")
        cursor.fetchall()
        proxied.cut_after(60_000)
        rows = []
        with pytest.raises(e6data_adbc.Error) as caught:
            cursor.execute(SQL)
            rows = cursor.fetchmany(1000)
            while more := cursor.fetchmany(1000):
                rows += more
        proxied.heal()
        last = next(record for record in proxied_engine.ledger.queries if record.sql == SQL)
        assert [row[0] for row in rows] == list(range(len(rows)))
        assert len(rows) < ROWS
        assert isinstance(caught.value, e6data_adbc.OperationalError)
        assert query_id(caught.value) == last.query_id
        with pytest.raises(e6data_adbc.Error):
            cursor.fetchall()
        cursor.execute("select 2 as n")
        assert cursor.fetchall() == [(2,)]

    assert last.executes == 1


def test_a_reset_during_prepare_is_recovered(
    proxied_engine: LocalEngine, proxied: FaultProxy, connect_through: Callable[..., Any]
) -> None:
    """Preparing twice is harmless, so nobody notices."""
    connection = connect_through()
    fault = proxied_engine.faults.delay("prepareStatementV2", gate=threading.Event())

    def reset() -> None:
        assert fault.reached.wait(30)
        proxied.reset()

    breaker = threading.Thread(target=reset)
    breaker.start()
    with connection.cursor() as cursor:
        cursor.execute("select 3 as n")
        rows = cursor.fetchall()
    breaker.join()

    assert rows == [(3,)]
    assert proxied_engine.ledger.last.executes == 1


def test_a_reset_between_queries_is_not_noticed(
    proxied_engine: LocalEngine, proxied: FaultProxy, connect_through: Callable[..., Any]
) -> None:
    """A connection that broke while idle is made again by the next query."""
    connection = connect_through()
    with connection.cursor() as cursor:
        for number in range(5):
            cursor.execute(f"select {number} as n")
            assert cursor.fetchall() == [(number,)]
            assert proxied.reset() >= 1


def test_a_half_closed_connection_is_replaced(
    proxied_engine: LocalEngine, proxied: FaultProxy, connect_through: Callable[..., Any]
) -> None:
    """The server's end of the stream between two queries costs a new connection, no error."""
    connection = connect_through()
    with connection.cursor() as cursor:
        cursor.execute("select 1 as n")
        cursor.fetchall()
        proxied.half_close(Way.DOWN)
        cursor.execute("select 2 as n")
        assert cursor.fetchall() == [(2,)]

    assert proxied.connections >= 2


def test_a_deaf_port_is_a_timeout(proxied: FaultProxy, connect_through: Callable[..., Any]) -> None:
    """Nothing was sent, the limit for connecting holds, and the error says where to."""
    proxied.deafen()
    with pytest.raises(e6data_adbc.Error) as caught:
        connection = connect_through(connect_timeout_seconds=0.5, authenticate_timeout_seconds=1)
        with connection.cursor() as cursor:
            cursor.execute("select 1")

    assert caught.value.status_code in (Status.TIMEOUT, Status.IO)
    assert proxied.target in str(caught.value)


def test_a_lost_answer_of_execute_does_not_run_it_twice(
    proxied_engine: LocalEngine, proxied: FaultProxy, connect_through: Callable[..., Any]
) -> None:
    """The connection breaks after the engine began to run the statement: that goes on, and does not run again."""
    connection = connect_through()
    gate = threading.Event()
    fault = proxied_engine.faults.delay("executeStatementV2", gate=gate, when=When.AFTER)

    def reset() -> None:
        assert fault.reached.wait(30)
        proxied.reset()
        gate.set()

    breaker = threading.Thread(target=reset)
    breaker.start()
    with connection.cursor() as cursor:
        cursor.execute("select 7 as n")
        assert cursor.fetchall() == [(7,)]
    breaker.join()

    assert sum(record.executes for record in proxied_engine.ledger.queries) == 1
