"""Parts that workers write beside a Delta table, and the one commit that adds them."""

from __future__ import annotations

import pickle
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode as Status

from e6data_adbc import distributed
from e6data_adbc.local import LocalEngine
from tests.etl import lakehouse
from tests.support.partitioned import refusal

pytestmark = pytest.mark.seconds

SQL = "select order_id, status, cast(order_id as decimal(20, 2)) / 4 as part, delivered_at from orders"


def ids_of(target: str) -> list[int]:
    """Returns the keys that a reader of the table sees."""
    if target.startswith("iceberg"):
        table = lakehouse.read(target)
    else:
        folder = target.removeprefix("delta+file://")
        table = pa.table(deltalake.DeltaTable(folder).to_pyarrow_table())
    return sorted(table["order_id"].to_pylist())


@pytest.fixture(params=["delta", "iceberg"])
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a table that is not there."""
    if request.param == "delta":
        return f"delta+file://{tmp_path / 'orders'}"
    lakehouse.configure(monkeypatch, tmp_path)
    return f"iceberg://{lakehouse.NAME}/ns.orders"


def test_parts_become_a_table(engine: LocalEngine, target: str) -> None:
    """Each row is there once: a part that was written twice counts once, and a job is done once."""
    tickets, _ = distributed.plan(SQL, engine.uri, "order_id", 3)
    distributed.export(tickets[0], target)  # its answer was lost
    parts = [distributed.export(ticket, target) for ticket in tickets]
    parts = pickle.loads(pickle.dumps(parts))

    assert distributed.commit(parts, target, job="once") == 10_000
    assert distributed.commit(parts, target, job="once") == 0
    assert ids_of(target) == [*range(1, 10_001)]
    again = [distributed.export(ticket, target, where="order_id <= 5") for ticket in tickets]
    assert distributed.commit(iter(again), target, job="again") == 5
    assert len(ids_of(target)) == 10_005


def test_no_rows(engine: LocalEngine, target: str) -> None:
    """Parts without rows make a table with the columns."""
    tickets, _ = distributed.plan(f"{SQL} where 1 = 0", engine.uri, "order_id", 3)

    assert distributed.commit([distributed.export(each, target) for each in tickets], target) == 0
    assert ids_of(target) == []


def test_what_is_refused(engine: LocalEngine, tmp_path: Path) -> None:
    """Other columns, other destinations and types that Delta Lake lacks are refused, and leave no query running."""
    target = f"delta+file://{tmp_path / 'orders'}"
    (ticket,), _ = distributed.plan(
        "select order_id, status, handling_time from orders", engine.uri
    )
    ids, more = (
        distributed.export(ticket, target, columns)
        for columns in (["order_id"], ["order_id", "status"])
    )
    refused = {
        "different columns": lambda: distributed.commit([ids, more], target),
        "there are no parts": lambda: distributed.commit([], target),
        "handling_time": lambda: distributed.export(ticket, target),
        "delta+file:///": lambda: distributed.export(ticket, f"sqlite:///{tmp_path}/x.db#t"),
    }
    distributed.commit([ids], target)
    refused["there is no such column"] = lambda: distributed.export(ticket, target, ["status"])

    for words, action in refused.items():
        status, text = refusal(action)
        assert status in (Status.INVALID_ARGUMENT, Status.NOT_IMPLEMENTED)
        assert words in text
    assert distributed.export(ticket, target, ["order_id"]).rows == 10_000
    assert engine.ledger.open_queries == []
