"""The ADBC driver for the e6data SQL engine: query results as Arrow, exact and streaming.

>>> import e6data_adbc
>>> with e6data_adbc.connect("e6data:local") as connection, connection.cursor() as cursor:
...     cursor.execute("select 1 as one")
...     cursor.fetch_arrow_table().to_pydict()
{'one': [1]}

Importing this package loads neither gRPC nor pyarrow; they come with the first connection.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from e6data_adbc._hide_secrets import concealing
from e6data_adbc._version import VERSION
from e6data_adbc.errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,  # noqa: A004
)
from e6data_adbc.options import ConnectionOptions, DatabaseOptions, StatementOptions

if TYPE_CHECKING:
    import pyarrow as pa

    from e6data_adbc import dbapi as dbapi
    from e6data_adbc._session.login.hooks import OnProgress, RequestSigner, TokenProvider
    from e6data_adbc.etl import load as load

__all__ = [
    # Connecting
    "connect",
    # Loading
    "load",
    # Options
    "DatabaseOptions",
    "ConnectionOptions",
    "StatementOptions",
    # Decoding
    "decode_chunk",
    # Errors
    "last_error",
    # Errors (PEP 249)
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
    # About
    "__version__",
]

__version__ = VERSION


@concealing
def connect(
    uri: str | None = None,
    *,
    db_kwargs: Mapping[str, str | int | float] | None = None,
    conn_kwargs: Mapping[str, str] | None = None,
    autocommit: bool = True,
    token_provider: TokenProvider | None = None,
    request_signer: RequestSigner | None = None,
    on_progress: OnProgress | None = None,
) -> dbapi.Connection:
    """Returns an open connection, an `adbc_driver_manager.dbapi.Connection` that can do more.

    Args:
        uri: `e6data://user:token@host:port/catalog/schema?name=value` or `e6data:local`; where it is not given, the
            environment's `E6DATA_URI`.
        db_kwargs: Options of the database, by key (see `DatabaseOptions`).
        conn_kwargs: Options of the connection, by key (see `ConnectionOptions`).
        autocommit: Always on, because the engine has no transactions.
        token_provider: Returns a bearer token, or a pair of one and the seconds it lives; asked again when it ends or
            is refused. Takes the place of user and token.
        request_signer: Takes the path of a call, `/Service/method`, and returns more metadata for it, as a gateway may
            want. Called before each try of each call, from any thread.
        on_progress: Told the state of the cluster (`suspended`, `resuming`, `active`) each time it was read while a
            query of this connection has the cluster resumed, or waits for another that does. Called from any thread;
            what it raises is logged.

    Raises:
        Error: The options are wrong. Whether the server answers shows with the first query.
    """
    from e6data_adbc import dbapi

    return dbapi.connect(
        uri,
        db_kwargs=db_kwargs,
        conn_kwargs=conn_kwargs,
        autocommit=autocommit,
        token_provider=token_provider,
        request_signer=request_signer,
        on_progress=on_progress,
    )


#: Modules that bring what not everybody needs; they load when they are named.
_MODULES = frozenset({"aio", "cluster", "dbapi", "distributed", "pandas", "polars"})


def __getattr__(name: str) -> Any:
    if name == "load":  # brings pyarrow
        from e6data_adbc.etl import load

        return load
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})


def decode_chunk(chunk: bytes, result_metadata: bytes) -> pa.RecordBatch:
    """Returns one chunk of a result as a record batch.

    Args:
        chunk: The Thrift-binary chunk of one response.
        result_metadata: The `resultMetaData` bytes of the same query. They give the column names; where a type name
            contradicts the chunk, the chunk decides.

    Raises:
        DataError: The bytes are not a valid chunk or not valid metadata, or the two do not belong together.
    """
    from e6data_adbc import _decode

    return _decode.decode_chunk(chunk, result_metadata)


def last_error(reader: pa.RecordBatchReader) -> Error | None:
    """Returns the error with which the result of *reader* failed, as a cursor raises it; None if it did not fail.

    Whoever reads a stream other than through a cursor's own methods gets its text in an exception of theirs: pyarrow
    and pandas, Polars, DuckDB. This is the error itself, with status, SQLSTATE and details.

    Args:
        reader: What `fetch_record_batch` of a cursor returned, closed or not; for readers from elsewhere, None.
    """
    from e6data_adbc._dbapi import streams

    return streams.last_error(reader)
