"""The sink for MariaDB and MySQL against the suite that authors of sinks run."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pymysql
import pytest

from e6data_adbc.testing.sink_conformance import SinkConformance
from tests.etl import places

# A new database for each test takes its time: `test_mysql.py` has values and modes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def table_of(address: str) -> pa.Table:
    """Returns the rows of an address's table, with the types that its columns have."""
    url, _, table = address.partition("#")
    with contextlib.closing(places.mysql(url)) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(f"SHOW COLUMNS FROM {table}")
        except pymysql.err.ProgrammingError:
            return pa.table({})
        kinds = {name: kind for name, kind, *_ in cursor.fetchall()}
        cursor.execute(f"SELECT * FROM {table}")
        rows = cursor.fetchall()
    columns = {name: [row[index] for row in rows] for index, name in enumerate(kinds)}
    return pa.table({name: array(values, kinds[name]) for name, values in columns.items()})


def array(values: list[Any], kind: str) -> pa.Array:
    if kind.startswith("timestamp"):
        return pa.array(values, pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    if kind == "bigint(20) unsigned":
        return pa.array(values, pa.uint64())
    if kind == "tinyint(1)":
        return pa.array(values, pa.int8()).cast(pa.bool_())
    if kind == "time(6)":
        midnight = dt.datetime(1970, 1, 1)
        return pa.array([None if v is None else (midnight + v).time() for v in values])
    return pa.array(values, pa.string()) if kind == "longtext" else pa.array(values)


class TestMySql(SinkConformance):
    races = 1
    kills = 10

    @pytest.fixture
    def address(self, tmp_path: Path, mariadb: str) -> Callable[[], str]:
        return lambda: places.make("mysql", tmp_path, mariadb).url()

    def read(self, address: str) -> pa.Table:
        return table_of(address)
