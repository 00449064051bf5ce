"""Ray Data with two processors reads tickets, prunes what it need not, and repeats what died."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

pytest.importorskip("ray.data")

import psutil
import ray
from ray.data.expressions import col

from e6data_adbc import distributed
from e6data_adbc.distributed.ray import read
from e6data_adbc.local import LocalEngine
from tests.distributed.cases import (
    EVERYTHING,
    bytes_sent,
    killed_midway,
    recipe_bytes,
    rows_of,
    whole,
)
from tests.distributed.conftest import TOKEN

pytestmark = [pytest.mark.rooms, pytest.mark.seconds]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[Any]:
    """Ray in this machine alone."""

    def start() -> Any:
        return ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=256 * 2**20,
            _system_config={"health_check_failure_threshold": 100},  # a machine may be busy
        )

    try:
        context = start()
    except Exception:  # it waits for 30 s
        ray.shutdown()
        context = start()
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield context
    ray.shutdown()


def arrow(dataset: Any) -> pa.Table:
    """Returns all rows."""
    return pa.concat_tables(ray.get(dataset.to_arrow_refs()))


@pytest.mark.parametrize("bounds", [None, "quantiles"])
def test_all_types(engine: LocalEngine, bounds: str | None) -> None:
    """Rows equal those of the query that nobody has split, and at least two blocks come."""
    found = read(EVERYTHING, engine.uri, on="k", count=4, bounds=bounds).materialize()

    assert 2 <= found.num_blocks() <= 4
    assert rows_of(arrow(found)) == rows_of(whole(engine))


def test_columns_and_filters_reach_the_server(engine: LocalEngine) -> None:
    """What is surely the same in SQL is in the query; the rest stays with Ray, and both give the same rows."""
    orders = read("select * from orders", engine.uri, on="order_id", count=2)
    pushed = orders.filter(expr=(col("order_id") > 9_990) & (col("store_id") != 3))
    pushed = pushed.select_columns(["order_id"])
    kept = orders.filter(expr=col("status") == "open").select_columns(["order_id"])

    assert sorted(row["order_id"] for row in pushed.take_all()) == [
        n for n in range(9_991, 10_001) if (n - 1) % 8 + 1 != 3
    ]
    sql = engine.ledger.last.sql
    assert 'SELECT "order_id" FROM (' in sql
    assert '("order_id" > 9990 AND "store_id" <> 3)' in sql
    (ticket,), _ = distributed.plan("select * from orders where status = 'open'", engine.uri)
    assert kept.count() == distributed.read(ticket, []).read_all().num_rows
    assert "status" not in engine.ledger.queries[-3].sql.partition("WHERE")[2]


def test_counting_and_limits(engine: LocalEngine) -> None:
    """Rows without columns are counted, also none."""
    orders = read("select * from orders", engine.uri, on="order_id", count=4)

    assert orders.count() == 10_000
    assert len(orders.limit(7).take_all()) == 7
    assert read("select * from orders where 1 = 0", engine.uri).count() == 0


def test_bytes_and_secrets(engine: LocalEngine, cluster: Any) -> None:
    """As many bytes travel as by hand, and no plan and no log has the token."""
    how = {"on": "order_id", "count": 4}
    with bytes_sent(engine) as sent:
        orders = read("select * from orders", engine.uri, **how)
        found = orders.materialize()
    shown = [repr(orders), str(orders), found.stats()]
    with pytest.raises(Exception, match="nothing") as caught:
        read("select nothing as a", engine.uri)
    shown.append(str(caught.value))
    logs = Path(cluster.address_info["session_dir"]) / "logs"
    for file in logs.rglob("*"):
        with contextlib.suppress(OSError):
            shown.append(file.read_text(encoding="utf-8", errors="replace"))

    assert abs(sent[0] / recipe_bytes(engine, "select * from orders", **how) - 1) < 0.05
    assert len(shown) > 10
    assert not any(TOKEN in text for text in shown)


def test_a_worker_that_dies(engine: LocalEngine) -> None:
    """Its task is repeated, and each row is there once."""
    dataset = read(EVERYTHING, engine.uri, on="id", count=4)

    def is_worker(process: psutil.Process) -> bool:
        title = " ".join(process.cmdline())  # Ray's own agents are such processes, too
        return title.startswith("ray::") and "e6data" in title

    with killed_midway(engine, is_worker) as killed:
        found = dataset.materialize()

    assert killed
    assert rows_of(arrow(found)) == rows_of(whole(engine))


def test_writing_out(engine: LocalEngine, tmp_path: Path) -> None:
    """Workers write files, and one commit makes a Delta table of them."""
    import deltalake

    target = f"delta+file://{tmp_path / 'orders'}"
    tickets, _ = distributed.plan("select order_id, status from orders", engine.uri, "order_id", 4)
    export = ray.remote(distributed.export)
    exported = ray.get([export.remote(ticket, target) for ticket in tickets])

    assert distributed.commit(exported, target, job="orders") == 10_000
    assert deltalake.DeltaTable(str(tmp_path / "orders")).to_pyarrow_table().num_rows == 10_000
