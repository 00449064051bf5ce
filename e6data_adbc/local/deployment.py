"""What stands before the planners: the two colours and the cluster's power state."""

from __future__ import annotations

import enum
import threading
from typing import Final

from e6data_adbc.local import refusal

__all__ = ["ClusterState", "Deployment"]

COLOURS: Final = ("blue", "green")


class ClusterState(enum.Enum):
    """The states that the cluster service tells."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    RESUMING = "resuming"


class Deployment:
    """Which colour answers, which is announced, whether the cluster is up; any thread may call."""

    def __init__(self, strategy: str, resume_polls: int) -> None:
        self._lock = threading.Lock()
        self._active = strategy
        self._announced: str | None = None
        self._draining: str | None = None
        self._state = ClusterState.ACTIVE
        self._resume_polls = resume_polls
        self._polls_left = 0

    @property
    def active(self) -> str:
        """The colour to which a call without a colour goes."""
        with self._lock:
            return self._active

    def admit(self, strategy: str | None, *, about_query: bool) -> str:
        """Returns the colour that answers a call with the header *strategy*.

        Raises:
            Refusal: That colour does not answer (any more).
        """
        with self._lock:
            if strategy is None or strategy in {self._active, self._announced}:
                return strategy or self._active
            if about_query and strategy == self._draining:
                return strategy
        raise refusal.wrong_strategy()

    def admit_to_cluster(self) -> None:
        """Lets an engine call pass while the cluster is active.

        Raises:
            Refusal: It is not.
        """
        with self._lock:
            if self._state is not ClusterState.ACTIVE:
                raise refusal.suspended()

    def news_for(self, strategy: str) -> str | None:
        """Returns the colour that a response of the colour *strategy* announces, if any."""
        with self._lock:
            return self._announced if self._announced != strategy else None

    def switch(
        self, strategy: str | None, *, announce: bool, drain: bool
    ) -> tuple[str, str | None]:
        """Moves to *strategy* (None: the other colour); returns the new active colour and the one that went away.

        Args:
            strategy: Where to.
            announce: Only begin: both colours answer, and responses of the old one announce the new one.
            drain: The old colour goes on answering calls about the queries that it has.
        """
        with self._lock:
            target = strategy or next(colour for colour in COLOURS if colour != self._active)
            if target not in COLOURS:
                raise ValueError(f"there is no strategy {target!r}; use blue or green")
            if announce:
                self._announced = target if target != self._active else None
                return self._active, None
            before = {self._active, self._draining}
            self._draining = self._active if drain and target != self._active else None
            self._active, self._announced = target, None
            gone = before - {target, self._draining, None}
            return target, gone.pop() if gone else None

    def suspend(self) -> None:
        """Suspends the cluster."""
        with self._lock:
            self._state = ClusterState.SUSPENDED

    def resume(self) -> ClusterState:
        """Begins to resume a suspended cluster; returns the state after that."""
        with self._lock:
            if self._state is ClusterState.SUSPENDED:
                self._polls_left = self._resume_polls
                self._state = ClusterState.RESUMING if self._polls_left else ClusterState.ACTIVE
            return self._state

    def poll(self) -> ClusterState:
        """Returns the state for a `status` call; a resuming cluster comes closer to active with each."""
        with self._lock:
            state = self._state
            if state is ClusterState.RESUMING:
                if self._polls_left == 0:
                    state = self._state = ClusterState.ACTIVE
                self._polls_left -= 1
            return state
