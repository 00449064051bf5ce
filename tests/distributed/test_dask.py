"""Dask reads tickets: threads, processes, and a cluster whose worker dies."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

pytest.importorskip("dask.dataframe")

import dask
import pandas as pd

from e6data_adbc import distributed
from e6data_adbc.distributed.dask import read
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


def arrow(frame: pd.DataFrame) -> pa.Table:
    """Returns a frame of Arrow columns as they are."""
    return pa.table({name: pa.array(frame[name]) for name in frame.columns})


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
@pytest.mark.parametrize("bounds", [None, "quantiles"])
def test_all_types(engine: LocalEngine, scheduler: str, bounds: str | None) -> None:
    """Rows equal those of the query that nobody has split, and at least two partitions come."""
    frame = read(EVERYTHING, engine.uri, on="k", count=4, bounds=bounds)
    found = frame.compute(scheduler=scheduler)

    assert 2 <= frame.npartitions <= 4
    assert rows_of(arrow(found)) == rows_of(whole(engine))
    assert all(isinstance(kind, pd.ArrowDtype) for kind in frame.dtypes)


def test_columns_reach_the_server(engine: LocalEngine) -> None:
    """The server is asked for what a graph needs, and for rows by *where*."""
    frame = read("select * from orders", engine.uri, on="order_id", count=2, where="store_id = 3")

    assert frame[["order_id"]].compute(scheduler="threads").shape == (1250, 1)
    assert 'SELECT "order_id" FROM (' in engine.ledger.last.sql
    assert frame.order_id.sum().compute(scheduler="threads") > 0
    assert "store_id = 3" in engine.ledger.last.sql


def test_no_rows(engine: LocalEngine) -> None:
    """A result without rows has its columns."""
    frame = read("select order_id, status from orders where 1 = 0", engine.uri, on="order_id")

    assert frame.compute(scheduler="threads").shape == (0, 2)


def test_bytes_and_secrets(engine: LocalEngine, capsys: pytest.CaptureFixture[str]) -> None:
    """As many bytes travel as by hand, and no picture of a graph has the token."""
    how = {"on": "order_id", "count": 4}
    with bytes_sent(engine) as sent:
        frame = read("select * from orders", engine.uri, **how)
        frame.compute(scheduler="threads")
    frame.pprint()
    shown = [
        repr(frame),
        repr(frame.dask),
        str(dict(frame.optimize().dask)),
        capsys.readouterr().out,
    ]

    assert abs(sent[0] / recipe_bytes(engine, "select * from orders", **how) - 1) < 0.05
    assert not any(TOKEN in text for text in shown)


def test_a_worker_that_dies(engine: LocalEngine) -> None:
    """Its task is repeated elsewhere, and each row is there once."""
    from dask.distributed import Client, LocalCluster

    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parents[2]))
    settings = {"distributed.scheduler.allowed-failures": 5}
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster),
    ):
        pids = {worker.pid for worker in cluster.workers.values()}
        with killed_midway(engine, lambda process: process.pid in pids) as killed:
            found = read(EVERYTHING, engine.uri, on="id", count=4).compute()
        logs = str(cluster.get_logs())

    assert killed
    assert rows_of(arrow(found)) == rows_of(whole(engine))
    assert TOKEN not in logs


def test_writing_out(engine: LocalEngine, tmp_path: Path) -> None:
    """Workers write files, and one commit makes a Delta table of them; repeated, it adds nothing."""
    import deltalake

    target = f"delta+file://{tmp_path / 'orders'}"
    tickets, _ = distributed.plan("select order_id, status from orders", engine.uri, "order_id", 4)
    tasks = [dask.delayed(distributed.export)(ticket, target) for ticket in tickets]
    exported = dask.compute(*tasks, scheduler="processes")

    assert distributed.commit(exported, target, job="orders") == 10_000
    assert distributed.commit(exported, target, job="orders") == 0
    table = deltalake.DeltaTable(str(tmp_path / "orders"))
    found = pa.table(table.to_pyarrow_table())
    assert sorted(found["order_id"].to_pylist()) == [*range(1, 10_001)]
