"""Dask reads queries as data frames whose columns have Arrow types, a partition for each ticket.

>>> frame = read("select * from orders", uri, on="order_id", count=64)  # doctest: +SKIP
>>> frame[frame.amount > 100].store_id.value_counts().compute()  # doctest: +SKIP

The server sends the columns that a graph needs; Dask filters what comes, and `where` has the server filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from e6data_adbc.distributed.task import Ticket, missing

try:
    import dask.dataframe as dd
    import pandas as pd
except ImportError as cause:
    raise missing("dask.dataframe", "dask") from cause

from e6data_adbc.distributed.planning import plan
from e6data_adbc.distributed.reading import read as read_ticket

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read"]


def read(
    sql: str,
    uri: str | None = None,
    *,
    on: str | None = None,
    count: int | None = None,
    bounds: str | Sequence[Any] | None = None,
    where: str | None = None,
) -> Any:
    """Returns a `dask.dataframe.DataFrame` of *sql*, which runs each time that the frame is computed.

    Args:
        sql: One query; like *uri*, *on*, *count* and *bounds* as for `e6data_adbc.distributed.plan`.
        uri: Where to connect.
        on: The column that it is split by.
        count: How many partitions there may be.
        bounds: Between which values they are even.
        where: What rows have to fulfil, as SQL; the server sends no others.

    Raises:
        Error: As `plan`.
    """
    tickets, schema = plan(sql, uri, on, count, bounds)
    meta = _frame(schema.empty_table())
    return dd.from_map(_read, tickets, where=where, meta=meta, label="e6data")


def _read(ticket: Ticket, columns: Sequence[str] | None = None, where: str | None = None) -> Any:
    wanted = [columns] if isinstance(columns, str) else columns
    return _frame(read_ticket(ticket, wanted, where).read_all())


def _frame(table: pa.Table) -> pd.DataFrame:
    return table.to_pandas(types_mapper=pd.ArrowDtype)
