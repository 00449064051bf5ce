"""A query that also keeps what the server answered, byte by byte."""

from __future__ import annotations

from typing import Any

from e6data_adbc._driver.query.query import Query
from e6data_adbc._driver.query.query_handle import QueryHandle
from e6data_adbc._driver.workspace import Workspace
from e6data_adbc._session.beginning import NOT_BEGUN, Beginning
from e6data_adbc._transport.scope import Scope
from e6data_adbc._wire import e6x_engine_pb2 as wire

__all__ = ["RecordedQuery"]


class _RecordingHandle(QueryHandle):
    """As `QueryHandle`; `metadata` and `chunks` hold the bytes that came."""

    def __init__(self, handle: QueryHandle) -> None:
        self.__dict__.update(handle.__dict__)
        self.metadata = b""
        self.chunks: list[bytes] = []

    def call(self, *arguments: Any, **named: Any) -> Any:
        response = super().call(*arguments, **named)
        if isinstance(response, wire.GetResultMetadataResponse):
            self.metadata = response.resultMetaData
        return response

    def begin_result(self, *_: Any, **__: Any) -> Beginning:
        """Returns nothing: each response is kept."""
        return NOT_BEGUN

    def course(self, *_: Any) -> None:
        """Returns None: each response is kept."""

    def fetch(self, *arguments: Any) -> bytes:
        response = super().fetch(*arguments)
        self.chunks.append(wire.GetNextResultBatchResponse.FromString(response).resultBatch)
        return response


class RecordedQuery(Query):
    """As `Query`, over the V1 protocol; `metadata` and `chunks` hold the bytes that came."""

    def __init__(self, handle: QueryHandle, workspace: Workspace, scope: Scope) -> None:
        self._recording = _RecordingHandle(handle)
        super().__init__(self._recording, workspace, scope)

    @property
    def metadata(self) -> bytes:
        """The result metadata."""
        return self._recording.metadata

    @property
    def chunks(self) -> list[bytes]:
        """The chunks, in order; an end marker is empty."""
        return self._recording.chunks
