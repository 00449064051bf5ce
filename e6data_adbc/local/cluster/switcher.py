"""The plan by which the deployed colour changes by itself."""

from __future__ import annotations

import threading
import time
from typing import Final, Protocol

__all__ = ["STYLES", "Switcher"]

#: What becomes of the old colour, and whether the new one is told before.
STYLES: Final = ("abrupt", "announced", "draining")


class Switch(Protocol):
    """The engine's `switch`."""

    def __call__(self, *, announce: bool = False, drain: bool = False) -> str: ...


class Switcher:
    """Switches every so many seconds, or every so many calls; any thread may call.

    Styles: `abrupt` ends the old colour with its sessions and queries; `draining` lets it finish the queries that it
    has; `announced` is draining with the new colour announced, and answering, half a period before.
    """

    def __init__(self, switch: Switch) -> None:
        """Does nothing until it is told a period."""
        self._switch = switch
        self._lock = threading.Lock()
        self._stop: threading.Event | None = None
        self._calls: int | None = None
        self._seen = 0
        self._style = STYLES[0]
        #: When a switch was made, in seconds of the monotonic clock; announcements are not among them.
        self.times: list[float] = []

    def every(
        self, *, seconds: float | None = None, calls: int | None = None, style: str = "abrupt"
    ) -> None:
        """Replaces the plan: a switch each *seconds*, or before every *calls*-th call; neither ends switching.

        Raises:
            ValueError: Both are given, one is not more than 0, or there is no such style.
        """
        if style not in STYLES:
            raise ValueError(f"there is no style {style!r}; use {', '.join(STYLES)}")
        if seconds is not None and calls is not None:
            raise ValueError("a switch comes by seconds or by calls, not by both")
        if (seconds is not None and seconds <= 0) or (calls is not None and calls < 1):
            raise ValueError("a period must be more than 0")
        with self._lock:
            if self._stop is not None:
                self._stop.set()
                self._stop = None
            self._style, self._calls, self._seen = style, calls, 0
            if seconds is not None:
                self._stop = threading.Event()
                threading.Thread(
                    target=self._run,
                    args=(seconds, style, self._stop),
                    name="e6data-local-switcher",
                    daemon=True,
                ).start()

    def note_call(self) -> None:
        """Counts one call to the engine that has arrived, and switches if it is time to."""
        if self._calls is None:
            return
        with self._lock:
            if self._calls is None:
                return
            self._seen += 1
            style, turn, half = self._style, self._seen % self._calls, self._calls // 2
        if turn == 0:
            self._change(style)
        elif turn == half and style == "announced":
            self._switch(announce=True)

    def _change(self, style: str) -> None:
        self._switch(drain=style != "abrupt")
        with self._lock:
            self.times.append(time.monotonic())

    def _run(self, seconds: float, style: str, stop: threading.Event) -> None:
        announced = style == "announced"
        while not stop.wait(seconds / 2 if announced else seconds):
            if announced:
                self._switch(announce=True)
                if stop.wait(seconds / 2):
                    return
            self._change(style)
