"""What tests of a suite look up outside of the driver, looked up in the local engine."""

from __future__ import annotations

import pytest
import stranger_engine

#: In the report of a test: how many connections it asked for.
CONNECTIONS = "connections"
_BEFORE = pytest.StashKey[int]()


@pytest.fixture(autouse=True)
def _read_what_was_written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests of Polars read the SQLite file by SQLAlchemy to see what they wrote; here it is not in the file."""
    if hasattr(request.module, "_read_via_uri"):
        import polars as pl

        monkeypatch.setattr(
            request.module,
            "_read_via_uri",
            lambda query, uri: pl.read_database_uri(query, uri, engine="adbc"),
        )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Notes how many connections there were before the test."""
    item.stash[_BEFORE] = stranger_engine.opened()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Puts into the report how many it opened: one that opens none is no test of the driver."""
    count = stranger_engine.opened() - item.stash[_BEFORE]
    item.user_properties.append((CONNECTIONS, count))
