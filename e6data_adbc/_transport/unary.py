"""Unary calls of gRPC that another thread may cancel while one waits for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

import grpc

from e6data_adbc._transport.calls import RpcFailure
from e6data_adbc._transport.headers import Headers

__all__ = ["Rpc", "Sender", "sender_of"]

#: Tells the batch that sends from those that receive.
_SENDING: Final = "sending"

#: The trailing metadata in which a server says when it wants to be asked again, in milliseconds.
_PUSHBACK: Final = "grpc-retry-pushback-ms"


class Rpc(Protocol):
    """One call, sent. `receive` belongs to one thread; any thread may `cancel`."""

    def receive(self, arrived: Callable[[], None] | None = None) -> bytes | RpcFailure | None:
        """Returns the one message of the answer, None if there is not exactly one, or how the call failed; blocks.

        Args:
            arrived: Called once the answer is here whole and good, before its bytes are copied, where that moment can
                be told; must not raise. It may make another call.
        """
        ...

    def cancel(self) -> object:
        """Ends the call; a blocked `receive` returns at once."""
        ...


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
            operations = _Operations(status, received)
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
        return self._call.cancel(
            grpc.StatusCode.CANCELLED.value[0], "Locally cancelled by application!"
        )


class _Operations:
    """The operations of one batch, in the order in which grpcio takes their outcomes: the message comes last.

    It goes through them twice, to start them and, once all have ended, to take what they brought. Only then there is a
    status, and `arrived` is called between taking that and copying the message.
    """

    __slots__ = ("arrived", "message", "status")

    def __init__(self, status: Any, message: Any) -> None:
        self.status = status
        self.message = message
        self.arrived: Callable[[], None] | None = None

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[Any]:
        yield self.status
        if self.arrived is not None and self.status.code() == 0:
            self.arrived()
        yield self.message


class _Whole(_Call):
    """A call whose answer is one batch, of which one event tells that it has ended."""

    __slots__ = ("_operations",)

    def __init__(self, call: Any, operations: _Operations) -> None:
        super().__init__(call)
        self._operations = operations

    def receive(self, arrived: Callable[[], None] | None = None) -> bytes | RpcFailure | None:
        operations = self._operations
        operations.arrived = arrived
        was_written = True
        for _ in range(2):
            event = self._call.next_event()
            if event.tag is _SENDING:
                was_written = event.success
        message: bytes | None = operations.message.message()
        return (
            message if operations.status.code() == 0 else _failure(operations.status, was_written)
        )


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
    known = _CODES.get(status.code(), grpc.StatusCode.UNKNOWN)
    pushback = pushback_of(status.trailing_metadata())
    return RpcFailure(known, text, pushback, was_written=was_written)


_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


def pushback_of(metadata: Any) -> float | None:  # pairs, whatever class grpcio has for them
    """Returns the seconds that trailing metadata ask to wait; negative where they ask not to come back."""
    for key, value in metadata or ():
        if key == _PUSHBACK:
            # What is no number asks not to come back (gRPC proposal A6).
            return int(value) / 1000 if str(value).isascii() and str(value).isdigit() else -1.0
    return None
