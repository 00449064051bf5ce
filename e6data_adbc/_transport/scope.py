"""The bounds of one thing a user asked for: its time limits and its cancellation."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from e6data_adbc import errors
from e6data_adbc._options.option_values import Settings

__all__ = ["Scope"]


class Scope:
    """What one user call may take, handed down to everything done on its behalf.

    Any thread may call `cancel`; it waits for nothing. What blocks says how to wake it with `waking`.

    Attributes:
        settings: Its time limits.
        parent: What its calls belong to in the eyes of the database's observer.
        is_cancelled: Whether `cancel` was called.
    """

    # Several are made for every query, and each call enters one: slots and plain classes, not `contextlib`. And no
    # lock: a signal handler may close the cursor, and so cancel the scope, in the middle of any of these lines.
    __slots__ = ("_wakers", "is_cancelled", "parent", "settings")

    def __init__(self, settings: Settings, parent: object = None) -> None:
        """Starts with nothing in it."""
        self.settings = settings
        self.parent = parent
        self.is_cancelled = False
        self._wakers: list[Callable[[], object]] = []

    def cancel(self) -> None:
        """Ends what runs in this scope, and whatever starts in it later."""
        # Said before they are taken, so that whoever adds one too late for that sees it. And a copy: another thread may
        # be about to take one out of the list, and the one behind it would be passed over.
        self.is_cancelled = True
        wakers, self._wakers = tuple(self._wakers), []
        for wake in wakers:
            wake()

    def add(self, wake: Callable[[], object]) -> None:
        """Has *wake* called once the scope is cancelled: at once if it already is, and perhaps twice.

        Args:
            wake: It must not block, and may be called again.
        """
        self._wakers.append(wake)
        if self.is_cancelled:
            wake()

    def remove(self, wake: Callable[[], object]) -> None:
        """Has *wake* called no more; does nothing if it was called."""
        wakers = self._wakers
        if wake in wakers:
            wakers.remove(wake)

    def waking(self, wake: Callable[[], object]) -> Waking:
        """Returns a context in which *wake* is what `add` says."""
        return Waking(self, wake)

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
        if self.is_cancelled:
            raise cancelled(verb, query_id=query_id)

    def pause(self, seconds: float) -> None:
        """Waits *seconds*, or less if the scope is cancelled meanwhile."""
        ended = threading.Event()
        with self.waking(ended.set):
            ended.wait(seconds)


class Waking:
    """A stretch of a scope in which somebody waits."""

    __slots__ = ("_scope", "_wake")

    def __init__(self, scope: Scope, wake: Callable[[], object]) -> None:
        self._scope = scope
        self._wake = wake

    def __enter__(self) -> None:
        self._scope.add(self._wake)

    def __exit__(self, *_: object) -> None:
        self._scope.remove(self._wake)


def cancelled(verb: str, *, query_id: str | None = None) -> errors.Error:
    """Returns the error for what the caller ended himself."""
    return errors.make(
        errors.Status.CANCELLED,
        f"could not {verb}: the caller cancelled it",
        query_id=query_id,
        sqlstate="57014",
    )
