"""Our own SQL sinks against the suite that authors of sinks run."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from adbc_driver_manager import Error
from adbc_driver_postgresql import dbapi as postgresql

from e6data_adbc.testing.sink_conformance import SinkConformance
from tests.etl import places
from tests.etl.marked import slow

pytestmark = pytest.mark.seconds


class _Quick(SinkConformance):
    races = 1
    test_kills = slow(SinkConformance.test_kills)


class _Quicker(_Quick):
    # `test_types.py` has their values, `test_plans.py` their resumes; a new database for each takes its time.
    test_types = slow(SinkConformance.test_types)
    test_an_interrupted_load_goes_on = slow(SinkConformance.test_an_interrupted_load_goes_on)


class TestSqlite(_Quick):
    @pytest.fixture
    def address(self, tmp_path: Path) -> Callable[[], str]:
        numbers = itertools.count()
        return lambda: f"sqlite://{tmp_path}/{next(numbers)}.db#t"

    def read(self, address: str) -> pa.Table:
        connection = sqlite3.connect(address[len("sqlite://") : -len("#t")])
        try:
            cursor = connection.execute("SELECT * FROM t")
            names = [column[0] for column in cursor.description]
            return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in cursor])
        except sqlite3.OperationalError:
            return pa.table({})
        finally:
            connection.close()


class TestDuckDB(_Quicker):
    @pytest.fixture
    def address(self, tmp_path: Path) -> Callable[[], str]:
        numbers = itertools.count()
        return lambda: f"duckdb://{tmp_path}/{next(numbers)}.duckdb#t"

    def read(self, address: str) -> pa.Table:
        with duckdb.connect(address[len("duckdb://") : -len("#t")]) as connection:
            try:
                return connection.sql("SELECT * FROM t").to_arrow_table()
            except duckdb.CatalogException:
                return pa.table({})


class TestPostgres(_Quicker):
    @pytest.fixture
    def address(self, tmp_path: Path, postgres: str) -> Callable[[], str]:
        return lambda: places.make("postgresql", tmp_path, postgres).url()

    def read(self, address: str) -> pa.Table:
        url, _, table = address.partition("#")
        with postgresql.connect(url) as connection, connection.cursor() as cursor:
            try:
                cursor.execute(f"SELECT * FROM {table}")
                return cursor.fetch_arrow_table()
            except Error:
                return pa.table({})
