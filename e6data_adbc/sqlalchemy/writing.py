"""Many rows in few statements: `executemany` of a plain INSERT, and pandas' `to_sql`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa

from e6data_adbc._dbapi.values import Where, column
from e6data_adbc.sqlalchemy.compiler import split_schema

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["Target", "ingest", "insert_rows", "target_of"]

_NAME: Final = r'(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)'
#: INSERT INTO catalog.schema.table (a, b) VALUES (?, ?), and nothing else; keywords in any case, names in small letters
#: or quotes, which mean one thing wherever they stand.
_PLAIN: Final = re.compile(
    rf"\s*(?i:insert)\s+(?i:into)\s+(?P<table>{_NAME}(?:\.{_NAME}){{0,2}})\s*"
    rf"\(\s*(?P<columns>{_NAME}(?:\s*,\s*{_NAME})*)\s*\)\s*"
    r"(?i:values)\s*\(\s*(?P<values>\?(?:\s*,\s*\?)*)\s*\)\s*;?\s*"
)
_NAMES: Final = re.compile(_NAME)


class Target(NamedTuple):
    """The table and columns that a statement writes."""

    catalog: str | None
    schema: str | None
    table: str
    columns: tuple[str, ...]


def target_of(statement: str) -> Target | None:
    """Returns what a plain `INSERT INTO table (columns) VALUES (?, …)` writes to; None for any other statement."""
    found = _PLAIN.fullmatch(statement)
    if found is None:
        return None
    columns = tuple(_unquoted(name) for name in _NAMES.findall(found["columns"]))
    if len(columns) != found["values"].count("?") or len(set(columns)) != len(columns):
        return None
    *outer, table = (_unquoted(name) for name in _NAMES.findall(found["table"]))
    catalog, schema = [None, None, *outer][-2:]
    return Target(catalog, schema, table, columns)


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def insert_rows(cursor: Any, target: Target, rows: Sequence[Sequence[Any]]) -> int:
    """Writes *rows* by the driver's bulk ingestion and returns how many there were.

    Raises:
        Error: A value has no exact form, before anything is written; or the server refused the rows.
    """
    columns = [
        column([row[index] for row in rows], _where(name))
        for index, name in enumerate(target.columns)
    ]
    table = pa.table(columns, names=list(target.columns))
    cursor.adbc_ingest(
        target.table,
        table,
        mode="append",
        catalog_name=target.catalog,
        db_schema_name=target.schema,
    )
    return len(rows)


def _where(name: str) -> Where:
    return lambda row: f"column {name!r} of row {row + 1}"


def ingest(
    table: Any, connection: Connection, keys: Sequence[str], data_iter: Iterable[Sequence[Any]]
) -> int:
    """Writes a frame's rows by bulk ingestion, for `DataFrame.to_sql(method=ingest)`; returns how many.

    Args:
        table: pandas' `SQLTable`.
        connection: One of this dialect.
        keys: The columns' names.
        data_iter: The rows.

    Raises:
        DBAPIError: A value has no exact form, or the server refused the rows.
    """
    rows = list(data_iter)
    if not rows:
        return 0
    catalog, schema = split_schema(table.schema) if table.schema else (None, None)
    target = Target(catalog, schema, str(table.name), tuple(str(key) for key in keys))
    # Through SQLAlchemy, so that its events, errors and async connections are what they are elsewhere.
    preparer = connection.dialect.identifier_preparer
    path = ".".join(preparer.quote_identifier(part) for part in target[:3] if part is not None)
    names = ", ".join(preparer.quote_identifier(name) for name in target.columns)
    places = ", ".join("?" * len(target.columns))
    statement = f"INSERT INTO {path} ({names}) VALUES ({places})"  # noqa: S608 - names are quoted
    connection.exec_driver_sql(statement, [tuple(row) for row in rows])
    return len(rows)
