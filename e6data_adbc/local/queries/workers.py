"""Threads that never keep a program from ending."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any, ParamSpec, TypeVar

__all__ = ["Workers"]

P = ParamSpec("P")
R = TypeVar("R")

_Work = tuple["futures.Future[Any]", Callable[[], Any]]


class Workers(futures.Executor):
    """An executor over daemon threads, made as they are needed; any thread may submit.

    `ThreadPoolExecutor` joins its threads when the interpreter ends, before anybody can interrupt the query that one
    of them runs: a program that forgot to stop its engine would hang on exit.
    """

    def __init__(self, name: str, limit: int) -> None:
        """Starts nothing yet; at most *limit* threads will run, named after *name*."""
        self._name = name
        self._limit = limit
        self._changed = threading.Condition()
        self._work: collections.deque[_Work] = collections.deque()
        self._idle = 0
        self._closed = False
        self._threads: list[threading.Thread] = []

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> futures.Future[R]:
        """Returns the future of `fn(*args, **kwargs)`.

        Raises:
            RuntimeError: The pool was shut down.
        """
        future: futures.Future[R] = futures.Future()
        with self._changed:
            if self._closed:
                raise RuntimeError(f"the {self._name} workers were shut down")
            self._work.append((future, lambda: fn(*args, **kwargs)))
            if self._idle >= len(self._work) or len(self._threads) == self._limit:
                self._changed.notify()
            else:
                thread = threading.Thread(
                    target=self._run, name=f"e6data-local-{self._name}", daemon=True
                )
                self._threads.append(thread)
                thread.start()
        return future

    def shutdown(
        self,
        wait: bool = True,  # noqa: FBT001, FBT002 - the signature of Executor
        *,
        cancel_futures: bool = False,  # noqa: ARG002
        timeout: float | None = None,
    ) -> None:
        """Ends the threads once the submitted work is done; waits *timeout* seconds in all."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if not wait:
            return
        deadline = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while (work := self._next()) is not None:
            future, call = work
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as error:  # noqa: BLE001 - it is the future's to raise
                    future.set_exception(error)
                else:
                    future.set_result(result)
            del future, call, work

    def _next(self) -> _Work | None:
        with self._changed:
            while not self._work:
                if self._closed:
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            return self._work.popleft()
