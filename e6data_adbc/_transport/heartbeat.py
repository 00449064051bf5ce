"""A sign of life that a waiting call cannot give: without it a server may take our pings for abuse."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

__all__ = ["PERIOD_SECONDS", "Heartbeat"]

#: A server as gRPC makes it ends the connection at the fourth ping since it last sent something, unless five minutes
#: lie between them. While a call waits gRPC pings after 20 s and 40 s, then once a minute (grpcio 1.85): within this
#: time there are two. Measured: a silent call against such a server ends after 200 s with ENHANCE_YOUR_CALM.
PERIOD_SECONDS: Final = 45.0


class Heartbeat:
    """Has something answered by the server now and then, while a call waits; any thread may use it.

    One thread does it, which lives from the first call until none was open for a period.
    """

    def __init__(self, beat: Callable[[], object], period: float = PERIOD_SECONDS) -> None:
        """Starts nothing yet.

        Args:
            beat: Makes a short call; must not raise.
            period: Seconds between two of them, and until the first.
        """
        self._beat = beat
        self._period = period
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._open = 0
        #: Since when there was no moment without an open call.
        self._since = 0.0
        self._is_running = False
        self._is_closed = False

    def begin(self) -> None:
        """Counts one more call that waits."""
        with self._lock:  # quicker than the condition around it, and every call comes by here
            if not self._open:
                self._since = time.monotonic()
            self._open += 1
            if self._is_running or self._is_closed:
                return
            self._is_running = True
        threading.Thread(target=self._run, name="e6data-heartbeat", daemon=True).start()

    def end(self) -> None:
        """Counts one less."""
        with self._lock:
            self._open -= 1

    def close(self) -> None:
        """Ends the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait(self._period)
                if self._is_closed or not self._open:
                    self._is_running = False
                    return
                is_due = time.monotonic() - self._since >= self._period / 2
            if is_due:
                self._beat()
