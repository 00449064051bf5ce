"""Recorded results: a folder with what an engine answered to statements, chunk by chunk as it came."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["BrokenError", "Recording", "Recordings"]

_ABOUT: Final = "recording.json"
_DEFAULTS: Final = "defaults.json"


class BrokenError(Exception):
    """A recording is not what was written; says which file."""


@dataclasses.dataclass(frozen=True)
class Recording:
    """What an engine answered to one statement: result metadata, and chunks with the rows in each."""

    metadata: bytes
    chunks: Sequence[tuple[bytes, int]]


class Recordings:
    """The recordings of one folder, each in a sub-folder named by the hash of statement, catalog and schema.

    No credentials are in it. Any thread may call; several processes may record into one folder.
    """

    def __init__(self, folder: Path) -> None:
        """Reads nothing yet; *folder* is made when something is written."""
        self.folder = folder

    def defaults(self) -> tuple[str, str] | None:
        """Returns the default catalog and schema of what was recorded, None if nothing was."""
        try:
            told = json.loads((self.folder / _DEFAULTS).read_text())
        except FileNotFoundError:
            return None
        return str(told["catalog"]), str(told["schema"])

    def set_defaults(self, catalog: str, schema: str) -> None:
        """Keeps the default catalog and schema."""
        self.folder.mkdir(parents=True, exist_ok=True)
        told = {"catalog": catalog, "schema": schema}
        (self.folder / _DEFAULTS).write_text(json.dumps(told, indent=1))

    def find(self, sql: str, catalog: str, schema: str) -> Recording | None:
        """Returns the recording of a statement, None if there is none.

        Raises:
            BrokenError: A file was changed since.
        """
        where = self._place(sql, catalog, schema)
        try:
            told = json.loads((where / _ABOUT).read_text())
        except FileNotFoundError:
            return None
        metadata = _checked(where / "metadata", told["metadata"])
        chunks = [
            (_checked(where / f"{number:06}.chunk", entry["sha256"]), int(entry["rows"]))
            for number, entry in enumerate(told["chunks"])
        ]
        return Recording(metadata, chunks)

    def keep(self, sql: str, catalog: str, schema: str, recording: Recording) -> None:
        """Writes a recording; it is there as a whole or not at all."""
        where = self._place(sql, catalog, schema)
        unfinished = where.with_name(f".{where.name}-{secrets.token_hex(4)}")
        unfinished.mkdir(parents=True)
        (unfinished / "metadata").write_bytes(recording.metadata)
        for number, (chunk, _) in enumerate(recording.chunks):
            (unfinished / f"{number:06}.chunk").write_bytes(chunk)
        told = {
            "sql": sql,
            "catalog": catalog,
            "schema": schema,
            "metadata": _hash(recording.metadata),
            "chunks": [{"rows": rows, "sha256": _hash(chunk)} for chunk, rows in recording.chunks],
        }
        (unfinished / _ABOUT).write_text(json.dumps(told, indent=1, ensure_ascii=False))
        try:
            os.replace(unfinished, where)
        except OSError:  # somebody else was first
            shutil.rmtree(unfinished)

    def _place(self, sql: str, catalog: str, schema: str) -> Path:
        key = json.dumps([sql.strip(), catalog.lower(), schema.lower()])
        return self.folder / _hash(key.encode())[:32]


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _checked(file: Path, expected: str) -> bytes:
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise BrokenError(f"the recording lacks {str(file)!r}") from None
    if _hash(data) != expected:
        raise BrokenError(f"the recording {str(file)!r} was changed")
    return data
