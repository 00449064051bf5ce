"""Results as files: written beside the target under another name, and renamed when complete."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa

from e6data_adbc.cli.exits import UsageError
from e6data_adbc.cli.formats import Csv, Json, JsonLines, Writer

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["check_target", "open_target"]

#: What stands around the random part of the name of a file that is being written.
_MARK: Final = ".e6data-"
_SUFFIX: Final = ".part"

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

    def abandon(self) -> None:
        """Closes the writer while its sink is open: its collection would, and complain of a closed one."""
        self._waiting = []
        with contextlib.suppress(
            pa.ArrowException, OSError, ValueError
        ):  # it may have failed in the middle
            self._writer.close()
        self._writer.is_open = False

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

    def abandon(self) -> None:
        """Nothing is held: the footer is written by `finish` alone."""


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

    What commands that were killed left beside *target* is removed first.

    Raises:
        OSError: The file cannot be written.
    """
    target = target.resolve()  # a link stays a link
    _remove_left_over(target)
    with _partial(target) as (sink, partial):
        try:
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
            partial.chmod(_mode(target))
            if fcntl is None:  # Windows renames no file that is open
                sink.close()
            partial.replace(target)
        except BaseException:
            sink.close()  # Windows removes none either
            partial.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _partial(target: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Gives a new file beside *target*, which says by its lock that somebody writes it, and its path."""
    prefix = f".{target.name}{_MARK}"
    while True:
        descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=_SUFFIX, dir=target.parent)
        with os.fdopen(descriptor, "wb") as sink:
            if not _lock(descriptor, wait=True) or _is_at(descriptor, name):
                yield sink, Path(name)
                return
        # Another command took it for a left-over before it was locked.


def _remove_left_over(target: Path) -> None:
    """Removes the files beside *target* whose writers are dead: their locks have gone with them."""
    pattern = re.compile(re.escape(f".{target.name}{_MARK}") + r"[a-z0-9_]{8}" + re.escape(_SUFFIX))
    for name in os.listdir(target.parent):
        if pattern.fullmatch(name) is None:
            continue
        path = target.parent / name
        with contextlib.suppress(OSError):  # another command's, by now, or not ours to remove
            if fcntl is None:
                path.unlink()  # refused while it is open
                continue
            with path.open("rb") as file:
                if _lock(file.fileno()) and _is_at(file.fileno(), path):
                    path.unlink()


def _lock(descriptor: int, *, wait: bool = False) -> bool:
    """Locks an open file until it is closed; false where another process has it, or the file system has no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_at(descriptor: int, path: str | Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _mode(target: Path) -> int:
    """Returns the permissions of the file to be replaced, or those of a new file."""
    with contextlib.suppress(FileNotFoundError):
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
