"""A token endpoint on loopback that answers as a test says."""

from __future__ import annotations

import dataclasses
import http.server
import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import Any

import trustme

__all__ = ["Answer", "Request", "TokenServer", "granted"]


@dataclasses.dataclass(frozen=True)
class Request:
    """What a client sent."""

    path: str
    headers: Mapping[str, str]
    body: str


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the server answers: head and body, or *raw* bytes in their place."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    raw: bytes | None = None
    has_length: bool = True
    #: Sent again and again after the rest, until the client or the server goes.
    drip: bytes | None = None
    #: The server says nothing more, and keeps the connection open.
    stalls: bool = False


def granted(token: str = "t-1", **changed: Any) -> Answer:
    """The answer that grants *token*; *changed* members replace its own, and None leaves one out."""
    payload = {"access_token": token, "token_type": "Bearer", "expires_in": 900, **changed}
    body = {key: value for key, value in payload.items() if value is not None}
    return Answer(body=json.dumps(body).encode())


class TokenServer:
    """A server with a certificate of *authority*; `answers` are used one after the other, the last one for ever."""

    def __init__(
        self, authority: trustme.CA, *answers: Answer, name: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.requests: list[Request] = []
        self.answers = list(answers) or [granted()]
        self.closing = threading.Event()
        self._lock = threading.Lock()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        self._server = _Server(("127.0.0.1", port), _handler(self, context))
        self.port = self._server.server_address[1]
        self.url = f"https://127.0.0.1:{self.port}/token"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    def next_answer(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def __enter__(self) -> TokenServer:  # noqa: PYI034 - Self is of Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 64
    daemon_threads = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the tests."""


def _handler(server: TokenServer, context: ssl.SSLContext) -> Callable[..., Any]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        plain: Any

        def setup(self) -> None:
            self.plain = self.request
            self.request.settimeout(10)
            self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def finish(self) -> None:
            super().finish()
            self.request.close()

        def do_POST(self) -> None:
            self.close_connection = True
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            headers = {key.lower(): value for key, value in self.headers.items()}
            answer = server.next_answer(Request(self.path, headers, body))
            if answer.raw is not None:
                self.wfile.write(answer.raw)
            else:
                self.send_response(answer.status)
                for key, value in answer.headers.items():
                    self.send_header(key, value)
                if answer.has_length:
                    self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
            while answer.drip is not None and not server.closing.wait(0.005):
                self.wfile.write(answer.drip)
            if answer.stalls:
                server.closing.wait()

        do_GET = do_POST

        def log_message(self, *args: Any) -> None:
            """Says nothing."""

    return Handler
