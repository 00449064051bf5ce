"""The local engine behind the drivers that a suite believes to use: what it takes for a database is a catalog."""

from __future__ import annotations

import atexit
import functools
import sqlite3
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

import e6data_adbc
from e6data_adbc.dbapi import Cursor
from e6data_adbc.local import LocalEngine

__all__ = ["connect", "opened"]

#: The files, or None, of the connections that were asked for.
_opened: list[str | None] = []


class _Databases:
    """One engine, and the catalog of the database that is in use; pandas looks for a table in all catalogs."""

    def __init__(self) -> None:
        """Starts the engine; it runs as long as the process."""
        self._engine = LocalEngine().start()
        atexit.register(self._engine.stop)
        self._file: str | None = None
        self._catalog = ""

    def connect(
        self, cursor: type[Cursor], file: str | None, schema: str, setup: Iterable[str]
    ) -> Any:
        """Returns a connection to the database in *file*, or to a new one that *setup* has prepared."""
        if file is None or file != self._file:
            if self._catalog:
                self._engine.drop_catalog(self._catalog)
            self._file, self._catalog = file, f"suite_{uuid.uuid4().hex[:12]}"
            tables = {} if file is None else _tables(Path(file))
            self._engine.add_catalog(self._catalog, tables)
            with self._open() as preparing, preparing.cursor() as plain:
                for statement in setup:
                    plain.execute(statement)
        connection = self._open(schema)

        def make_cursor(*, adbc_stmt_kwargs: Any = None) -> Cursor:
            made = cursor(connection, adbc_stmt_kwargs)
            connection._cursors.add(made)
            return made

        connection.cursor = make_cursor
        return connection

    def _open(self, schema: str = "main") -> Any:
        return e6data_adbc.connect(self._engine.uri_for(self._catalog, schema))


def _tables(file: Path) -> dict[str, pa.Table]:
    """Returns the tables of a SQLite file, typed by their values as SQLite's own driver does."""
    found: dict[str, pa.Table] = {}
    if not file.exists() or not file.stat().st_size:
        return found
    connection = sqlite3.connect(file)
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in names:
        quoted = name.replace('"', '""')
        rows = connection.execute(f'SELECT * FROM "{quoted}"')
        labels = [column[0] for column in rows.description]
        columns = [list(column) for column in zip(*rows, strict=True)]
        found[name] = pa.table(columns or [[] for _ in labels], labels)
    connection.close()
    return found


_databases = functools.cache(_Databases)


def connect(
    cursor: type[Cursor],
    file: str | None = None,
    schema: str = "main",
    setup: Iterable[str] = (),
) -> Any:
    """Returns a connection to the local engine.

    Args:
        cursor: What its cursors are.
        file: The SQLite file that a catalog stands for; None for an empty catalog that nobody else knows.
        schema: The schema of names that are not qualified.
        setup: Statements that a new catalog begins with.
    """
    _opened.append(file)
    return _databases().connect(cursor, file, schema, setup)


def opened() -> int:
    """Returns how many connections were asked for so far."""
    return len(_opened)
