"""Databases of the driver without the driver manager: on a scripted engine, on a real one, or on any."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e6data_adbc._driver import Database, open_database
from e6data_adbc._driver.connection import Connection
from e6data_adbc.local import LocalEngine
from tests.support.scripted import (
    ScriptedEngine,
)


@pytest.fixture
def scripted_engine() -> Iterator[ScriptedEngine]:
    """A scripted engine; fails the test if a call came without a deadline."""
    with ScriptedEngine() as running:
        yield running


@pytest.fixture
def open_db() -> Iterator[Callable[..., Database]]:
    """Opens databases and closes them."""
    opened: list[Database] = []

    def open_one(uri: str, **options: Any) -> Database:
        known = {name.replace("__", "."): value for name, value in options.items()}
        opened.append(open_database({"uri": uri, **known}))
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture
def connect_scripted(
    scripted_engine: ScriptedEngine, open_db: Callable[..., Database]
) -> Callable[..., Connection]:
    """Opens connections to the scripted engine; keyword arguments are short names of options in the URI."""

    def open_one(**query: Any) -> Connection:
        text = "&".join(f"{name}={value}" for name, value in query.items())
        return open_db(f"{scripted_engine.uri}?{text}" if text else scripted_engine.uri).connect({})

    return open_one


@pytest.fixture(scope="module")
def shared_engine() -> Iterator[LocalEngine]:
    with LocalEngine(token="t") as running:
        yield running


@pytest.fixture
def quiet_engine(shared_engine: LocalEngine) -> Iterator[LocalEngine]:
    """A real engine without faults; no query may be left on it."""
    yield shared_engine
    shared_engine.faults.clear()
    assert [record.query_id for record in shared_engine.ledger.open_queries] == []


@pytest.fixture
def quiet_connection(quiet_engine: LocalEngine, open_db: Callable[..., Database]) -> Connection:
    """A connection to the real engine."""
    return open_db(quiet_engine.uri).connect({})


@pytest.fixture
def cluster_engine() -> Iterator[LocalEngine]:
    """An engine whose life is the test's; sessions of one user may share queries."""
    with LocalEngine(token="t", share_queries=True, chunk_rows=100) as running:
        yield running
