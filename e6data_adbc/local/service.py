"""What each method of the two services does."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from google.protobuf.message import Message

from e6data_adbc._wire import cluster_pb2
from e6data_adbc._wire import e6x_engine_pb2 as pb
from e6data_adbc.local.cluster.deployment import Deployment
from e6data_adbc.local.cluster.pace import Pace
from e6data_adbc.local.cluster.planners import PlannerQueue
from e6data_adbc.local.cluster.sessions import Session, Sessions
from e6data_adbc.local.cluster.users import DeniedError, Users
from e6data_adbc.local.config import EngineConfig
from e6data_adbc.local.data.database import Database
from e6data_adbc.local.data.statements import SqlError, Statement
from e6data_adbc.local.faults import Faults
from e6data_adbc.local.ledger import QueryRecord
from e6data_adbc.local.queries import data_frames
from e6data_adbc.local.queries.data_frames import DataFrames, Frame
from e6data_adbc.local.queries.query import Query, Resources
from e6data_adbc.local.queries.registry import Queries
from e6data_adbc.local.replay.replay import ReplayedQuery, ReplayedStatement
from e6data_adbc.local.sql.placeholders import Value
from e6data_adbc.local.wire import refusal
from e6data_adbc.local.wire.rpc import Call, Function

__all__ = ["UNANSWERED", "Service"]

#: The methods that are not played, and why; they answer UNIMPLEMENTED with these words.
UNANSWERED: Final = {
    "syncSchemas": "is between the engine and its catalog service, and carries no session",
    "analyzeQuery": "carries no session and has no result",
    "addCatalogs": "takes a document whose form is not public",
    "updateUsers": "takes a document whose form is not public, and carries no session",
    "getNextRemoteCachedChunk": "is between engines, and there is only one",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parts:
    """What the engine's answers are made of.

    Attributes:
        config: The settings.
        database: What statements read.
        deployment: The cluster's state, and which colour is active.
        planners: The name of the planner of each colour.
        sessions: Who has signed in.
        users: Who may do what.
        queries: All that were prepared and not cleared.
        resources: What queries are run with.
        faults: What goes wrong on purpose.
        pace: How fast answers are.
    """

    config: EngineConfig
    database: Database
    deployment: Deployment
    planners: Mapping[str, str]
    sessions: Sessions
    users: Users
    queries: Queries
    resources: Resources
    faults: Faults
    pace: Pace


class Service:
    """The engine's answers; any thread may call. Order of calls is the query's business, admission the gate's."""

    def __init__(self, parts: Parts) -> None:
        self._config = parts.config
        self._database = parts.database
        self._deployment = parts.deployment
        self._planners = parts.planners
        self._sessions = parts.sessions
        self._users = parts.users
        self._queries = parts.queries
        self._resources = parts.resources
        self._ledger = parts.resources.ledger
        self._faults = parts.faults
        self._pace = parts.pace
        self._planner_queue = PlannerQueue(parts.config.planner_waits)
        self._frames = DataFrames()

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
            "identifyPlanner": self._identify_planner,
            "setProps": self._set_props,
            "refreshCatalogs": self._refresh_catalogs,
            "getAddCatalogsResponse": self._catalogs_report,
            "createDataFrame": self._create_frame,
            "projectionOnDataFrame": self._project_frame,
            "aggregateOnDataFrame": self._aggregate_frame,
            "filterOnDataFrame": self._filter_frame,
            "orderByOnDataFrame": self._order_frame,
            "limitOnDataFrame": self._limit_frame,
            "executeDataFrame": self._execute_frame,
            "dropUserContext": self._drop_user_context,
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
        session = self._sessions.open(call.strategy, request.user)
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
        query_id = self._queries.new_id()
        if request.HasField("existingQuery"):
            query_id = request.existingQuery.queryId
            self._planner_queue.leave(query_id, session.session_id)
        statement = self._bound(session, sql, getattr(request, "catalog", ""), request.schema)
        if self._config.rotate_sessions and session.session_id:
            session = self._sessions.open(call.strategy, session.user)
        query = self._queue(call, query_id, session, sql, statement, started, drops)
        return pb.PrepareStatementResponse(
            engineIP=query.engine_ip, queryId=query_id, sessionId=session.session_id
        )

    def _bound(self, session: Session, sql: str, catalog: str, schema: str) -> Statement:
        """Returns the bound statement, if the session's user may run it."""
        user = self._users.named(session.user)
        with _SqlErrors():
            return self._database.prepare(sql, catalog, schema, user)

    def _listed(self, call: Call, request: Any) -> str:
        """Returns the catalog that a listing is about, if the session's user may use it."""
        catalog = str(getattr(request, "catalog", ""))
        user = self._users.named(_session(call).user)
        if not user.may_use([catalog or self._database.default_catalog]):
            raise refusal.access_denied()
        return catalog

    def _queue(
        self,
        call: Call,
        query_id: str,
        session: Session,
        sql: str,
        statement: Statement,
        started: float,
        drops: int,
    ) -> Query:
        record = QueryRecord(query_id, sql, call.strategy)
        self._ledger.prepared(record)
        kind = ReplayedQuery if isinstance(statement, ReplayedStatement) else Query
        query = kind(
            query_id,
            self._planners[call.strategy],
            session,
            statement,
            record,
            self._resources,
            parsing_seconds=time.monotonic() - started,
        )
        self._queries.add(query, drops)
        return query

    def _identify_planner(self, call: Call, request: pb.IdentifyPlannerRequest) -> Message:
        """The first call of a query names its text; later ones the id that the answer gave."""
        session = _session(call)
        if request.HasField("existingQuery"):
            ticket = self._planner_queue.ask(request.existingQuery.queryId, session.session_id)
        else:
            try:
                self._pace.take()
            except refusal.Refusal:
                return pb.IdentifyPlannerResponse(
                    queueMessage=pb.IdentifyPlannerResponse.QueueMessage.RATE_LIMIT
                )
            ticket = self._planner_queue.enter(session.session_id)
        answer = pb.IdentifyPlannerResponse(
            queueMessage=pb.IdentifyPlannerResponse.QueueMessage.WAITING_ON_PLANNER_SCALEUP
        )
        if ticket.may_go:
            answer.queueMessage = pb.IdentifyPlannerResponse.QueueMessage.GO_AHEAD
            answer.plannerIp = self._planners[call.strategy]
        answer.existingQuery.queryId = ticket.query_id
        answer.existingQuery.elapsedTimeMillis = request.existingQuery.elapsedTimeMillis
        return answer

    def _set_props(self, _call: Call, request: pb.SetPropsRequest) -> Message:
        """Checks that the properties are a JSON object; there is nothing here that they could change."""
        try:
            properties = json.loads(request.props)
        except ValueError:
            properties = None
        if not isinstance(properties, dict):
            raise refusal.sql_error("the properties are not a JSON object")
        return pb.SetPropsResponse()

    # Data frames.

    def _create_frame(self, call: Call, request: pb.CreateDataFrameRequest) -> Message:
        with _SqlErrors():
            frame = self._frames.create(request, _session(call), self._database.table_of)
        return pb.CreateDataFrameResponse(queryId=frame.query_id)

    def _frame(self, call: Call, request: Any) -> Frame:
        return self._frames.find(request.queryId, request.dataframeNumber, _session(call))

    def _project_frame(self, call: Call, request: pb.ProjectionOnDataFrameRequest) -> Message:
        self._frames.change(
            self._frame(call, request), lambda source: data_frames.projected(source, request.field)
        )
        return pb.ProjectionOnDataFrameResponse()

    def _aggregate_frame(self, call: Call, request: pb.AggregateOnDataFrameRequest) -> Message:
        self._frames.change(
            self._frame(call, request),
            lambda source: data_frames.aggregated(
                source, request.aggregateFunctionMap, request.groupBy
            ),
        )
        return pb.AggregateOnDataFrameResponse()

    def _filter_frame(self, call: Call, request: pb.FilterOnDataFrameRequest) -> Message:
        self._frames.change(
            self._frame(call, request),
            lambda source: data_frames.filtered(source, request.whereClause),
        )
        return pb.FilterOnDataFrameResponse()

    def _order_frame(self, call: Call, request: pb.OrderByOnDataFrameRequest) -> Message:
        self._frames.change(
            self._frame(call, request),
            lambda source: data_frames.ordered(source, request.orderByFieldMap),
        )
        return pb.OrderByOnDataFrameResponse()

    def _limit_frame(self, call: Call, request: pb.LimitOnDataFrameRequest) -> Message:
        self._frames.change(
            self._frame(call, request),
            lambda source: data_frames.limited(source, request.fetchLimit),
        )
        return pb.LimitOnDataFrameResponse()

    def _execute_frame(self, call: Call, request: pb.ExecuteDataFrameRequest) -> Message:
        """Prepares and executes what was put together; from here on the frame is a query like others."""
        frame = self._frame(call, request)
        drops = self._queries.drops(call.strategy)
        started = time.monotonic()
        statement = self._bound(frame.session, frame.sql, frame.catalog, frame.schema)
        query = self._queue(
            call, frame.query_id, frame.session, frame.sql, statement, started, drops
        )
        query.needs_planner_header = False  # the clients that have data frames send no headers
        self._frames.remove(frame)
        with _SqlErrors():
            query.execute()
        return pb.ExecuteDataFrameResponse()

    def _drop_user_context(self, call: Call, _request: pb.DropUserContextRequest) -> Message:
        session = _session(call)
        self._frames.drop(session)
        self._queries.drop_of(session)
        return pb.DropUserContextResponse()

    def _execute(
        self, call: Call, request: pb.ExecuteStatementRequest | pb.ExecuteStatementV2Request
    ) -> Message:
        query = self._find(call, request)
        with _SqlErrors():
            query.execute(self._values(request))
        return pb.ExecuteStatementResponse()

    def _values(
        self, request: pb.ExecuteStatementRequest | pb.ExecuteStatementV2Request
    ) -> list[Value]:
        """Returns the parameters of *request* in the order of their indices, which must be those that were told."""
        found = {one.index: (one.type, one.value) for one in getattr(request, "params", ())}
        first = self._config.first_parameter
        if sorted(found) != list(range(first, first + len(getattr(request, "params", ())))):
            raise SqlError(f"the parameters are not numbered one by one from {first} on")
        return [found[index] for index in sorted(found)]

    def _metadata(self, call: Call, request: pb.GetResultMetadataRequest) -> Message:
        metadata = self._find(call, request).metadata(call.is_wanted)
        return pb.GetResultMetadataResponse(resultMetaData=metadata)

    def _dynamic_params(self, call: Call, request: pb.GetDynamicParamsRequest) -> Message:
        query = self._find(call, request)
        first = self._config.first_parameter
        return pb.GetDynamicParamsResponse(
            params=[
                pb.ParameterValue(index=index, type=name)
                for index, name in enumerate(query.parameters, first)
            ],
            sessionId=_session(call).session_id,
        )

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
        return self._resources.codec.encode_response(
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
        session, catalog = _session(call), getattr(request, "catalog", "")
        statement = self._bound(session, request.queryString.strip(), catalog, request.schema)
        with _SqlErrors(), statement.cursor:
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

    def _refresh_catalogs(self, _call: Call, _request: pb.RefreshCatalogsRequest) -> Message:
        with _SqlErrors():
            self._database.refresh()
        return pb.RefreshCatalogsResponse()

    def _catalogs_report(self, _call: Call, _request: pb.GetAddCatalogsRequest) -> Message:
        failures = [
            pb.FailedSchemaElement(name=name, type="TABLE", reason=reason)
            for name, reason in self._database.failures
        ]
        return pb.GetAddCatalogsResponse(
            status="FAILED" if failures else "SUCCESS", failures=failures
        )

    def _schemas(
        self, call: Call, request: pb.GetSchemaNamesRequest | pb.GetSchemaNamesV2Request
    ) -> Message:
        with _SqlErrors():
            return pb.GetSchemaNamesResponse(
                schemas=self._database.schemas(self._listed(call, request))
            )

    def _tables(self, call: Call, request: pb.GetTablesRequest | pb.GetTablesV2Request) -> Message:
        with _SqlErrors():
            return pb.GetTablesResponse(
                tables=self._database.tables(self._listed(call, request), request.schema)
            )

    def _columns(
        self, call: Call, request: pb.GetColumnsRequest | pb.GetColumnsV2Request
    ) -> Message:
        with _SqlErrors():
            columns = self._database.columns(
                self._listed(call, request), request.schema, request.table
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
        if isinstance(error, DeniedError):
            raise refusal.access_denied() from error
        if isinstance(error, SqlError):
            raise refusal.sql_error(str(error)) from error


def _session(call: Call) -> Session:
    if call.session is None:
        raise refusal.access_denied()
    return call.session
