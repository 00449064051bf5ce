"""The connections of a worker, which stay open between its tasks so that it signs in once."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import threading
from typing import TYPE_CHECKING, Final

from e6data_adbc._hide_secrets import revealed

if TYPE_CHECKING:
    from e6data_adbc.dbapi import Connection

__all__ = ["CONNECTIONS", "Connections"]

#: So many addresses are remembered; the one that was opened first goes.
_MOST: Final = 4


class Connections:
    """One open connection for each address, of this process; any thread. A forked child begins without any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._open: dict[str, Connection] = {}
        #: What a parent process has open is not a child's to close.
        self._inherited: list[object] = []

    def clone(self, uri: str | None) -> Connection:
        """Returns a connection of its own to *uri*, to be closed; without it, to that of the environment.

        Raises:
            Error: The address or an option of the environment is wrong.
        """
        import e6data_adbc

        key = _key(uri)
        if os.getpid() != self._pid:  # the parent's lock may be held for ever
            self._inherited.append(self._open)
            self._lock, self._pid, self._open = threading.Lock(), os.getpid(), {}
        with self._lock:
            if key not in self._open:
                while len(self._open) >= _MOST:
                    self._open.pop(next(iter(self._open))).close()
                self._open[key] = e6data_adbc.connect(uri)
            return self._open[key].adbc_clone()

    def close(self) -> None:
        """Closes what this process has open; a later `clone` opens anew."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            while self._open:
                _, connection = self._open.popitem()
                with contextlib.suppress(Exception):  # at exit, the server may be gone
                    connection.close()


def _key(uri: str | None) -> str:
    """Tells addresses apart, with all that the environment says about them, and shows nothing."""
    given = sorted(item for item in os.environ.items() if item[0].startswith("E6DATA_"))
    return hashlib.sha256(repr((revealed(uri), given)).encode()).hexdigest()


#: Those of this process.
CONNECTIONS: Final = Connections()
atexit.register(CONNECTIONS.close)
