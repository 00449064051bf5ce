"""The DB-API 2.0 module (PEP 249): `adbc_driver_manager.dbapi` with this driver filled in, and its gaps closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adbc_driver_manager.dbapi import (
    BINARY,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
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

from e6data_adbc import errors
from e6data_adbc._dbapi.dbapi_objects import PARAMETER_STYLES, Connection, Cursor
from e6data_adbc._dbapi.handles import ConnectionHandle
from e6data_adbc._dbapi.interrupts import let_in
from e6data_adbc._dbapi.opening import open_database
from e6data_adbc._dbapi.option_texts import texts
from e6data_adbc._dbapi.told import Analysis, Plan, Timings
from e6data_adbc._hide_secrets import concealing

if TYPE_CHECKING:
    from e6data_adbc._session.login.hooks import OnProgress, RequestSigner, TokenProvider

__all__ = [
    # Connecting
    "connect",
    "Connection",
    "Cursor",
    # What cursors tell
    "Analysis",
    "Plan",
    "Timings",
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


@concealing
def connect(  # noqa: PLR0913 - a public face
    uri: str | None = None,
    *,
    db_kwargs: Mapping[str, Any] | None = None,
    conn_kwargs: Mapping[str, Any] | None = None,
    autocommit: bool = True,
    paramstyle: str = "qmark",
    token_provider: TokenProvider | None = None,
    request_signer: RequestSigner | None = None,
    on_progress: OnProgress | None = None,
) -> Connection:
    """Returns an open connection; see `e6data_adbc.connect`.

    Args:
        uri: As there, like all that is not below.
        db_kwargs: Options of the database.
        conn_kwargs: Options of the connection.
        autocommit: Always on.
        paramstyle: How texts write parameters: `qmark` (`?`, and `:name` with a mapping), or `pyformat` (`%s`,
            `%(name)s`, and `%%` for a percent sign) for texts that were written for the public connector.
        token_provider: Gives tokens.
        request_signer: Adds metadata.
        on_progress: Is told of a cluster that comes up.

    Raises:
        Error: The options are wrong.
    """
    from e6data_adbc._session.login.hooks import HOOKS

    if paramstyle not in PARAMETER_STYLES:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not use {str(paramstyle)!r} as paramstyle: it is none of {PARAMETER_STYLES}",
        )
    offer = HOOKS.offer(
        token_provider=token_provider, request_signer=request_signer, on_progress=on_progress
    )
    # The database takes them while the driver manager opens it; a callable may hold a secret, so no frame keeps it.
    del token_provider, request_signer, on_progress
    try:
        with offer as hooks:
            database = open_database(uri, db_kwargs or {}, hooks)
        settings = texts(conn_kwargs or {})
        try:
            return Connection(
                database,
                ConnectionHandle(database, **settings),
                settings,
                autocommit=autocommit,
                paramstyle=paramstyle,
            )
        except BaseException:
            database.close()
            raise
    except Error:
        let_in()  # an interrupt is no error of the driver's, though that had to say one
        raise
