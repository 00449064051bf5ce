"""Reading: the rows of a ticket as batches, in a connection of their own."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from e6data_adbc import errors
from e6data_adbc._reader import BatchReader
from e6data_adbc.distributed.connections import CONNECTIONS
from e6data_adbc.distributed.task import Ticket
from e6data_adbc.errors import Status
from e6data_adbc.options import ConnectionOptions

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read", "start"]


def read(
    ticket: Ticket | bytes, columns: Sequence[str] | None = None, where: str | None = None
) -> pa.RecordBatchReader:
    """Returns the rows of a part of a query, which runs now; a batch at a time is in memory.

    The reader, an Arrow stream as well, ends its query where it is dropped before its end.

    Args:
        ticket: One of `plan`; or of `adbc_execute_partitions`, which is read with `E6DATA_URI`.
        columns: Those that are wanted, in this order; the server sends no others. None for all; without any the rows
            are counted.
        where: What rows have to fulfil, as SQL over the columns of the query; the server sends no others.

    Raises:
        ProgrammingError: The ticket is of a result that runs (INVALID_STATE), or no ticket; there is no such column; or
            *where* is no condition.
        Error: A call failed.
    """
    import pyarrow as pa

    batches = start(ticket, columns, where)
    has_none = columns is not None and not list(columns)
    schema = pa.schema([]) if has_none else batches.schema
    return pa.RecordBatchReader.from_batches(schema, _selected(batches, has_none=has_none))


def start(ticket: Ticket | bytes, columns: Sequence[str] | None, where: str | None) -> BatchReader:
    """Returns the rows of a ticket as batches that can be closed; without a column, those of one. As `read`."""
    from e6data_adbc._driver.partitions.ticket import RunningResult, glance

    work, schema = glance(bytes(ticket))
    if isinstance(work, RunningResult):
        raise errors.make(
            Status.INVALID_STATE,
            "could not read the partition: its query runs already and can be read once, and tasks are repeated",
            hint="make tickets with e6data_adbc.distributed.plan",
        )
    asked = list(schema.names if columns is None else columns) or [_narrowest(schema)]
    options = {}
    if asked != schema.names:
        options[ConnectionOptions.PARTITION_COLUMNS.value] = json.dumps(asked)
    if where is not None:
        options[ConnectionOptions.PARTITION_WHERE.value] = where
    with contextlib.ExitStack() as opened:
        uri = ticket.reveal_uri() if isinstance(ticket, Ticket) else None
        connection = opened.enter_context(CONNECTIONS.clone(uri))
        connection.adbc_connection.set_options(**options)
        cursor = opened.enter_context(contextlib.closing(connection.cursor()))
        cursor.adbc_read_partition(bytes(ticket))
        return BatchReader(cursor, opened.pop_all())


def _selected(batches: BatchReader, *, has_none: bool) -> Iterator[pa.RecordBatch]:
    with batches:
        for batch in batches:
            yield batch.select([]) if has_none else batch


def _narrowest(schema: pa.Schema) -> str:
    """Returns the column whose values take the least room."""

    def bits(name: str) -> int:
        try:
            return int(schema.field(name).type.bit_width)
        except ValueError:  # their lengths differ
            return 1024

    return min(schema.names, key=bits)
