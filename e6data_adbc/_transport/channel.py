"""The one gRPC channel of a database: how it is made, made ready, called and closed."""

from __future__ import annotations

import contextlib
import math
import os
import re
import ssl
import threading
from collections.abc import Callable
from typing import Any, Final, Generic, NoReturn

import grpc
import grpc.experimental
from google.protobuf.message import DecodeError

from e6data_adbc import errors
from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import RpcSettings
from e6data_adbc._transport import calls
from e6data_adbc._transport.calls import Method, Q, R, RpcFailure, Signal
from e6data_adbc._transport.forking import CALLS
from e6data_adbc._transport.headers import Headers, HiddenHeaders, size_problem
from e6data_adbc._transport.heartbeat import Heartbeat
from e6data_adbc._transport.observer import TRACE_PARENT_HEADER, Observer, Watch
from e6data_adbc._transport.proxies import no_proxy_option, proxy_of
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.unary import Rpc, Sender, sender_of
from e6data_adbc._version import VERSION
from e6data_adbc.options import DatabaseOptions

__all__ = ["Call", "Transport"]

#: A dead connection under an open call is noticed within 30 s: a ping after 20 s of silence, 10 s for its answer. No
#: pings without calls, and gRPC's own limit on pings without data stays: with either lifted, a stock server ends the
#: connection with ENHANCE_YOUR_CALM (grpcio 1.85: after 100 s of a silent call with the limit off, 200 s with it on).
#: The heartbeat keeps it from doing so.
_KEEPALIVE_MS: Final = 20_000
_KEEPALIVE_ANSWER_MS: Final = 10_000
_PING_ANSWER_MS: Final = 8_000

#: A call that needs no session, and how long it may take.
_HEARTBEAT: Final = "/QueryEngineService/healthCheck"
_HEARTBEAT_SECONDS: Final = 10.0

#: The pause between attempts to connect grows from this to that. During a pause calls fail at once with the reason of
#: the last attempt; gRPC's own 120 s of it would outlast any patience.
_FIRST_RECONNECT_PAUSE_MS: Final = 100
_LONGEST_RECONNECT_PAUSE_MS: Final = 5_000

#: What gRPC reads at a time. By itself it grows that to several MiB, in each of its threads, which no cache holds:
#: with 2 MiB responses it took 8 % more processor time and 10 MiB more memory (grpcio 1.85; older ones know no bound).
_READ_BUFFER_BYTES: Final = 256 * 1024

_TLS_TROUBLE: Final = re.compile(r"(?i)handshak|certificate|hostname verification|\bssl\b|\btls\b")
#: The proxy wants another user, or lets nobody go there.
_PROXY_REFUSAL: Final = re.compile(r"HTTP proxy returned response code 40[1357]")
_PREFIX: Final = re.compile(r"failed to connect to all addresses; last error: (?:[A-Z_]+: )?")


class Call(Generic[R]):
    """One call under way. `result` belongs to one thread; any thread may `cancel`."""

    def __init__(
        self,
        rpc: Rpc,
        transport: Transport,
        method: Method[Q, R],
        *,
        scope: Scope,
        timeout: float,
        verb: str,
        query_id: str | None,
        watch: Watch,
    ) -> None:
        self._rpc = rpc
        self._transport = transport
        self._method = method
        self._scope = scope
        self._timeout = timeout
        self._verb = verb
        self._query_id = query_id
        self._watch = watch
        scope.add(self.cancel)

    def cancel(self) -> None:
        """Ends the call; a blocked `result` fails at once."""
        self._rpc.cancel()

    def result(self, arrived: Callable[[], None] | None = None) -> R:
        """Returns the response; blocks until it is whole.

        Args:
            arrived: See `Rpc.receive`.

        Raises:
            Error: The call failed, passed its deadline or was cancelled.
        """
        try:
            response = self._result(arrived)
        except BaseException as error:
            self._watch.end(error)
            raise
        finally:
            CALLS.end()
            self._transport.heartbeat.end()
        self._watch.end()
        return response

    def _result(self, arrived: Callable[[], None] | None) -> R:
        try:
            answer = self._rpc.receive(arrived)
        except BaseException:  # an interrupt leaves no call behind
            self.cancel()
            raise
        finally:
            self._scope.remove(self.cancel)
        if isinstance(answer, bytes):
            return self._decode(answer)
        if answer is None:
            self._raise_broken("did not answer with exactly one message")
        raise self._transport.failed(
            answer,
            self._method,
            scope=self._scope,
            timeout=self._timeout,
            verb=self._verb,
            query_id=self._query_id,
        ) from answer

    def _decode(self, data: bytes) -> R:
        if self._method.decode is bytes:
            return data  # type: ignore[return-value]  # R is bytes
        try:
            return self._method.decode(data)
        except DecodeError:
            self._raise_broken("answered what does not parse")

    def _raise_broken(self, cause: str) -> NoReturn:
        """Raises the error for an answer that is as good as none."""
        text = f"{self._method.path!r} {cause}"
        error = errors.make(
            errors.Status.INVALID_DATA,
            f"could not {self._verb}: {text}",
            query_id=self._query_id,
        )
        evidence = RpcFailure(grpc.StatusCode.DATA_LOSS, text)
        raise calls.with_evidence(error, self._method) from evidence


class Transport:
    """One channel to one endpoint; safe to use from any thread of the process that made it."""

    # How a call is sent, so that any thread may cancel it, is in `unary`. There is no thread at all while no call runs,
    # and none to lose in a fork.
    #
    # Nobody waits for the connection to stand: a call that finds none makes it, and fails without leaving if it cannot
    # (`Signal.UNREACHABLE`). grpcio's way to watch a connection costs a thread that outlives the wait by 200 ms,
    # prints a traceback if the channel is closed meanwhile, and makes a fork in that time unsafe.
    def __init__(self, endpoint: Endpoint, limits: RpcSettings) -> None:
        """Opens nothing yet.

        Args:
            endpoint: The server.
            limits: The size of messages and the time to connect; the times of calls come with each call's scope.

        Raises:
            ProgrammingError: The trusted certificates are not PEM.
        """
        self.endpoint = endpoint
        self._pid = os.getpid()
        self._connect_timeout = limits.connect_timeout
        #: The proxy of the environment that the connection goes through, as `host:port`.
        self.proxy = proxy_of(endpoint.host)
        self._is_closed = False
        #: Told of each call.
        self.observer = Observer()
        #: The methods that a deployment does not have, as `(colour, path)`; any thread may add one.
        self.missing: set[tuple[str, str]] = set()
        #: Told of each call that waits.
        self.heartbeat = Heartbeat(self._beat)
        options: list[tuple[str, Any]] = [
            (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1),
            # Of its own: channels of other databases, and of a parent process, must not share the socket.
            ("grpc.use_local_subchannel_pool", 1),
            # What servers log beside gRPC's own name.
            ("grpc.primary_user_agent", f"e6data-adbc/{VERSION}"),
            ("grpc.max_receive_message_length", limits.max_message_bytes),
            ("grpc.max_send_message_length", limits.max_message_bytes),
            ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", _KEEPALIVE_ANSWER_MS),
            # The limit that holds in fact: 60 s by default, and a black hole took 60 s to notice; so it takes 28 s.
            ("grpc.http2.ping_timeout_ms", _PING_ANSWER_MS),
            ("grpc.keepalive_permit_without_calls", 0),
            # Not a pause, whatever the name says: gRPC gives an attempt to connect this long.
            ("grpc.min_reconnect_backoff_ms", math.ceil(1000 * limits.connect_timeout)),
            ("grpc.initial_reconnect_backoff_ms", _FIRST_RECONNECT_PAUSE_MS),
            ("grpc.max_reconnect_backoff_ms", _LONGEST_RECONNECT_PAUSE_MS),
            ("grpc.experimental.tcp_max_read_buffer_size", _READ_BUFFER_BYTES),
            # A retry policy published in DNS must not repeat calls that we never repeat.
            ("grpc.service_config_disable_resolution", 1),
            # Without a policy, too, gRPC sends a call again that a GOAWAY says was not taken, which proxies say of
            # calls that they have passed on. What may be repeated the retry table says.
            ("grpc.enable_retries", 0),
            *no_proxy_option(self.proxy),
        ]
        if endpoint.server_name is not None:
            options.append(("grpc.ssl_target_name_override", endpoint.server_name))
            options.append(("grpc.default_authority", endpoint.server_name))
        if endpoint.encrypted:
            credentials = _credentials(endpoint)
            self._channel = grpc.secure_channel(endpoint.target, credentials, options=options)
        else:
            self._channel = grpc.insecure_channel(endpoint.target, options=options)
        self._lock = threading.Lock()
        self._senders: dict[str, Sender] = {}

    def call(
        self,
        method: Method[Q, R],
        request: Callable[[], Q],
        headers: Headers,
        scope: Scope,
        *,
        verb: str,
        query_id: str | None = None,
        timeout: float | None = None,
        hidden: HiddenHeaders | None = None,
    ) -> R:
        """Returns the response of one call. See `start` for the arguments."""
        return self.start(
            method,
            request,
            headers,
            scope,
            verb=verb,
            query_id=query_id,
            timeout=timeout,
            hidden=hidden,
        ).result()

    def start(
        self,
        method: Method[Q, R],
        request: Callable[[], Q],
        headers: Headers,
        scope: Scope,
        *,
        verb: str,
        query_id: str | None = None,
        timeout: float | None = None,
        hidden: HiddenHeaders | None = None,
    ) -> Call[R]:
        """Returns one call, sent.

        Args:
            method: What to call.
            request: Makes its message. Messages hold tokens and session ids, and a message in a local variable would
                show them in a traceback with locals.
            headers: Its metadata.
            scope: Cancels it; holds the deadline that *method* names.
            verb: What is attempted, for the error's text.
            query_id: The query it is about, for the error.
            timeout: Seconds, where the caller knows better than the option.
            hidden: More metadata, which is secret.

        Raises:
            Error: The scope is cancelled, or the transport is closed.
        """
        self._check_usable(verb)
        scope.check(verb, query_id=query_id)
        limit = scope.settings.get(method.limit) if timeout is None else timeout
        watch = self.observer.call(method.path, scope.parent, query_id)
        CALLS.begin()
        self.heartbeat.begin()
        try:
            rpc = self._send(method, request, headers, hidden, limit, watch)
        except BaseException as error:
            CALLS.end()
            self.heartbeat.end()
            watch.end(error)
            raise
        return Call(
            rpc,
            self,
            method,
            scope=scope,
            timeout=limit,
            verb=verb,
            query_id=query_id,
            watch=watch,
        )

    def failed(
        self,
        failure: RpcFailure,
        method: Method[Q, R],
        *,
        scope: Scope,
        timeout: float,
        verb: str,
        query_id: str | None,
    ) -> errors.Error:
        """Returns the error for a failed call; raise it `from` *failure*."""
        if calls.signal(failure) is Signal.UNREACHABLE:
            return calls.with_evidence(self._unreachable(failure), method)
        if self._is_closed and failure.code() is grpc.StatusCode.CANCELLED:
            return calls.with_evidence(self._closed(verb), method)
        return calls.failed(
            failure,
            method,
            scope=scope,
            timeout=timeout,
            verb=verb,
            query_id=query_id,
            proxy=self.proxy,
        )

    def close(self) -> None:
        """Closes the connection; calls still open fail. In a forked child it leaves the parent's socket alone."""
        self._is_closed = True
        if os.getpid() == self._pid:
            self.heartbeat.close()
            self._channel.close()

    def check_process(self, verb: str) -> None:
        """Raises INVALID_STATE in a process other than the one that opened the transport."""
        if os.getpid() != self._pid:
            raise errors.make(
                errors.Status.INVALID_STATE,
                f"could not {verb}: the connection was opened before this process was forked",
                hint="connect again in this process",
            )

    def _beat(self) -> None:
        """Makes the server send something; what it says is of no interest, an error is as good as an answer."""
        CALLS.begin()
        with contextlib.suppress(ValueError):  # the channel is closed
            sender_of(self._channel, _HEARTBEAT)(b"", _HEARTBEAT_SECONDS, ()).receive()
        CALLS.end()

    def _check_usable(self, verb: str) -> None:
        self.check_process(verb)
        if self._is_closed:
            raise self._closed(verb)

    def _closed(self, verb: str) -> errors.Error:
        return errors.make(
            errors.Status.INVALID_STATE, f"could not {verb}: the connection is closed"
        )

    def _send(
        self,
        method: Method[Q, R],
        request: Callable[[], Q],
        headers: Headers,
        hidden: HiddenHeaders | None,
        timeout: float,
        watch: Watch,
    ) -> Rpc:
        send = self._senders.get(method.path)
        if send is None:
            with self._lock:
                send = self._senders[method.path] = sender_of(self._channel, method.path)
        headers += _traced(hidden, watch)
        problem = size_problem(headers, hidden)
        if problem is not None:
            raise errors.make(
                errors.Status.INVALID_ARGUMENT,
                f"could not send the metadata of {method.path!r}: {problem}",
                hint="send less: proxies end the whole connection for larger ones, and all calls on it",
            )
        with contextlib.suppress(ValueError):  # grpcio's word for a channel closed meanwhile
            return send(
                request().SerializeToString(),
                timeout,
                headers if hidden is None else (*headers, *hidden.reveal()),
            )
        # Outside of an except clause: grpcio's frames, which the error would keep, hold the metadata.
        raise self._closed(f"call {method.path!r}")

    def _unreachable(self, failure: RpcFailure) -> errors.Error:
        """Returns the error for a call that never left, and notes in *failure* whether another try would."""
        verb = f"could not connect to {self.endpoint.target!r}"
        reason = _PREFIX.sub("", failure.details())
        hint = None
        if self.proxy is not None:
            verb += f" through the proxy {self.proxy!r} of the environment"
            hint = "check the variables grpc_proxy, https_proxy and http_proxy, or name the host in no_proxy"
            if _PROXY_REFUSAL.search(reason):
                failure.is_final = True
        if "timed out" in reason:
            failure.is_final = True  # the time to connect is what the user gave
            return errors.make(
                errors.Status.TIMEOUT,
                f"{verb}: no answer within {self._connect_timeout:g} s",
                hint=hint
                or f"check host and port, or raise {DatabaseOptions.CONNECT_TIMEOUT.value}",
                sqlstate="08001",
            )
        if self.endpoint.encrypted and _TLS_TROUBLE.search(reason):
            failure.is_final = True
            reason = f"TLS failed: {reason}"
            hint = (
                f"check {DatabaseOptions.TLS_ROOT_CERTS.value},"
                f" {DatabaseOptions.TLS_SERVER_NAME.value} and the port"
            )
        elif not self.endpoint.encrypted and hint is None and "ocket closed" in reason:
            hint = f"the server may expect TLS: set {DatabaseOptions.TLS.value} to 'require'"
        return errors.make(errors.Status.IO, f"{verb}: {reason}", hint=hint, sqlstate="08001")


def _credentials(endpoint: Endpoint) -> grpc.ChannelCredentials:
    roots = _check_pem(endpoint.root_certs)
    if endpoint.client_key is None:
        return grpc.ssl_channel_credentials(roots)
    _check_pem(endpoint.client_cert, DatabaseOptions.TLS_CLIENT_CERT)
    return grpc.ssl_channel_credentials(
        roots,
        private_key=endpoint.client_key.reveal().encode(),
        certificate_chain=endpoint.client_cert,
    )


def _traced(hidden: HiddenHeaders | None, watch: Watch) -> Headers:
    """Returns what tells the server the trace, unless the user's signer does so."""
    if watch.headers and hidden is not None and TRACE_PARENT_HEADER in dict(hidden.reveal()):
        return ()
    return watch.headers


def _check_pem(
    pem: bytes | None, option: DatabaseOptions = DatabaseOptions.TLS_ROOT_CERTS
) -> bytes | None:
    if pem is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(
                cadata=pem.decode("ascii")
            )
        except (ssl.SSLError, ValueError) as cause:
            raise errors.make(
                errors.Status.INVALID_ARGUMENT,
                f"could not read the certificates of {option.value!r}: {cause}",
            ) from cause
    return pem
