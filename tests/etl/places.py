"""Where tests load to: one place of each kind, and what they read back from it by the kind's own library."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import urllib.parse
import uuid
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi
import duckdb
import pymysql


@dataclasses.dataclass(frozen=True)
class Place:
    """A fresh destination.

    Attributes:
        kind: `sqlite`, `duckdb`, `postgresql` or `mysql`.
        base: Its address without a table.
        schema: What comes before the table's name, with its dot, or nothing.
    """

    kind: str
    base: str
    schema: str = ""

    def url(self, table: str = "t") -> str:
        return f"{self.base}#{self.schema}{table}"

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Runs *sql*, in which `{}` stands before a table's name, and returns the rows."""
        text = sql.replace("{}", self.schema)
        if self.kind == "sqlite":
            with sqlite3.connect(self._path) as lite:
                found = lite.execute(text).fetchall()
            lite.close()
            return found
        if self.kind == "duckdb":
            with duckdb.connect(self._path) as duck:
                return duck.execute(text).fetchall()
        if self.kind == "mysql":
            with contextlib.closing(mysql(self.base)) as connection, connection.cursor() as cursor:
                cursor.execute(text)
                return list(cursor.fetchall())
        with adbc_driver_postgresql.dbapi.connect(self.base, autocommit=True) as connection:
            with connection.cursor() as cursor:
                cursor.execute(text)
                return cursor.fetchall() if cursor.description else []

    def run(self, sql: str) -> None:
        self.rows(sql)

    @property
    def _path(self) -> str:
        return self.base.partition("://")[2]


def mysql(url: str) -> Any:
    """Returns a connection of PyMySQL to the server of an address."""
    split = urllib.parse.urlsplit(url)
    return pymysql.connect(
        host=split.hostname,
        port=split.port or 0,
        user=split.username,
        database=split.path[1:],
        charset="utf8mb4",
        autocommit=True,
        init_command="SET time_zone = '+00:00'",
    )


def make(kind: str, folder: Path, server: str | None) -> Place:
    """Returns an empty place of *kind*."""
    if server is None:
        return Place(kind, f"{kind}://{folder / ('file.' + kind)}")
    schema = f"s{uuid.uuid4().hex[:12]}"
    place = Place(kind, server, f"{schema}.")
    place.run(f"CREATE SCHEMA {schema}")
    return place
