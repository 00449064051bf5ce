"""The methods of the wire: path, messages and time limit of each."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from google.protobuf.message import Message

from e6data_adbc import errors
from e6data_adbc._wire import cluster_pb2
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.options import DatabaseOptions

__all__ = ["Method", "Q", "R"]

Q = TypeVar("Q", bound=Message)
R = TypeVar("R")


@dataclasses.dataclass(frozen=True)
class Method(Generic[Q, R]):
    """One method of the wire.

    Attributes:
        path: The full path; the protobuf package of the engine is empty.
        request: The class of the request.
        decode: Makes the response of its bytes; `bytes` itself where the native side reads them.
        limit: The option that bounds one call.
        internal: What the server's INTERNAL stands for: the engine reports mistakes in the SQL text with it.
    """

    path: str
    request: type[Q]
    decode: Callable[[bytes], R]
    limit: DatabaseOptions
    internal: errors.Status = errors.Status.INTERNAL

    @functools.cached_property
    def name(self) -> str:
        """The last part of the path, with `cluster ` before it for ClusterService, which also has a `status`."""
        name = self.path.rsplit("/", 1)[-1]
        return f"cluster {name}" if self.path.startswith(_CLUSTER) else name

    @property
    def is_about_statements(self) -> bool:
        """Whether a mistake in SQL, or in the name of an object, can fail it."""
        return self.path.startswith(_ENGINE) and self.path != AUTHENTICATE.path


_ENGINE: Final = "/QueryEngineService/"
_CLUSTER: Final = "/ClusterService/"
_SQL: Final = errors.Status.INVALID_ARGUMENT

AUTHENTICATE: Final = Method(
    _ENGINE + "authenticate",
    wire.AuthenticateRequest,
    wire.AuthenticateResponse.FromString,
    DatabaseOptions.AUTHENTICATE_TIMEOUT,
)
PREPARE: Final = Method(
    _ENGINE + "prepareStatement",
    wire.PrepareStatementRequest,
    wire.PrepareStatementResponse.FromString,
    DatabaseOptions.PREPARE_TIMEOUT,
    _SQL,
)
PREPARE_V2: Final = Method(
    _ENGINE + "prepareStatementV2",
    wire.PrepareStatementV2Request,
    wire.PrepareStatementResponse.FromString,
    DatabaseOptions.PREPARE_TIMEOUT,
    _SQL,
)
EXECUTE: Final = Method(
    _ENGINE + "executeStatement",
    wire.ExecuteStatementRequest,
    wire.ExecuteStatementResponse.FromString,
    DatabaseOptions.EXECUTE_TIMEOUT,
    _SQL,
)
EXECUTE_V2: Final = Method(
    _ENGINE + "executeStatementV2",
    wire.ExecuteStatementV2Request,
    wire.ExecuteStatementResponse.FromString,
    DatabaseOptions.EXECUTE_TIMEOUT,
    _SQL,
)
DYNAMIC_PARAMETERS: Final = Method(
    _ENGINE + "getDynamicParams",
    wire.GetDynamicParamsRequest,
    wire.GetDynamicParamsResponse.FromString,
    DatabaseOptions.METADATA_TIMEOUT,
    _SQL,
)
RESULT_METADATA: Final = Method(
    _ENGINE + "getResultMetadata",
    wire.GetResultMetadataRequest,
    wire.GetResultMetadataResponse.FromString,
    DatabaseOptions.METADATA_TIMEOUT,
)
# The native side walks the two fetch responses in place; parsing them here would copy every chunk.
FETCH: Final = Method(
    _ENGINE + "getNextResultBatch",
    wire.GetNextResultBatchRequest,
    bytes,
    DatabaseOptions.FETCH_TIMEOUT,
)
FETCH_V2: Final = Method(
    _ENGINE + "getNextResultBatchV2",
    wire.GetNextResultBatchRequest,
    bytes,
    DatabaseOptions.FETCH_TIMEOUT,
)
CLEAR_OR_CANCEL: Final = Method(
    _ENGINE + "clearOrCancelQuery",
    wire.ClearOrCancelQueryRequest,
    wire.ClearOrCancelQueryResponse.FromString,
    DatabaseOptions.CLEAR_TIMEOUT,
)
STATUS: Final = Method(
    _ENGINE + "status",
    wire.StatusRequest,
    wire.StatusResponse.FromString,
    DatabaseOptions.METADATA_TIMEOUT,
)
EXPLAIN: Final = Method(
    _ENGINE + "explain",
    wire.ExplainRequest,
    wire.ExplainResponse.FromString,
    DatabaseOptions.METADATA_TIMEOUT,
    _SQL,
)
EXPLAIN_ANALYZE: Final = Method(
    _ENGINE + "explainAnalyze",
    wire.ExplainAnalyzeRequest,
    wire.ExplainAnalyzeResponse.FromString,
    DatabaseOptions.METADATA_TIMEOUT,
)
DRY_RUN: Final = Method(
    _ENGINE + "dryRun",
    wire.DryRunRequest,
    wire.DryRunResponse.FromString,
    DatabaseOptions.METADATA_TIMEOUT,
    _SQL,
)
DRY_RUN_V2: Final = Method(
    _ENGINE + "dryRunV2",
    wire.DryRunRequestV2,
    wire.DryRunResponse.FromString,
    DatabaseOptions.METADATA_TIMEOUT,
    _SQL,
)
CATALOGS: Final = Method(
    _ENGINE + "getCataloges",  # the wire's spelling
    wire.GetCatalogesRequest,
    wire.GetCatalogesResponse.FromString,
    DatabaseOptions.METADATA_TIMEOUT,
)
SCHEMAS: Final = Method(
    _ENGINE + "getSchemaNamesV2",
    wire.GetSchemaNamesV2Request,
    wire.GetSchemaNamesResponse.FromString,
    DatabaseOptions.METADATA_TIMEOUT,
)
TABLES: Final = Method(
    _ENGINE + "getTablesV2",
    wire.GetTablesV2Request,
    wire.GetTablesResponse.FromString,
    DatabaseOptions.METADATA_TIMEOUT,
)
COLUMNS: Final = Method(
    _ENGINE + "getColumnsV2",
    wire.GetColumnsV2Request,
    wire.GetColumnsResponse.FromString,
    DatabaseOptions.METADATA_TIMEOUT,
)
CLUSTER_STATUS: Final = Method(
    _CLUSTER + "status",
    cluster_pb2.ClusterStatusRequest,
    cluster_pb2.ClusterStatusResponse.FromString,
    DatabaseOptions.RESUME_TIMEOUT,
)
CLUSTER_RESUME: Final = Method(
    _CLUSTER + "resume",
    cluster_pb2.ResumeRequest,
    cluster_pb2.ResumeResponse.FromString,
    DatabaseOptions.RESUME_TIMEOUT,
)
CLUSTER_SUSPEND: Final = Method(
    _CLUSTER + "suspend",
    cluster_pb2.SuspendRequest,
    cluster_pb2.SuspendResponse.FromString,
    DatabaseOptions.RESUME_TIMEOUT,
)
#: A call that needs no session; its answer is not read.
HEALTH_CHECK: Final = Method(
    _ENGINE + "healthCheck",
    wire.HealthCheckRequest,
    bytes,
    DatabaseOptions.METADATA_TIMEOUT,
)
