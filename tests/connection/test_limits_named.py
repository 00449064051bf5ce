"""Deadlines that pass: the error names the option that was the shortest, whichever call it ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from e6data_adbc import dbapi
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine
from e6data_adbc.options import DatabaseOptions

pytestmark = pytest.mark.seconds

TOTAL = DatabaseOptions.TOTAL_TIMEOUT
SIGN_IN = DatabaseOptions.AUTHENTICATE_TIMEOUT
PREPARE = DatabaseOptions.PREPARE_TIMEOUT
EXECUTE = DatabaseOptions.EXECUTE_TIMEOUT
METADATA = DatabaseOptions.METADATA_TIMEOUT
FETCH = DatabaseOptions.FETCH_TIMEOUT


def execute(connection: dbapi.Connection) -> object:
    """Runs a query."""
    return connection.cursor().execute("select 1").fetchall()


def list_objects(connection: dbapi.Connection) -> object:
    """Lists all that there is."""
    return connection.adbc_get_objects().read_all()


@pytest.mark.parametrize(
    ("method", "option", "call"),
    [
        ("authenticate", SIGN_IN, execute),
        ("authenticate", PREPARE, execute),
        ("authenticate", TOTAL, execute),
        ("authenticate", METADATA, list_objects),
        ("prepareStatementV2", PREPARE, execute),
        ("prepareStatementV2", TOTAL, execute),
        ("executeStatementV2", EXECUTE, execute),
        ("getResultMetadata", METADATA, execute),
        ("getResultMetadata", TOTAL, execute),
        ("getNextResultBatch", FETCH, execute),
        ("getCataloges", METADATA, list_objects),
        ("getCataloges", TOTAL, list_objects),
    ],
)
@pytest.mark.parametrize("transport", ["native", "grpc"])
def test_the_shortest_limit_is_named(
    method: str, option: DatabaseOptions, call: Callable[[Any], object], transport: str
) -> None:
    """To raise another one would help nobody."""
    options = {option.value: 0.3, DatabaseOptions.TRANSPORT.value: transport}
    with LocalEngine() as engine:
        engine.faults.delay(method, gate=threading.Event(), times=None)
        with dbapi.connect(engine.uri, db_kwargs=options) as connection:
            with pytest.raises(dbapi.OperationalError) as caught:
                call(connection)

    assert caught.value.status_code == Status.TIMEOUT
    assert f"raise {option.value}" in str(caught.value)
