"""A query that also keeps what the server answered, byte by byte."""

from __future__ import annotations

from typing import Any

from e6data_adbc._driver.query.query import Query
from e6data_adbc._driver.query.query_handle import QueryCalls
from e6data_adbc._wire import e6x_engine_pb2 as wire

__all__ = ["RawQuery"]


class _KeptCalls(QueryCalls):
    """As `QueryCalls`; `metadata` and `chunks` hold the bytes that came."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.metadata = b""
        self.chunks: list[bytes] = []

    def call(self, *arguments: Any, **named: Any) -> Any:
        response = super().call(*arguments, **named)
        if isinstance(response, wire.GetResultMetadataResponse):
            self.metadata = response.resultMetaData
        return response

    def fetch(self, *arguments: Any) -> bytes:
        response = super().fetch(*arguments)
        self.chunks.append(wire.GetNextResultBatchResponse.FromString(response).resultBatch)
        return response


class RawQuery(Query):
    """As `Query`, over the V1 protocol; `metadata` and `chunks` hold the bytes that came."""

    _asking = _KeptCalls
    _calls: _KeptCalls

    @property
    def metadata(self) -> bytes:
        """The result metadata."""
        return self._calls.metadata

    @property
    def chunks(self) -> list[bytes]:
        """The chunks, in order; an end marker is empty."""
        return self._calls.chunks
