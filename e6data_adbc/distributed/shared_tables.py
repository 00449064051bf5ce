"""Tables that take files of many workers in one commit: those of Delta Lake and of Iceberg."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.columns import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from e6data_adbc.etl.destinations import Address
    from e6data_adbc.etl.lake.delta_table import DeltaTable
    from e6data_adbc.etl.lake.iceberg_catalog import Snapshot

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
    """One table, which is looked up once: `add` raises `ConflictError` if it has changed since."""

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

    def close(self) -> None:
        """Ends its connections."""


@contextlib.contextmanager
def open_table(target: object) -> Iterator[tuple[str, SharedTable]]:
    """Yields the address without secrets, and the table there; nothing is connected to yet.

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
            hint="write delta+file:///path/to/table, delta+s3://bucket/prefix, or iceberg://CATALOG/namespace.table",
        )
    table = _KINDS[address.scheme](address)
    with contextlib.closing(table):
        yield address.shown, table


class _Delta:
    """A folder that all workers have, or a prefix of a bucket."""

    def __init__(self, address: Address) -> None:
        from e6data_adbc.etl.files.file_sink import local_folder
        from e6data_adbc.etl.files.s3_prefix import Prefix

        self._address = address
        self._prefix = Prefix(address) if address.scheme == "delta+s3" else None
        self._root = local_folder(address, None) if self._prefix is None else None
        self._table: DeltaTable | None = None

    def stored(self, field: pa.Field[Any]) -> Column | str:
        from e6data_adbc.etl.lake import delta_types

        return delta_types.stored(field)

    def schema(self) -> pa.Schema | None:
        return self._seen().schema

    def checked(self, columns: Sequence[Column]) -> Sequence[Column]:
        return columns

    def write(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> list[File]:
        from e6data_adbc.etl.files import parts
        from e6data_adbc.etl.files.formats import Parquet
        from e6data_adbc.etl.files.s3_prefix import scratch

        with self._address.hiding():
            if self._root is not None:
                self._root.mkdir(parents=True, exist_ok=True)
                drafts = parts.write(Parquet(), self._root, schema, batches)
            if self._prefix is not None:
                with contextlib.closing(scratch()) as here:
                    drafts = parts.write(Parquet(), here.desk(), schema, batches)
                    for each in drafts:
                        self._prefix.send(each.path, each.path.name)
        return [File(each.path.name, each.bytes, each.rows) for each in drafts]

    def has(self, job: str) -> bool:
        return self._seen().version_of(_name(job)) is not None

    def add(self, files: Sequence[File], schema: pa.Schema, job: str | None) -> None:
        table = self._seen()
        if not table.is_there:
            table.create(schema)
            self._table = table = self._load()
            _check_first(self, job)
        table.add(files, None if job is None else (_name(job), 1))

    def close(self) -> None:
        if self._prefix is not None:
            self._prefix.close()

    def _seen(self) -> DeltaTable:
        if self._table is None:
            self._table = self._load()
        return self._table

    def _load(self) -> DeltaTable:
        from e6data_adbc.etl.lake.delta_table import DeltaTable, Place

        if self._prefix is not None:
            return DeltaTable(Place.in_bucket(self._address, self._prefix))
        return DeltaTable(Place(self._address, str(self._root)))


class _Iceberg:
    def __init__(self, address: Address) -> None:
        from e6data_adbc.etl.lake.iceberg_catalog import Catalog

        self._shown = address.shown
        self._catalog = Catalog(address)
        self._snapshot: Snapshot | None = None
        self._is_loaded = False

    def stored(self, field: pa.Field[Any]) -> Column | str:
        from e6data_adbc.etl.lake import iceberg_types

        return iceberg_types.stored(field)

    def schema(self) -> pa.Schema | None:
        from e6data_adbc.etl.lake.iceberg_files import untold

        found = self._seen()
        if found is None:
            return None
        if reasons := untold(found.partitions):
            raise errors.make(
                Status.NOT_IMPLEMENTED, f"could not export to {self._shown!r}: {'; '.join(reasons)}"
            )
        return found.schema

    def checked(self, columns: Sequence[Column]) -> Sequence[Column]:
        from e6data_adbc.etl.lake.iceberg_files import checked

        found = self._seen()
        return columns if found is None else checked(columns, found.partitions)

    def write(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> list[File]:
        table = self._seen() or self._catalog.create(schema)
        return [File(each.path, 0, each.rows) for each in table.write(schema, batches)]

    def has(self, job: str) -> bool:
        found = self._seen()
        return found is not None and _name(job) in found.metadata.properties

    def add(self, files: Sequence[File], schema: pa.Schema, job: str | None) -> None:
        table = self._seen()
        if table is None:
            self._snapshot = table = self._catalog.create(schema)
            _check_first(self, job)

        def change(transaction: Any, summary: dict[str, str]) -> None:
            if files:
                paths = [file.path for file in files]
                transaction.add_files(
                    paths, snapshot_properties=summary, check_duplicate_files=False
                )

        if files or job is not None:
            table.commit(change, sets=None if job is None else {_name(job): "1"})

    def close(self) -> None:
        self._catalog.close()

    def _seen(self) -> Snapshot | None:
        if not self._is_loaded:
            self._snapshot, self._is_loaded = self._catalog.load(), True
        return self._snapshot


_KINDS: Final[dict[str, Callable[[Address], SharedTable]]] = {
    "delta+file": _Delta,
    "delta+s3": _Delta,
    "iceberg": _Iceberg,
}


def _check_first(table: SharedTable, job: str | None) -> None:
    """Raises ConflictError if another process has made the table meanwhile, and committed the job."""
    from e6data_adbc.etl.sink import ConflictError

    if job is not None and table.has(job):
        raise ConflictError


def _name(job: str) -> str:
    """Returns what a commit of *job* carries."""
    return f"e6data-export:{job}"
