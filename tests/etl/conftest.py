"""Destinations of each kind for tests of loads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from checks import mariadb_server, redis_server
from tests.etl import places, postgres_server
from tests.etl.file_folders import FORMAT_NAMES
from tests.etl.places import Place
from tests.etl.postgres_server import Server


@pytest.fixture(scope="session")
def postgres_process() -> Iterator[Server]:
    """A PostgreSQL server that the session's tests share."""
    with postgres_server.running() as server:
        yield server


@pytest.fixture(scope="session")
def postgres(postgres_process: Server) -> str:
    """Its URL."""
    return postgres_process.url


@pytest.fixture(scope="session")
def mariadb_process() -> Iterator[Server]:
    """A MariaDB server that the session's tests share."""
    with postgres_server.running(mariadb_server.running) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb(mariadb_process: Server) -> str:
    """Its URL."""
    return mariadb_process.url


@pytest.fixture(scope="session")
def redis_process() -> Iterator[Server]:
    """A Redis server that the session's tests share."""
    with postgres_server.running(redis_server.running) as server:
        yield server


@pytest.fixture
def redis_url(redis_process: Server) -> str:
    """The URL of its database 0, which is empty."""
    with redis.Redis.from_url(redis_process.url) as client:
        client.flushdb()
    return redis_process.url


@pytest.fixture(params=["sqlite", "duckdb", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty destination of each kind."""
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    return places.make(request.param, tmp_path, server)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A place for a destination that is a folder; it is not there."""
    return tmp_path / "out"


@pytest.fixture(params=FORMAT_NAMES)
def kind(request: pytest.FixtureRequest) -> str:
    """A format of files."""
    return request.param  # type: ignore[no-any-return]
