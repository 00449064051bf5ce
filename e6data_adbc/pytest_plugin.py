"""Fixtures for pytest: a local engine, and for each test a catalog, a URI and a connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import adbc_driver_manager.dbapi

    from e6data_adbc.local import LocalEngine
    from e6data_adbc.local.faults import Faults

# pytest loads this module in every project where the package is installed: nothing heavy may be imported up here.


@pytest.fixture(scope="session")
def e6data_settings() -> dict[str, Any]:
    """The engine's settings, by the names of `e6data_adbc.local.EngineConfig`; override it in a `conftest.py`."""
    return {}


@pytest.fixture(scope="session")
def e6data_engine(e6data_settings: dict[str, Any]) -> Iterator[LocalEngine]:
    """A running local engine, one for all tests of a process."""
    from e6data_adbc.local import LocalEngine

    with LocalEngine(**e6data_settings) as engine:
        yield engine


@pytest.fixture
def e6data_tables() -> dict[str, Any]:
    """Arrow data by table name that a test's catalog begins with; override it where tests need some."""
    return {}


@pytest.fixture
def e6data_catalog(e6data_engine: LocalEngine, e6data_tables: dict[str, Any]) -> Iterator[str]:
    """The name of a catalog that only this test has; it may be written to and is gone afterwards."""
    from e6data_adbc.testing import isolated_catalog

    with isolated_catalog(e6data_engine, e6data_tables) as name:
        yield name


@pytest.fixture
def e6data_uri(e6data_engine: LocalEngine, e6data_catalog: str) -> str:
    """The URI of the engine, with the test's own catalog as the default."""
    return e6data_engine.uri_for(e6data_catalog)


@pytest.fixture
def e6data_connection(e6data_uri: str) -> Iterator[adbc_driver_manager.dbapi.Connection]:
    """An open connection to the test's own catalog; it is closed afterwards."""
    import e6data_adbc

    with e6data_adbc.connect(e6data_uri) as connection:
        yield connection


@pytest.fixture
def e6data_switch(e6data_engine: LocalEngine) -> Iterator[Callable[..., str]]:
    """`LocalEngine.switch`: call it to deploy the other colour; the one from before is back afterwards."""
    active = e6data_engine.strategy
    yield e6data_engine.switch
    e6data_engine.switch_every()
    e6data_engine.switch(active, drain=True)


@pytest.fixture
def e6data_faults(e6data_engine: LocalEngine) -> Iterator[Faults]:
    """The engine's plan of faults; it is empty afterwards."""
    yield e6data_engine.faults
    e6data_engine.faults.clear()
    e6data_engine.faults.decide = None
