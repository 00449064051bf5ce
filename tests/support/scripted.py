"""A scripted engine on which one query works, and what it answers with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from e6data_adbc import _native, errors
from e6data_adbc._driver.connection import Connection
from e6data_adbc._driver.query.query import Query
from e6data_adbc._driver.results.repeated_query import RepeatedQuery
from e6data_adbc._driver.statement import Statement
from e6data_adbc._wire import e6x_engine_pb2 as wire
from tests.support.fake_server import FakeServer

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


def statement_of(connection: Connection, sql: str = "select n from t") -> Statement:
    """Returns a statement with a text."""
    statement = connection.statement()
    statement.set_sql_query(sql)
    return statement


def error_of(action: Callable[[], object]) -> errors.Error:
    """Returns the error that *action* raises."""
    with pytest.raises(errors.Error) as caught:
        action()
    return caught.value
