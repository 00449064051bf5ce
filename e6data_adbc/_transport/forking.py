"""Forks: a moment's patience with calls that are about to end, since gRPC survives a fork only while it is idle."""

from __future__ import annotations

import logging
import os
import threading
from typing import Final

__all__ = ["CALLS", "OpenCalls"]

_log = logging.getLogger("e6data_adbc.process")

#: How long a fork waits. A query that was read to its end is cleared in the background, which takes one round trip; a
#: fork right after the last row would otherwise break gRPC in the child, or in the parent (grpcio 1.66 and 1.78).
_PATIENCE_SECONDS: Final = 0.5


class OpenCalls:
    """How many calls this process has open; any thread may use it."""

    def __init__(self, patience: float = _PATIENCE_SECONDS) -> None:
        self._patience = patience
        self.reset()

    def reset(self) -> None:
        """Begins anew, as in a child: neither the parent's calls nor the threads that hold its locks are there."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._count = 0

    def begin(self) -> None:
        """Counts one more."""
        with self._lock:  # quicker than the condition around it, and every call comes by here
            self._count += 1

    def end(self) -> None:
        """Counts one less."""
        with self._lock:
            self._count -= 1
            if not self._count:
                self._changed.notify_all()

    def settle(self) -> None:
        """Waits until no call is open, for a moment; says so in the log if there still is one."""
        with self._changed:
            is_idle = self._changed.wait_for(lambda: self._count <= 0, self._patience)
            count = self._count
        if not is_idle:
            _log.warning(
                "forking while %d calls are open: gRPC may crash or hang, here and in the child; fork before or after"
                " queries run, or start processes by spawn or forkserver",
                count,
            )


#: Those of this process.
CALLS: Final = OpenCalls()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=CALLS.settle, after_in_child=CALLS.reset)
