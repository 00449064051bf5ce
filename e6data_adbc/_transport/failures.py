"""What a failed call means: the error that a user sees, made of what the channel said."""

from __future__ import annotations

import re
from typing import Any, Final

from e6data_adbc import errors
from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._transport.api import Call, Code, RpcFailure
from e6data_adbc._transport.methods import DYNAMIC_PARAMETERS, Method, Q, R
from e6data_adbc._transport.scope import Scope, cancelled
from e6data_adbc._transport.signals import Signal, http_status, is_goaway, signal_of
from e6data_adbc._transport.verdicts import verdict
from e6data_adbc.options import DatabaseOptions

__all__ = [
    "Signal",
    "broken_answer",
    "error_of",
    "is_sent",
    "server_text",
    "signal",
    "unreachable",
    "with_evidence",
]


def is_sent(failure: RpcFailure) -> bool:
    """Tells whether the failed call may have left.

    It has not where it found no connection or is known not to have gone out whole, nor where the connection was taking
    no new calls and the request was not written: without the latter, a GOAWAY proves nothing, as a proxy may send one
    after it passed the call on.
    """
    if failure.never_left or signal(failure) is Signal.UNREACHABLE:
        return False
    return failure.was_written or not is_goaway(failure.code, failure.text)


def signal(error: BaseException) -> Signal | None:
    """Returns what the failed call behind *error* signals, or None."""
    failure = error if isinstance(error, RpcFailure) else error.__cause__
    if not isinstance(failure, RpcFailure):
        return None
    return signal_of(failure.code, failure.text)


def server_text(error: BaseException) -> str:
    """Returns what the server said with the failed call behind *error*, or ''."""
    failure = error.__cause__
    return failure.text if isinstance(failure, RpcFailure) else ""


def error_of(
    failure: RpcFailure, call: Call[R], *, scope: Scope, proxy: str | None = None
) -> errors.Error:
    """Returns the error for a failed *call*; raise it `from` *failure*.

    Args:
        failure: What the channel said.
        call: What was called.
        scope: Tells a cancellation by the caller from one by the server.
        proxy: The proxy that the connection goes through, for the cases in which it may be at fault.
    """
    method, verb, query_id = call.method, call.verb, call.query_id
    code, text = failure.code, failure.text
    hint = None
    internal = method.internal
    mistake = None
    if code is Code.CANCELLED and scope.is_cancelled:
        return with_evidence(cancelled(verb, query_id=query_id), method)
    meaning = signal(failure)
    if meaning in _BETWEEN:
        return with_evidence(_between(failure, meaning, call, proxy), method)
    if code is Code.DEADLINE_EXCEEDED:
        failure = RpcFailure(code, f"deadline of {call.timeout:g} s passed")
        hint = f"raise {(call.limit or method.limit).value}"
    elif code is Code.RESOURCE_EXHAUSTED and "larger than max" in text:
        hint = f"raise {DatabaseOptions.MAX_MESSAGE_BYTES.value}"
    elif code is Code.RESOURCE_EXHAUSTED:
        return with_evidence(_limited(failure, call), method)
    match meaning:
        case Signal.SUSPENDED:
            failure = RpcFailure(code, f"the cluster is suspended; the server said {text!r}")
            hint = (
                "resume the cluster with `e6data-adbc cluster resume` or e6data_adbc.cluster.resume(uri), or have"
                f" queries do it by {DatabaseOptions.AUTO_RESUME.value}=true"
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
        case Signal.UNIMPLEMENTED:
            hint = (
                "the server has no such call: it is older than this driver, or is no e6data engine"
            )
        case Signal.QUERY_CANCELLED:
            internal = errors.Status.CANCELLED
        case None if code is Code.INTERNAL and method.is_about_statements:
            mistake = verdict(text)
            internal = internal if mistake is None else mistake.status
    error = errors.from_grpc(
        failure,
        verb=verb,
        query_id=query_id,
        hint=hint,
        internal=internal,
        sqlstate=None if mistake is None else mistake.sqlstate,
    )
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
    failure: RpcFailure, meaning: Signal, call: Call[R], proxy: str | None
) -> errors.Error:
    """Returns the error for a call that something between us and the server ended, whatever the code says."""
    code, text = failure.code, failure.text
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
        f"could not {call.verb}: {cause}",
        hint=hint,
        query_id=call.query_id,
        sqlstate=sqlstate,
        vendor_code=code.value,
        details=[(errors.GRPC_CODE, code.name.encode())],
    )


def _limited(failure: RpcFailure, call: Call[R]) -> errors.Error:
    """Returns the error for a call that came at a bad time: an operational one, whatever the code says."""
    code = failure.code
    cause = failure.text or "the server has no room for it at the moment"
    return errors.make(
        errors.Status.IO,
        f"could not {call.verb}: {cause}",
        hint="try again later",
        query_id=call.query_id,
        sqlstate="53000",
        vendor_code=code.value,
        details=[(errors.GRPC_CODE, code.name.encode())],
    )


def with_evidence(error: errors.Error, method: Method[Q, R]) -> errors.Error:
    """Returns *error*, which a call of *method* gave, with the method among its details and an SQLSTATE."""
    return errors.amend(error, rpc=method.name)


def broken_answer(call: Call[R], cause: str) -> tuple[errors.Error, RpcFailure]:
    """Returns the error for an answer that is as good as none, and the evidence to raise it from."""
    text = f"{call.method.path!r} {cause}"
    error = errors.make(
        errors.Status.INVALID_DATA, f"could not {call.verb}: {text}", query_id=call.query_id
    )
    return with_evidence(error, call.method), RpcFailure(Code.DATA_LOSS, text)


_TLS_TROUBLE: Final = re.compile(r"(?i)handshak|certificate|hostname verification|\bssl\b|\btls\b")
#: The proxy wants another user, or lets nobody go there.
_PROXY_REFUSAL: Final = re.compile(r"HTTP proxy returned response code 40[1357]")
_PREFIX: Final = re.compile(r"failed to connect to all addresses; last error: (?:[A-Z_]+: )?")


def unreachable(
    failure: RpcFailure,
    method: Method[Any, Any],
    *,
    endpoint: Endpoint,
    connect_timeout: float,
    proxy: str | None,
) -> errors.Error:
    """Returns the error for a call that never left, and notes in *failure* whether another try would.

    Args:
        failure: What the channel said.
        method: What was called.
        endpoint: Where to.
        connect_timeout: How long connecting may take, in seconds.
        proxy: The proxy of the environment that the connection goes through.
    """
    verb = f"could not connect to {endpoint.target!r}"
    reason = _PREFIX.sub("", failure.text)
    hint = None
    if proxy is not None:
        verb += f" through the proxy {proxy!r} of the environment"
        hint = "check the variables grpc_proxy, https_proxy and http_proxy, or name the host in no_proxy"
        if _PROXY_REFUSAL.search(reason):
            failure.is_final = True
    status, cause = errors.Status.IO, reason
    if "timed out" in reason:
        failure.is_final = True  # the time to connect is what the user gave
        status, cause = errors.Status.TIMEOUT, f"no answer within {connect_timeout:g} s"
        hint = hint or f"check host and port, or raise {DatabaseOptions.CONNECT_TIMEOUT.value}"
    elif endpoint.encrypted and _TLS_TROUBLE.search(reason):
        failure.is_final = True
        cause = f"TLS failed: {reason}"
        hint = (
            f"check {DatabaseOptions.TLS_ROOT_CERTS.value},"
            f" {DatabaseOptions.TLS_SERVER_NAME.value} and the port"
        )
    elif not endpoint.encrypted and hint is None and "ocket closed" in reason:
        hint = f"the server may expect TLS: set {DatabaseOptions.TLS.value} to 'require'"
    error = errors.make(status, f"{verb}: {cause}", hint=hint, sqlstate="08001")
    return with_evidence(error, method)
