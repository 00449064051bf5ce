"""Waiting for the server in a way that signals can interrupt, and that stops the server when they do."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from e6data_adbc.errors import Error

__all__ = ["call"]

T = TypeVar("T")

_LOOK: Final = 0.1
#: Seconds to wait for a call that was cancelled.
_PATIENCE: Final = 15.0


def call(function: Callable[[], T], cancel: Callable[[], None], tick: Callable[[], None]) -> T:
    """Returns what *function* returns, having run it in a thread.

    The main thread stays in Python, where it sees Ctrl-C at once; the driver manager's own handler would turn it into
    an error like any other.

    Args:
        function: Blocks.
        cancel: Makes it end, from another thread; raises an `Error` when it has not begun or is over.
        tick: Called every now and then meanwhile.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(function())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            failure.append(error)

    thread = threading.Thread(target=run, name="e6data-call", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_LOOK)
            tick()
    except BaseException:
        for _ in range(int(_PATIENCE / _LOOK)):
            if not thread.is_alive():
                break
            with contextlib.suppress(Error):
                cancel()
            thread.join(_LOOK)
        raise
    if failure:
        raise failure[0]
    return outcome[0]
