"""A prefix of a bucket whose visible objects are those of its manifest; there are no locks, and nothing needs one."""

from __future__ import annotations

import contextlib
import re
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.files import s3_prefix
from e6data_adbc.etl.files.manifest import Manifest, Part
from e6data_adbc.etl.files.parts import Draft
from e6data_adbc.etl.files.state_folder import NAME, StateFolder

__all__ = ["S3Folder"]

_MANIFESTS: Final = f"{NAME}/manifests"
_PARTS: Final = f"{NAME}/parts"
#: Old manifests that stay for those who look what happened.
_KEPT: Final = 2


class S3Folder:
    """As `PublishedFolder`, on objects.

    A commit is the manifest of the next number, which only one process can write. All else any process may do at any
    time, also a late one that has an old manifest: the name of a part begins with the number of the manifest that it
    is for, and no name is used twice, so what has a number up to that of a manifest and is not named by it is of no
    use for ever.
    """

    keeps_drafts = True

    def __init__(self, prefix: s3_prefix.Prefix, kind: str, shown: str) -> None:
        """Takes the prefix, the format of its files and what it is called in errors."""
        self._prefix, self._kind, self._shown = prefix, kind, shown
        self._scratch: StateFolder | None = None
        self._lock = threading.Lock()
        self._making = threading.Lock()

    @property
    def is_there(self) -> bool:
        """Whether some load has made it."""
        return bool(self._numbers())

    def make(self) -> None:
        """Makes nothing: a prefix is there as soon as an object is."""

    def desk(self) -> Path:
        """Returns the folder of this machine in which files are written before they are sent."""
        with self._making:
            if self._scratch is None:
                self._scratch = s3_prefix.scratch()
        return self._scratch.desk()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps the other threads of this load out of the way."""
        with self._lock:
            yield

    def newest(self) -> Manifest:
        """Returns the manifest in force; one without anything, of number 0, where there is none."""
        while True:
            number = max(self._numbers(), default=0)
            if not number:
                return Manifest(0, self._kind)
            with contextlib.suppress(FileNotFoundError):  # later ones came, and it was emptied
                data = self._prefix.get(_path(number))
                if data:
                    break
        found = Manifest.from_json(data)
        if found.format != self._kind:
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not load {self._kind} files into {self._shown!r}: it has {found.format} files",
                hint="name another prefix",
            )
        return found

    def foreign(self, manifest: Manifest) -> list[str]:
        """Returns the names that readers see and that no load has made."""
        del manifest  # another process may have shown files of a later one meanwhile
        names = self._prefix.sizes("")
        return sorted(name for name in names if name[0] not in "._" and not _OWN.match(name))

    def settled(self) -> Manifest:
        """Does what the newest manifest says, and removes what killed processes have left; returns it."""
        while True:
            manifest = self.newest()
            self.settle(manifest)
            if max(self._numbers(), default=0) == manifest.number:
                return manifest

    def settle(self, manifest: Manifest) -> None:
        """Makes the visible objects those of *manifest*: what is replaced goes before anything new is to be seen.

        Raises:
            DatabaseError: One of them is nowhere.
        """
        waiting = self._prefix.sizes(_PARTS)
        seen = set(self._prefix.sizes(""))
        named = {part.waits_as for part in manifest.files} | manifest.staged()
        for name in waiting:
            if name not in named and _is_old(name, manifest.number):
                self._prefix.remove(f"{_PARTS}/{name}")
        for name in seen - {part.name for part in manifest.files}:
            if _is_old(name, manifest.number):
                self._prefix.remove(name)
        for part in manifest.files:
            if part.waits_as in waiting:
                if part.name not in seen and not self._prefix.copy(
                    f"{_PARTS}/{part.waits_as}", part.name
                ):
                    continue  # another process was faster
                self._prefix.remove(f"{_PARTS}/{part.waits_as}")
            elif part.name not in seen:
                self._check_there(part, manifest)
        for name, upload in self._prefix.uploads(_PARTS):
            if _is_old(name, manifest.number):
                self._prefix.abort(f"{_PARTS}/{name}", upload)
        for name, size in self._prefix.sizes(_MANIFESTS).items():
            # The name stays: a late process must not find it free.
            if size and int(name.partition(".")[0]) <= manifest.number - _KEPT:
                self._prefix.empty(f"{_MANIFESTS}/{name}")

    def take(
        self, drafts: Sequence[Draft], number: int, names: Sequence[str] = ()
    ) -> tuple[Part, ...]:
        """Sends files to those that wait, under names of their own; a manifest of *number* has to name them."""
        del names
        taken = []
        for draft in drafts:
            name = f"part-{number:08d}-{uuid.uuid4().hex[:12]}{draft.path.suffix}"
            self._prefix.send(draft.path, f"{_PARTS}/{name}")
            taken.append(Part(name, draft.rows, draft.bytes, name))
        return tuple(taken)

    def waiting(self, part: Part) -> Path:
        """Returns a file with what waits as *part*."""
        return self._prefix.fetch(f"{_PARTS}/{part.waits_as}", self._new(part))

    def seen(self, part: Part) -> Path:
        """Returns a file with what is to be seen as *part*."""
        return self._prefix.fetch(part.name, self._new(part))

    def put(self, manifest: Manifest) -> None:
        """Makes *manifest* the one in force: the commit.

        Raises:
            ConflictError: Another process has made one of this number.
        """
        self._prefix.create(_path(manifest.number), manifest.to_json())

    def close(self) -> None:
        """Removes what this process has on its disk, and ends the connections."""
        with self._making:
            if self._scratch is not None:
                self._scratch.close()
        self._prefix.close()

    def _check_there(self, part: Part, manifest: Manifest) -> None:
        newest = max(self._numbers(), default=0)
        if newest == manifest.number and part.name not in self._prefix.sizes(""):
            raise errors.make(
                Status.INVALID_STATE,
                f"could not go on in {self._shown!r}: the file {part.name!r} of a load is no longer there",
                hint="put it back, or load into another prefix",
            )

    def _new(self, part: Part) -> Path:
        return self.desk() / f"{uuid.uuid4().hex}-{part.name}"

    def _numbers(self) -> list[int]:
        return [int(name.partition(".")[0]) for name in self._prefix.sizes(_MANIFESTS)]


def _path(number: int) -> str:
    return f"{_MANIFESTS}/{number:020d}.json"


#: Names that loads give.
_OWN: Final = re.compile(r"part-(\d{8,})-[0-9a-f]{12}\.")


def _is_old(name: str, number: int) -> bool:
    """Tells whether an object of a load was made for a manifest up to *number*."""
    found = _OWN.match(name)
    return found is not None and int(found[1]) <= number
