"""Record batches cut to what one chunk each may hold: so many rows, and about so many bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["cut"]


def cut(batch: pa.RecordBatch, rows: int, size: int) -> Iterator[pa.RecordBatch]:
    """Yields *batch* in slices of at most *rows* rows and *size* bytes; a row that is larger comes alone.

    Nothing is copied. The bytes are those of the Arrow values.
    """
    for offset in range(0, batch.num_rows, rows):
        yield from _halved(batch.slice(offset, rows), size)


def _halved(batch: pa.RecordBatch, size: int) -> Iterator[pa.RecordBatch]:
    if batch.num_rows <= 1 or batch.nbytes <= size:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _halved(batch.slice(0, half), size)
    yield from _halved(batch.slice(half), size)
