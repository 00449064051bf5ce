"""What loads do to a disk, each step of it: all that a kill can come between."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "create",
    "is_locked",
    "keep",
    "link",
    "lock",
    "locked",
    "make_folder",
    "move",
    "remove",
    "unlock",
]


def keep(path: Path) -> None:
    """Makes what is in a file, or which names are in a folder, last over a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: Path) -> None:
    """Makes a folder and those above it, where they are missing; they last."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another process was first
            os.mkdir(folder)
        keep(folder.parent)


def create(path: Path, data: bytes) -> None:
    """Writes a new file, whose bytes last; its name does when its folder is kept.

    Raises:
        FileExistsError: There is one.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def link(source: Path, target: Path) -> None:
    """Gives a whole file its second name, at once and for good.

    Raises:
        FileExistsError: Another file has that name.
    """
    os.link(source, target)
    keep(target.parent)


def move(source: Path, target: Path) -> None:
    """Renames a file within its disk, at once; it lasts when both folders are kept."""
    os.rename(source, target)


def remove(path: Path) -> None:
    """Removes a file, or a folder with what is in it; nothing happens where there is none."""
    with contextlib.suppress(FileNotFoundError):  # another process tidies up, too
        if path.is_dir() and not path.is_symlink():
            for name in os.listdir(path):
                remove(path / name)
            os.rmdir(path)
        else:
            os.unlink(path)


@contextlib.contextmanager
def locked(path: Path, *, waits: bool = True) -> Iterator[bool]:
    """Has the lock of a file, which no other process or thread has meanwhile; a killed process loses its locks.

    Args:
        path: The file; made where it is missing.
        waits: Whether to wait for it; otherwise what is yielded says whether this has it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        has_it = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            has_it = False
        yield has_it
    finally:
        os.close(handle)


def lock(path: Path) -> int:
    """Makes a new file and takes its lock, for as long as the process lives; returns what `unlock` takes."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle


def unlock(handle: int) -> None:
    """Gives a lock back."""
    os.close(handle)


def is_locked(path: Path) -> bool:
    """Tells whether a living process has the lock of a file; no for a file that is not there."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
