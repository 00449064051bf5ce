"""pandas' `to_sql` without SQLAlchemy's work on each row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from e6data_adbc.sqlalchemy.compiler import split_schema

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["ingest"]


def ingest(
    table: Any, connection: Connection, keys: Sequence[str], data_iter: Iterable[Sequence[Any]]
) -> int:
    """Writes a frame's rows by bulk statements, for `DataFrame.to_sql(method=ingest)`; returns how many.

    Args:
        table: pandas' `SQLTable`.
        connection: One of this dialect.
        keys: The columns' names.
        data_iter: The rows.

    Raises:
        DBAPIError: A value has no exact form, or the server refused the rows.
    """
    rows = [tuple(row) for row in data_iter]
    if not rows:
        return 0
    catalog, schema = split_schema(table.schema) if table.schema else (None, None)
    # Through SQLAlchemy, so that its events, errors and async connections are what they are elsewhere.
    quote = connection.dialect.identifier_preparer.quote_identifier
    path = ".".join(quote(part) for part in (catalog, schema, str(table.name)) if part is not None)
    names = ", ".join(quote(str(name)) for name in keys)
    places = ", ".join("?" * len(keys))
    statement = f"INSERT INTO {path} ({names}) VALUES ({places})"  # noqa: S608 - names are quoted
    connection.exec_driver_sql(statement, rows)
    return len(rows)
