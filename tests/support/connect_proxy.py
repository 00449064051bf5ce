"""An HTTP proxy that answers CONNECT, and leads all who may pass to one place."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

__all__ = ["ConnectProxy"]


class ConnectProxy:
    """A proxy that answers each CONNECT with a status, and writes down where it should have gone; close it."""

    def __init__(self, status: str, target: str | None = None) -> None:
        """Starts it; whoever asks is led to *target* (`host:port`), if one is given."""
        #: The first line of each request.
        self.asked: list[str] = []
        #: Whether each request had credentials.
        self.signed: list[bool] = []
        self._status, self._target = status, target
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._start(self._run)

    def close(self) -> None:
        """Ends all connections."""
        for connected in (self._socket, *self._open):
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(20)

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            self._start(self._serve, peer)

    def _serve(self, peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            self._open.add(peer)
            request = b""
            while b"\r\n\r\n" not in request and (part := peer.recv(4096)):
                request += part
            self.asked.append(request.decode().split("\r\n", 1)[0])
            self.signed.append(b"\r\nProxy-Authorization: " in request)
            peer.sendall(f"HTTP/1.1 {self._status}\r\n\r\n".encode())
            if self._target is None:
                return
            host, port = self._target.rsplit(":", 1)
            with socket.create_connection((host, int(port)), 20) as other:
                other.settimeout(None)
                self._open.add(other)
                self._start(self._pass_on, other, peer)
                self._pass_on(peer, other)

    @staticmethod
    def _pass_on(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                sink.sendall(part)
        for connected in (source, sink):
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)
