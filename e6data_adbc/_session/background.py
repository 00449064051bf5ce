"""The one thread of a database that waits for answers which no caller waits for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["Background"]

#: How long answers may lie before they are looked at. With many small queries one waking is for many answers, and the
#: thread that asks the next query does not compete with another one for the interpreter.
_LINGER_SECONDS: Final = 0.020
#: How long the thread waits for work before it ends; the next work starts another one.
_IDLE_SECONDS: Final = 10.0


class Background:
    """Runs short jobs in the order in which they come; any thread may call anything."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._hurry = threading.Event()
        self._jobs: deque[Callable[[], object]] = deque()
        self._thread: threading.Thread | None = None
        self._is_idle = False
        self._is_closed = False

    def submit(self, job: Callable[[], object]) -> None:
        """Has *job*, which must not raise, run soon; at once and here if there is no thread for it any more."""
        with self._changed:
            is_late = self._is_closed
            if not is_late and self._thread is None:
                is_late = not self._start()
            if not is_late:
                self._jobs.append(job)
                if self._is_idle:
                    self._changed.notify()
        if is_late:
            job()

    def hurry(self) -> None:
        """Has the jobs run now: somebody waits for one of them."""
        self._hurry.set()

    def close(self, timeout: float) -> None:
        """Runs what is left, then ends the thread; waits for that up to *timeout* seconds."""
        with self._changed:
            self._is_closed = True
            thread = self._thread
            self._changed.notify()
        self._hurry.set()
        if thread is None:
            while (job := self._take()) is not None:
                job()
        elif thread is not threading.current_thread():
            thread.join(timeout)

    def _start(self) -> bool:
        """Starts the thread, under the lock; False where the interpreter, which ends, starts none any more."""
        thread = threading.Thread(target=self._run, name="e6data-background", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread = thread
        return True

    def _run(self) -> None:
        try:
            while self._wait():
                # One by one: what a job that raises leaves behind is the next thread's.
                while (job := self._take()) is not None:
                    job()
        finally:
            with self._changed:
                if self._thread is threading.current_thread():
                    self._thread = None

    def _take(self) -> Callable[[], object] | None:
        with self._changed:
            return self._jobs.popleft() if self._jobs else None

    def _wait(self) -> bool:
        """Waits until there are jobs to run; False when the thread is no longer needed."""
        with self._changed:
            if not self._jobs and not self._is_closed:
                self._is_idle = True
                self._changed.wait_for(lambda: self._jobs or self._is_closed, _IDLE_SECONDS)
                self._is_idle = False
            if not self._jobs:
                self._thread = None
                return False
        # Cleared before the jobs are taken: who submits one and then hurries is never waited out.
        if not self._is_closed:
            self._hurry.wait(_LINGER_SECONDS)
        self._hurry.clear()
        return True
