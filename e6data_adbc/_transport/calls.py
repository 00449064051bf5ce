"""The calls of the wire: path, messages and time limit of each method, and what a failed call means."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import grpc
from google.protobuf.message import Message

from e6data_adbc import errors
from e6data_adbc._transport.scope import Scope, cancelled
from e6data_adbc._transport.signals import Signal, http_status, is_goaway, signal_of
from e6data_adbc._transport.verdicts import verdict
from e6data_adbc._wire import cluster_pb2
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.options import DatabaseOptions

__all__ = ["Method", "RpcFailure", "Signal", "signal"]

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


class RpcFailure(Exception):  # noqa: N818 - evidence behind an error, never raised on its own
    """What gRPC said about a failed call, and nothing of the call (its headers may be secret).

    Attributes:
        pushback: The seconds after which the server wants to be asked again; negative where it does not want to be.
        is_final: Whether the next try would fail in the same way whatever the code: TLS, for instance.
        was_written: False where gRPC says that not all of the request went onto the connection.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        text: str,
        pushback: float | None = None,
        is_final: bool = False,  # noqa: FBT001, FBT002 - pickled by position
        was_written: bool = True,  # noqa: FBT001, FBT002 - the same
    ) -> None:
        super().__init__(f"{code.name}: {text}")
        self._code = code
        self._text = text
        self.pushback = pushback
        self.is_final = is_final
        self.was_written = was_written

    @property
    def is_sent(self) -> bool:
        """Whether the call may have left.

        It has not where it found no connection, nor where that was taking no new calls and the request was not written:
        without the latter, a GOAWAY proves nothing, as a proxy may send one after it passed the call on.
        """
        if signal(self) is Signal.UNREACHABLE:
            return False
        return self.was_written or not is_goaway(self._code, self._text)

    def code(self) -> grpc.StatusCode:
        """Returns the gRPC status code."""
        return self._code

    def details(self) -> str:
        """Returns the server's text, or ''."""
        return self._text

    def __reduce__(
        self,
    ) -> tuple[type[RpcFailure], tuple[grpc.StatusCode, str, float | None, bool, bool]]:
        values = (self._code, self._text, self.pushback, self.is_final, self.was_written)
        return type(self), values


def signal(error: BaseException) -> Signal | None:
    """Returns what the failed call behind *error* signals, or None."""
    failure = error if isinstance(error, RpcFailure) else error.__cause__
    if not isinstance(failure, RpcFailure):
        return None
    return signal_of(failure.code(), failure.details())


def server_text(error: BaseException) -> str:
    """Returns what the server said with the failed call behind *error*, or ''."""
    failure = error.__cause__
    return failure.details() if isinstance(failure, RpcFailure) else ""


def failed(
    failure: RpcFailure,
    method: Method[Q, R],
    *,
    scope: Scope,
    timeout: float,
    verb: str,
    query_id: str | None,
    proxy: str | None = None,
) -> errors.Error:
    """Returns the error for a failed call of *method*; raise it `from` *failure*.

    Args:
        failure: What gRPC said.
        method: The method called.
        scope: Tells a cancellation by the caller from one by the server.
        timeout: The deadline of the call in seconds.
        verb: What was attempted.
        query_id: The query it was about.
        proxy: The proxy that the connection goes through, for the cases in which it may be at fault.
    """
    code, text = failure.code(), failure.details()
    hint = None
    internal = method.internal
    mistake = None
    if code is grpc.StatusCode.CANCELLED and scope.is_cancelled:
        return with_evidence(cancelled(verb, query_id=query_id), method)
    meaning = signal(failure)
    if meaning in _BETWEEN:
        return with_evidence(_between(failure, meaning, verb, query_id, proxy), method)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        failure = RpcFailure(code, f"deadline of {timeout:g} s passed")
        hint = f"raise {method.limit.value}"
    elif code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in text:
        hint = f"raise {DatabaseOptions.MAX_MESSAGE_BYTES.value}"
    elif code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return with_evidence(_limited(failure, verb, query_id), method)
    match meaning:
        case Signal.SUSPENDED:
            failure = RpcFailure(code, f"the cluster is suspended; the server said {text!r}")
            hint = (
                "resume the cluster with e6data_adbc.cluster.resume(uri), or have it done by"
                f" {DatabaseOptions.AUTO_RESUME.value}=true"
            )
        case Signal.WRONG_STRATEGY:
            failure = RpcFailure(
                code, f"the deployment that this call is bound to is gone; the server said {text!r}"
            )
        case Signal.ACCESS_DENIED:
            internal = errors.Status.UNAUTHORIZED
            hint = "check that the session's user may do this"
        case Signal.UNIMPLEMENTED if method.name == DYNAMIC_PARAMETERS.name:
            hint = f"set {DatabaseOptions.SERVER_BINDING.value} to false"
        case Signal.QUERY_CANCELLED:
            internal = errors.Status.CANCELLED
        case None if code is grpc.StatusCode.INTERNAL and method.is_about_statements:
            mistake = verdict(text)
            internal = internal if mistake is None else mistake.status
    error = errors.from_grpc(failure, verb=verb, query_id=query_id, hint=hint, internal=internal)
    if mistake is not None:
        error.sqlstate = mistake.sqlstate
    return with_evidence(error, method)


#: What no server said, or not about what it was asked.
_BETWEEN: Final = frozenset(
    {
        Signal.BROKEN,
        Signal.CUT_REQUEST,
        Signal.GATEWAY,
        Signal.GATEWAY_REFUSED,
    }
)


def _between(
    failure: RpcFailure, meaning: Signal, verb: str, query_id: str | None, proxy: str | None
) -> errors.Error:
    """Returns the error for a call that something between us and the server ended, whatever the code says."""
    code, text = failure.code(), failure.details()
    status, hint, sqlstate = errors.Status.IO, None, "08006"
    answered = f"something on the way to the server answered HTTP {http_status(text)}"
    match meaning:
        case Signal.CUT_REQUEST:
            cause = f"the request did not arrive whole; the server said {text!r}"
        case Signal.GATEWAY:
            cause = answered
            hint = "check host and port, and what stands before the server"
        case Signal.GATEWAY_REFUSED:
            cause = f"{answered}: the request is too large for it"
            status, sqlstate = errors.Status.INVALID_ARGUMENT, "54000"
            hint = "shorten the statement, or raise the limit there"
        case _:
            cause = f"the connection broke: {text}"
    if proxy is not None:
        cause += f"; the connection goes through the proxy {proxy!r}"
    return errors.make(
        status,
        f"could not {verb}: {cause}",
        hint=hint,
        query_id=query_id,
        sqlstate=sqlstate,
        vendor_code=code.value[0],
        details=[(errors.GRPC_CODE, code.name.encode())],
    )


def _limited(failure: RpcFailure, verb: str, query_id: str | None) -> errors.Error:
    """Returns the error for a call that came at a bad time: an operational one, whatever the code says."""
    code = failure.code()
    cause = failure.details() or "the server has no room for it at the moment"
    return errors.make(
        errors.Status.IO,
        f"could not {verb}: {cause}",
        hint="try again later",
        query_id=query_id,
        sqlstate="53000",
        vendor_code=code.value[0],
        details=[(errors.GRPC_CODE, code.name.encode())],
    )


def with_evidence(error: errors.Error, method: Method[Q, R]) -> errors.Error:
    """Returns *error*, which a call of *method* gave, with the method among its details and an SQLSTATE."""
    error.details.append((errors.RPC, method.name.encode()))
    error.sqlstate = error.sqlstate or errors.SQLSTATES.get(error.status_code, "HY000")
    return error
