"""Work that one thread does for all who need its outcome at the same time."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from e6data_adbc import errors
from e6data_adbc._transport.scope import Scope

__all__ = ["Flights"]

T = TypeVar("T")


class _Flight(Generic[T]):
    """One piece of work under way, on which any number of threads wait."""

    def __init__(self) -> None:
        self.is_done = False
        #: Whether the outcome is one for everybody, and not of the thread that led.
        self.is_shared = False
        self.outcome: T | None = None
        self.error: errors.Error | None = None


class Flights:
    """What is under way, by key; any thread may call. No lock is held while the work is done."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way: dict[Hashable, _Flight[Any]] = {}
        #: How many threads wait, for tests.
        self.waiting = 0

    def join(
        self,
        key: Hashable,
        work: Callable[[], T],
        scope: Scope,
        *,
        verb: str,
        seconds: float,
        known: Callable[[], T | None] = lambda: None,
        is_shared: Callable[[T], bool] = lambda _: True,
    ) -> T | None:
        """Returns the outcome of the work under *key*: of the one under way, or else of *work*, done by this thread.

        Args:
            key: What the work is for.
            work: Does it, within its own limits.
            scope: Cancels the wait.
            verb: What is waited for.
            seconds: How long to wait for another thread.
            known: Looked at first: what it returns makes the work unnecessary.
            is_shared: Whether an outcome counts for those who waited; otherwise one of them does the work again. A
                cancellation never does.

        Returns:
            None if another thread was not done in time.

        Raises:
            Error: The work failed, here or in the other thread; or the scope is cancelled.
        """
        deadline = time.monotonic() + seconds
        while True:
            with self._changed:
                found = known()
                if found is not None:
                    return found
                flight: _Flight[T] | None = self._under_way.get(key)
                leads = flight is None
                if flight is None:
                    flight = self._under_way[key] = _Flight()
            if leads:
                return self._lead(key, flight, work, is_shared)
            self._follow(flight, scope, deadline)
            scope.check(verb)
            if not flight.is_done:
                return None
            if flight.is_shared and flight.error is not None:
                error = copy.copy(flight.error)  # an exception belongs to one thread
                error.__cause__ = flight.error.__cause__
                raise error
            if flight.is_shared:
                return flight.outcome

    def _lead(
        self,
        key: Hashable,
        flight: _Flight[T],
        work: Callable[[], T],
        is_shared: Callable[[T], bool],
    ) -> T:
        try:
            flight.outcome = outcome = work()
            flight.is_shared = is_shared(outcome)
        except errors.Error as error:
            flight.error = error
            # A leader that was cancelled says nothing about its followers: one of them leads the next time.
            flight.is_shared = error.status_code != errors.Status.CANCELLED
            raise
        finally:
            with self._changed:
                del self._under_way[key]
                flight.is_done = True
                self._changed.notify_all()
        return outcome

    def _follow(self, flight: _Flight[Any], scope: Scope, deadline: float) -> None:
        with scope.waking(self._wake), self._changed:
            self.waiting += 1
            self._changed.wait_for(
                lambda: flight.is_done or scope.is_cancelled, max(deadline - time.monotonic(), 0.0)
            )
            self.waiting -= 1

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
