"""Writing out at scale: each worker writes its part as files beside a table, and one commit adds them all."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e6data_adbc import errors
from e6data_adbc.distributed.reading import start
from e6data_adbc.errors import Status

if TYPE_CHECKING:
    import pyarrow as pa

    from e6data_adbc.etl.destinations import Address
    from e6data_adbc.etl.matching import Arranger

__all__ = ["Exported", "commit", "export"]


@dataclasses.dataclass(frozen=True)
class Exported:
    """The files of one part, which are whole and in the table's folder, and no part of the table yet.

    Attributes:
        files: Of each the path beneath the folder, its bytes, and its rows; none where the part has no rows.
        schema: The columns, as an Arrow IPC message.
    """

    files: tuple[tuple[str, int, int], ...]
    schema: bytes = dataclasses.field(repr=False)

    @property
    def rows(self) -> int:
        """How many rows all files have."""
        return sum(rows for _, _, rows in self.files)


def export(
    ticket: bytes,
    target: str,
    columns: Sequence[str] | None = None,
    where: str | None = None,
    *,
    on_type: str = "error",
) -> Exported:
    """Writes the rows of *ticket* to Parquet files, for `commit`; who reads the table sees none of them until then.

    A task that is repeated writes files of its own: those of the attempt whose answer arrives are committed, and what
    others left is in no version of the table; its vacuum removes them.

    Args:
        ticket: As for `read`, as are *columns* and *where*.
        target: A Delta table that all workers reach under this address, `delta+file:///folder`; there or not.
        columns: Those that are written; all where none is named.
        where: What rows have to fulfil.
        on_type: `"cast"` lets a column be stored as another type where Delta Lake has not its own, as for `load`.

    Raises:
        NotSupportedError: Delta Lake has not one of the types, or its package is not installed.
        ProgrammingError: The table has other columns.
        Error: The rows could not be read.
    """
    from e6data_adbc.etl.files import parts
    from e6data_adbc.etl.files.formats import Parquet
    from e6data_adbc.etl.lake import delta_types
    from e6data_adbc.etl.lake.delta_table import DeltaTable
    from e6data_adbc.etl.matching import Arranger, match, store_all
    from e6data_adbc.etl.sink import OnType, Request

    address = _address(target)
    there = DeltaTable(address).schema
    request = Request(on_type=OnType(on_type))
    with start(ticket, columns or None, where) as rows, address.hiding():
        stored = store_all(address.shown, request, rows.schema, delta_types.stored, folds_case=True)
        found = match(address.shown, request, stored, there, folds_case=True)
        arranger = Arranger(found, request.on_type)
        root = Path(address.path)
        root.mkdir(parents=True, exist_ok=True)
        drafts = parts.write(Parquet(), root, arranger.schema, _arranged(rows, arranger))
    files = tuple((each.path.name, each.bytes, each.rows) for each in drafts)
    return Exported(files, arranger.schema.serialize().to_pybytes())


def commit(exported: Iterable[Exported], target: str, *, job: str | None = None) -> int:
    """Adds the files of all parts to the table in one commit, and returns how many rows they have.

    Args:
        exported: What `export` returned, once for each part.
        target: The table; it is made if it is not there.
        job: A name that the commit carries: it is done once, and repeated it adds nothing and returns 0.

    Raises:
        ProgrammingError: There is no part, parts have different columns, or another commit was in the way.
        Error: The table could not be written; nothing was added.
    """
    import pyarrow as pa

    from e6data_adbc.etl.lake.delta_table import DeltaTable
    from e6data_adbc.etl.sink import ConflictError

    address, parts = _address(target), list(exported)
    schemas = {part.schema for part in parts}
    if len(schemas) != 1:
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not commit to {address.shown!r}: "
            + ("its parts have different columns" if schemas else "there are no parts"),
            hint="export all parts of one plan with the same columns",
        )
    table, name = DeltaTable(address), f"e6data-export:{job}"
    if job is not None and table.version_of(name) is not None:
        return 0
    if not table.is_there:
        table.create(pa.ipc.read_schema(pa.py_buffer(schemas.pop())))
        table = DeltaTable(address)
    try:
        table.add(
            [file for part in parts for file in part.files], None if job is None else (name, 1)
        )
    except ConflictError as cause:
        raise errors.make(
            Status.INVALID_STATE,
            f"could not commit to {address.shown!r}: another commit was in the way",
            hint="commit again; under a job that was committed meanwhile it adds nothing",
        ) from cause
    return sum(part.rows for part in parts)


def _arranged(rows: Iterable[pa.RecordBatch], arranger: Arranger) -> Iterator[pa.RecordBatch]:
    row = 0
    for batch in rows:
        yield arranger.arrange(batch, row)
        row += batch.num_rows


def _address(target: Any) -> Address:
    from e6data_adbc.etl.destinations import parse

    address = parse(str(target))
    if address.scheme != "delta+file":
        raise errors.make(
            Status.NOT_IMPLEMENTED,
            f"could not export to {address.shown!r}: only Delta tables in a folder take files of many workers",
            hint="write delta+file:///path/to/table",
        )
    return address
