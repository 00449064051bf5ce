"""Rows as the text behind VALUES, in pieces that a statement of bounded size takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from e6data_adbc._options.option_values import IngestSettings
from e6data_adbc._sql.literal_columns import column_literals

__all__ = ["Place", "value_rows"]

#: Names the value of a column in errors: the number of the batch, the row in it, both from 0, and the column.
Place = Callable[[int, int, int], str]

#: Bytes that a comma and brackets add to the literals of a row; generous.
_ROW_OVERHEAD: Final = 4
#: Rows whose literals are made together: more are not faster.
_ROWS_AT_ONCE: Final = 1024


def value_rows(
    head: str,
    batches: Iterable[pa.RecordBatch],
    row: Sequence[int | str],
    place: Place,
    limits: IngestSettings,
) -> Iterator[tuple[str, int]]:
    """Yields `(1, 'a'), (2, 'b')` for as many rows as a statement may have, and their number.

    It holds one batch, and the text of about one statement.

    Args:
        head: What will stand before it.
        batches: The values.
        row: What each row is made of: the number of a column, or a text that stands in every row.
        place: Says where a value stands.
        limits: How large a statement may be.

    Raises:
        Error: While reading, for the first value that has no literal.
    """
    rows: list[str] = []
    start = size = len(head.encode())
    for text in _rows(batches, row, place, limits):
        length = (len(text) if text.isascii() else len(text.encode())) + _ROW_OVERHEAD
        if rows and size + length > limits.insert_bytes:
            yield ", ".join(rows), len(rows)
            rows, size = [], start
        rows.append(text)
        size += length
        if len(rows) >= limits.insert_rows:
            yield ", ".join(rows), len(rows)
            rows, size = [], start
    if rows:
        yield ", ".join(rows), len(rows)


def _rows(
    batches: Iterable[pa.RecordBatch],
    row: Sequence[int | str],
    place: Place,
    limits: IngestSettings,
) -> Iterator[str]:
    """Yields the text of each row; makes that of about a statement's rows at a time."""
    for number, batch in enumerate(batches):
        step = max(1, min(limits.insert_rows, _ROWS_AT_ONCE, limits.insert_bytes // _width(batch)))
        for first in range(0, batch.num_rows, step):
            part = batch.slice(first, step)
            texts = {
                index: column_literals(part.column(index), _where(place, number, first, index))
                for index in row
                if isinstance(index, int)
            }
            columns = [
                texts[value] if isinstance(value, int) else [value] * part.num_rows for value in row
            ]
            for values in zip(*columns, strict=True):
                yield f"({', '.join(values)})"


def _where(place: Place, batch: int, first: int, column: int) -> Callable[[int], str]:
    return lambda index: place(batch, first + index, column)


def _width(batch: pa.RecordBatch) -> int:
    """Returns about how many bytes a row has, at least 1; as text it has a small multiple of them."""
    size = sum(_size(column) for column in batch.columns)
    return max(1, size // max(1, batch.num_rows))


def _size(column: Any) -> int:
    """Returns about how many bytes *column* has when its values stand one by one."""
    repeated = None
    if isinstance(column, pa.DictionaryArray):
        repeated = column.dictionary
    elif isinstance(column, pa.RunEndEncodedArray):
        repeated = column.values
    if repeated is not None:
        return len(column) * _size(repeated) // max(1, len(repeated))
    try:
        return int(column.nbytes)
    except pa.ArrowException:  # a layout that this pyarrow cannot measure
        return int(column.get_total_buffer_size())
