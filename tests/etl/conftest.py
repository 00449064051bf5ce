"""Destinations of each kind for tests of loads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.etl import places, postgres_server
from tests.etl.places import Place


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server that the session's tests share."""
    with postgres_server.running() as url:
        yield url


@pytest.fixture(params=["sqlite", "duckdb", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty destination of each kind."""
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    return places.make(request.param, tmp_path, server)
