"""A client of the wire in as few lines as possible: it sends what it is told, in any order, and hides nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import grpc
import pyarrow as pa

from checks.reference.chunk import decode_chunk, probe_chunk
from checks.reference.metadata import parse_metadata
from checks.reference.response import Response, parse_response
from e6data_adbc import _schemas
from e6data_adbc._wire import cluster_pb2
from e6data_adbc._wire import e6x_engine_pb2 as pb
from e6data_adbc.local import LocalEngine

SERVICES = {
    "QueryEngineService": pb,
    "ClusterService": cluster_pb2,
}


class Wire:
    """Calls methods of an engine by name; fields are keyword arguments, `headers` the metadata."""

    def __init__(self, engine: LocalEngine, **headers: str) -> None:
        self.engine = engine
        self.headers = headers
        self.session_id = ""
        self._channel = grpc.insecure_channel(
            engine.target,
            options=[
                ("grpc.max_receive_message_length", -1),
                # What another client learned about an engine that was down must not hold this one back.
                ("grpc.use_local_subchannel_pool", 1),
            ],
        )

    def __enter__(self) -> Wire:  # noqa: PYI034
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def sign_in(self) -> Wire:
        answer = self.call("authenticate", user=self.engine.user, password=self.engine.token)
        self.session_id = answer.sessionId
        return self

    def start(
        self,
        method: str,
        *,
        service: str = "QueryEngineService",
        headers: dict[str, str] | None = None,
        raw: bool = False,
        **fields: Any,
    ) -> Any:
        """Sends a call; returns its future."""
        module = SERVICES[service]
        described = module.DESCRIPTOR.services_by_name[service].methods_by_name[method]
        request = getattr(module, described.input_type.name)(**fields)
        response = getattr(module, described.output_type.name)
        send = self._channel.unary_unary(
            f"/{service}/{method}",
            response_deserializer=None if raw else response.FromString,
        )
        metadata = {**self.headers, **(headers or {})}
        return send.future(request.SerializeToString(), metadata=list(metadata.items()), timeout=30)

    def call(self, method: str, **rest: Any) -> Any:
        """Returns the response of a call; with `raw=True` its bytes."""
        return self.start(method, **rest).result()

    def cluster(self, method: str, **rest: Any) -> str:
        """Returns what the cluster service says."""
        rest = {"user": self.engine.user, "password": self.engine.token, **rest}
        return str(self.call(method, service="ClusterService", **rest).status)

    def ask(self, method: str, **fields: Any) -> Any:
        """Returns the response of a call with the session."""
        return self.call(method, sessionId=self.session_id, **fields)

    def prepare(self, sql: str, catalog: str = "sample", schema: str = "sales") -> Query:
        """Returns a prepared query."""
        answer = self.ask("prepareStatementV2", queryString=sql, catalog=catalog, schema=schema)
        return Query(self, answer)

    def run(self, sql: str, **rest: Any) -> Query:
        """Returns an executed query."""
        query = self.prepare(sql, **rest)
        query.execute()
        return query

    def select(self, sql: str, version: int = 1, **rest: Any) -> pa.Table:
        """Returns the whole result of a query, which is cleared."""
        query = self.run(sql, **rest)
        try:
            return query.read(version)
        finally:
            query.clear()


class Query:
    """A prepared query and the calls about it."""

    def __init__(self, wire: Wire, answer: Any) -> None:
        self.wire = wire
        self.query_id = answer.queryId
        self.engine_ip = answer.engineIP
        self.session_id = answer.sessionId or wire.session_id

    @property
    def record(self) -> Any:
        return self.wire.engine.ledger.query(self.query_id)

    def start(self, method: str, **rest: Any) -> Any:
        headers = {"plannerip": self.engine_ip, **rest.pop("headers", {})}
        fields = {
            "engineIP": self.engine_ip,
            "sessionId": self.session_id,
            "queryId": self.query_id,
            **rest,
        }
        return self.wire.start(method, headers=headers, **fields)

    def call(self, method: str, **rest: Any) -> Any:
        return self.start(method, **rest).result()

    def execute(self, **rest: Any) -> None:
        self.call("executeStatementV2", **rest)

    def metadata(self) -> tuple[int, list[tuple[str, str, str, str]]]:
        parsed = parse_metadata(self.call("getResultMetadata").resultMetaData)
        return parsed.row_count, [dataclasses.astuple(column) for column in parsed.columns]

    def fetch(self, version: int = 1) -> Response:
        method = "getNextResultBatch" if version == 1 else "getNextResultBatchV2"
        return parse_response(self.call(method, raw=True), version)

    def chunks(self, version: int = 1) -> Iterator[bytes]:
        """Yields the chunks until the end."""
        while True:
            response = self.fetch(version)
            yield from response.chunks
            if response.end_of_stream:
                return

    def read(self, version: int = 1) -> pa.Table:
        _, columns = self.metadata()
        schema = None
        batches = []
        for chunk in self.chunks(version):
            if schema is None:
                _, shapes = probe_chunk(chunk)
                schema = _schemas.result_schema(columns, shapes)
                plain = pa.schema([pa.field(field.name, field.type) for field in schema])
            batches.append(decode_chunk(chunk, plain).to_arrow(plain))
        return pa.Table.from_batches(batches)

    def cancel(self) -> None:
        self.call("cancelQuery")

    def clear(self) -> None:
        self.call("clearOrCancelQuery")


def refused(future: Any) -> tuple[str, str]:
    """Returns code name and text of a call that must fail."""
    error = future.exception()
    assert error is not None, f"answered {future.result()!r}"
    return error.code().name, error.details()
