"""Results as files: written beside the target under another name, and renamed when complete."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa

from e6data_adbc.cli.exits import UsageError
from e6data_adbc.cli.formats import Csv, Json, JsonLines, Writer

__all__ = ["check_target", "open_target"]

MakeWriter = Callable[[BinaryIO, pa.Schema], Writer]

#: A row group is written when so many rows or bytes wait for it.
_GROUP_ROWS: Final = 2**20
_GROUP_BYTES: Final = 64 * 2**20


class Parquet:
    """A Parquet file; memory is that of one row group."""

    def __init__(self, sink: BinaryIO, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq

        self._writer = pq.ParquetWriter(sink, schema, compression="zstd")
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Keeps the rows until they fill a row group."""
        self._waiting.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._flush()

    def finish(self) -> None:
        """Writes the last row group and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            table = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(table, row_group_size=self._rows)
        self._waiting, self._rows, self._bytes = [], 0, 0


class Arrow:
    """An Arrow IPC file, which readers map into memory as it is."""

    def __init__(self, sink: Any, schema: pa.Schema) -> None:
        self._writer = pa.ipc.new_file(sink, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """Writes the rows."""
        self._writer.write_batch(batch)

    def finish(self) -> None:
        """Writes the footer."""
        self._writer.close()


_WRITERS: Final[dict[str, MakeWriter]] = {
    ".parquet": Parquet,
    ".pq": Parquet,
    ".arrow": Arrow,
    ".feather": Arrow,
    ".ipc": Arrow,
    ".csv": Csv,
    ".json": Json,
    ".jsonl": JsonLines,
    ".ndjson": JsonLines,
}


def check_target(target: Path) -> MakeWriter:
    """Returns the writer for *target*'s extension, once it is plain that a file can be put there.

    Raises:
        UsageError: The extension is unknown, or *target* cannot be a file.
    """
    make = _WRITERS.get(target.suffix.lower())
    if make is None:
        known = ", ".join(_WRITERS)
        raise UsageError(f"could not write {str(target)!r}: the extension is none of {known}")
    if not target.parent.is_dir():
        raise UsageError(f"could not write {str(target)!r}: its folder does not exist")
    if target.exists() and not target.is_file():
        raise UsageError(f"could not write {str(target)!r}: it is not a regular file")
    return make


@contextlib.contextmanager
def open_target(target: Path) -> Iterator[BinaryIO]:
    """Gives a file to write; at a normal end it becomes *target*, otherwise it goes and *target* stays as it was.

    Raises:
        OSError: The file cannot be written.
    """
    target = target.resolve()  # a link stays a link
    descriptor, name = tempfile.mkstemp(
        prefix=f".{target.name}.", suffix=".part", dir=target.parent
    )
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as sink:
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
        partial.chmod(_mode(target))
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _mode(target: Path) -> int:
    """Returns the permissions of the file to be replaced, or those of a new file."""
    with contextlib.suppress(FileNotFoundError):
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
