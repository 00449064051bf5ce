"""The folder in which a destination keeps what is not to be seen: half-written parts, and parts that wait."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Collection
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final

from e6data_adbc.etl.files import disk

__all__ = ["NAME", "StateFolder"]

#: Its name: readers of folders pass over what begins with an underscore.
NAME: Final = "_e6"
_ALIVE: Final = "alive"


class StateFolder:
    """One folder with a lock, parts that are committed but not visible, and a desk for each process that writes.

    A desk is locked as long as its process lives, so what a killed one has left is known and removed. Any thread.
    """

    def __init__(self, path: Path) -> None:
        """Takes where it is; makes nothing."""
        self.path = path
        #: Parts that a commit names, and that are not yet, or not to be, visible.
        self.parts = path / "parts"
        self._desks = path / "work"
        self._desk: Path | None = None
        self._handle: int | None = None
        self._making = threading.Lock()

    @property
    def is_there(self) -> bool:
        """Whether some load has begun to make it; one that was killed there may have left it without its desks."""
        return self.parts.is_dir()

    def make(self) -> None:
        """Makes it and its folders where they are missing."""
        for folder in (self.parts, self._desks):
            disk.make_folder(folder)

    def locked(self, *, waits: bool = True) -> AbstractContextManager[bool]:
        """Waits for the lock of all who change it, and has it to the end of the block; see `disk.locked`."""
        return disk.locked(self.path / "lock", waits=waits)

    def desk(self) -> Path:
        """Returns the folder of this process's half-written files; must not be called under the lock."""
        with self._making:
            if self._desk is None:
                self.make()
                desk = self._desks / uuid.uuid4().hex
                with self.locked():  # nobody tidies up between the two
                    disk.make_folder(desk)
                    self._handle = disk.lock(desk / _ALIVE)
                self._desk = desk
            return self._desk

    def tidy(self, named: Collection[str]) -> None:
        """Removes what killed processes have left: parts other than those *named*, and their desks; under the lock."""
        for part in _names(self.parts):
            if part not in named:
                disk.remove(self.parts / part)
        for desk in _names(self._desks):
            if not disk.is_locked(self._desks / desk / _ALIVE):
                disk.remove(self._desks / desk)

    def close(self) -> None:
        """Removes this process's desk."""
        with self._making:
            if self._desk is not None and self._handle is not None:
                desk, handle = self._desk, self._handle
                self._desk = self._handle = None
                try:
                    with suppress(OSError):  # the next load tidies up
                        disk.remove(desk)
                finally:
                    disk.unlock(handle)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
