"""The PostgreSQL server of a test session."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from checks import postgres_server
from checks.postgres_server import Server

__all__ = ["Server", "running"]


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Yields a fresh server; skips where there can be none."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(postgres_server.running())
        except postgres_server.UnavailableError as cause:
            pytest.skip(str(cause))
        yield server
