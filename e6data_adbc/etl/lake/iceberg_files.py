"""Data files of an Iceberg table, one for each value of its partitions, through little memory."""

from __future__ import annotations

import contextlib
import dataclasses
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from e6data_adbc.etl.columns import Column, longest
from e6data_adbc.etl.files.parts import groups
from e6data_adbc.etl.lake.iceberg_record import Staged

__all__ = ["Partition", "checked", "partitions_of", "read", "untold", "write"]

#: A file that has this many bytes is the last but one of its partition.
_FILE_BYTES: Final = 2**28
#: Files that are open at once; of more partitions the one that was begun first ends.
_MOST_OPEN: Final = 64
#: Of a longer text the footer of a file has no statistics, and they tell the partition.
_PARTITION_TEXT: Final = longest(1000)
_NOT_TOLD: Final = frozenset({"float", "double", "binary", "fixed", "uuid"})


@dataclasses.dataclass(frozen=True)
class Partition:
    """One of the fields by which a table is partitioned.

    Attributes:
        column: By which column.
        shown: The field as people read it.
        transform: Makes values of the partition of those of the column.
        is_ordered: Whether the partition of a file can be told by the least and the largest value of its column.
    """

    column: str
    shown: str
    transform: Callable[[Any], Any]
    is_ordered: bool


def partitions_of(table: Any) -> list[Partition]:
    """Returns how a table of pyiceberg is partitioned."""
    schema = table.schema()
    found = []
    for field in table.spec().fields:
        source = schema.find_field(field.source_id)
        # Statistics do not tell NaN, nor the whole of long bytes.
        is_told = str(source.field_type).partition("[")[0] not in _NOT_TOLD
        split = _split_by(field.transform, source.field_type)
        is_ordered = field.transform.preserves_order and is_told and source in schema.fields
        found.append(
            Partition(
                schema.find_column_name(field.source_id),
                f"{field.transform}({source.name})",
                split or (lambda array: array),
                split is not None and is_ordered,
            )
        )
    return found


def untold(partitions: Sequence[Partition]) -> list[str]:
    """Returns why a load cannot add files to a table with these partitions; nothing where it can."""
    return [
        f"its partitions by {each.shown} cannot be told by the files of a load"
        for each in partitions
        if not each.is_ordered
    ]


def checked(columns: Sequence[Column], partitions: Sequence[Partition]) -> tuple[Column, ...]:
    """Returns *columns* with the checks that those need by which a table is partitioned."""
    by = {each.column for each in partitions}
    return tuple(
        dataclasses.replace(each, checks=(*each.checks, _PARTITION_TEXT))
        if each.name in by and pa.types.is_string(each.stored)
        else each
        for each in columns
    )


def _split_by(transform: Any, kind: Any) -> Callable[[Any], Any] | None:
    """Returns what makes equal values of those of one partition; None for a transform that is not known."""
    name, _, rest = str(transform).partition("[")
    if name == "identity":
        return lambda array: array
    if name in {"year", "month", "day", "hour"}:
        unit: Any = name
        return lambda array: pc.floor_temporal(array, unit=unit)
    if name != "truncate":
        return None
    if str(kind) == "string":
        width = int(rest.rstrip("]"))
        return lambda array: pc.utf8_slice_codeunits(array, 0, width)
    cut = transform.transform(kind)

    def truncated(array: Any) -> Any:
        coded = array.dictionary_encode()
        values = [None if each is None else cut(each) for each in coded.dictionary.to_pylist()]
        return pa.array(values, array.type).take(coded.indices)

    return truncated


def write(
    table: Any,
    partitions: Sequence[Partition],
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
) -> list[Staged]:
    """Returns new files with the rows of *batches*, each with those of one value of the partitions.

    Args:
        table: Of pyiceberg; says where its files are.
        partitions: How it is partitioned.
        schema: Of all batches.
        batches: The rows. What they raise is raised, and nothing stays.
    """
    work = _Writing(table, schema)
    try:
        for group in groups(schema, batches):
            for value, rows in _split(group, partitions):
                work.add(value, rows)
        return work.end()
    except BaseException:
        work.give_up()
        raise


def read(table: Any, files: Sequence[Staged], columns: Sequence[str]) -> pa.Table:
    """Returns some columns of all rows of *files*, in their order."""
    tables = []
    for file in files:
        with table.io.new_input(file.path).open() as source:
            tables.append(parquet.ParquetFile(source).read(columns=list(columns)))
    # A column may have been widened since the first of them was written.
    return pa.concat_tables(tables, promote_options="permissive")


class _Writing:
    """Files that are being written, by the value of the partitions."""

    def __init__(self, table: Any, schema: pa.Schema) -> None:
        self._table, self._schema = table, schema
        self._open: dict[Any, _File] = {}
        self._ended: list[Staged] = []
        self._paths: list[str] = []

    def add(self, value: Any, rows: pa.Table) -> None:
        file = self._open.get(value)
        if file is None:
            if len(self._open) == _MOST_OPEN:
                self._end(next(iter(self._open)))
            name = f"e6-{uuid.uuid4().hex}.parquet"
            path = self._table.location_provider().new_data_location(name)
            self._paths.append(path)
            file = self._open[value] = _File(self._table.io, path, self._schema)
        file.write(rows)
        if file.bytes >= _FILE_BYTES:
            self._end(value)

    def end(self) -> list[Staged]:
        for value in list(self._open):
            self._end(value)
        return self._ended

    def give_up(self) -> None:
        """Removes what was written: to end a file is to publish it, for some storages."""
        for file in self._open.values():
            with contextlib.suppress(OSError):
                file.close()
        for path in self._paths:
            with contextlib.suppress(OSError):
                self._table.io.delete(path)

    def _end(self, value: Any) -> None:
        file = self._open.pop(value)
        file.close()
        self._ended.append(Staged(file.path, file.rows))


class _File:
    def __init__(self, io: Any, path: str, schema: pa.Schema) -> None:
        self.path = path
        self.rows = 0
        self._stream = io.new_output(path).create(overwrite=False)
        self._writer = parquet.ParquetWriter(self._stream, schema, compression="zstd")

    @property
    def bytes(self) -> int:
        return int(self._stream.tell())

    def write(self, rows: pa.Table) -> None:
        self._writer.write_table(rows, row_group_size=max(rows.num_rows, 1))
        self.rows += rows.num_rows

    def close(self) -> None:
        try:
            self._writer.close()
        finally:
            self._stream.close()


def _split(group: pa.Table, partitions: Sequence[Partition]) -> Iterator[tuple[Any, pa.Table]]:
    """Gives the rows of each value of the partitions."""
    if not partitions:
        yield (), group
        return
    names = [str(index) for index in range(len(partitions))]
    values = [each.transform(group.column(each.column).combine_chunks()) for each in partitions]
    places = pa.array(range(group.num_rows), pa.int64())
    keys = pa.table([*values, places], names=[*names, "place"]).group_by(names)
    found = keys.aggregate([("place", "list")])
    for row in found.to_pylist():
        yield tuple(row[name] for name in names), group.take(pa.array(row["place_list"]))
