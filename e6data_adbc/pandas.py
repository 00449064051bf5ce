"""Query results as pandas frames.

>>> import e6data_adbc.pandas
>>> e6data_adbc.pandas.read("select 1 as one", "e6data:local")["one"].to_list()
[1]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

try:
    import pandas as pd
except ImportError as missing:
    raise ImportError(
        "[e6data] could not import pandas: install it with pip install 'e6data-adbc[pandas]'"
    ) from missing

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._reader import BatchReader, Frames, Parameters, query

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection

__all__ = ["read"]

DtypeBackend = Literal["pyarrow", "numpy_nullable", "numpy"]

_NULLABLE: dict[pa.DataType, Any] = {
    pa.bool_(): pd.BooleanDtype(),
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.float32(): pd.Float32Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.string(): pd.StringDtype(),
    pa.large_string(): pd.StringDtype(),
}


@overload
def read(
    sql: str,
    uri: str | None = None,
    *,
    params: Parameters | None = None,
    chunksize: None = None,
    dtype_backend: DtypeBackend = "pyarrow",
    connection: Connection | None = None,
    db_kwargs: Mapping[str, Any] | None = None,
    conn_kwargs: Mapping[str, Any] | None = None,
) -> pd.DataFrame: ...
@overload
def read(
    sql: str,
    uri: str | None = None,
    *,
    params: Parameters | None = None,
    chunksize: int,
    dtype_backend: DtypeBackend = "pyarrow",
    connection: Connection | None = None,
    db_kwargs: Mapping[str, Any] | None = None,
    conn_kwargs: Mapping[str, Any] | None = None,
) -> Frames[pd.DataFrame]: ...
def read(  # noqa: PLR0913 - a public face
    sql: str,
    uri: str | None = None,
    *,
    params: Parameters | None = None,
    chunksize: int | None = None,
    dtype_backend: DtypeBackend = "pyarrow",
    connection: Connection | None = None,
    db_kwargs: Mapping[str, Any] | None = None,
    conn_kwargs: Mapping[str, Any] | None = None,
) -> pd.DataFrame | Frames[pd.DataFrame]:
    """Returns the whole result of *sql*, or an iterator over it.

    Args:
        sql: One statement; `?`, `:name` and `$name` are parameters.
        uri: `e6data://…` or `e6data:local`; without it and *connection*, the environment's `E6DATA_URI`.
        params: A sequence for `?`, or a mapping for names, of Python or Arrow values.
        chunksize: Rows of each frame of an iterator, the last may have fewer; an empty result gives one empty frame.
            Closing or dropping the iterator ends the query, on the server too.
        dtype_backend: `pyarrow` keeps every type as it came. `numpy_nullable` has pandas' own nullable types for
            integers, floats, booleans and text, and pyarrow for the rest. `numpy` has NumPy's types, and Python objects
            where those would change a value: integers with nulls, decimals, dates.
        connection: An open connection to use instead of *uri*; it stays open.
        db_kwargs: Options of the database, by key.
        conn_kwargs: Options of the connection, by key.

    Raises:
        Error: The query failed, or an argument is wrong.
    """
    if chunksize is not None and chunksize < 1:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not read: chunksize {chunksize!r} is not a number of rows above 0",
        )
    if dtype_backend not in ("pyarrow", "numpy_nullable", "numpy"):
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not read: dtype_backend {dtype_backend!r} is not 'pyarrow', 'numpy_nullable' or 'numpy'",
        )
    batches = query(
        sql, uri, params=params, connection=connection, db_kwargs=db_kwargs, conn_kwargs=conn_kwargs
    )
    if chunksize is not None:
        rows = chunksize
        return Frames(batches, lambda source: _chunks(source, rows, dtype_backend))
    with batches:
        table = pa.Table.from_batches(batches, batches.schema)
        return _frame(table, dtype_backend)


def _chunks(batches: BatchReader, rows: int, backend: DtypeBackend) -> Iterator[pd.DataFrame]:
    schema = batches.schema
    waiting: list[pa.RecordBatch] = []
    count = given = 0
    for arrived in batches:
        batch = arrived
        while count + batch.num_rows >= rows:
            missing = rows - count
            waiting.append(batch.slice(0, missing))
            yield _frame(pa.Table.from_batches(waiting, schema), backend)
            batch, waiting, count, given = batch.slice(missing), [], 0, given + 1
        if batch.num_rows:
            waiting.append(batch)
            count += batch.num_rows
    if count or not given:
        yield _frame(pa.Table.from_batches(waiting, schema), backend)


def _frame(table: pa.Table, backend: DtypeBackend) -> pd.DataFrame:
    if backend == "numpy":
        return table.to_pandas(integer_object_nulls=True, date_as_object=True)
    mapper = pd.ArrowDtype if backend == "pyarrow" else _nullable
    return table.to_pandas(types_mapper=mapper)


def _nullable(kind: pa.DataType) -> Any:
    return _NULLABLE.get(kind) or pd.ArrowDtype(kind)
