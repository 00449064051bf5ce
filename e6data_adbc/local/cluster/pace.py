"""The rate limit of the engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from e6data_adbc.local.wire import refusal

__all__ = ["Pace"]


class Pace:
    """Admits so many calls a second, with a second's worth at once; any thread may call."""

    def __init__(
        self, calls_per_second: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Admits every call if *calls_per_second* is None."""
        self._rate = calls_per_second
        self._clock = clock
        self._lock = threading.Lock()
        #: Calls that may come now.
        self._credit = max(1.0, calls_per_second or 0.0)
        self._seen = clock()

    def take(self) -> None:
        """Admits one call.

        Raises:
            Refusal: It comes too early; carries the time after which one more will be admitted.
        """
        if self._rate is None:
            return
        with self._lock:
            now = self._clock()
            earned = (now - self._seen) * self._rate
            self._credit = min(max(1.0, self._rate), self._credit + earned)
            self._seen = now
            if self._credit < 1:
                raise refusal.rate_limited((1 - self._credit) / self._rate)
            self._credit -= 1
