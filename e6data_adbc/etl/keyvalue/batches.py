"""Batches of rows as entries of a key-value store: cut to a size, and in Arrow's stream format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

__all__ = ["MOST_ROWS", "pieces", "read_batches", "written"]

#: Rows, and bytes of Arrow data, that one piece has at most.
MOST_ROWS: Final = 4096
_MOST_BYTES: Final = 2**20


def pieces(batch: pa.RecordBatch, most_rows: int = MOST_ROWS) -> Iterator[pa.RecordBatch]:
    """Gives the rows in pieces that are small enough to be written one after the other."""
    rows = max(1, min(most_rows, _MOST_BYTES * batch.num_rows // max(batch.nbytes, 1)))
    for first in range(0, batch.num_rows, rows):
        yield batch.slice(first, rows)


def written(batch: pa.RecordBatch) -> bytes:
    """Returns a batch as a whole Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def read_batches(data: bytes) -> Iterator[pa.RecordBatch]:
    """Gives the batches of an Arrow stream."""
    with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
        yield from reader
