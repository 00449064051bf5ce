"""Spark in local mode reads tickets, with the options of `jdbc`, and shows no secret."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyspark")

import psutil
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from e6data_adbc import distributed
from e6data_adbc.distributed.spark import register
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
from tests.distributed.test_guide import blocks, run

pytestmark = [pytest.mark.rooms, pytest.mark.seconds]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Spark writes all that its pages show."""
    return tmp_path_factory.mktemp("events")


@pytest.fixture(scope="module")
def spark(events: Path) -> Iterator[SparkSession]:
    """A session of two cores, whose tasks are tried four times."""
    os.environ.update(
        PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1", PYTHONPATH=str(ROOT)
    )
    settings = {
        "spark.eventLog.dir": events.as_uri(),
        "spark.eventLog.enabled": "true",
        "spark.eventLog.rolling.enabled": "false",
        "spark.eventLog.compress": "false",
        "spark.driver.memory": "1g",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.showConsoleProgress": "false",
        "spark.ui.enabled": "false",
    }
    builder = SparkSession.builder.master("local[2, 4]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    register(session)
    yield session
    session.stop()


def load(spark: SparkSession, engine: LocalEngine, **options: Any) -> Any:
    """Returns a frame over the engine."""
    return spark.read.format("e6data").options(uri=engine.uri, **options).load()


@pytest.mark.parametrize("bounds", [{"bounds": "quantiles"}, {"upperBound": "300.5"}])
def test_all_types(spark: SparkSession, engine: LocalEngine, bounds: dict[str, str]) -> None:
    """Rows equal those of the query that nobody has split, and at least two partitions come."""
    frame = load(spark, engine, query=EVERYTHING, partitionColumn="k", numPartitions=4, **bounds)

    assert rows_of(frame.toArrow()) == rows_of(whole(engine))


def test_options_of_jdbc(spark: SparkSession, engine: LocalEngine) -> None:
    """A table by its name, without a column one partition, and filters that do not stay behind."""
    orders = load(spark, engine, dbtable="orders", where="order_id <= 100")
    some = load(
        spark, engine, query="select * from orders", partitionColumn="order_id", numPartitions=4
    )

    assert (orders.count(), orders.rdd.getNumPartitions()) == (100, 1)
    assert 2 <= some.rdd.getNumPartitions() <= 4
    assert (some.count(), some.filter("order_id > 9990").count(), some.count()) == (
        10_000,
        10,
        10_000,
    )
    assert load(spark, engine, query="select * from orders where 1 = 0").toArrow().shape == (0, 8)
    for wrong in ({}, {"query": "select 1 as a", "dbtable": "orders"}):
        with pytest.raises(PySparkException, match="either the option 'query' or 'dbtable'"):
            load(spark, engine, **wrong)


def test_the_guide(spark: SparkSession, engine: LocalEngine) -> None:
    """Its block runs as it stands."""
    run(blocks("Spark"), {"spark": spark, "uri": engine.uri})


def test_bytes(spark: SparkSession, engine: LocalEngine) -> None:
    """As many travel as by hand."""
    with bytes_sent(engine) as sent:
        frame = load(
            spark, engine, query="select * from orders", partitionColumn="order_id", numPartitions=4
        )
        frame.foreach(lambda _: None)

    by_hand = recipe_bytes(engine, "select * from orders", on="order_id", count=4)
    assert abs(sent[0] / by_hand - 1) < 0.05


def test_a_worker_that_dies(spark: SparkSession, engine: LocalEngine) -> None:
    """Its task is repeated, and each row is there once."""
    frame = load(spark, engine, query=EVERYTHING, partitionColumn="id", numPartitions=4)

    def is_worker(process: psutil.Process) -> bool:
        parent = process.parent()
        names = [] if parent is None else parent.cmdline()
        return "pyspark.daemon" in names

    with killed_midway(engine, is_worker) as killed:
        found = frame.toArrow()

    assert killed
    assert rows_of(found) == rows_of(whole(engine))


def test_writing_out(spark: SparkSession, engine: LocalEngine, tmp_path: Path) -> None:
    """Workers write files, and one commit makes a Delta table of them."""
    import deltalake

    target = f"delta+file://{tmp_path / 'orders'}"
    tickets, _ = distributed.plan("select order_id, status from orders", engine.uri, "order_id", 4)
    tasks = spark.sparkContext.parallelize(tickets, len(tickets))
    exported = tasks.map(lambda ticket: distributed.export(ticket, target)).collect()

    assert distributed.commit(exported, target, job="orders") == 10_000
    table = deltalake.DeltaTable(str(tmp_path / "orders"))
    assert table.to_pyarrow_table().num_rows == 10_000


def test_no_secret_is_shown(
    spark: SparkSession, engine: LocalEngine, events: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither plans, nor SQL that names the source, nor what the pages show, nor a failure has the token."""
    frame = load(spark, engine, query="select * from orders", partitionColumn="order_id")
    frame.createOrReplaceTempView("read")
    spark.sql(
        f"CREATE OR REPLACE TEMPORARY VIEW named USING e6data OPTIONS (uri '{engine.uri}', dbtable 'orders')"
    )
    shown = [frame._jdf.queryExecution().toString()]
    for query in ("select count(*) from read", "select count(*) from named"):
        planned = spark.sql(query)
        planned.explain(mode="extended")
        planned.explain(mode="formatted")
        assert planned.collect()[0][0] == 10_000
    with pytest.raises(PySparkException) as caught:
        load(spark, engine, query="select nothing as a").collect()
    shown += [str(caught.value), *capfd.readouterr()]
    logs = [file.read_text(encoding="utf-8") for file in events.iterdir()]

    assert logs
    assert sum("e6data" in log for log in logs)
    assert not any(TOKEN in text for text in [*shown, *logs])
