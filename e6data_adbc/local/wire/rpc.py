"""From the wire to a function and back: method paths, headers, who may call, faults, errors."""

from __future__ import annotations

import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import grpc
from google.protobuf.message import DecodeError, Message

from e6data_adbc._wire import cluster_pb2, e6x_engine_pb2
from e6data_adbc.local.cluster.bearers import Bearers
from e6data_adbc.local.cluster.deployment import Deployment
from e6data_adbc.local.cluster.pace import Pace
from e6data_adbc.local.cluster.sessions import Session, Sessions
from e6data_adbc.local.faults import Faults, When
from e6data_adbc.local.ledger import Ledger
from e6data_adbc.local.wire import refusal
from e6data_adbc.local.wire.call_log import CallLog
from e6data_adbc.local.wire.refusal import Overtaken, Refusal

__all__ = ["METHODS", "Call", "Function", "Gate", "Method", "Router"]

_logger = logging.getLogger("e6data_adbc.local")

STRATEGY_HEADER: Final = "strategy"
PLANNER_HEADER: Final = "plannerip"
CLUSTER_HEADER: Final = "cluster-name"
BEARER_HEADER: Final = "authorization"
#: More seconds than any deadline that somebody means.
FOREVER_SECONDS: Final = 10.0 * 365 * 86400
#: How a server says when to try again.
PUSHBACK_TRAILER: Final = "grpc-retry-pushback-ms"
#: The calls that begin something new, which the rate limit counts.
PACED: Final = frozenset({"authenticate", "prepareStatement", "prepareStatementV2"})


#: The calls that begin something new, which an engine that is about to stop does not.
BEGINNING: Final = PACED | {"identifyPlanner", "createDataFrame", "executeDataFrame"}
#: The calls without a session that tell nothing: anybody may make them.
ANONYMOUS: Final = frozenset({"authenticate", "healthCheck"})


@dataclasses.dataclass(frozen=True)
class Method:
    """One method of one service, as the message descriptors have it."""

    service: str
    name: str
    request: type[Message]
    response: type[Message]

    @property
    def path(self) -> str:
        """The path on the wire, which has no protobuf package."""
        return f"/{self.service}/{self.name}"


def _methods(module: Any, service: str) -> dict[str, Method]:
    found = {}
    for described in module.DESCRIPTOR.services_by_name[service].methods:
        request = getattr(module, described.input_type.name)
        response = getattr(module, described.output_type.name)
        method = Method(service, described.name, request, response)
        found[method.path] = method
    return found


#: Every method of both services by path.
METHODS: Final[dict[str, Method]] = {
    **_methods(e6x_engine_pb2, "QueryEngineService"),
    **_methods(cluster_pb2, "ClusterService"),
}


@dataclasses.dataclass(frozen=True)
class Call:
    """One call that was let in."""

    method: Method
    headers: Mapping[str, str]
    context: grpc.ServicerContext
    #: The colour that answers.
    strategy: str
    #: The caller's session; None where the method needs none.
    session: Session | None
    #: The colour that the response announces.
    new_strategy: str | None

    @property
    def planner(self) -> str | None:
        """The header `plannerip`."""
        return self.headers.get(PLANNER_HEADER)

    def is_wanted(self) -> bool:
        """Tells whether the client still waits."""
        return bool(self.context.is_active())


#: Answers a call with a message, or with the bytes of one.
Function = Callable[[Call, Any], "Message | bytes"]


class Gate:
    """Decides who comes in; any thread may call."""

    def __init__(
        self,
        deployment: Deployment,
        sessions: Sessions,
        bearers: Bearers,
        pace: Pace,
        *,
        user: str,
        cluster_name: str | None,
        is_open: bool,
    ) -> None:
        """Admits calls of *user*'s bearers; *is_open* lets calls pass that carry no credentials by their nature."""
        self._deployment = deployment
        self._sessions = sessions
        self._bearers = bearers
        self._pace = pace
        self._user = user
        self._cluster_name = cluster_name
        self._is_open = is_open
        #: New work is refused, what was begun goes on.
        self.is_closing = False

    def admit(self, method: Method, request: Any, context: grpc.ServicerContext) -> Call:
        """Returns the call, if the headers and the session permit it.

        Raises:
            Refusal: In the order in which a real edge and planner look: bearer, cluster, colour, power, session, rate.
        """
        headers = {
            key: value if isinstance(value, str) else value.decode("latin-1")
            for key, value in context.invocation_metadata()
        }
        fields = method.request.DESCRIPTOR.fields_by_name
        has_bearer = self._check_bearer(headers.get(BEARER_HEADER))
        self._check_cluster(headers.get(CLUSTER_HEADER))
        strategy = self._deployment.admit(
            headers.get(STRATEGY_HEADER), about_query="queryId" in fields
        )
        session = None
        if method.service == "ClusterService":
            if not has_bearer and not self._sessions.knows(request.user, request.password):
                raise refusal.access_denied()
        else:
            self._deployment.admit_to_cluster()
            if "sessionId" in fields:
                session = self._session(
                    request.sessionId,
                    strategy,
                    has_bearer=has_bearer,
                    about_query="queryId" in fields,
                )
            elif not (self._is_open or has_bearer or method.name in ANONYMOUS):
                raise refusal.access_denied()
            if method.name in BEGINNING and self.is_closing:
                raise Refusal("UNAVAILABLE", "the engine is stopping")
            if method.name in PACED:
                self._pace.take()
        return Call(
            method, headers, context, strategy, session, self._deployment.news_for(strategy)
        )

    def _check_bearer(self, header: str | None) -> bool:
        if header is None:
            return False
        if not self._bearers.are_expected:
            raise Refusal("UNAUTHENTICATED", "OAuth authentication denied")
        scheme, _, token = header.partition(" ")
        if scheme != "Bearer" or not self._bearers.admits(token):
            raise Refusal("UNAUTHENTICATED", "authentication denied")
        return True

    def _check_cluster(self, name: str | None) -> None:
        if self._cluster_name is None or (name or "").lower() == self._cluster_name.lower():
            return
        raise Refusal("UNAVAILABLE", f"cluster {name or ''!r} is disabled")

    def _session(
        self, session_id: str, strategy: str, *, has_bearer: bool, about_query: bool
    ) -> Session:
        if has_bearer and not session_id:
            return Session("", self._user, strategy, float("inf"))
        session = self._sessions.find(session_id, strategy, about_query=about_query)
        if session is None:
            self._deployment.admit(strategy, about_query=about_query)  # it may have ended since
            raise refusal.access_denied()
        return session

    def admit_still(self, call: Call) -> None:
        """Looks again whether the colour answers that *call* was admitted to: with it sessions and queries end.

        Raises:
            Refusal: It does not answer any more.
        """
        about_query = "queryId" in call.method.request.DESCRIPTOR.fields_by_name
        self._deployment.admit(call.strategy, about_query=about_query)


class Router(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Finds the function of a path and plays the call: count, faults, admission, work, answer."""

    def __init__(
        self,
        functions: Mapping[str, Function],
        gate: Gate,
        ledger: Ledger,
        faults: Faults,
        arrived: Callable[[Method], None],
        unanswered: Mapping[str, str],
        log: CallLog,
    ) -> None:
        """Routes to *functions*, by method name; a method without one answers UNIMPLEMENTED, as *unanswered* says.

        *arrived* is called for each call before anything else is done about it.
        """
        self._functions = functions
        self._gate = gate
        self._ledger = ledger
        self._faults = faults
        self._arrived = arrived
        self._unanswered = unanswered
        self._log = log

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """Returns the handler of the method, over raw bytes both ways; None for a path that does not exist."""
        method = METHODS.get(str(handler_call_details.method))
        if method is None:
            return None
        return cast(
            "grpc.RpcMethodHandler[bytes, bytes]",
            grpc.unary_unary_rpc_method_handler(functools.partial(self._play, method)),
        )

    def _play(self, method: Method, data: bytes, context: grpc.ServicerContext) -> bytes:
        key, began = ledger_key(method), time.monotonic()
        self._ledger.count_call(key, has_deadline=_has_deadline(context))
        try:
            self._arrived(method)
            self._faults.strike(key, When.BEFORE, b"", context.is_active, data)
            if not context.is_active():
                raise Refusal("CANCELLED", "the client left")
            response = self._answer(method, data, context)
            response = self._faults.strike(key, When.AFTER, response, context.is_active, data)
            self._note(method, data, context, began, "OK")
            self._ledger.count_answer(len(response))
            return response
        except Refusal as error:
            failure = error
        except Exception as error:  # a defect of ours must not travel as a stack trace
            _logger.exception("%s failed", method.name)
            failure = Refusal(
                "INTERNAL", f"internal error of the local engine: {type(error).__name__}"
            )
        self._ledger.count_refusal(key, failure.code, failure.details)
        _logger.info("%s refused: %s %s", method.name, failure.code, failure.details)
        self._note(method, data, context, began, failure.code)
        if failure.pushback_seconds is not None:
            wait = max(0, round(failure.pushback_seconds * 1000))
            context.set_trailing_metadata(((PUSHBACK_TRAILER, str(wait)),))
        context.abort(grpc.StatusCode[failure.code], failure.details)
        raise AssertionError("abort returned")  # pragma: no cover

    def _note(
        self, method: Method, data: bytes, context: grpc.ServicerContext, began: float, code: str
    ) -> None:
        if not self._log.is_on:
            return
        try:
            request: Any = method.request.FromString(data)
        except DecodeError:
            request = None
        self._log.write(
            method=method.path,
            code=code,
            milliseconds=round((time.monotonic() - began) * 1000, 3),
            query=getattr(request, "queryId", "") or None,
            user=getattr(request, "user", "") or None,
            peer=context.peer(),
        )

    def _answer(self, method: Method, data: bytes, context: grpc.ServicerContext) -> bytes:
        function = self._functions.get(ledger_key(method))
        if function is None:
            why = self._unanswered[method.name]
            raise refusal.not_implemented(
                method.name, f"is not implemented by the local engine: it {why}"
            )
        try:
            request: Any = method.request.FromString(data)
        except DecodeError:
            raise Refusal("INTERNAL", f"the request of {method.name} cannot be read") from None
        call = self._gate.admit(method, request, context)
        try:
            response = function(call, request)
        except Overtaken:
            raise
        except Refusal:
            self._gate.admit_still(call)  # or what is told is that its query is gone
            raise
        if isinstance(response, bytes):
            return response
        fields = response.DESCRIPTOR.fields_by_name
        if "sessionId" in fields and call.session is not None and not response.sessionId:  # type: ignore[attr-defined]
            response.sessionId = call.session.session_id  # type: ignore[attr-defined]
        if "new_strategy" in fields and call.new_strategy is not None:
            response.new_strategy = call.new_strategy  # type: ignore[attr-defined]
        return response.SerializeToString()


def _has_deadline(context: grpc.ServicerContext) -> bool:
    left = context.time_remaining()
    # Without a deadline gRPC tells the time until the end of its clock.
    return left is not None and left < FOREVER_SECONDS


def ledger_key(method: Method) -> str:
    """Returns the name under which faults, ledger and functions know a method; `status` exists in both services."""
    return f"cluster.{method.name}" if method.service == "ClusterService" else method.name
