"""Daft reads queries as data frames, a task for each ticket.

The server sends the columns that a plan needs, and of the rows those that fulfil what of its filter SQL can say; Daft
filters again.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pyarrow as pa

from e6data_adbc.distributed.task import Ticket, missing

try:
    from daft.io.source import DataSource, DataSourceTask
    from daft.recordbatch import RecordBatch
    from daft.schema import Schema
except ImportError as cause:
    raise missing("daft", "daft") from cause

from e6data_adbc.distributed.daft_filters import condition
from e6data_adbc.distributed.planning import plan
from e6data_adbc.distributed.reading import read as read_ticket

__all__ = ["read"]


def read(
    sql: str,
    uri: str | None = None,
    *,
    on: str | None = None,
    count: int | None = None,
    bounds: str | Sequence[Any] | None = None,
) -> Any:
    """Returns a `daft.DataFrame` of *sql*, which runs each time that the frame is collected.

    Arguments and errors are those of `e6data_adbc.distributed.plan`.
    """
    return _Source(*plan(sql, uri, on, count, bounds)).read()


@dataclasses.dataclass
class _Source(DataSource):  # type: ignore[misc] # daft is no dependency
    tickets: Sequence[Ticket]
    columns: pa.Schema
    name = "e6data"

    @property
    def schema(self) -> Schema:
        return Schema.from_pyarrow_schema(self.columns)

    async def get_tasks(self, pushdowns: Any) -> AsyncIterator[_Task]:
        names = pushdowns.columns or self.columns.names
        names = pushdowns.filter_required_column_names().union(names)
        schema = pa.schema([field for field in self.columns if field.name in names])
        for ticket in self.tickets:
            yield _Task(ticket, schema, condition(pushdowns.filters, self.columns))


@dataclasses.dataclass
class _Task(DataSourceTask):  # type: ignore[misc]
    ticket: Ticket
    columns: pa.Schema
    where: str | None

    @property
    def schema(self) -> Schema:
        return Schema.from_pyarrow_schema(self.columns)

    async def read(self) -> AsyncIterator[RecordBatch]:
        # In threads, so that the loop goes on with other tasks.
        task = (self.ticket, self.columns.names, self.where)
        batches = await asyncio.to_thread(read_ticket, *task)
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            yield RecordBatch.from_arrow_record_batches([batch], batch.schema)
