"""Claims: which results were read on this machine, so that none is read twice."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from e6data_adbc import errors
from e6data_adbc._user_files import user_cache
from e6data_adbc.errors import Status
from e6data_adbc.options import DatabaseOptions

__all__ = ["Claims"]

#: A claim is kept so long after the ticket has expired, in seconds: clocks of machines that share a folder differ.
_KEPT_SECONDS: Final = 3600.0


class Claims:
    """One file for each result that somebody reads, in a folder that only its user can open; for any thread.

    Making a file that must not exist is the one step that of all processes only one can do; a disk that several
    machines share does it for all of them.
    """

    def __init__(self, folder: str | None, clock: Callable[[], float] = time.time) -> None:
        """Touches nothing yet.

        Args:
            folder: Where the files are; by default in the user's cache folder, or else in that for temporary files.
            clock: Seconds since 1970.
        """
        self._given = folder
        self._clock = clock

    def take(self, name: str, expires: float) -> bool:
        """Claims *name*; false if that was done before, by whomever.

        Args:
            name: Tells the result from all others.
            expires: When nobody can ask for it any more, in seconds since 1970.

        Raises:
            OperationalError: There is no folder to write to (IO).
        """
        folder = self._folder()
        self._forget_old(folder)
        file = folder / _file_name(name)
        try:
            made = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NO_FOLLOW, 0o600)
        except FileExistsError:
            return False
        except OSError as cause:
            raise _unusable(folder, cause.strerror or "it cannot be written to") from cause
        os.close(made)
        os.utime(file, (expires, expires))
        return True

    def give_back(self, name: str) -> None:
        """Ends a claim of ours, so that *name* can be claimed again; never raises."""
        with contextlib.suppress(OSError, errors.Error):
            (self._folder() / _file_name(name)).unlink()

    def _folder(self) -> Path:
        """Returns the folder, which is there.

        Raises:
            OperationalError: No folder is fit.
        """
        problem: errors.Error | None = None
        for folder in [Path(self._given)] if self._given is not None else _usual_folders():
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                problem = _problem(folder)
            except OSError as cause:
                problem = _unusable(folder, cause.strerror or type(cause).__name__)
            if problem is None:
                return folder
        assert problem is not None  # noqa: S101 - there is at least one folder
        raise problem

    def _forget_old(self, folder: Path) -> None:
        ended = self._clock() - _KEPT_SECONDS
        with contextlib.suppress(OSError), os.scandir(folder) as files:
            for file in files:
                with contextlib.suppress(OSError):
                    if file.name.endswith(_SUFFIX) and file.stat().st_mtime < ended:
                        os.unlink(file.path)


_SUFFIX: Final = ".claim"
#: Not on Windows, where there are no such links to fear in a user's own folder.
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)


def _file_name(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest() + _SUFFIX


def _usual_folders() -> Iterator[Path]:
    """Yields where claims are kept unless an option says so: the same for all processes of a user."""
    cache = user_cache()
    if cache is not None:
        yield cache / "claims"
    owner = os.getuid() if hasattr(os, "getuid") else "user"
    # No folder between, which others could own.
    yield Path(tempfile.gettempdir()) / f"e6data-claims-{owner}"


def _problem(folder: Path) -> errors.Error | None:
    """Returns why others might write to *folder*, or None."""
    if not hasattr(os, "getuid"):
        return None
    found = os.stat(folder, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode):
        return _unusable(folder, "it is a link, not a folder")
    if found.st_uid != os.getuid():
        return _unusable(folder, "it belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o022:
        return _unusable(folder, "other users may write to it")
    return None


def _unusable(folder: Path, cause: str) -> errors.Error:
    return errors.make(
        Status.IO,
        f"could not claim the partition in folder {str(folder)!r}: {cause}",
        hint=f"name a folder of your own with {DatabaseOptions.CLAIM_PATH.value}",
    )
