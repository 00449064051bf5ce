"""A connection whose names belong to the catalog that can be written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import e6data_adbc
from e6data_adbc.local import LocalEngine
from tests.support.scratch import SCRATCH, Rows


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
def scratch_cursor(scratch: Any) -> Iterator[Any]:
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


@pytest.fixture
def scratch_rows(scratch_cursor: Any) -> Rows:
    """Runs a query and returns its rows."""

    def read(sql: str) -> list[tuple[Any, ...]]:
        scratch_cursor.execute(sql)
        found: list[tuple[Any, ...]] = scratch_cursor.fetchall()
        return found

    return read
