"""The end of a run that Polars has let go of."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Final

import polars as pl

__all__ = ["noticed"]

#: Seconds until it is noticed, at most.
_LOOK: Final = 0.2


@contextlib.contextmanager
def noticed() -> Iterator[None]:
    """Makes a generator end soon after Polars has dropped it; for use in that generator.

    What Polars drops on a thread that does not hold the interpreter's lock is only released when Python next calls
    Polars (1.35 to 2.1, as pyo3 does it). A program that does something else would so keep the query on the server. A
    thread calls Polars until the generator is at its end; it is then this thread, perhaps, that closes it.
    """
    over = threading.Event()
    thread = threading.Thread(target=_call, args=(over,), name="e6data-scan", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


def _call(over: threading.Event) -> None:
    while not over.wait(_LOOK):
        pl.thread_pool_size()
