"""Queries on a cluster that changes, and what a connection counts of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import grpc

from e6data_adbc import errors
from e6data_adbc._driver import Database
from e6data_adbc._driver.connection import Connection
from tests.support.fake_server import fail
from tests.support.scripted import rows_of, statement_of

OpenDb = Callable[..., Database]
SQL = "select * from range(1000) t(n)"
UNAVAILABLE = fail(grpc.StatusCode.UNAVAILABLE, "gone")


def read(connection: Connection, sql: str = SQL) -> int:
    """Runs *sql* and returns its number of rows."""
    result = statement_of(connection, sql).execute()
    try:
        return sum(rows_of(result))
    finally:
        result.close()


def stats(connection: Connection) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(str(connection.get_option("adbc.e6data.connection.stats")))
    return found


def detail(error: errors.Error, name: str) -> str | None:
    return errors.detail(error, f"e6data.{name}")
