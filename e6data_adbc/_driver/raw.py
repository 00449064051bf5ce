"""A query that also keeps what the server answered, byte by byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e6data_adbc._driver.query import Query
from e6data_adbc._session.effort import Effort
from e6data_adbc._session.manager import Begun
from e6data_adbc._transport import calls
from e6data_adbc._transport.calls import Method
from e6data_adbc._wire import e6x_engine_pb2 as wire

__all__ = ["RawQuery"]


class RawQuery(Query):
    """As `Query`, over the V1 protocol; `metadata` and `chunks` hold the bytes that came."""

    metadata: bytes = b""

    def __init__(self, *arguments: Any) -> None:
        self.chunks: list[bytes] = []
        super().__init__(*arguments)

    def _call(
        self,
        method: Method[calls.Q, calls.R],
        request: Callable[[], calls.Q],
        verb: str,
        effort: Effort,
        begun: Begun[calls.R] | None = None,
        arrived: Callable[[], None] | None = None,
    ) -> calls.R:
        response = super()._call(method, request, verb, effort, begun, arrived)
        if isinstance(response, wire.GetResultMetadataResponse):
            self.metadata = response.resultMetaData
        elif isinstance(response, bytes):
            self.chunks.append(wire.GetNextResultBatchResponse.FromString(response).resultBatch)
        return response
