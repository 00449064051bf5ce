"""What a command says while it waits: the line of a long query, and the states of a cluster that comes up."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

__all__ = ["Progress", "count", "seconds", "teller"]

#: Seconds before the line appears, and between two changes of it.
_GRACE: Final = 1.0
_PERIOD: Final = 0.1
_BAR: Final = 24
_CLEAR: Final = "\r\x1b[K"


class Progress:
    """One line on a terminal, redrawn in place; nothing anywhere else."""

    def __init__(
        self,
        stream: TextIO,
        *,
        enabled: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts the clock.

        Args:
            stream: Where the line is drawn.
            enabled: Whether to draw at all; by default only on a terminal.
            clock: Seconds, for tests.
        """
        self._stream = stream
        self._enabled = stream.isatty() if enabled is None else enabled
        self._clock = clock
        self._start = self._last = clock()
        self._drawn = False
        #: Rows that the server announced, or -1.
        self.announced = -1

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    def update(self, rows: int) -> None:
        """Draws the line, if it is time to."""
        now = self._clock()
        if not self._enabled or now - self._start < _GRACE or now - self._last < _PERIOD:
            return
        self._last = now
        self._stream.write(_CLEAR + self._text(rows))
        self._stream.flush()
        self._drawn = True

    def clear(self) -> None:
        """Takes the line away, so that something else can be written."""
        if self._drawn:
            self._stream.write(_CLEAR)
            self._stream.flush()
            self._drawn = False

    def _text(self, rows: int) -> str:
        spent = seconds(self.elapsed)
        if self.announced > 0 and rows:
            share = min(rows / self.announced, 1)
            bar = ("#" * int(share * _BAR)).ljust(_BAR, ".")
            return f"[{bar}] {share:4.0%}  {count(rows)} of {count(self.announced, 'row')}  {spent}"
        return f"{count(rows, 'row')}  {spent}" if rows else f"running  {spent}"


def teller(prefix: str = "") -> Callable[[str], object]:
    """Returns what tells each new state, and how long it took, on standard error, after *prefix*."""
    started: list[float] = []
    told: list[str] = []

    def tell(state: str) -> None:
        started.append(time.monotonic())
        if told[-1:] != [state]:
            told.append(state)
            spent = seconds(started[-1] - started[0])
            clear = _CLEAR if sys.stderr.isatty() else ""
            sys.stderr.write(f"{clear}{prefix}{state} after {spent}\n")
            sys.stderr.flush()

    return tell


def count(number: int, noun: str = "") -> str:
    """Returns *number* with separators, and *noun* in its number if given."""
    text = f"{number:,}"
    return f"{text} {noun}{'' if number == 1 else 's'}" if noun else text


def seconds(duration: float) -> str:
    """Returns *duration* as people say it."""
    if duration < 60:
        return f"{duration:.2f} s" if duration < 10 else f"{duration:.0f} s"
    minutes, rest = divmod(int(duration), 60)
    return f"{minutes} min {rest:02} s"
