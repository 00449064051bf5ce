"""Whether another process has the lock of a file."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path
from typing import Final

__all__ = ["another_has_lock"]

#: The C structure `flock`, and where its type is in it; systems that are not here have other ones.
_FORMS: Final = {"linux": ("hhqqi", 0), "darwin": ("qqihh", 3)}


def another_has_lock(path: Path) -> bool:
    """Tells whether another process has a POSIX lock on a file; yes where the system cannot be asked.

    To be called only for a file that this process has not open itself: closing it here would end its locks.
    """
    if sys.platform not in _FORMS:
        return True
    import fcntl

    form, place = _FORMS[sys.platform]
    fields = [0] * 5
    fields[place] = fcntl.F_WRLCK  # of the whole file: 0 bytes from 0 on
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False  # nobody can open it, or it is gone
    try:
        answer = fcntl.fcntl(handle, fcntl.F_GETLK, struct.pack(form, *fields))
    finally:
        os.close(handle)
    return bool(struct.unpack(form, answer)[place] != fcntl.F_UNLCK)
