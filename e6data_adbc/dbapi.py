"""The DB-API 2.0 module (PEP 249): `adbc_driver_manager.dbapi` with this driver filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adbc_driver_manager import dbapi as _manager
from adbc_driver_manager.dbapi import (
    BINARY,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Connection,
    Cursor,
    DatabaseError,
    DataError,
    Date,
    DateFromTicks,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
    Warning,  # noqa: A004
    apilevel,
    paramstyle,
    threadsafety,
)

__all__ = [
    # Connecting
    "connect",
    "Connection",
    "Cursor",
    # Globals
    "apilevel",
    "paramstyle",
    "threadsafety",
    # Errors
    "Warning",
    "Error",
    "InterfaceError",
    "DatabaseError",
    "DataError",
    "IntegrityError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    # Types
    "BINARY",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Binary",
    "Date",
    "DateFromTicks",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
]


#: Makes a binary parameter (PEP 249); the driver manager has none of its own.
Binary = bytes


def connect(
    uri: str | None = None,
    *,
    db_kwargs: Mapping[str, Any] | None = None,
    conn_kwargs: Mapping[str, Any] | None = None,
    autocommit: bool = True,
) -> Connection:
    """Returns an open connection; see `e6data_adbc.connect`."""
    from e6data_adbc import _native

    options = dict(db_kwargs or {})
    if uri is not None:
        options["uri"] = uri
    return _manager.connect(
        driver=_native.__file__,
        entrypoint="AdbcDriverE6dataInit",
        db_kwargs=options,
        conn_kwargs=dict(conn_kwargs or {}),
        autocommit=autocommit,
    )
