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
    import pyarrow as pa
    from adbc_driver_manager.dbapi import Connection

    from e6data_adbc.lazy.catalog import Catalog
    from e6data_adbc.lazy.scan_source import Opening

__all__ = ["catalog", "explain", "read", "read_batches", "scan"]


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


def scan(  # noqa: PLR0913 - a public face
    sql_or_table: str,
    uri: str | None = None,
    *,
    connection: Connection | None = None,
    params: Parameters | None = None,
    db_kwargs: Mapping[str, Any] | None = None,
    conn_kwargs: Mapping[str, Any] | None = None,
    schema: pa.Schema | pl.Schema | Mapping[str, Any] | None = None,
    push: bool = True,
    pure: bool = False,
    partitions: tuple[str, int] | None = None,
) -> pl.LazyFrame:
    """Returns a lazy frame over a query or a table; the server is asked for the columns and rows that a plan needs.

    The schema is asked for here, once, and the query is not run for it. Each `collect` runs it anew, with the plan's
    columns, filters and `head` around it where the server surely gives what Polars would; Polars does the rest, batch
    by batch, and a plan that ends early cancels the query. `explain` tells what is sent. The logger `e6data_adbc.scan`
    has it, too.

    Args:
        sql_or_table: One statement that only reads, or the name of a table, `catalog.schema.table` or less of it.
        uri: `e6data://…` or `e6data:local`; without it and *connection*, the environment's `E6DATA_URI`.
        connection: An open connection to use instead of *uri*; it has to stay open as long as the frame is used.
        params: A sequence for `?`, or a mapping for names, of Python or Arrow values.
        db_kwargs: Options of the database, by key.
        conn_kwargs: Options of the connection, by key.
        schema: The columns of the result, exactly; the server is not asked then.
        push: Whether the server is sent more than the statement; without, Polars does all.
        pure: Whether the query gives the same each time, so that a plan that has it twice may run it once.
        partitions: A column and a count: so many readers side by side, each of a part of the column's values. The order
            of rows is lost, and the parts may see different states of the data.

    Raises:
        Error: The schema could not be read, the statement changes something, or the arguments exclude each other.
            NotSupportedError: Polars is older than 1.35.
        DuplicateError: Two columns have one name, which Polars cannot hold.
    """
    from e6data_adbc.lazy.partitions import Partitions
    from e6data_adbc.lazy.scanning import scan as scan_lazily

    return scan_lazily(
        sql_or_table,
        _opening(uri, connection, db_kwargs, conn_kwargs),
        params=params,
        schema=schema,
        push=push,
        pure=pure,
        split=None if partitions is None else Partitions.of(partitions),
    )


def explain(frame: pl.LazyFrame) -> str:
    """Returns what the scans in *frame* would send to the server, and the clauses that Polars applies, with reasons.

    Nothing is run, and nothing is sent. `frame.explain()` is Polars' own view of the plan.

    Raises:
        NotSupportedError: This version of Polars does not show its plan.
    """
    from e6data_adbc.lazy.explaining import explain as explain_scans

    return explain_scans(frame)


def catalog(
    uri: str | None = None,
    *,
    connection: Connection | None = None,
    catalog: str | None = None,
    db_schema: str | None = None,
    db_kwargs: Mapping[str, Any] | None = None,
    conn_kwargs: Mapping[str, Any] | None = None,
) -> Catalog:
    """Returns the tables of a schema as scans by name: `catalog(uri).orders`, `catalog(uri)["orders"]`.

    The names are read here; the columns of a table when it is asked for. Names complete in shells and notebooks.

    Args:
        uri: As of `scan`, like all that is not below.
        connection: An open connection.
        catalog: Whose schema; without it, the connection's.
        db_schema: Whose tables; without it, the connection's.
        db_kwargs: Options of the database.
        conn_kwargs: Options of the connection.

    Raises:
        Error: The names could not be read.
    """
    from e6data_adbc.lazy.catalog import Catalog

    opening = _opening(uri, connection, db_kwargs, conn_kwargs)
    return Catalog(opening, catalog=catalog, db_schema=db_schema)


def _opening(
    uri: str | None,
    connection: Connection | None,
    db_kwargs: Mapping[str, Any] | None,
    conn_kwargs: Mapping[str, Any] | None,
) -> Opening:
    from e6data_adbc.lazy.scan_source import Opening

    return Opening(uri, connection, db_kwargs, conn_kwargs)


def _frames(batches: BatchReader) -> Iterator[pl.DataFrame]:
    return (_frame(batch) for batch in batches)


def _empty(batches: BatchReader) -> pl.DataFrame:
    return _frame(batches.schema.empty_table())


def _frame(data: Any) -> pl.DataFrame:
    frame = pl.from_arrow(data, rechunk=False)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - tables become frames
    return frame
