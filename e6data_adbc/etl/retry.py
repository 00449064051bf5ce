"""Whether a commit may be tried again, and the waiting before it is."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from e6data_adbc import errors

__all__ = ["Budget", "may_pass", "passing_detail"]

#: Under which key an error of a destination says whether its cause may pass.
_PASSES: Final = "e6data.load.is_transient"


def passing_detail(*, passes: bool) -> tuple[str, bytes]:
    """Returns the detail by which an error says whether its cause may pass."""
    return _PASSES, str(passes).encode()


def may_pass(error: BaseException) -> bool:
    """Tells whether *error* says of itself that its cause may pass."""
    return isinstance(error, errors.Error) and errors.detail(error, _PASSES) == "True"


class Budget:
    """Seconds of patience with one commit, and the waits in them: full jitter below a doubling limit."""

    def __init__(
        self,
        seconds: float,
        *,
        first: float = 0.05,
        most: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
        chance: random.Random | None = None,
    ) -> None:
        """Starts with nothing spent.

        Args:
            seconds: How long after the first failure a try may begin.
            first: The first limit of a wait, in seconds.
            most: The largest.
            clock: Seconds, for tests.
            wait: Waits, for tests.
            chance: Draws the waits.
        """
        self._seconds, self._first, self._most = seconds, first, most
        self._clock, self._wait = clock, wait
        self._chance = chance or random.Random()  # noqa: S311 - spreads load, hides nothing
        self._since: float | None = None
        self._tries = 0

    def reset(self) -> None:
        """Notes a success: the next failure is a first one."""
        self._since, self._tries = None, 0

    def pause(self) -> bool:
        """Waits before the next try; returns False, at once, where the patience is at its end."""
        now = self._clock()
        if self._since is None:
            self._since = now
        left = self._since + self._seconds - now
        if left <= 0:
            return False
        limit = min(self._first * 2**self._tries, self._most)
        self._tries = min(self._tries + 1, 30)
        self._wait(min(self._chance.uniform(0, limit), left))
        return True
