"""Arrow data from outside: each batch is proved to be what its schema says before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa

from e6data_adbc import errors, types
from e6data_adbc._sql.literals import plain

__all__ = ["arrived", "reader_of_array"]

#: Where a field names its extension type that this pyarrow does not know.
_EXTENSION: Final = b"ARROW:extension:name"


def reader_of_array(exported: Any) -> pa.RecordBatchReader:
    """Returns the rows of one array of the C data interface, whatever part of a longer one it is.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, it is no array of structs, or a row is null as a whole.
    """
    array = pa.array(exported)
    if not pa.types.is_struct(array.type):
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not bind parameters: an array of type {str(array.type)!r} has no columns",
            hint="bind a record batch, a table or an array of structs",
        )
    if array.null_count:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not bind parameters: row {array.is_null().index(True).as_py() + 1} is null as a whole",
            hint="bind nulls in its columns",
        )
    batch = pa.RecordBatch.from_struct_array(array)
    return pa.RecordBatchReader.from_batches(batch.schema, [batch])


def arrived(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yields the batches of *reader*.

    Raises:
        ProgrammingError: While reading, INVALID_ARGUMENT: the source failed; a value is none of its type, such as an
            index beyond its dictionary, text that is no Unicode, or a decimal with more digits than its type; or a
            field that is not nullable has a null.
        NotSupportedError: A field has an extension type that this pyarrow is too old for.
    """
    for field in reader.schema:
        if b"arrow.uuid" in (field.metadata or {}).get(_EXTENSION, b""):
            raise errors.make(
                errors.Status.NOT_IMPLEMENTED,
                f"could not bind column {field.name!r} of Arrow type 'arrow.uuid': pyarrow {pa.__version__} lacks it",
                hint="install pyarrow 18 or later, or cast the column to text",
            )
    done = 0
    for batch in _read(reader):
        for field, column in zip(reader.schema, batch.columns, strict=True):
            _check(field, column, done)
        done += batch.num_rows
        yield batch


def _read(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    except (pa.ArrowException, OSError) as cause:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT, f"could not read the bound parameters: {cause}"
        ) from cause


def _check(field: pa.Field[Any], column: Any, done: int) -> None:
    what = f"column {field.name!r} of Arrow type {str(field.type)!r}"
    if (bad := _first_bad(column)) is not None:
        # Without Arrow's words, which may quote the value.
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not bind row {done + bad + 1} of {what}: the value is none of that type",
        )
    if not field.nullable and (null := _first_null(column)) is not None:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not bind row {done + null + 1} of {what}: it is null, and the field is not nullable",
        )


def _first_bad(column: Any) -> int | None:
    """Returns the first row whose value is none of its type; the first row of all where no single one is at fault."""
    if _is_sound(column):
        return None
    start, length = 0, len(column)
    while length > 1:
        half = length // 2
        if _is_sound(column.slice(start, half)):
            start, length = start + half, length - half
        else:
            length = half
    return start


def _is_sound(column: Any) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _first_null(column: Any) -> int | None:
    if types.storage(column.type) is None and not column.null_count:
        return None
    # Behind an encoding the values say it, which the column does not count.
    return next((row for row, value in enumerate(column) if not plain(value).is_valid), None)
