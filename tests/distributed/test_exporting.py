"""Parts that workers write beside a Delta table, and the one commit that adds them."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode as Status
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, IdentityTransform, Transform, YearTransform
from pyiceberg.types import LongType, NestedField, StringType, TimestampType

import e6data_adbc
from e6data_adbc import distributed
from e6data_adbc.distributed.connections import CONNECTIONS
from e6data_adbc.distributed.shared_tables import _Delta as SharedDelta
from e6data_adbc.distributed.shared_tables import _Iceberg as SharedIceberg
from e6data_adbc.local import LocalEngine
from tests.distributed.conftest import TOKEN
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


WORKER = """
import pickle, sys
from e6data_adbc import distributed
distributed.export(pickle.load(sys.stdin.buffer), sys.argv[1])
"""


def test_a_worker_that_is_killed(target: str) -> None:
    """What it has written is in no version of the table, before and after its task was repeated."""
    gate = threading.Event()
    with LocalEngine(
        token=TOKEN, chunk_rows=100
    ) as engine:  # its own: the query that died stays open
        tickets, _ = distributed.plan(SQL, engine.uri, "order_id", 2)
        fault = engine.faults.delay("getNextResultBatch", gate=gate, after=5)
        command = [sys.executable, "-c", WORKER, target]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as worker:
            try:
                assert worker.stdin is not None
                worker.stdin.write(pickle.dumps(tickets[1]))
                worker.stdin.close()
                assert fault.reached.wait(120)
            finally:
                worker.kill()
                worker.wait(60)
                fault.remove()
                gate.set()

        parts = [distributed.export(ticket, target) for ticket in tickets]
        CONNECTIONS.close()

    assert distributed.commit(parts, target, job="once") == 10_000
    assert ids_of(target) == [*range(1, 10_001)]


def test_a_commit_that_came_between(
    engine: LocalEngine, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two programs commit one job at the same time: one is told so, and each row is there once."""
    tickets, _ = distributed.plan(SQL, engine.uri, "order_id", 2)
    distributed.commit([distributed.export(each, target) for each in tickets], target, job="first")
    parts = [distributed.export(each, target, where="order_id < 3") for each in tickets]
    kind = SharedDelta if target.startswith("delta") else SharedIceberg
    has, other = kind.has, ["meanwhile"]

    def late(self: Any, name: str) -> bool:
        found = has(self, name)
        if other:
            other.clear()
            assert distributed.commit(parts, target, job="meanwhile") == 2
        return found

    monkeypatch.setattr(kind, "has", late)

    status, text = refusal(lambda: distributed.commit(parts, target, job="meanwhile"))

    assert (status, "another commit was in the way" in text) == (Status.INVALID_STATE, True)
    assert distributed.commit(parts, target, job="meanwhile") == 0
    assert ids_of(target) == [1, 1, 2, 2, *range(3, 10_001)]


def test_a_task_looks_its_table_up_once(
    engine: LocalEngine, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand workers ask the catalog a thousand times, and not three thousand; none stays connected."""
    (ticket,), _ = distributed.plan(SQL, engine.uri)
    distributed.commit([distributed.export(ticket, lake)], lake)
    asked: list[str] = []
    for name in ("load_table", "close"):
        method = getattr(SqlCatalog, name)
        monkeypatch.setattr(
            SqlCatalog,
            name,
            lambda *given, _name=name, _method=method, **named: (
                asked.append(_name) or _method(*given, **named)
            ),
        )

    part = distributed.export(ticket, lake)
    assert asked == ["load_table", "close"]
    asked.clear()
    distributed.commit([part], lake, job="once")

    assert asked.count("load_table") <= 2  # pyiceberg looks itself when it commits
    assert asked[-1] == "close"


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an Iceberg table that a test makes."""
    lakehouse.configure(monkeypatch, tmp_path)
    with lakehouse.catalog() as catalog:
        catalog.create_namespace("ns")
    return f"iceberg://{lakehouse.NAME}/ns.orders"


def made(partition: str, transform: Transform[Any, Any]) -> None:
    schema = Schema(
        NestedField(1, "order_id", LongType()),
        NestedField(2, "status", StringType()),
        NestedField(3, "ordered_at", TimestampType()),
    )
    field = PartitionField(schema.find_field(partition).field_id, 1000, transform, "p")
    with lakehouse.catalog() as catalog:
        catalog.create_table("ns.orders", schema=schema, partition_spec=PartitionSpec(field))


PARTITIONED = "select order_id, status, ordered_at from orders"


@pytest.mark.parametrize(
    ("column", "transform"), [("status", IdentityTransform()), ("ordered_at", YearTransform())]
)
def test_a_partitioned_table(
    engine: LocalEngine, lake: str, column: str, transform: Transform[Any, Any]
) -> None:
    """Each worker writes a file for each value that its part has, and each file is in its partition."""
    made(column, transform)
    tickets, _ = distributed.plan(PARTITIONED, engine.uri, "order_id", 2)

    parts = [distributed.export(ticket, lake) for ticket in tickets]

    assert all(len(part.files) > 1 for part in parts)
    assert distributed.commit(parts, lake, job="once") == 10_000
    assert ids_of(lake) == [*range(1, 10_001)]
    with lakehouse.catalog() as catalog:
        table = catalog.load_table("ns.orders")
        files = table.inspect.files().num_rows
        partitions = table.inspect.partitions()
        found = table.scan(row_filter="status = 'open'").to_arrow().num_rows
    assert files == sum(len(part.files) for part in parts)
    assert 1 < partitions.num_rows <= files
    with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from orders where status = 'open'")
        assert cursor.fetchone() == (found,)


def test_partitions_that_no_file_tells(engine: LocalEngine, lake: str) -> None:
    """A table by buckets is refused, as loads refuse it, and so is a text that statistics would cut."""
    made("order_id", BucketTransform(4))
    (ticket,), _ = distributed.plan(PARTITIONED, engine.uri)
    status, text = refusal(lambda: distributed.export(ticket, lake))
    assert (status, "bucket[4](order_id)" in text) == (Status.NOT_IMPLEMENTED, True)

    with lakehouse.catalog() as catalog:
        catalog.drop_table("ns.orders")
    made("status", IdentityTransform())
    long = "select order_id, repeat('x', 1001) as status, ordered_at from orders"
    (ticket,), _ = distributed.plan(long, engine.uri)
    _, text = refusal(lambda: distributed.export(ticket, lake))
    assert "'status'" in text
    assert engine.ledger.open_queries == []


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
