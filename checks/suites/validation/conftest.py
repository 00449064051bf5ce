"""The fixtures of the validation suite, and a local engine for all its tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from adbc_drivers_validation import model
from adbc_drivers_validation.tests.conftest import (  # noqa: F401 - pytest finds them here
    conn,
    conn_factory,
    db_kwargs,
    manual_test,
    noci,
    pytest_addoption,
    pytest_collection_modifyitems,
)
from e6data_quirks import QUIRKS

import e6data_adbc
from e6data_adbc.local import LocalEngine


@pytest.fixture(scope="session", autouse=True)
def _engine() -> Iterator[None]:
    with LocalEngine() as engine:
        engine.add_catalog("second")
        uri = os.environ["E6DATA_URI"] = engine.uri_for("scratch")
        with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA other")
        yield


@pytest.fixture(scope="session")
def driver(request: pytest.FixtureRequest) -> model.DriverQuirks:
    """The driver under test."""
    del request
    return QUIRKS[0]


@pytest.fixture(scope="session")
def driver_path() -> str:
    """How the driver manager finds it: by its name."""
    return "e6data"
