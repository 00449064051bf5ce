"""An engine whose sessions may read each other's results, connections to it, and a folder for claims."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from adbc_driver_manager import AdbcStatusCode, dbapi

import e6data_adbc
from e6data_adbc import _native
from e6data_adbc._driver.partitions.ticket import TicketKey, key_of
from e6data_adbc._options.database_config import DatabaseConfig
from e6data_adbc.local import LocalEngine
from tests.canary import CANARIES
from tests.connection.conftest import open_db, server  # noqa: F401 - fixtures

ON = "adbc.e6data.partition.on"
BOUNDS = "adbc.e6data.partition.bounds"
COUNT = "adbc.e6data.partition.count"
#: Of no effect without TLS, but an endpoint is another one with it, and so has sessions of its own.
ELSEWHERE = {"adbc.e6data.tls.tls_server_name": "elsewhere"}

#: Opens connections as the driver manager does, with options of the database.
Connect = Callable[..., Any]


@pytest.fixture(autouse=True)
def claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the claims of one test are."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "e6data" / "claims"


@pytest.fixture(scope="module")
def running() -> Iterator[LocalEngine]:
    """The engine of one module."""
    with LocalEngine(share_queries=True, chunk_rows=100) as engine:
        CANARIES.watch("the engine's token", engine.token)
        yield engine


@pytest.fixture
def engine(running: LocalEngine) -> Iterator[LocalEngine]:
    """The engine, on which no query may be left."""
    yield running
    running.faults.clear()
    assert [record.sql for record in running.ledger.open_queries] == []


@pytest.fixture
def start() -> Iterator[Callable[..., LocalEngine]]:
    """Starts engines of one test."""
    with contextlib.ExitStack() as started:
        yield lambda **config: started.enter_context(LocalEngine(**config))


@pytest.fixture
def connect(start: Callable[..., LocalEngine]) -> Iterator[Connect]:
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
def here(engine: LocalEngine, connect: Connect) -> Any:
    """A connection that makes partitions."""
    return connect(engine.uri)


@pytest.fixture
def there(engine: LocalEngine, connect: Connect) -> Any:
    """A connection in another session of the same user, as another process has it."""
    return connect(engine.uri, ELSEWHERE)


def partitions_of(connection: Any, sql: str, **options: Any) -> tuple[list[bytes], Any]:
    """Returns partitions and schema of a query; options by the last parts of their keys."""
    keys = {f"adbc.e6data.partition.{name}": str(value) for name, value in options.items()}
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**keys)
        found: tuple[list[bytes], Any] = cursor.adbc_execute_partitions(sql)
    return found


def table_of(connection: Any, partition: bytes) -> Any:
    """Returns the rows of a partition."""
    with connection.cursor() as cursor:
        cursor.adbc_read_partition(partition)
        return cursor.fetch_arrow_table()


def refusal(action: Callable[[], object]) -> tuple[AdbcStatusCode, str]:
    """Returns status and text of the error that *action* raises."""
    with pytest.raises(e6data_adbc.Error) as caught:
        action()
    return caught.value.status_code, str(caught.value)


def key_to(uri: str, **options: Any) -> TicketKey:
    """Returns the key of tickets that a database with this URI has."""
    return key_of(DatabaseConfig.from_options({"uri": uri, **options}, environment={}))[0]
