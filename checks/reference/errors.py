"""The one error of the reference decoder: what is wrong, and where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class DecodeError(Exception):
    """Bytes that are not what the protocol says: kind, column, row and offset, as the native one.

    *column* and *row* are zero-based and None where the fault belongs to no single one; *offset*
    counts bytes from the start of the input.
    """

    def __init__(
        self, kind: str, offset: int, column: int | None = None, row: int | None = None
    ) -> None:
        super().__init__(kind, offset, column, row)
        self.kind = kind
        self.offset = offset
        self.column = column
        self.row = row

    def __str__(self) -> str:
        return f"{self.kind} at byte {self.offset} (column {self.column}, row {self.row})"


@contextmanager
def located(*, column: int | None = None, row: int | None = None) -> Iterator[None]:
    """Fill in the *column* or *row* of a DecodeError that passes through without one."""
    try:
        yield
    except DecodeError as error:
        error.column = column if error.column is None else error.column
        error.row = row if error.row is None else error.row
        raise
