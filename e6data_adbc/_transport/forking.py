"""Forks: a moment's patience with calls that are about to end, since gRPC survives a fork only while it is idle."""

from __future__ import annotations

import logging
import os
import time
from typing import Final

__all__ = ["OPEN_CALLS", "OpenCalls"]

_log = logging.getLogger("e6data_adbc.process")

#: How long a fork waits. A query that was read to its end is cleared in the background, which takes one round trip; a
#: fork right after the last row would otherwise break gRPC in the child, or in the parent (grpcio 1.66 and 1.78).
_PATIENCE_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = 0.001


class OpenCalls(set[object]):
    """The calls that this process has open. Any thread adds one once it is sent, and discards it once it has ended."""

    def settle(self, patience: float = _PATIENCE_SECONDS) -> None:
        """Waits until no call is open, for *patience* seconds; says so in the log if there still is one."""
        # It looks again and again: every call would pay for waking it, and hardly a process forks.
        deadline = time.monotonic() + patience
        while self and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        count = len(self)
        if count:
            _log.warning(
                "forking while %d calls are open: gRPC may crash or hang, here and in the child; fork before or after"
                " queries run, or start processes by spawn or forkserver",
                count,
            )


#: Those of this process.
OPEN_CALLS: Final = OpenCalls()

if hasattr(os, "register_at_fork"):
    # The parent's calls are not there in a child.
    os.register_at_fork(before=OPEN_CALLS.settle, after_in_child=OPEN_CALLS.clear)
