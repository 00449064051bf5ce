"""Who wants to see a cluster come up: the callables of all databases that wait for the same resume."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

__all__ = ["Audience", "Progress"]

_log = logging.getLogger("e6data_adbc.resume")

#: Told the cluster's status each time it was read.
Progress = Callable[[str], object]


class Audience:
    """The callables to be told; any thread may call. Each is told once, however many threads wait with it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiting: list[Progress] = []

    def add(self, listener: Progress) -> None:
        """Has *listener* told from now on, until it was removed as often as added."""
        with self._lock:
            self._waiting.append(listener)

    def remove(self, listener: Progress) -> None:
        """Undoes one `add`."""
        with self._lock:
            self._waiting.remove(listener)

    def tell(self, status: str) -> None:
        """Tells all, in this thread; one that raises is logged and does not keep the cluster from coming up."""
        with self._lock:
            listeners = list(dict.fromkeys(self._waiting))
        for listener in listeners:
            _tell(listener, status)


def _tell(listener: Progress, status: str) -> None:
    try:
        listener(status)
    except Exception as error:  # noqa: BLE001 - the user's code, in a thread that may not be the user's
        _log.warning("on_progress raised %s", type(error).__name__)
