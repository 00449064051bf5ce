"""A line of progress under the cell of a notebook while its result is on the way."""

from __future__ import annotations

import contextlib
import html
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from e6data_adbc import errors

__all__ = ["showing_progress"]

#: Seconds before the line appears, and between two changes of it.
_GRACE: Final = 1.0
_PERIOD: Final = 0.25


@contextlib.contextmanager
def showing_progress(cursor: Any, grace: float = _GRACE) -> Iterator[None]:
    """Shows how many rows have come while the block runs, if it takes long, in a notebook and nowhere else.

    Args:
        cursor: Whose result is fetched.
        grace: Seconds before the line appears.
    """
    display = _display()
    if display is None:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(
        target=_run, args=(cursor, display, stop, grace), name="e6data-progress", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _display() -> Any:
    """Returns IPython's displaying functions where this process is a notebook's kernel, else None."""
    ipython = sys.modules.get("IPython")
    if ipython is None or "ipykernel" not in sys.modules:
        return None
    shell = ipython.get_ipython()
    if shell is None or getattr(shell, "kernel", None) is None:
        return None
    from importlib import import_module

    return import_module("IPython.display")


def _run(cursor: Any, display: Any, stop: threading.Event, grace: float) -> None:
    started = time.monotonic()
    if stop.wait(grace):
        return
    line = display.display(display.HTML(_text(cursor, started)), display_id=True)
    while not stop.wait(_PERIOD):
        line.update(display.HTML(_text(cursor, started)))
    line.update(display.HTML(""))


def _text(cursor: Any, started: float) -> str:
    spent = f"{time.monotonic() - started:.0f} s"
    try:
        delivered, announced = cursor.progress()
    except errors.Error:  # between two queries
        return html.escape(f"running  {spent}")
    if announced:
        share = min(delivered / announced, 1)
        return (
            f'<progress value="{share:.3f}"></progress> '
            f"{share:.0%}, {delivered:,} of {announced:,} rows, {spent}"
        )
    return html.escape(f"{delivered:,} rows, {spent}")
