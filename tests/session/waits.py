"""Stands for a `Scope`: counts who waits, and cancels."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from e6data_adbc import errors

__all__ = ["Waits", "in_threads"]


class Waits:
    """What waits for a token need of a scope. `reached(n)` blocks until *n* have begun."""

    def __init__(self) -> None:
        self.is_cancelled = False
        self._wakers: list[Callable[[], object]] = []
        self._count = 0
        self._changed = threading.Condition()

    def cancel(self) -> None:
        self.is_cancelled = True
        for wake in self._wakers:
            wake()

    @contextlib.contextmanager
    def waking(self, wake: Callable[[], object]) -> Iterator[None]:
        self._wakers.append(wake)
        with self._changed:
            self._count += 1
            self._changed.notify_all()
        yield

    def check(self, verb: str) -> None:
        if self.is_cancelled:
            raise errors.make(errors.Status.CANCELLED, f"could not {verb}: the caller cancelled it")

    def reached(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._count >= count, 10)

    def then(self, count: int, act: Callable[[], object]) -> threading.Thread:
        """Returns the thread that does *act* once *count* have begun."""

        def run() -> None:
            self.reached(count)
            act()

        thread = threading.Thread(target=run)
        thread.start()
        return thread


def in_threads(count: int, act: Callable[[], object]) -> list[object]:
    """Returns what *act* returned or raised in each of *count* threads."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(act())
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return results
