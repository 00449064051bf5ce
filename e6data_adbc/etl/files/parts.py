"""Rows into files of bounded size, through little memory."""

from __future__ import annotations

import dataclasses
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from e6data_adbc.etl.files import disk
from e6data_adbc.etl.files.formats import Format, Writer

__all__ = ["Draft", "drop", "empty", "groups", "join", "write"]

#: A group of rows ends at the first of these: its rows, and its bytes as Arrow data.
_GROUP_ROWS: Final = 2**17
_GROUP_BYTES: Final = 16 * 2**20
#: A file that has this many bytes is the last but one.
_FILE_BYTES: Final = 2**30


@dataclasses.dataclass(frozen=True)
class Draft:
    """A file that is whole and on the disk, and that no commit names yet.

    Attributes:
        path: Where it is.
        rows: How many it has.
        bytes: Its size.
    """

    path: Path
    rows: int
    bytes: int


def write(
    kind: Format,
    folder: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    *,
    file_bytes: int = _FILE_BYTES,
) -> list[Draft]:
    """Returns the files that have the rows of *batches*; none without rows.

    Args:
        kind: Their format.
        folder: Where they are written, under new names.
        schema: Of all batches.
        batches: The rows. What they raise is raised, and nothing stays.
        file_bytes: The size from which on rows go into the next file.
    """
    drafts: list[Draft] = []
    path, writer, rows = folder, None, 0
    try:
        for table in groups(schema, batches):
            if writer is None:
                path, rows = folder / f"{uuid.uuid4().hex}.{kind.ending}", 0
                writer = kind.writer(path, schema)
            writer.write(table)
            rows += table.num_rows
            if path.stat().st_size >= file_bytes:
                drafts.append(_ended(writer, path, rows))
                writer = None
        if writer is not None:
            drafts.append(_ended(writer, path, rows))
            writer = None
    except BaseException:
        if writer is not None:
            writer.close()
            disk.remove(path)
        drop(drafts)
        raise
    return drafts


def empty(kind: Format, folder: Path, schema: pa.Schema) -> Draft:
    """Returns a file without rows, which tells the columns."""
    path = folder / f"{uuid.uuid4().hex}.{kind.ending}"
    return _ended(kind.writer(path, schema), path, 0)


def join(kind: Format, folder: Path, schema: pa.Schema, drafts: Sequence[Draft]) -> list[Draft]:
    """Returns files with the rows of all *drafts*, one if they are not too big."""
    if kind.can_read:
        batches = (batch for draft in drafts for batch in kind.read(draft.path))
        return write(kind, folder, schema, batches)
    header = empty(kind, folder, schema)
    drop([header])
    path = folder / f"{uuid.uuid4().hex}.{kind.ending}"
    with path.open("xb") as target:
        for number, draft in enumerate(drafts):
            with draft.path.open("rb") as source:
                source.seek(header.bytes if number else 0)
                shutil.copyfileobj(source, target, 2**20)
    disk.keep(path)
    return [Draft(path, sum(draft.rows for draft in drafts), path.stat().st_size)]


def drop(drafts: Iterable[Draft]) -> None:
    """Removes files that no commit will name."""
    for draft in drafts:
        disk.remove(draft.path)


def _ended(writer: Writer, path: Path, rows: int) -> Draft:
    writer.close()
    disk.keep(path)
    return Draft(path, rows, path.stat().st_size)


def groups(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Gives the rows in tables of many rows: a file of small groups is slow to read."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for whole in batches:
        for start in range(0, whole.num_rows, _GROUP_ROWS):
            batch = whole.slice(start, _GROUP_ROWS)
            held.append(batch)
            rows += batch.num_rows
            size += batch.nbytes
            if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
                yield pa.Table.from_batches(held, schema)
                held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held, schema)
