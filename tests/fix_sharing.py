"""An engine whose sessions may read each other's results, and connections to it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from adbc_driver_manager import dbapi

from e6data_adbc import _native
from e6data_adbc.local import LocalEngine
from tests.support.canary import CANARIES
from tests.support.partitioned import (
    ELSEWHERE,
    Connect,
)


@pytest.fixture(scope="module")
def sharing_engine_of_module() -> Iterator[LocalEngine]:
    """The engine of one module."""
    with LocalEngine(share_queries=True, chunk_rows=100) as engine:
        CANARIES.watch("the engine's token", engine.token)
        yield engine


@pytest.fixture
def sharing_engine(sharing_engine_of_module: LocalEngine) -> Iterator[LocalEngine]:
    """The engine, on which no query may be left."""
    yield sharing_engine_of_module
    sharing_engine_of_module.faults.clear()
    assert [record.sql for record in sharing_engine_of_module.ledger.open_queries] == []


@pytest.fixture
def start_engine() -> Iterator[Callable[..., LocalEngine]]:
    """Starts engines of one test."""
    with contextlib.ExitStack() as started:
        yield lambda **config: started.enter_context(LocalEngine(**config))


@pytest.fixture
def connect_plain(start_engine: Callable[..., LocalEngine]) -> Iterator[Connect]:
    """Opens connections of the plain driver manager, and closes them before the engines stop."""
    with contextlib.ExitStack() as opened:

        def open_one(uri: str, options: dict[str, Any] | None = None, **conn_kwargs: Any) -> Any:
            return opened.enter_context(
                dbapi.connect(
                    driver=_native.__file__,
                    entrypoint="AdbcDriverE6dataInit",
                    db_kwargs={"uri": uri, **(options or {})},
                    conn_kwargs=conn_kwargs,
                    autocommit=True,
                )
            )

        yield open_one


@pytest.fixture
def here(sharing_engine: LocalEngine, connect_plain: Connect) -> Any:
    """A connection that makes partitions."""
    return connect_plain(sharing_engine.uri)


@pytest.fixture
def there(sharing_engine: LocalEngine, connect_plain: Connect) -> Any:
    """A connection in another session of the same user, as another process has it."""
    return connect_plain(sharing_engine.uri, ELSEWHERE)
