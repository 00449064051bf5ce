"""How a command ends: the exit code for each kind of error, and the line that says it."""

from __future__ import annotations

import enum
import errno
import re
from typing import Final

from e6data_adbc.errors import LOAD_FAULT, Error, Status, detail

__all__ = ["Exit", "Terminated", "UsageError", "describe", "exit_for"]


class Exit(enum.IntEnum):
    """The exit codes."""

    #: All went well.
    OK = 0
    #: The query failed, or its data are not valid.
    QUERY = 1
    #: The command line, the URI or an option is wrong.
    USAGE = 2
    #: The server cannot be reached, or did not let us in.
    CONNECTION = 3
    #: A time limit passed.
    TIMEOUT = 4
    #: The output could not be written.
    OUTPUT = 5
    #: Ctrl-C or SIGTERM; the query was cancelled on the server.
    INTERRUPTED = 130
    #: Whoever read the output stopped reading; the query was cancelled on the server.
    PIPE = 141

    @property
    def meaning(self) -> str:
        """A word for the help text."""
        return _MEANINGS[self]


_MEANINGS: Final = {
    Exit.OK: "success",
    Exit.QUERY: "query or data error",
    Exit.USAGE: "usage error",
    Exit.CONNECTION: "cannot connect or sign in",
    Exit.TIMEOUT: "time limit passed",
    Exit.OUTPUT: "output cannot be written",
    Exit.INTERRUPTED: "interrupted",
    Exit.PIPE: "output closed by its reader",
}
_EXITS: Final = {
    Status.IO: Exit.CONNECTION,
    Status.UNAUTHENTICATED: Exit.CONNECTION,
    Status.UNAUTHORIZED: Exit.CONNECTION,
    Status.TIMEOUT: Exit.TIMEOUT,
}
#: What an error of a load's destination says that it is about.
_FAULTS: Final = {"connection": Exit.CONNECTION, "output": Exit.OUTPUT}
#: The status in the text of an error that lost its type on the way.
_STATUS: Final = re.compile(rf"\(({'|'.join(status.name for status in Status)})\)")


#: Of writing alone, and of no connection.
_UNWRITABLE: Final = frozenset(
    getattr(errno, name, None) for name in ("EBADF", "EDQUOT", "EFBIG", "EIO", "ENOSPC", "EROFS")
) - {None}
#: What the driver manager and this package put before their texts; after our own name it says nothing.
_PREFIX: Final = re.compile(r"^(?:[A-Z_]+: )?\[e6data\] ")


class UsageError(Exception):
    """What was asked for makes no sense; the text says why."""


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived."""


def exit_for(error: BaseException) -> Exit:
    """Returns the exit code for *error*."""
    if isinstance(error, BrokenPipeError):
        return Exit.PIPE
    if isinstance(error, KeyboardInterrupt):
        return Exit.INTERRUPTED
    if isinstance(error, UsageError | UnicodeEncodeError):
        return Exit.USAGE
    if isinstance(error, Error):
        fault = _FAULTS.get(detail(error, LOAD_FAULT) or "")
        if fault is not None:
            return fault
        if error.status_code is Status.IO and isinstance(error.__cause__, OSError):
            return Exit.OUTPUT  # a disk, and no connection
        return _EXITS.get(error.status_code, Exit.QUERY)
    found = _STATUS.search(str(error))
    if found:
        return _EXITS.get(Status[found[1]], Exit.QUERY)
    return Exit.OUTPUT if isinstance(error, OSError) else Exit.QUERY


def describe(error: BaseException) -> str:
    """Returns *error* as one line."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.filename is not None:
        text = f"could not open {str(error.filename)!r}: {error.strerror}"
    elif isinstance(error, OSError) and error.errno in _UNWRITABLE:
        text = f"could not write the output: {error.strerror}"
    elif isinstance(
        error, UnicodeEncodeError
    ):  # Python keeps such bytes of a command line in texts
        # Which text it is may be a secret.
        return f"could not use a text whose character {error.start + 1} is not valid UTF-8"
    if not isinstance(error, Error | UsageError | OSError) and not _STATUS.search(text):
        text = f"{type(error).__name__}: {text}"
    return re.sub(r"\s*[\r\n]+\s*", " ", _PREFIX.sub("", text.strip()))
