"""What each method of the two services does."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from e6data_adbc._wire import cluster_pb2
from e6data_adbc._wire import e6x_engine_pb2 as pb
from e6data_adbc.local import refusal
from e6data_adbc.local.codec import Codec
from e6data_adbc.local.config import EngineConfig
from e6data_adbc.local.deployment import Deployment
from e6data_adbc.local.engine import Database, SqlError
from e6data_adbc.local.faults import Faults
from e6data_adbc.local.ledger import Ledger, QueryRecord
from e6data_adbc.local.queries import Queries
from e6data_adbc.local.query import Query
from e6data_adbc.local.rpc import Call, Function
from e6data_adbc.local.sessions import Session, Sessions
from e6data_adbc.local.workers import Workers

__all__ = ["Service"]


class Service:
    """The engine's answers; any thread may call. Order of calls is the query's business, admission the gate's."""

    def __init__(
        self,
        config: EngineConfig,
        database: Database,
        deployment: Deployment,
        sessions: Sessions,
        queries: Queries,
        ledger: Ledger,
        faults: Faults,
        codec: Codec,
        workers: Workers,
        planners: dict[str, str],
    ) -> None:
        self._config = config
        self._database = database
        self._deployment = deployment
        self._sessions = sessions
        self._queries = queries
        self._ledger = ledger
        self._faults = faults
        self._codec = codec
        self._workers = workers
        self._planners = planners

    def functions(self) -> dict[str, Function]:
        """Returns the function of each method that is really answered."""
        return {
            "authenticate": self._authenticate,
            "prepareStatement": self._prepare,
            "prepareStatementV2": self._prepare,
            "executeStatement": self._execute,
            "executeStatementV2": self._execute,
            "getResultMetadata": self._metadata,
            "getDynamicParams": self._dynamic_params,
            "getNextResultBatch": self._fetch,
            "getNextResultBatchV2": self._fetch_v2,
            "clear": self._clear,
            "clearOrCancelQuery": self._clear,
            "cancelQuery": self._cancel,
            "status": self._status,
            "explain": self._explain,
            "explainAnalyze": self._explain_analyze,
            "dryRun": self._dry_run,
            "dryRunV2": self._dry_run,
            "getCataloges": self._catalogs,
            "getSchemaNames": self._schemas,
            "getSchemaNamesV2": self._schemas,
            "getTables": self._tables,
            "getTablesV2": self._tables,
            "getColumns": self._columns,
            "getColumnsV2": self._columns,
            "healthCheck": lambda _call, _request: pb.HealthCheckResponse(),
            "cluster.status": self._cluster_status,
            "cluster.resume": self._cluster_resume,
            "cluster.suspend": self._cluster_suspend,
        }

    def suspend(self, states: Sequence[str] | None = None, refusals: int = 0) -> None:
        """Suspends the cluster: its planners forget sessions and queries."""
        self._deployment.suspend(states, refusals)
        self._sessions.expire()
        self._queries.drop()

    # Sessions.

    def _authenticate(self, call: Call, request: pb.AuthenticateRequest) -> Message:
        if not self._sessions.knows(request.user, request.password):
            return pb.AuthenticateResponse()
        session = self._sessions.open(call.strategy)
        return pb.AuthenticateResponse(
            sessionId=session.session_id, engineIP=self._planners[call.strategy]
        )

    # Queries.

    def _prepare(
        self, call: Call, request: pb.PrepareStatementRequest | pb.PrepareStatementV2Request
    ) -> Message:
        session = _session(call)
        self._queries.drop_expired()
        drops = self._queries.drops(call.strategy)
        sql = request.queryString.strip()
        started = time.monotonic()
        with _SqlErrors():
            statement = self._database.prepare(sql, getattr(request, "catalog", ""), request.schema)
        if self._config.rotate_sessions and session.session_id:
            session = self._sessions.open(call.strategy)
        query_id = self._queries.new_id()
        record = QueryRecord(query_id, sql, call.strategy)
        self._ledger.prepared(record)
        query = Query(
            query_id,
            self._planners[call.strategy],
            session,
            statement,
            record,
            self._ledger,
            self._config,
            self._codec,
            self._workers,
            time.monotonic() - started,
        )
        self._queries.add(query, drops)
        return pb.PrepareStatementResponse(
            engineIP=query.engine_ip, queryId=query_id, sessionId=session.session_id
        )

    def _execute(
        self, call: Call, request: pb.ExecuteStatementRequest | pb.ExecuteStatementV2Request
    ) -> Message:
        query = self._find(call, request)
        if getattr(request, "params", ()):
            raise refusal.sql_error("the local engine does not take dynamic parameters")
        query.execute()
        return pb.ExecuteStatementResponse()

    def _metadata(self, call: Call, request: pb.GetResultMetadataRequest) -> Message:
        metadata = self._find(call, request).metadata(call.is_wanted)
        return pb.GetResultMetadataResponse(resultMetaData=metadata)

    def _dynamic_params(self, call: Call, request: pb.GetDynamicParamsRequest) -> Message:
        self._find(call, request)
        return pb.GetDynamicParamsResponse()  # prepare refuses a statement that has any

    def _fetch(self, call: Call, request: pb.GetNextResultBatchRequest) -> bytes:
        chunks, _ = self._find(call, request).take(1, call.is_wanted)
        if not chunks and self._config.v1_end == "chunk":
            chunks = [EMPTY_CHUNK]
        return self._response(call, 1, chunks, end=False)

    def _fetch_v2(self, call: Call, request: pb.GetNextResultBatchRequest) -> bytes:
        query = self._find(call, request)
        if not self._config.v2_fetch:
            raise refusal.not_implemented(
                "getNextResultBatchV2", "is switched off in this local engine"
            )
        if query.empty_answers_left > 0:
            query.empty_answers_left -= 1
            return self._response(call, 2, [], end=False)
        chunks, end = query.take(self._config.v2_chunks, call.is_wanted)
        return self._response(call, 2, chunks, end=end)

    def _response(self, call: Call, version: int, chunks: list[bytes], *, end: bool) -> bytes:
        return self._codec.encode_response(
            [self._faults.chunk(chunk) for chunk in chunks],
            version=version,
            session_id=_session(call).session_id,
            new_strategy=call.new_strategy,
            end_of_stream=end,
        )

    def _clear(
        self, call: Call, request: pb.ClearRequest | pb.ClearOrCancelQueryRequest
    ) -> Message:
        response = (
            pb.ClearResponse() if call.method.name == "clear" else pb.ClearOrCancelQueryResponse()
        )
        if self._queries.clear_again(request.queryId):
            return response
        query = self._find(call, request)
        query.clear()
        self._queries.remove(query)
        return response

    def _cancel(self, call: Call, request: pb.CancelQueryRequest) -> Message:
        self._find(call, request).cancel()
        return pb.CancelQueryResponse()

    def _status(self, call: Call, request: pb.StatusRequest) -> Message:
        is_finished, rows = self._find(call, request).status()
        return pb.StatusResponse(status=is_finished, rowCount=rows)

    def _explain(self, call: Call, request: pb.ExplainRequest) -> Message:
        query = self._find(call, request)
        with _SqlErrors():
            return pb.ExplainResponse(explain=query.explain())

    def _explain_analyze(self, call: Call, request: pb.ExplainAnalyzeRequest) -> Message:
        timings = self._find(call, request).timings()
        return pb.ExplainAnalyzeResponse(
            explainAnalyze=json.dumps(timings),
            isCached=False,
            parsingTime=int(timings["parsingTime"]),
            queueingTime=int(timings["executionQueueingTime"]),
        )

    def _dry_run(self, call: Call, request: pb.DryRunRequest | pb.DryRunRequestV2) -> Message:
        _session(call)
        catalog = getattr(request, "catalog", "")
        with _SqlErrors():
            statement = self._database.prepare(request.queryString.strip(), catalog, request.schema)
            with statement.cursor:
                return pb.DryRunResponse(dryrunValue=statement.explain())

    def _find(self, call: Call, request: Any) -> Query:
        return self._queries.find(request.queryId, request.engineIP, call.planner, _session(call))

    # Listings.

    def _catalogs(self, _call: Call, _request: pb.GetCatalogesRequest) -> Message:
        names = self._database.catalogs()
        default = self._database.default_catalog
        return pb.GetCatalogesResponse(
            catalogResponses=[
                pb.CatalogResponse(name=name, isDefault=name == default) for name in names
            ]
        )

    def _schemas(
        self, _call: Call, request: pb.GetSchemaNamesRequest | pb.GetSchemaNamesV2Request
    ) -> Message:
        with _SqlErrors():
            return pb.GetSchemaNamesResponse(
                schemas=self._database.schemas(getattr(request, "catalog", ""))
            )

    def _tables(self, _call: Call, request: pb.GetTablesRequest | pb.GetTablesV2Request) -> Message:
        with _SqlErrors():
            return pb.GetTablesResponse(
                tables=self._database.tables(getattr(request, "catalog", ""), request.schema)
            )

    def _columns(
        self, _call: Call, request: pb.GetColumnsRequest | pb.GetColumnsV2Request
    ) -> Message:
        with _SqlErrors():
            columns = self._database.columns(
                getattr(request, "catalog", ""), request.schema, request.table
            )
        return pb.GetColumnsResponse(
            fieldInfo=[pb.GFieldInfo(fieldName=name, fieldType=kind) for name, kind in columns]
        )

    # The cluster.

    def _cluster_status(self, _call: Call, _request: cluster_pb2.ClusterStatusRequest) -> Message:
        return cluster_pb2.ClusterStatusResponse(status=self._deployment.poll())

    def _cluster_resume(self, _call: Call, _request: cluster_pb2.ResumeRequest) -> Message:
        return cluster_pb2.ResumeResponse(status=self._deployment.resume())

    def _cluster_suspend(self, _call: Call, _request: cluster_pb2.SuspendRequest) -> Message:
        self.suspend()
        return cluster_pb2.SuspendResponse(status="suspended")


#: A chunk of no rows and no vectors, in Thrift's binary protocol: the other way to end a V1 result.
EMPTY_CHUNK = bytes.fromhex("080001000000000f00020c0000000000")


class _SqlErrors:
    """Turns a SQL error into the refusal that the engine sends for it."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, SqlError):
            raise refusal.sql_error(str(error)) from error


def _session(call: Call) -> Session:
    if call.session is None:
        raise refusal.access_denied()
    return call.session
