"""Unary calls of gRPC that another thread may cancel while one waits for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import grpc

from e6data_adbc._transport.calls import RpcFailure
from e6data_adbc._transport.headers import Headers

__all__ = ["Rpc", "Sender", "sender_of"]

#: The trailing metadata in which a server says when it wants to be asked again, in milliseconds.
_PUSHBACK: Final = "grpc-retry-pushback-ms"


class Rpc(Protocol):
    """One call, sent. `receive` belongs to one thread; any thread may `cancel`."""

    def receive(self) -> bytes | RpcFailure | None:
        """Returns the one message of the answer, None if there is not exactly one, or how the call failed; blocks."""
        ...

    def cancel(self) -> object:
        """Ends the call; a blocked `receive` returns at once."""
        ...


#: Sends a message, with a deadline in seconds and metadata; ValueError where the channel is closed.
Sender = Callable[[bytes, float, Headers], Rpc]


def sender_of(channel: grpc.Channel, path: str) -> Sender:
    """Returns what sends calls of the method at *path*.

    A blocking call of grpcio has no handle to cancel, and its futures take a second thread. So a call is made
    with the call object of grpcio's own lower layer, as its blocking call does, which hides it. One batch for all would
    be enough (grpcio 1.85 on loopback: 57 us, a blocking call 69 us, a single-threaded stream 93 us a call), but would
    wait for its deadline where a server sends two messages. That layer is private: where it is
    not as we know it, the public single-threaded stream serves, a little slower.
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

    def receive(self) -> bytes | RpcFailure | None:
        try:
            data = self._next()
            # The status follows the message: a server may still fail the call after sending one.
            return None if data is None or self._next() is not None else data
        except grpc.RpcError:  # which is the call itself
            pushback = pushback_of(self._call.trailing_metadata())
            return RpcFailure(self._call.code(), self._call.details() or "", pushback)

    def cancel(self) -> object:
        return self._call.cancel()

    def _next(self) -> bytes | None:
        try:
            data: bytes = self._call.__next__()
        except StopIteration:
            return None
        return data


class _Batches:
    """Sends with grpcio's lower layer: the operations of a call in as few batches as can be."""

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
        self._kinds = (
            cygrpc.OperationType.receive_message,
            cygrpc.OperationType.receive_status_on_client,
        )

    def __call__(self, message: bytes, timeout: float, headers: Headers) -> Rpc:
        exchange = (
            self._headers(headers, 0),
            self._message(message, 0),
            self._close(0),
            self._receive_headers(0),
            self._receive(0),
        )
        batches = ((exchange, None), ((self._receive_status(0),), None))
        deadline = time.time() + timeout
        try:
            call = self._open(
                self._flags, self._path, None, deadline, headers, None, batches, None, None
            )
        except TypeError:  # another signature; nothing was sent
            return self._public(message, timeout, headers)
        return _Batch(call, self._receive, self._kinds)


class _Batch:
    __slots__ = ("_call", "_kinds", "_more")

    def __init__(self, call: Any, more: Callable[[int], Any], kinds: tuple[Any, Any]) -> None:
        self._call = call  # of a class of grpcio's lower layer
        self._more = more
        self._kinds = kinds

    def receive(self) -> bytes | RpcFailure | None:
        messages: list[bytes] = []
        status: Any = None
        pending = 2
        while pending:
            pending -= 1
            for operation in self._call.next_event().batch_operations:
                kind = operation.type()
                if kind == self._kinds[1]:
                    status = operation
                elif kind == self._kinds[0] and (message := operation.message()) is not None:
                    messages.append(message)
                    # The status waits for whatever else the server has sent, so a second message is asked for.
                    if len(messages) > 1:
                        self.cancel()
                    elif self._call.operate((self._more(0),), None):
                        pending += 1
        if len(messages) > 1:
            return None
        code = status.code()
        if code == 0:
            return messages[0] if messages else None
        text = status.details() or b""
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        known = _CODES.get(code, grpc.StatusCode.UNKNOWN)
        return RpcFailure(known, text, pushback_of(status.trailing_metadata()))

    def cancel(self) -> object:
        # Numbers and text are those that grpcio's own calls give; a call that has ended is left alone.
        return self._call.cancel(
            grpc.StatusCode.CANCELLED.value[0], "Locally cancelled by application!"
        )


_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


def pushback_of(metadata: Any) -> float | None:  # pairs, whatever class grpcio has for them
    """Returns the seconds that trailing metadata ask to wait; negative where they ask not to come back."""
    for key, value in metadata or ():
        if key == _PUSHBACK:
            # What is no number asks not to come back (gRPC proposal A6).
            return int(value) / 1000 if str(value).isascii() and str(value).isdigit() else -1.0
    return None
