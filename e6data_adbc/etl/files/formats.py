"""File formats: how each stores a column, writes batches, and reads them again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa

from e6data_adbc.etl.columns import Check, Column
from e6data_adbc.etl.plain_types import (
    NO_DAYS_BEYOND,
    NO_TIMES_BEYOND,
    PLAIN_SCALE,
    column,
    digits,
    hexadecimal,
    microseconds,
    plain,
)

__all__ = ["FORMATS", "Format", "Writer"]


class Writer(Protocol):
    """Writes one file. Not closed, the file is not whole."""

    def write(self, table: pa.Table) -> None:
        """Appends rows."""

    def close(self) -> None:
        """Ends the file."""


class Format(Protocol):
    """A file format.

    Attributes:
        name: What an address calls it, `NAME+file:`.
        ending: What its files end with.
        can_read: Whether values come back from a file with their types, so that rows of one can be kept.
    """

    name: str
    ending: str
    can_read: bool

    def stored(self, field: pa.Field[Any], *, is_only: bool) -> Column | str:
        """Returns how a column is stored, or why it cannot be.

        Args:
            field: The column of the result.
            is_only: Whether the file has no other.
        """

    def writer(self, path: Path, schema: pa.Schema) -> Writer:
        """Returns what writes a new file."""

    def read(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Gives the rows of a file, or only some columns of them."""


class Parquet:
    """Apache Parquet, compressed by Zstandard."""

    name = "parquet"
    ending = "parquet"
    can_read = True

    def stored(self, field: pa.Field[Any], *, is_only: bool) -> Column | str:
        """Returns how a column is stored: in Parquet's own types, and durations as numbers that Arrow reads back."""
        del is_only
        kind = plain(field.type, _in_parquet)
        if kind is None:
            return "Parquet has nothing that it could be"
        return column(field, kind)

    def writer(self, path: Path, schema: pa.Schema) -> Writer:
        """Returns what writes a new file; each call of `write` makes a row group."""
        from pyarrow import parquet

        return _ParquetWriter(parquet.ParquetWriter(str(path), schema, compression="zstd"))

    def read(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Gives the rows of a file."""
        from pyarrow import parquet

        names = None if columns is None else list(columns)
        with parquet.ParquetFile(str(path), pre_buffer=False) as file:
            yield from file.iter_batches(columns=names)


class Ipc:
    """Arrow's file format, compressed by Zstandard: every type as it is, but encodings."""

    name = "ipc"
    ending = "arrow"
    can_read = True

    def stored(self, field: pa.Field[Any], *, is_only: bool) -> Column | str:
        """Returns how a column is stored."""
        del is_only
        is_wide = pa.types.is_decimal256(field.type)
        kind: Any = field.type if is_wide else plain(field.type)
        if kind is None:
            return "nothing says what its values are, without their encoding"
        return column(field, kind)

    def writer(self, path: Path, schema: pa.Schema) -> Writer:
        """Returns what writes a new file."""
        return _IpcWriter(path, schema)

    def read(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Gives the rows of a file."""
        with pa.OSFile(str(path), "rb") as source, pa.ipc.open_file(source) as reader:
            for index in range(reader.num_record_batches):
                batch = reader.get_batch(index)
                yield batch if columns is None else batch.select(list(columns))


class Csv:
    """Text in UTF-8 with a header: texts are quoted, NULL is an empty place without quotes."""

    name = "csv"
    ending = "csv"
    can_read = False

    def stored(self, field: pa.Field[Any], *, is_only: bool) -> Column | str:
        """Returns how a column is stored."""
        found = self._stored(field)
        if is_only and isinstance(found, Column):
            # A line that is empty is no row for many readers.
            return column(
                field,
                found.stored,
                *found.checks,
                _NULL_ALONE,
                convert=found.convert,
                loss=found.loss,
            )
        return found

    def _stored(self, field: pa.Field[Any]) -> Column | str:
        kind = plain(field.type, lambda kind: kind)
        test = pa.types
        if kind is None or any(accepts(kind) for accepts in _NOT_IN_CSV):
            return "CSV has no form for it that could be read back"
        if test.is_float16(kind):
            return column(field, pa.float32())
        if test.is_date(kind):
            return column(field, pa.date32(), NO_DAYS_BEYOND)
        if test.is_timestamp(kind):
            return _timestamp_in_csv(field, kind)
        if test.is_duration(kind):
            loss = "an interval becomes its number of microseconds"
            return column(field, pa.int64(), convert=microseconds, loss=loss)
        if test.is_binary(kind):
            loss = "bytes become hexadecimal digits"
            return column(field, pa.string(), convert=_hexadecimal, loss=loss)
        return column(field, kind)

    def writer(self, path: Path, schema: pa.Schema) -> Writer:
        """Returns what writes a new file."""
        return _CsvWriter(path, schema)

    def read(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Not called: `can_read` says no."""
        raise NotImplementedError


class _ParquetWriter:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))

    def close(self) -> None:
        self._writer.close()


class _IpcWriter:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        self._open = contextlib.ExitStack()
        sink = self._open.enter_context(pa.OSFile(str(path), "wb"))
        self._writer = pa.ipc.new_file(sink, schema, options=options)

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table.combine_chunks())

    def close(self) -> None:
        with self._open:
            self._writer.close()


class _CsvWriter:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        from pyarrow import csv

        self._fine = [index for index, kind in enumerate(schema.types) if _is_fine_decimal(kind)]
        for index in self._fine:
            schema = schema.set(index, pa.field(schema.names[index], pa.string()))
        self._writer = csv.CSVWriter(str(path), schema)

    def write(self, table: pa.Table) -> None:
        for index in self._fine:
            name = table.schema.names[index]
            table = table.set_column(index, name, digits(table.column(index)))
        self._writer.write_table(table)

    def close(self) -> None:
        self._writer.close()


def _in_parquet(kind: Any) -> Any:
    test = pa.types
    if test.is_interval(kind):
        return None
    if test.is_timestamp(kind) and kind.unit == "s":
        return pa.timestamp("ms", kind.tz)  # which Parquet has no seconds for
    return pa.time32("ms") if kind == pa.time32("s") else kind


def _null_places(array: Any) -> Any:
    return array.is_null() if array.null_count else None


_NULL_ALONE: Final = Check("NULL in a file of one column", _null_places)
_NOT_IN_CSV: Final = (
    pa.types.is_list,
    pa.types.is_map,
    pa.types.is_struct,
    pa.types.is_interval,
)


def _is_fine_decimal(kind: Any) -> bool:
    return pa.types.is_decimal(kind) and kind.scale > PLAIN_SCALE


def _timestamp_in_csv(field: pa.Field[Any], kind: Any) -> Column:
    stored = pa.timestamp(kind.unit, None if kind.tz is None else "UTC")
    return column(field, stored, NO_TIMES_BEYOND)


def _hexadecimal(array: Any) -> Any:
    return hexadecimal(array.cast(pa.binary()))


#: By the name in an address.
FORMATS: Final[dict[str, Format]] = {
    "parquet": Parquet(),
    "ipc": Ipc(),
    "csv": Csv(),
}
