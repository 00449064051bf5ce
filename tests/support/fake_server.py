"""A gRPC server on loopback whose every answer the test decides, and which writes down what it was asked."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import Any

import grpc
from google.protobuf.message import Message
from typing_extensions import Self

from e6data_adbc._options.database_config import Endpoint

#: What a method does: takes the request's bytes and the call, returns the response.
Answer = Callable[[bytes, grpc.ServicerContext], "bytes | Message"]


@dataclasses.dataclass(frozen=True)
class Received:
    """One call as it arrived."""

    method: str
    request: bytes
    headers: dict[str, str]
    seconds_left: float | None


class FakeServer:
    """Answers by `answers[method]`; a method without an answer is UNIMPLEMENTED.

    On leaving, every call must have had a deadline: none may wait for ever.
    """

    def __init__(
        self,
        credentials: grpc.ServerCredentials | None = None,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self.answers: dict[str, Answer] = {}
        self.received: list[Received] = []
        self.changed = threading.Condition()
        self.release = threading.Event()
        self._server = grpc.server(
            futures.ThreadPoolExecutor(64),
            handlers=[_Handler(self)],
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_send_message_length", -1),
                *options,
            ],
        )
        if credentials is None:
            port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            port = self._server.add_secure_port("localhost:0", credentials)
        self.port = port
        self.endpoint = Endpoint("127.0.0.1", port, encrypted=False)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.release.set()
        self._server.stop(None).wait()
        if error == (None, None, None):
            assert [call for call in self.received if call.seconds_left is None] == []

    def answer(self, method: str, *responses: bytes | Message | Answer) -> None:
        """Gives *responses* one after the other, the last one for ever."""
        left = list(responses)

        def reply(request: bytes, context: grpc.ServicerContext) -> bytes | Message:
            response = left.pop(0) if len(left) > 1 else left[0]
            return response(request, context) if callable(response) else response

        self.answers[method] = reply

    def hang(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """An answer that comes when the caller gave up or the server stops."""
        ended = threading.Event()
        context.add_callback(ended.set)
        while not ended.wait(0.01) and not self.release.is_set():
            pass
        return b""

    def count(self, method: str) -> int:
        """Returns how often *method* was called."""
        return sum(call.method == method for call in self.received)

    def wait_for(self, method: str, count: int = 1) -> None:
        """Returns once *method* has been called *count* times."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.count(method) >= count, 10), method


def fail(code: grpc.StatusCode, details: str) -> Answer:
    """Returns the answer that fails with *code* and *details*."""

    def reply(request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(code, details)
        raise AssertionError

    return reply


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        method = str(details.method).rsplit("/", maxsplit=1)[-1]
        answer = self._server.answers.get(method)

        def stream(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            headers = {key: str(value) for key, value in context.invocation_metadata()}
            left = context.time_remaining()
            with self._server.changed:
                self._server.received.append(
                    Received(method, request, headers, None if left is None or left > 1e6 else left)
                )
                self._server.changed.notify_all()
            if answer is None:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, f"no {method} here")
                return
            response = answer(request, context)
            for message in response if isinstance(response, list) else [response]:
                if isinstance(message, Exception):
                    context.abort(grpc.StatusCode.ABORTED, str(message))
                yield message.SerializeToString() if isinstance(message, Message) else message

        return grpc.unary_stream_rpc_method_handler(stream)
