"""What tests of a suite look up outside of the driver, looked up in the local engine."""

from __future__ import annotations

import pytest


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
