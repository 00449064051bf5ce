"""A sign of life that a waiting call cannot give: without it a server may take our pings for abuse."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from e6data_adbc._transport.api import Course, Opening

__all__ = ["PERIOD_SECONDS", "Heartbeat"]

#: A server as gRPC makes it ends the connection at the fourth ping since it last sent something, unless five minutes
#: lie between them. While a call waits gRPC pings after 20 s and 40 s, then once a minute (grpcio 1.85): within this
#: time there are two. Measured: a silent call against such a server ends after 200 s with ENHANCE_YOUR_CALM.
PERIOD_SECONDS: Final = 45.0


class Heartbeat:
    """Has something answered by the server now and then, while a call waits; any thread may use it.

    One thread does it, which lives from the first call until none was open for a period.

    Attributes:
        waiting: The calls that wait, with the time of the monotonic clock since when. Whoever adds one calls `start`
            unless the thread runs, and takes it out when it has ended.
        courses: The courses that are not left, and the openings that run; the same goes for them.
        is_running: Whether the thread runs.
    """

    def __init__(
        self,
        beat: Callable[[], object],
        period: float = PERIOD_SECONDS,
        tend: Callable[[float], bool] = lambda _: False,
    ) -> None:
        """Starts nothing yet.

        Args:
            beat: Makes a short call; must not raise.
            period: Seconds between two of them, and until the first.
            tend: See `Channel.tend`; what the thread does meanwhile, where it returns True.
        """
        self.waiting: dict[object, float] = {}
        self.courses: dict[Course | Opening, None] = {}
        self.is_running = False
        self._beat = beat
        self._period = period
        self._tend = tend
        self._changed = threading.Condition()
        self._is_closed = False

    def start(self) -> None:
        """Starts the thread, unless it runs or was ended for good."""
        with self._changed:
            if self.is_running or self._is_closed:
                return
            self.is_running = True
        threading.Thread(target=self._run, name="e6data-heartbeat", daemon=True).start()

    def close(self) -> None:
        """Ends the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _since(self) -> float:
        """Returns since when the call has been waiting that waits longest; infinity where none is."""
        now = time.monotonic()
        waits = [course.waits() for course in list(self.courses)]
        begun = [now - seconds for seconds in waits if seconds is not None]
        return min([*self.waiting.copy().values(), *begun], default=math.inf)

    def _run(self) -> None:
        while True:
            is_over = self._tend(self._period)
            with self._changed:
                if not is_over:
                    self._changed.wait_for(lambda: self._is_closed, self._period)
                if self._is_closed:
                    self.is_running = False
                    return
                if not (self.waiting or self.courses):
                    # Told before it is looked at again: whoever adds a call meanwhile sees the one or is seen.
                    self.is_running = False
                    if not (self.waiting or self.courses):
                        return
                    self.is_running = True
                since = self._since()
            # A call that ended a moment ago has brought what a beat would.
            if time.monotonic() - since >= self._period / 2:
                self._beat()
