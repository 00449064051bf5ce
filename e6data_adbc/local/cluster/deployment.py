"""What stands before the planners: the two colours and the cluster's power state."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from e6data_adbc.local.wire import refusal

__all__ = ["ACTIVE", "RESUMING", "SUSPENDED", "Deployment"]

COLOURS: Final = ("blue", "green")
#: What the cluster service tells; `failed`, and words that no client knows, come out of scripts.
ACTIVE: Final = "active"
SUSPENDED: Final = "suspended"
RESUMING: Final = "resuming"


class Deployment:
    """Which colour answers, which is announced, whether the cluster is up; any thread may call."""

    def __init__(self, strategy: str, resume_polls: int) -> None:
        self._lock = threading.Lock()
        self._active = strategy
        self._announced: str | None = None
        self._draining: str | None = None
        self._answers_early = True
        self._state = ACTIVE
        self._normal = (*[RESUMING] * resume_polls, ACTIVE)
        self._script = self._normal
        #: States that `status` will tell, the last of them for good.
        self._ahead: list[str] = []
        self._refusals = self._refusals_left = 0

    @property
    def active(self) -> str:
        """The colour to which a call without a colour goes."""
        with self._lock:
            return self._active

    @property
    def state(self) -> str:
        """The state of the cluster, without coming closer to the next."""
        with self._lock:
            return self._state

    def admit(self, strategy: str | None, *, about_query: bool) -> str:
        """Returns the colour that answers a call with the header *strategy*.

        Raises:
            Refusal: That colour does not answer (any more).
        """
        with self._lock:
            ready = self._announced if self._answers_early else None
            if strategy is None or strategy in {self._active, ready}:
                return strategy or self._active
            if about_query and strategy == self._draining:
                return strategy
        raise refusal.wrong_strategy()

    def admit_to_cluster(self) -> None:
        """Lets an engine call pass while the cluster is active.

        Raises:
            Refusal: It is not, or the planners are not ready yet although it is.
        """
        with self._lock:
            if self._state != ACTIVE:
                raise refusal.suspended()
            if self._refusals_left:
                self._refusals_left -= 1
                raise refusal.suspended()

    def news_for(self, strategy: str) -> str | None:
        """Returns the colour that a response of the colour *strategy* announces, if any."""
        with self._lock:
            return self._announced if self._announced != strategy else None

    def switch(
        self, strategy: str | None, *, announce: bool, drain: bool, ready: bool = True
    ) -> tuple[str, str | None]:
        """Moves to *strategy* (None: the other colour); returns the new active colour and the one that went away.

        Args:
            strategy: Where to.
            announce: Only begin: both colours answer, and responses of the old one announce the new one.
            drain: The old colour goes on answering calls about the queries that it has.
            ready: The colour that is announced answers already.
        """
        with self._lock:
            target = strategy or next(colour for colour in COLOURS if colour != self._active)
            if target not in COLOURS:
                raise ValueError(f"there is no strategy {target!r}; use blue or green")
            if announce:
                self._announced = target if target != self._active else None
                self._answers_early = ready
                return self._active, None
            before = {self._active, self._draining}
            self._draining = self._active if drain and target != self._active else None
            self._active, self._announced = target, None
            gone = before - {target, self._draining, None}
            return target, gone.pop() if gone else None

    def suspend(self, states: Sequence[str] | None = None, refusals: int = 0) -> None:
        """Suspends the cluster; see `LocalEngine.suspend`."""
        with self._lock:
            self._state = SUSPENDED
            self._ahead = []
            self._script = self._normal if states is None else tuple(states)
            self._refusals, self._refusals_left = refusals, 0

    def resume(self) -> str:
        """Begins to resume a suspended cluster; returns the state after that."""
        with self._lock:
            if self._state == SUSPENDED:
                self._ahead = list(self._script)
                if self._ahead == [ACTIVE]:
                    self._enter(ACTIVE)
                else:
                    self._state = RESUMING
            return self._state

    def poll(self) -> str:
        """Returns the state for a `status` call; a resuming cluster comes closer to active with each."""
        with self._lock:
            if self._ahead:
                self._enter(self._ahead.pop(0))
            return self._state

    def _enter(self, state: str) -> None:
        if state == ACTIVE != self._state:
            self._refusals_left = self._refusals
        self._state = state
        if state == ACTIVE:
            self._ahead = []
