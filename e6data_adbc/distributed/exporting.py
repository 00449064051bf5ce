"""Writing out at scale: each worker writes its part as files beside a table, and one commit adds them all."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from e6data_adbc import errors
from e6data_adbc.distributed.reading import start
from e6data_adbc.distributed.task import Ticket
from e6data_adbc.errors import Status

if TYPE_CHECKING:
    import pyarrow as pa

    from e6data_adbc.distributed.shared_tables import File
    from e6data_adbc.etl.matching import Arranger

__all__ = ["Exported", "commit", "export"]


@dataclasses.dataclass(frozen=True)
class Exported:
    """The files of one part, which are whole and among the table's, and in no version of it yet.

    Attributes:
        files: None where the part has no rows.
        schema: The columns, as an Arrow IPC message.
    """

    files: tuple[File, ...]
    schema: bytes = dataclasses.field(repr=False)

    @property
    def rows(self) -> int:
        """How many rows all files have."""
        return sum(file.rows for file in self.files)


def export(
    ticket: Ticket | bytes,
    target: str,
    columns: Sequence[str] | None = None,
    where: str | None = None,
    *,
    on_type: str = "error",
) -> Exported:
    """Writes the rows of *ticket* to Parquet files, for `commit`; who reads the table sees none of them until then.

    A task that is repeated writes files of its own: those of the attempt whose answer arrives are committed, and what
    others left is in no version of the table; its maintenance removes them.

    Args:
        ticket: As for `read`, as are *columns* and *where*.
        target: A table that all workers reach under this address, there or not: of Delta Lake, `delta+file:///folder`
            or `delta+s3://bucket/prefix`, or of Iceberg, `iceberg://CATALOG/namespace.table`, which gets a file for
            each value of its partitions.
        columns: Those that are written; all where none is named.
        where: What rows have to fulfil.
        on_type: `"cast"` lets a column be stored as another type where the table has not its own, as for `load`.

    Raises:
        NotSupportedError: The table cannot have one of the types, or its package is not installed.
        ProgrammingError: The table has other columns.
        Error: The rows could not be read.
    """
    from e6data_adbc.distributed.shared_tables import open_table
    from e6data_adbc.etl.matching import Arranger, match, store_all
    from e6data_adbc.etl.sink import OnType, Request

    request = Request(on_type=OnType(on_type))
    with open_table(target) as (shown, table), start(ticket, columns or None, where) as rows:
        there = table.schema()
        stored = store_all(shown, request, rows.schema, table.stored, folds_case=True)
        found = match(shown, request, stored, there, folds_case=True)
        found = dataclasses.replace(found, columns=tuple(table.checked(found.columns)))
        arranger = Arranger(found, request.on_type)
        files = table.write(arranger.schema, _arranged(rows, arranger))
    return Exported(tuple(files), arranger.schema.serialize().to_pybytes())


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

    from e6data_adbc.distributed.shared_tables import open_table
    from e6data_adbc.etl.sink import ConflictError

    parts = list(exported)
    schemas = {part.schema for part in parts}
    with open_table(target) as (shown, table):
        if len(schemas) != 1:
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not commit to {shown!r}: "
                + ("its parts have different columns" if schemas else "there are no parts"),
                hint="export all parts of one plan with the same columns",
            )
        if job is not None and table.has(job):
            return 0
        schema = pa.ipc.read_schema(pa.py_buffer(schemas.pop()))
        try:
            table.add([file for part in parts for file in part.files], schema, job)
        except ConflictError as cause:
            raise errors.make(
                Status.INVALID_STATE,
                f"could not commit to {shown!r}: another commit was in the way",
                hint="commit again; under a job that was committed meanwhile it adds nothing",
            ) from cause
    return sum(part.rows for part in parts)


def _arranged(rows: Iterable[pa.RecordBatch], arranger: Arranger) -> Iterator[pa.RecordBatch]:
    row = 0
    for batch in rows:
        yield arranger.arrange(batch, row)
        row += batch.num_rows
