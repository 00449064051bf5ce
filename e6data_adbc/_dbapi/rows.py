"""Batches as rows of Python values, each exact or refused."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Refused", "Row", "to_rows"]

Row = tuple[Any, ...]

#: What pyarrow, the standard library and pandas raise for a value that Python has no object for.
_REFUSALS: Final = (ArithmeticError, LookupError, TypeError, ValueError, pa.ArrowException)


class Cell(NamedTuple):
    """Where a value stands."""

    row: int
    column: str
    type: pa.DataType


class Refused(Exception):  # noqa: N818 - a fact that `Result` makes an error of
    """Python has no object for a value.

    Attributes:
        cell: Where it stands; the row is counted from the first of those that were asked for.
    """

    def __init__(self, cell: Cell, cause: str) -> None:
        super().__init__(cause)
        self.cell = cell


def to_rows(batch: pa.RecordBatch) -> list[Row]:
    """Returns the rows of *batch*, as PEP 249 wants them.

    Raises:
        Refused: A value is no Python object, or none that is exact.
    """
    if not batch.num_columns:
        return [()] * batch.num_rows
    try:
        return list(zip(*[_values(column) for column in batch.columns], strict=True))
    except _REFUSALS:
        refused = _first_refused(batch)
        if refused is None:
            raise
        try:
            raise refused from None
        finally:
            del refused  # its traceback leads here, where the batch is


def _values(column: Any) -> list[Any]:
    if not _is_in_microseconds(column):
        raise ValueError("a time of the day in Python has microseconds, and this one is finer")
    values: list[Any] = column.to_pylist()
    return values


def _is_in_microseconds(column: Any) -> bool:
    """Tells whether the times of the day in *column* are whole microseconds; pyarrow drops what is finer."""
    kind = column.type
    if kind == pa.time64("ns"):
        number = column.cast(pa.int64())
        whole = pc.all(pc.equal(pc.multiply(pc.divide(number, 1000), 1000), number))
        return whole.as_py() is not False  # None where there is no value
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _is_in_microseconds(column.flatten())
    if pa.types.is_struct(kind):
        return all(map(_is_in_microseconds, column.flatten()))
    return True


def _first_refused(batch: pa.RecordBatch) -> Refused | None:
    """Returns the refusal of the first row of *batch* that has one."""
    cells = (
        (row, field, column.slice(row, 1))
        for row in range(batch.num_rows)
        for field, column in zip(batch.schema, batch.columns, strict=True)
    )
    for row, field, cell in cells:
        if cause := _refusal(cell):
            return Refused(Cell(row, field.name, field.type), cause)
    return None


def _refusal(cell: Any) -> str | None:
    try:
        _values(cell)
    except _REFUSALS as cause:
        return str(cause) or type(cause).__name__
    return None
