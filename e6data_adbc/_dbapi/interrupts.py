"""Ctrl-C in calls of the driver: first the call is ended, in order, then what the signal's handler raised is raised.

The driver manager has a thread for this, which makes an `OperationalError` of the interrupt; nothing here uses it.
"""

from __future__ import annotations

import contextlib
import contextvars
import importlib
import threading
from collections.abc import Callable
from signal import SIGINT
from types import FrameType
from typing import Any, Final, TypeVar

from e6data_adbc.errors import Error

__all__ = ["call", "call_in_thread", "let_in"]

T = TypeVar("T")

#: What the functions of `signal` call, which look each handler up in an enumeration: ten times what this takes, and a
#: query has several calls.
_signal: Final = importlib.import_module("_signal")

#: Between two cancellations of a call that has not ended: the first may have come before the call began.
_AGAIN_SECONDS: Final = 0.05
#: Seconds between two looks for a signal while a thread is waited for: one that comes just before a wait begins does
#: not end it.
_LOOK_SECONDS: Final = 0.5
#: Cancellations until the call is left to its own deadline.
_TRIES: Final = 300


def call(function: Callable[[], T], cancel: Callable[[], object] | None = None) -> T:
    """Returns what *function* returns, which runs on this thread.

    On the main thread, what the handler of SIGINT raises meanwhile (`KeyboardInterrupt`, unless somebody set another
    handler) waits until *cancel* has ended the call, and is then raised in place of what the call gave. So the driver's
    own code is never left in the middle, and the query is off the server.

    Args:
        function: Calls the driver.
        cancel: Ends that call, from another thread; raises an `Error` where it has not begun or is over. Without it
            the call is one that must not be left in the middle and has an end of its own.
    """
    if threading.current_thread() is not threading.main_thread():
        return function()  # signals are the main thread's
    handler = _signal.getsignal(SIGINT)
    if not callable(handler):  # ignored, or the end of the process
        return function()
    watch = _Watch(handler, cancel)
    on_signal = watch.on_signal
    try:
        _signal.signal(SIGINT, on_signal)
        return function()
    finally:
        watch.is_over = True  # nothing is cancelled after this
        if watch.canceller is not None:
            watch.end()
        # Looks for pending signals before it changes anything, so that none is between the two handlers.
        if _signal.getsignal(SIGINT) == on_signal:
            _signal.signal(SIGINT, handler)
        if watch.raised is not None:
            watch.raise_what_waited()


def call_in_thread(function: Callable[[], T], cancel: Callable[[], object]) -> T:
    """Returns what *function* returns, which runs on another thread, in the context of this one.

    For what the driver manager does in several steps: outside the main thread it has no handler of its own.

    Args:
        function: Calls the driver; nothing in it may be bound to a thread.
        cancel: As for `call`.
    """
    if threading.current_thread() is not threading.main_thread():
        return function()
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(function())
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            failure.append(error)

    thread = threading.Thread(
        target=contextvars.copy_context().run, args=[run], name="e6data-call", daemon=True
    )

    def wait() -> T:
        thread.start()
        while thread.is_alive():
            thread.join(_LOOK_SECONDS)
        if failure:
            raise failure.pop()
        return outcome.pop()

    return call(wait, cancel)


def let_in() -> None:
    """Lets the handlers of signals run that have arrived; what they raise is raised here."""
    for _ in range(2):  # the interpreter looks for signals where a loop turns
        pass


class _Watch:
    """The handler of SIGINT while one call runs."""

    __slots__ = ("_cancel", "_handler", "canceller", "is_over", "raised")

    def __init__(
        self,
        handler: Callable[[int, FrameType | None], Any],
        cancel: Callable[[], object] | None,
    ) -> None:
        self._handler = handler
        self._cancel = cancel
        self.is_over = False
        self.raised: BaseException | None = None
        #: The thread that cancels, and what tells it to stop: made where there is a signal, which most calls never see.
        self.canceller: tuple[threading.Thread, threading.Event] | None = None

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Runs the handler; what it raises waits for the end of the call, and another thread sees to that."""
        try:
            self._handler(number, frame)
        except BaseException as raised:  # noqa: BLE001 - raised when the call has ended
            self.raised = self.raised or raised
        if self.raised is None or self._cancel is None:
            return
        if self.canceller is None and not self.is_over:
            # Not here: the code that was interrupted may hold the locks that cancelling needs.
            ended = threading.Event()
            thread = threading.Thread(
                target=_cancel_until,
                args=[ended, self._cancel],
                name="e6data-interrupt",
                daemon=True,
            )
            self.canceller = thread, ended
            thread.start()

    def end(self) -> None:
        """Waits for the end of the thread that cancels."""
        assert self.canceller is not None  # noqa: S101 - the caller has looked
        thread, ended = self.canceller
        ended.set()
        thread.join()

    def raise_what_waited(self) -> None:
        """Raises what the handler raised."""
        raised, self.raised = self.raised, None
        assert raised is not None  # noqa: S101 - the caller has looked
        raise raised.with_traceback(None)


def _cancel_until(ended: threading.Event, cancel: Callable[[], object]) -> None:
    for _ in range(_TRIES):
        with contextlib.suppress(Error):  # too early, or too late
            cancel()
        if ended.wait(_AGAIN_SECONDS):
            return
