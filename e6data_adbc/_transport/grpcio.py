"""The channel by grpcio: how it is made, and unary calls that another thread may cancel while one waits for them.

The one module of the client that imports grpc.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import grpc
import grpc.experimental

from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import RpcSettings
from e6data_adbc._transport.api import Call, Calls, Code, Plan, Rpc, RpcFailure, Usual
from e6data_adbc._transport.headers import Headers
from e6data_adbc._transport.pem import check_key, check_pem
from e6data_adbc._transport.proxies import no_proxy_option
from e6data_adbc._version import VERSION
from e6data_adbc.options import DatabaseOptions

__all__ = ["GrpcChannel", "Sender", "sender_of"]

#: A dead connection under an open call is noticed within 30 s: a ping after 20 s of silence, 10 s for its answer. No
#: pings without calls, and gRPC's own limit on pings without data stays: with either lifted, a stock server ends the
#: connection with ENHANCE_YOUR_CALM (grpcio 1.85: after 100 s of a silent call with the limit off, 200 s with it on).
#: The heartbeat keeps it from doing so.
_KEEPALIVE_MS: Final = 20_000
_KEEPALIVE_ANSWER_MS: Final = 10_000
_PING_ANSWER_MS: Final = 8_000

#: The pause between attempts to connect grows from this to that. During a pause calls fail at once with the reason of
#: the last attempt; gRPC's own 120 s of it would outlast any patience.
_FIRST_RECONNECT_PAUSE_MS: Final = 100
_LONGEST_RECONNECT_PAUSE_MS: Final = 5_000

#: What gRPC reads at a time. By itself it grows that to several MiB, in each of its threads, which no cache holds:
#: with 2 MiB responses it took 8 % more processor time and 10 MiB more memory (grpcio 1.85; older ones know no bound).
_READ_BUFFER_BYTES: Final = 256 * 1024
#: Options of channels are C's `int`.
_LARGEST_OPTION: Final = 2**31 - 1

#: Tells the batch that sends from those that receive.
_SENDING: Final = "sending"

#: The trailing metadata in which a server says when it wants to be asked again, in milliseconds.
_PUSHBACK: Final = "grpc-retry-pushback-ms"


class GrpcChannel:
    """A `Channel` by grpcio. It has no thread while no call runs, and none to lose in a fork.

    grpcio's way to watch a connection costs a thread that outlives the wait by 200 ms, prints a traceback if the
    channel is closed meanwhile, and makes a fork in that time unsafe; so nobody watches it.
    """

    minds_forks = True

    def __init__(self, endpoint: Endpoint, limits: RpcSettings, proxy: str | None) -> None:
        """Opens nothing yet.

        Args:
            endpoint: The server.
            limits: The size of messages and the time to connect.
            proxy: The proxy of the environment that the connection goes through.

        Raises:
            ProgrammingError: The trusted certificates are not PEM.
        """
        connect_ms = min(math.ceil(1000 * limits.connect_timeout), _LARGEST_OPTION)
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
            ("grpc.min_reconnect_backoff_ms", connect_ms),
            ("grpc.initial_reconnect_backoff_ms", _FIRST_RECONNECT_PAUSE_MS),
            ("grpc.max_reconnect_backoff_ms", _LONGEST_RECONNECT_PAUSE_MS),
            ("grpc.experimental.tcp_max_read_buffer_size", _READ_BUFFER_BYTES),
            # A retry policy published in DNS must not repeat calls that we never repeat.
            ("grpc.service_config_disable_resolution", 1),
            # Without a policy, too, gRPC sends a call again that a GOAWAY says was not taken, which proxies say of
            # calls that they have passed on. What may be repeated the retry table says.
            ("grpc.enable_retries", 0),
            *no_proxy_option(proxy),
        ]
        if endpoint.server_name is not None:
            options.append(("grpc.ssl_target_name_override", endpoint.server_name))
            options.append(("grpc.default_authority", endpoint.server_name))
        if endpoint.encrypted:
            credentials = _credentials(endpoint)
            self._channel = grpc.secure_channel(endpoint.target, credentials, options=options)
        else:
            self._channel = grpc.insecure_channel(endpoint.target, options=options)
        self._lock = threading.RLock()
        self._senders: dict[str, Sender] = {}

    def start(self, call: Call[Any]) -> Rpc | None:
        """Returns *call*, sent; None where the channel is closed."""
        path = call.method.path
        send = self._senders.get(path)
        if send is None:
            with self._lock:
                send = self._senders[path] = sender_of(self._channel, path)
        with contextlib.suppress(ValueError):  # grpcio's word for a channel that is closed
            return send(
                call.message(),
                call.timeout,
                call.headers if call.secret is None else (*call.headers, *call.secret.reveal()),
            )
        # No exception leaves: grpcio's frames, which it would keep, hold the metadata.
        return None

    def course(self, call: Call[Any], usual: Usual, begun: Rpc | None) -> None:
        """Returns None: each call comes from Python."""

    def opening(self, calls: Calls, usual: Usual) -> None:
        """Returns None: Python makes the calls."""
        del calls, usual

    def shortcut(self, plan: Plan) -> None:
        """Returns None: Python makes the calls."""
        del plan

    def tend(self, seconds: float) -> bool:
        """Returns False: grpcio has threads that look after calls."""
        del seconds
        return False

    def close(self) -> None:
        """Closes the connection; calls that are open fail."""
        self._channel.close()


#: Sends a message, with a deadline in seconds and metadata; ValueError where the channel is closed.
Sender = Callable[[bytes, float, Headers], Rpc]


def sender_of(channel: grpc.Channel, path: str) -> Sender:
    """Returns what sends calls of the method at *path*.

    A blocking call of grpcio has no handle to cancel, and its futures take a second thread. So a call is made
    with the call object of grpcio's own lower layer, as its blocking call does, which hides it. That layer is private:
    where it is not as we know it, the public single-threaded stream serves, a little slower.
    """
    public = _Streams(channel, path)
    try:
        return _Batches(channel, path, public)
    except (ImportError, AttributeError):
        return public


class _Streams:
    """Sends with grpcio's public interface: a stream of responses, of which there is one."""

    def __init__(self, channel: grpc.Channel, path: str) -> None:
        # Without serializers bytes go in and bytes come out.
        self._send: Any = channel.unary_stream(path, None, None)

    def __call__(self, message: bytes, timeout: float, headers: Headers) -> Rpc:
        return _Streamed(self._send(message, timeout=timeout, metadata=headers))


class _Streamed:
    __slots__ = ("_call",)

    def __init__(self, call: Any) -> None:  # of a class that is private to grpcio
        self._call = call

    def receive(self, arrived: Callable[[], None] | None = None) -> bytes | RpcFailure | None:
        del arrived  # the message is copied before anybody hears of it
        try:
            data = self._next()
            # The status follows the message: a server may still fail the call after sending one.
            return None if data is None or self._next() is not None else data
        except grpc.RpcError:  # which is the call itself
            pushback = pushback_of(self._call.trailing_metadata())
            return RpcFailure(
                Code(self._call.code().value[0]), self._call.details() or "", pushback
            )

    def cancel(self) -> object:
        return self._call.cancel()

    def _next(self) -> bytes | None:
        try:
            data: bytes = self._call.__next__()
        except StopIteration:
            return None
        return data


class _Batches:
    """Sends with grpcio's lower layer: the operations of a call in as few batches as can be.

    What is sent is a batch of its own, since only its outcome tells whether the request was written (grpcio 1.66 to
    1.85). One batch for all that is received is the fastest, but would wait for its deadline where a server sends two
    messages. So a method's answers are looked at step by step until there was one of one message; from then on the
    server is taken at its word.
    """

    def __init__(self, channel: grpc.Channel, path: str, public: _Streams) -> None:
        """Raises AttributeError or ImportError where that layer is not as we know it."""
        from grpc._cython import cygrpc  # type: ignore[attr-defined]

        lower: Any = channel._channel  # type: ignore[attr-defined]
        self._open = lower.segregated_call
        self._public = public
        self._path = path.encode()
        self._flags = cygrpc.PropagationConstants.GRPC_PROPAGATE_DEFAULTS
        self._headers = cygrpc.SendInitialMetadataOperation
        self._message = cygrpc.SendMessageOperation
        self._close = cygrpc.SendCloseFromClientOperation
        self._receive_headers = cygrpc.ReceiveInitialMetadataOperation
        self._receive = cygrpc.ReceiveMessageOperation
        self._receive_status = cygrpc.ReceiveStatusOnClientOperation
        self._has_proven = False

    def __call__(self, message: bytes, timeout: float, headers: Headers) -> Rpc:
        received, status = self._receive(0), self._receive_status(0)
        # The headers of the answer come with the rest of it, so waiting for this batch wakes nobody once more.
        sending = (
            self._headers(headers, 0),
            self._message(message, 0),
            self._close(0),
            self._receive_headers(0),
        )
        deadline = time.time() + timeout
        operations: _Operations | None = None
        batches: tuple[Any, ...]
        if self._has_proven:
            operations = _Operations((status, received))
            batches = ((sending, _SENDING), (operations, None))
        else:
            batches = ((sending, _SENDING), ((received,), None), ((status,), None))
        try:
            call = self._open(
                self._flags, self._path, None, deadline, headers, None, batches, None, None
            )
        except TypeError:  # another signature; nothing was sent
            return self._public(message, timeout, headers)
        if operations is not None:
            return _Whole(call, operations)
        return _Stepwise(call, status, received, self._receive, self._prove)

    def _prove(self) -> None:
        self._has_proven = True


class _Call:
    """A call of grpcio's lower layer."""

    __slots__ = ("_call",)

    def __init__(self, call: Any) -> None:  # of a class of grpcio's lower layer
        self._call = call

    def cancel(self) -> object:
        # Numbers and text are those that grpcio's own calls give; a call that has ended is left alone.
        return self._call.cancel(Code.CANCELLED.value, "Locally cancelled by application!")


class _Operations(tuple[Any, Any]):
    """The operations of one batch, in the order in which grpcio takes their outcomes: the message comes last.

    It goes through them twice, to start them and, once all have ended, to take what they brought. Only then there is a
    status, and `arrived` is called between taking that and copying the message.
    """

    arrived: Callable[[], None] | None = None

    def __iter__(self) -> Iterator[Any]:
        status, message = self[0], self[1]
        yield status
        if self.arrived is not None and status.code() == 0:
            self.arrived()
        yield message


class _Whole(_Call):
    """A call whose answer is one batch, of which one event tells that it has ended."""

    __slots__ = ("_operations",)

    def __init__(self, call: Any, operations: _Operations) -> None:
        self._call = call  # as `_Call` does: every response comes by here
        self._operations = operations

    def receive(self, arrived: Callable[[], None] | None = None) -> bytes | RpcFailure | None:
        operations = self._operations
        operations.arrived = arrived
        was_written = True
        for _ in range(2):
            event = self._call.next_event()
            if event.tag is _SENDING:
                was_written = event.success
        status = operations[0]
        if status.code() != 0:
            return _failure(status, was_written)
        message: bytes | None = operations[1].message()
        return message


class _Stepwise(_Call):
    """A call that looks whether a second message follows the first."""

    __slots__ = ("_message", "_more", "_prove", "_status")

    def __init__(
        self,
        call: Any,
        status: Any,
        message: Any,
        more: Callable[[int], Any],
        prove: Callable[[], None],
    ) -> None:
        super().__init__(call)
        self._status = status
        self._message = message
        self._more = more
        self._prove = prove

    def receive(self, arrived: Callable[[], None] | None = None) -> bytes | RpcFailure | None:
        del arrived
        messages: list[bytes] = []
        was_written = True
        pending = 3
        while pending:
            pending -= 1
            event = self._call.next_event()
            if event.tag is _SENDING:
                was_written = event.success
            for operation in event.batch_operations:
                if operation is self._message and (message := operation.message()) is not None:
                    messages.append(message)
                    # The status waits for whatever else the server has sent, so a second message is asked for.
                    if len(messages) > 1:
                        self.cancel()
                        continue
                    self._message = self._more(0)
                    if self._call.operate((self._message,), None):
                        pending += 1
        if len(messages) > 1:
            return None
        if self._status.code() != 0:
            return _failure(self._status, was_written)
        if not messages:
            return None
        self._prove()
        return messages[0]


def _failure(status: Any, was_written: bool) -> RpcFailure:  # noqa: FBT001 - one caller a way
    """Returns what the outcome of an operation says that is not OK."""
    text = status.details() or b""
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    known = _CODES.get(status.code(), Code.UNKNOWN)
    pushback = pushback_of(status.trailing_metadata())
    return RpcFailure(known, text, pushback, was_written=was_written)


_CODES: Final = {code.value: code for code in Code}


def pushback_of(metadata: Any) -> float | None:  # pairs, whatever class grpcio has for them
    """Returns the seconds that trailing metadata ask to wait; negative where they ask not to come back."""
    for key, value in metadata or ():
        if key == _PUSHBACK:
            # What is no number asks not to come back (gRPC proposal A6).
            return int(value) / 1000 if str(value).isascii() and str(value).isdigit() else -1.0
    return None


def _credentials(endpoint: Endpoint) -> grpc.ChannelCredentials:
    roots = check_pem(endpoint.root_certs)
    if endpoint.client_key is None:
        return grpc.ssl_channel_credentials(roots)
    check_pem(endpoint.client_cert, DatabaseOptions.TLS_CLIENT_CERT)
    check_key(endpoint.client_key)
    return grpc.ssl_channel_credentials(
        roots,
        private_key=endpoint.client_key.reveal().encode(),
        certificate_chain=endpoint.client_cert,
    )
