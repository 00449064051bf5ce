"""A scripted engine and a real one, and databases on both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from e6data_adbc import _native, errors
from e6data_adbc._driver import Database, open_database
from e6data_adbc._driver.connection import Connection
from e6data_adbc._driver.query.query import Query
from e6data_adbc._driver.results.repeated_query import RepeatedQuery
from e6data_adbc._driver.statement import Statement
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.local import LocalEngine
from tests.transport.fake_server import FakeServer

LONG, STRING, DECIMAL = 6, 7, 16
QUERY_ID = "adbc.e6data.statement.query_id"


class ScriptedEngine(FakeServer):
    """A server on which one query works: `q-1`, a column `n` of LONG; tests change single answers."""

    def __init__(self, *options: tuple[str, Any]) -> None:
        super().__init__(options=options)
        self.answer("authenticate", wire.AuthenticateResponse(sessionId="s-1"))
        prepared = wire.PrepareStatementResponse(queryId="q-1", engineIP="10.0.0.1")
        self.answer("prepareStatement", prepared)
        self.answer("prepareStatementV2", prepared)
        self.answer("executeStatement", wire.ExecuteStatementResponse())
        self.answer("executeStatementV2", wire.ExecuteStatementResponse())
        self.answer("getResultMetadata", metadata(("n", "LONG")))
        self.answer("getNextResultBatch", v1(chunk(3)), v1(chunk(2)), v1())
        self.answer("clearOrCancelQuery", wire.ClearOrCancelQueryResponse())

    @property
    def uri(self) -> str:
        return f"e6data://me:token@127.0.0.1:{self.port}/c/s"


def metadata(*columns: tuple[str, str], rows: int = -1) -> wire.GetResultMetadataResponse:
    """Returns result metadata for columns of name and type."""
    data = _native.encode_metadata(rows, [(name, kind, "", "") for name, kind in columns])
    return wire.GetResultMetadataResponse(resultMetaData=data)


def chunk(rows: int, column: pa.Array | None = None, vector: int = LONG) -> bytes:
    """Returns a chunk with one column, by default of LONG."""
    array = pa.array(range(rows), pa.int64()) if column is None else column
    return _native.encode_chunk(pa.record_batch({"n": array}), [vector], constants=False)


def v1(data: bytes = b"", **more: Any) -> bytes:
    """Returns a V1 response with a chunk, or the one that ends the result."""
    return _native.encode_response([data] if data else [], version=1, **more)


def v2(*chunks: bytes, end: bool = False, **more: Any) -> bytes:
    """Returns a V2 response."""
    return _native.encode_response(list(chunks), version=2, end_of_stream=end, **more)


def rows_of(result: Query | RepeatedQuery) -> list[int]:
    """Reads *result* to its end; returns the number of rows of each chunk."""
    found = []
    while (response := result.next_response()) is not None:
        found += [rows for rows, _ in response.probe()]
    return found


@pytest.fixture
def server() -> Iterator[ScriptedEngine]:
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
def connect(server: ScriptedEngine, open_db: Callable[..., Database]) -> Callable[..., Connection]:
    """Opens connections to the scripted engine; keyword arguments are short names of options in the URI."""

    def open_one(**query: Any) -> Connection:
        text = "&".join(f"{name}={value}" for name, value in query.items())
        return open_db(f"{server.uri}?{text}" if text else server.uri).connect({})

    return open_one


def statement_of(connection: Connection, sql: str = "select n from t") -> Statement:
    """Returns a statement with a text."""
    statement = connection.statement()
    statement.set_sql_query(sql)
    return statement


@pytest.fixture(scope="module")
def shared_engine() -> Iterator[LocalEngine]:
    with LocalEngine(token="t") as running:
        yield running


@pytest.fixture
def engine(shared_engine: LocalEngine) -> Iterator[LocalEngine]:
    """A real engine without faults; no query may be left on it."""
    yield shared_engine
    shared_engine.faults.clear()
    assert [record.query_id for record in shared_engine.ledger.open_queries] == []


@pytest.fixture
def local(engine: LocalEngine, open_db: Callable[..., Database]) -> Connection:
    """A connection to the real engine."""
    return open_db(engine.uri).connect({})


@pytest.fixture
def cluster_engine() -> Iterator[LocalEngine]:
    """An engine whose life is the test's; sessions of one user may share queries."""
    with LocalEngine(token="t", share_queries=True, chunk_rows=100) as running:
        yield running


def error_of(action: Callable[[], object]) -> errors.Error:
    """Returns the error that *action* raises."""
    with pytest.raises(errors.Error) as caught:
        action()
    return caught.value
