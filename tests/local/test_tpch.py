"""TPC-H at a tiny scale factor: every query through the driver equals DuckDB's own answer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import adbc_driver_manager.dbapi
import duckdb
import pyarrow as pa
import pytest

import e6data_adbc
from checks import tpch as tpch_check
from e6data_adbc.local import LocalEngine
from e6data_adbc.local.data import tpch

pytestmark = pytest.mark.seconds

SCALE = 0.01


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables, made anew."""
    return tpch.generate(SCALE, tmp_path_factory.mktemp("tpch") / "tables")


@pytest.fixture(scope="module")
def connection(folder: Path) -> Iterator[adbc_driver_manager.dbapi.Connection]:
    """A connection to an engine that serves them and is strict."""
    with LocalEngine(tpch=SCALE, tpch_path=folder, strict=True) as engine:
        with e6data_adbc.connect(engine.uri) as opened:
            yield opened


def test_all_queries_equal_duckdb(folder: Path) -> None:
    """Types and values of all 22 are the same, doubles to the bit."""
    outcomes = list(tpch_check.check(folder, SCALE, tpch_check.names()))

    assert len(outcomes) == 22
    assert [(outcome.name, outcome.difference) for outcome in outcomes if outcome.difference] == []
    assert sum(outcome.rows for outcome in outcomes) > 300


@pytest.mark.parametrize("name", tpch_check.names())
def test_the_queries_are_in_the_dialect(connection, name: str) -> None:
    """Strict mode takes every text."""
    with connection.cursor() as cursor:
        cursor.execute(tpch_check.query_text(name, SCALE))

        assert cursor.fetch_arrow_table().num_columns >= 1


def test_the_tables_cannot_be_changed(connection) -> None:
    """The catalog is read-only."""
    with connection.cursor() as cursor, pytest.raises(e6data_adbc.Error, match="read-only"):
        cursor.execute("drop view tpch.main.region")


def test_tables_that_are_there_are_not_made_again(folder: Path) -> None:
    """A second start takes the files as they are."""
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    tpch.generate(SCALE, folder)

    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_table_that_is_missing_is_made_again(tmp_path: Path) -> None:
    """A folder with a part of the tables is completed."""
    tpch.generate(0.001, tmp_path)
    (tmp_path / "region.parquet").unlink()
    tpch.generate(0.001, tmp_path)

    assert (tmp_path / "region.parquet").is_file()


def test_a_comparison_sees_a_difference() -> None:
    """A type, a value that is off in its last bit, and a missing row are found."""
    peer = duckdb.connect()
    relation = peer.sql("select 0.1::double as b")
    good = pa.table({"b": pa.array([0.1])})

    assert tpch_check.compare(relation, good) == ""
    off = pa.table({"b": pa.array([math.nextafter(0.1, 1)])})
    assert tpch_check.compare(relation, off).startswith("row 0")
    assert "0 rows" in tpch_check.compare(relation, good.slice(1))
    assert "float" in tpch_check.compare(relation, good.cast(pa.schema([("b", pa.float32())])))
