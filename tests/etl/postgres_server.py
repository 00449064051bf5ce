"""The servers of a test session."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from checks import postgres_server
from checks.postgres_server import Server

__all__ = ["Server", "running"]


@contextlib.contextmanager
def running(
    make: Callable[[], AbstractContextManager[Server]] = postgres_server.running,
) -> Iterator[Server]:
    """Yields a fresh server that *make* starts; skips where there can be none."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(make())
        except postgres_server.UnavailableError as cause:
            pytest.skip(str(cause))
        yield server
