"""Query results as Polars frames.

>>> import e6data_adbc.polars
>>> e6data_adbc.polars.read("select 1 as one", "e6data:local")["one"].to_list()
[1]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

try:
    import polars as pl
except ImportError as missing:
    raise ImportError(
        "[e6data] could not import polars: install it with pip install 'e6data-adbc[polars]'"
    ) from missing

from e6data_adbc._reader import BatchReader, Frames, Parameters, query

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection

__all__ = ["read", "read_batches"]


def read(
    sql: str,
    uri: str | None = None,
    *,
    params: Parameters | None = None,
    connection: Connection | None = None,
    db_kwargs: Mapping[str, Any] | None = None,
    conn_kwargs: Mapping[str, Any] | None = None,
    rechunk: bool = False,
) -> pl.DataFrame:
    """Returns the whole result of *sql*, with its schema also when it has no rows.

    Args:
        sql: One statement; `?`, `:name` and `$name` are parameters.
        uri: `e6data://…` or `e6data:local`; without it and *connection*, the environment's `E6DATA_URI`.
        params: A sequence for `?`, or a mapping for names, of Python or Arrow values.
        connection: An open connection to use instead of *uri*; it stays open.
        db_kwargs: Options of the database, by key.
        conn_kwargs: Options of the connection, by key.
        rechunk: Whether each column shall lie in one piece, which copies it.

    Raises:
        Error: The query failed, or the arguments exclude each other.
        DuplicateError: Two columns have one name, which Polars cannot hold.
    """
    batches = query(
        sql, uri, params=params, connection=connection, db_kwargs=db_kwargs, conn_kwargs=conn_kwargs
    )
    with batches:
        return pl.concat([_empty(batches), *_frames(batches)], rechunk=rechunk)


def read_batches(
    sql: str,
    uri: str | None = None,
    *,
    params: Parameters | None = None,
    connection: Connection | None = None,
    db_kwargs: Mapping[str, Any] | None = None,
    conn_kwargs: Mapping[str, Any] | None = None,
) -> Frames[pl.DataFrame]:
    """Returns an iterator of frames, one for each batch as it arrives; constant memory whatever the result's size.

    Closing or dropping the iterator ends the query, on the server too. Arguments and errors are those of `read`.
    """
    batches = query(
        sql, uri, params=params, connection=connection, db_kwargs=db_kwargs, conn_kwargs=conn_kwargs
    )
    return Frames(batches, _frames)


def _frames(batches: BatchReader) -> Iterator[pl.DataFrame]:
    return (_frame(batch) for batch in batches)


def _empty(batches: BatchReader) -> pl.DataFrame:
    return _frame(batches.schema.empty_table())


def _frame(data: Any) -> pl.DataFrame:
    frame = pl.from_arrow(data, rechunk=False)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - tables become frames
    return frame
