"""Tables that take files of many workers in one commit: those of Delta Lake and of Iceberg."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.columns import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from e6data_adbc.etl.destinations import Address

__all__ = ["File", "SharedTable", "open_table"]


class File(NamedTuple):
    """A file that is whole and in no version of the table.

    Attributes:
        path: As the table's library names it.
        bytes: Its size, 0 where the library reads it by itself.
        rows: How many it has.
    """

    path: str
    bytes: int
    rows: int


class SharedTable(Protocol):
    """One table. What loses a race against another commit raises `ConflictError`."""

    def stored(self, field: pa.Field[Any]) -> Column | str:
        """Returns how a column is stored, or why it cannot be."""

    def schema(self) -> pa.Schema | None:
        """Returns its columns; None where there is none."""

    def checked(self, columns: Sequence[Column]) -> Sequence[Column]:
        """Returns *columns* with checks of what the table's partitions have not."""

    def write(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> list[File]:
        """Writes rows into files of the table, which is in no version of it."""

    def has(self, job: str) -> bool:
        """Tells whether a commit of *job* was made."""

    def add(self, files: Sequence[File], schema: pa.Schema, job: str | None) -> None:
        """Adds files in one commit, which carries the job; the table is made if it is not there."""


def open_table(target: object) -> tuple[str, SharedTable]:
    """Returns the address without secrets, and the table there; nothing is connected to yet.

    Raises:
        ProgrammingError: It is no address.
        NotSupportedError: It is of another kind, or its package is not installed.
    """
    from e6data_adbc.etl.destinations import parse

    address = parse(str(target))
    if address.scheme not in _KINDS:
        raise errors.make(
            Status.NOT_IMPLEMENTED,
            f"could not export to {address.shown!r}: only Delta and Iceberg tables take files of many workers",
            hint="write delta+file:///path/to/table, or iceberg://CATALOG/namespace.table",
        )
    return address.shown, _KINDS[address.scheme](address)


@dataclasses.dataclass
class _Delta:
    address: Address

    def stored(self, field: pa.Field[Any]) -> Column | str:
        from e6data_adbc.etl.lake import delta_types

        return delta_types.stored(field)

    def schema(self) -> pa.Schema | None:
        found: pa.Schema | None = self._table().schema
        return found

    def checked(self, columns: Sequence[Column]) -> Sequence[Column]:
        return columns

    def write(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> list[File]:
        from e6data_adbc.etl.files import parts
        from e6data_adbc.etl.files.formats import Parquet

        with self.address.hiding():
            root = Path(self.address.path)
            root.mkdir(parents=True, exist_ok=True)
            drafts = parts.write(Parquet(), root, schema, batches)
        return [File(each.path.name, each.bytes, each.rows) for each in drafts]

    def has(self, job: str) -> bool:
        return self._table().version_of(_name(job)) is not None

    def add(self, files: Sequence[File], schema: pa.Schema, job: str | None) -> None:
        if not (table := self._table()).is_there:
            table.create(schema)
        self._table().add(files, None if job is None else (_name(job), 1))

    def _table(self) -> Any:
        from e6data_adbc.etl.lake.delta_table import DeltaTable, Place

        return DeltaTable(Place(self.address, self.address.path))


class _Iceberg:
    def __init__(self, address: Address) -> None:
        from e6data_adbc.etl.lake.iceberg_catalog import Catalog

        self._shown = address.shown
        self._catalog = Catalog(address)

    def stored(self, field: pa.Field[Any]) -> Column | str:
        from e6data_adbc.etl.lake import iceberg_types

        return iceberg_types.stored(field)

    def schema(self) -> pa.Schema | None:
        from e6data_adbc.etl.lake.iceberg_files import untold

        found = self._catalog.load()
        if found is None:
            return None
        if reasons := untold(found.partitions):
            raise errors.make(
                Status.NOT_IMPLEMENTED, f"could not export to {self._shown!r}: {'; '.join(reasons)}"
            )
        return found.schema

    def checked(self, columns: Sequence[Column]) -> Sequence[Column]:
        from e6data_adbc.etl.lake.iceberg_files import checked

        found = self._catalog.load()
        return columns if found is None else checked(columns, found.partitions)

    def write(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> list[File]:
        table = self._catalog.load() or self._catalog.create(schema)
        return [File(each.path, 0, each.rows) for each in table.write(schema, batches)]

    def has(self, job: str) -> bool:
        found = self._catalog.load()
        return found is not None and _name(job) in found.metadata.properties

    def add(self, files: Sequence[File], schema: pa.Schema, job: str | None) -> None:
        table = self._catalog.load() or self._catalog.create(schema)

        def change(transaction: Any, summary: dict[str, str]) -> None:
            if files:
                paths = [file.path for file in files]
                transaction.add_files(
                    paths, snapshot_properties=summary, check_duplicate_files=False
                )

        if files or job is not None:
            table.commit(change, sets=None if job is None else {_name(job): "1"})


_KINDS: Final[dict[str, Callable[[Address], SharedTable]]] = {
    "delta+file": _Delta,
    "iceberg": _Iceberg,
}


def _name(job: str) -> str:
    """Returns what a commit of *job* carries."""
    return f"e6data-export:{job}"
