"""The bounds of one thing a user asked for: its time limits and its cancellation."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from e6data_adbc import errors
from e6data_adbc._settings import Settings

__all__ = ["Scope"]


class Scope:
    """What one user call may take, handed down to everything done on its behalf.

    Any thread may call `cancel`; it waits for nothing. What blocks says how to wake it with `waking`.
    """

    def __init__(self, settings: Settings, parent: object = None) -> None:
        """Starts with nothing in it.

        Args:
            settings: Its time limits.
            parent: What its calls belong to in the eyes of the database's observer.
        """
        self.settings = settings
        self.parent = parent
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._wakers: list[Callable[[], object]] = []

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Ends what runs in this scope, and whatever starts in it later."""
        with self._lock:
            self._cancelled.set()
            wakers, self._wakers = self._wakers, []
        for wake in wakers:
            wake()

    @contextlib.contextmanager
    def waking(self, wake: Callable[[], object]) -> Iterator[None]:
        """Calls *wake*, which must not block, once the scope is cancelled: at once if it already is."""
        with self._lock:
            late = self._cancelled.is_set()
            if not late:
                self._wakers.append(wake)
        if late:
            wake()
        try:
            yield
        finally:
            with self._lock, contextlib.suppress(ValueError):
                self._wakers.remove(wake)

    @contextlib.contextmanager
    def beneath(self, parent: object) -> Iterator[None]:
        """Makes what is begun meanwhile belong to *parent*; one thread at a time may do that."""
        before, self.parent = self.parent, parent
        try:
            yield
        finally:
            self.parent = before

    def check(self, verb: str, *, query_id: str | None = None) -> None:
        """Raises CANCELLED if the scope is cancelled; *verb* names what was under way."""
        if self._cancelled.is_set():
            raise cancelled(verb, query_id=query_id)

    def pause(self, seconds: float) -> None:
        """Waits *seconds*, or less if the scope is cancelled meanwhile."""
        self._cancelled.wait(seconds)


def cancelled(verb: str, *, query_id: str | None = None) -> errors.Error:
    """Returns the error for what the caller ended himself."""
    return errors.make(
        errors.Status.CANCELLED,
        f"could not {verb}: the caller cancelled it",
        query_id=query_id,
        sqlstate="57014",
    )
