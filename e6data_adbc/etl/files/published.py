"""A folder whose visible files are those of its manifest: how it comes from one manifest to the next."""

from __future__ import annotations

import contextlib
import itertools
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.files import disk
from e6data_adbc.etl.files.manifest import Manifest, Part
from e6data_adbc.etl.files.parts import Draft
from e6data_adbc.etl.files.state_folder import NAME, StateFolder
from e6data_adbc.etl.sink import ConflictError

__all__ = ["PublishedFolder"]

#: Old manifests that stay for those who look what happened; only the newest is ever read.
_KEPT: Final = 2


class PublishedFolder:
    """The folder, and below it `_e6` with what is not to be seen. All methods but `newest` want its lock.

    A commit is one step: the manifest of the next number gets its name, which only one process can give. Files become
    visible, and are removed, after it: a kill leaves that undone, and whoever has the lock next does it first. One file
    takes the place of another in one step, too.
    """

    def __init__(self, root: Path, kind: str, shown: str) -> None:
        """Takes the folder, the format of its files and what it is called in errors; makes nothing."""
        self.root = root
        self._shown = shown
        self.state = StateFolder(root / NAME)
        self._kind = kind
        self._manifests = self.state.path / "manifests"

    keeps_drafts = False

    @property
    def is_there(self) -> bool:
        """Whether some load has made it."""
        return self.state.is_there

    def desk(self) -> Path:
        """Returns the folder of this process's half-written files; must not be called under the lock."""
        return self.state.desk()

    def locked(self) -> AbstractContextManager[object]:
        """Waits for the lock of all who change it, and has it to the end of the block."""
        return self.state.locked()

    def waiting(self, part: Part) -> Path:
        """Returns where what waits as *part* is."""
        return self.state.parts / part.waits_as

    def seen(self, part: Part) -> Path:
        """Returns where what is to be seen as *part* is."""
        return self.root / part.name

    def close(self) -> None:
        """Removes what is half-written."""
        self.state.close()

    def make(self) -> None:
        """Makes the folders that are missing; needs no lock."""
        self.state.make()
        disk.make_folder(self._manifests)

    def newest(self) -> Manifest:
        """Returns the manifest in force; one without anything, of number 0, where there is none.

        Raises:
            ProgrammingError: It is about files of another format.
        """
        number, data = 0, b""
        while not data:
            number = max(self._numbers(), default=0)
            if not number:
                return Manifest(0, self._kind)
            with contextlib.suppress(
                FileNotFoundError
            ):  # without the lock: later ones came, and it went
                data = self._path(number).read_bytes()
        found = Manifest.from_json(data)
        if found.format != self._kind:
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not load {self._kind} files into {self._shown!r}: it is a folder of {found.format} files",
                hint="name another folder",
            )
        return found

    def foreign(self, manifest: Manifest) -> list[str]:
        """Returns the names that readers see and that no load has made."""
        if not self.root.is_dir():
            return []
        own = {part.name for part in manifest.files} | set(manifest.dropped)
        names = sorted(path.name for path in self.root.iterdir())
        return [name for name in names if name not in own and name[0] not in "._"]

    def settled(self) -> Manifest:
        """Does what the newest manifest says, and removes what killed processes have left; returns it."""
        manifest = self.newest()
        self.settle(manifest)
        return manifest

    def settle(self, manifest: Manifest) -> None:
        """Makes the visible files those of *manifest*, the newest, without showing any row twice on the way.

        Raises:
            DatabaseError: One of them is nowhere.
        """
        waiting = {path.name for path in self.state.parts.iterdir()}
        seen = {path.name for path in self.root.iterdir()}
        moved = [part for part in manifest.files if part.waits_as in waiting]
        there = seen | {part.name for part in moved}
        gone = next((part.name for part in manifest.files if part.name not in there), None)
        if gone is not None:
            raise errors.make(
                Status.INVALID_STATE,
                f"could not go on in {self._shown!r}: the file {gone!r} of a load is no longer there",
                hint="put it back, or load into another folder",
            )
        removed = [name for name in manifest.dropped if name in seen]
        for name in removed:
            disk.remove(self.root / name)
        for part in moved:
            disk.move(self.state.parts / part.waits_as, self.root / part.name)
        if removed or moved:
            disk.keep(self.root)
        self.state.tidy(manifest.staged())
        for number in sorted(self._numbers())[:-_KEPT]:
            disk.remove(self._path(number))

    def take(
        self, drafts: Sequence[Draft], number: int, names: Sequence[str] = ()
    ) -> tuple[Part, ...]:
        """Moves whole files to those that wait; a manifest that names them has to follow.

        Args:
            drafts: The files.
            number: Of that manifest.
            names: Names to be seen under, of files that they replace; what is over gets new ones.
        """
        taken = []
        for draft, name in itertools.zip_longest(drafts, names[: len(drafts)]):
            waits_as = f"part-{number:08d}-{uuid.uuid4().hex[:12]}{draft.path.suffix}"
            disk.move(draft.path, self.state.parts / waits_as)
            taken.append(Part(name or waits_as, draft.rows, draft.bytes, waits_as))
        return tuple(taken)

    def put(self, manifest: Manifest) -> None:
        """Makes *manifest* the one in force: the commit.

        Raises:
            ConflictError: Another process, for which the lock is none, has made one of this number.
        """
        disk.keep(self.state.parts)
        draft = self.state.desk() / f"{manifest.number}.json"
        disk.create(draft, manifest.to_json())
        path = self._path(manifest.number)
        try:
            disk.link(draft, path)
        except FileExistsError:
            raise ConflictError from None
        finally:
            disk.remove(draft)
        if (
            max(self._numbers()) > manifest.number
        ):  # ours is not in force: its number was used, and removed, before
            disk.remove(path)
            raise ConflictError

    def _path(self, number: int) -> Path:
        return self._manifests / f"{number:020d}.json"

    def _numbers(self) -> list[int]:
        if not self._manifests.is_dir():
            return []
        return [int(path.stem) for path in self._manifests.glob("*.json")]
