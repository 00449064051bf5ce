"""A connection whose names belong to the catalog that can be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import e6data_adbc
from e6data_adbc.local import LocalEngine

SCRATCH = {"adbc.connection.catalog": "scratch", "adbc.connection.db_schema": "main"}


@pytest.fixture(scope="module")
def writable() -> Iterator[LocalEngine]:
    """An engine for one module, whose scratch catalog the tests write to."""
    with LocalEngine() as engine:
        yield engine


@pytest.fixture
def scratch(writable: LocalEngine) -> Iterator[Any]:
    """A connection in `scratch`.`main`; no query may be left behind."""
    with e6data_adbc.connect(writable.uri, conn_kwargs=SCRATCH) as connection:
        yield connection
    assert [record.query_id for record in writable.ledger.open_queries] == []


@pytest.fixture
def cursor(scratch: Any) -> Iterator[Any]:
    """A cursor in `scratch`.`main`, whose tables are dropped after the test."""
    with scratch.cursor() as cursor:
        yield cursor
    with scratch.cursor() as cleaner:
        cleaner.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_catalog = 'scratch'"
        )
        for (name,) in cleaner.fetchall():
            quoted = name.replace('"', '""')
            cleaner.execute(f'DROP TABLE "{quoted}"')


Rows = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def rows(cursor: Any) -> Rows:
    """Runs a query and returns its rows."""

    def read(sql: str) -> list[tuple[Any, ...]]:
        cursor.execute(sql)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

    return read
