"""What goes over a connection on which nothing happens, to a server that has gRPC's own idea of too many pings."""

from __future__ import annotations

import collections
import contextlib
import math
import socket
import threading
import time
from typing import Any, Final
from unittest import mock

import e6data_adbc
from checks.reliability.scenarios import Figures, ask, with_options
from e6data_adbc.local import LocalEngine, server

__all__ = ["FrameCounter", "FrameTap", "idle"]

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD_BYTES: Final = 9
_PING: Final = 6
_GOAWAY: Final = 7
_ACK: Final = 1


class FrameCounter:
    """Counts the frames of one direction of one HTTP/2 connection (RFC 9113, section 4.1)."""

    def __init__(self, counts: collections.Counter[str], *, is_client: bool) -> None:
        self.counts = counts
        self._rest = b""
        self._skip = len(_PREFACE) if is_client else 0

    def feed(self, data: bytes) -> None:
        """Takes the next bytes, cut anywhere."""
        data = self._rest + data
        while True:
            skipped = min(self._skip, len(data))
            data, self._skip = data[skipped:], self._skip - skipped
            if self._skip or len(data) < _HEAD_BYTES:
                self._rest = data
                return
            kind, flags = data[3], data[4]
            self._skip = _HEAD_BYTES + int.from_bytes(data[:3], "big")
            if kind == _GOAWAY:
                self.counts["goaway"] += 1
            elif kind == _PING:
                self.counts["pong" if flags & _ACK else "ping"] += 1


class FrameTap:
    """Passes connections on to a server and counts what either side says; a context manager."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: Final[int] = self._listener.getsockname()[1]
        #: Connections so far, and the frames of each direction.
        self.connections = 0
        self.up: collections.Counter[str] = collections.Counter()
        self.down: collections.Counter[str] = collections.Counter()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> FrameTap:  # noqa: PYI034 - Self is of Python 3.11
        self._start(self._accept)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(5)
        for end in self._open:
            end.close()

    def _start(self, run: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=run, args=arguments, name="frame-tap", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                upstream = socket.create_connection(("127.0.0.1", self._port))
                self._open += [client, upstream]
                self.connections += 1
                self._start(self._copy, client, upstream, FrameCounter(self.up, is_client=True))
                self._start(self._copy, upstream, client, FrameCounter(self.down, is_client=False))

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket, counter: FrameCounter) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                counter.feed(data)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def idle(seconds: float, *, during_call: bool) -> Figures:
    """A connection on which nothing happens for *seconds*, to a server with gRPC's own limits on pings.

    Args:
        seconds: How long.
        during_call: Whether a fetch waits for the server all that time, or no call is open at all.

    Measures: `goaways` that the server sent; `pings` that the client sent and `pongs` that came; `connections` made.
    """
    # The engine is kinder to clients that ping too much than a server as it comes; here it must not be.
    stock = tuple(
        (key, value)
        for key, value in server._CHANNEL_OPTIONS
        if not key.startswith(("grpc.keepalive", "grpc.http2"))
    )
    figures = Figures()
    with (
        mock.patch.object(server, "_CHANNEL_OPTIONS", stock),
        LocalEngine(query_lifetime_seconds=math.ceil(seconds) + 600) as engine,
        FrameTap(engine.port) as tap,
    ):
        uri = with_options(
            engine.uri.replace(f":{engine.port}/", f":{tap.port}/"),
            fetch_timeout_seconds=seconds + 600,
        )
        with e6data_adbc.connect(uri) as connection:
            ask(connection, 0)
            if during_call:
                gate = threading.Event()
                engine.faults.delay("getNextResultBatch", gate=gate)
                threading.Timer(seconds, gate.set).start()
            else:
                time.sleep(seconds)
            try:
                ask(connection, 1)
                figures.right += 1
            except e6data_adbc.Error as error:
                figures.errors.append(str(error))
            figures.numbers = {
                "goaways": tap.down["goaway"],
                "pings": tap.up["ping"],
                "pongs": tap.down["pong"],
                "connections": tap.connections,
            }
    return figures
