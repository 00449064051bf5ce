"""An HTTP/2 server on loopback that answers as servers and proxies in trouble do, and no gRPC server ever would."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Final

import h2.config
import h2.connection
import h2.events
from typing_extensions import Self

from e6data_adbc._options.database_config import Endpoint

__all__ = ["Exchange", "RawServer", "message"]

_HEADERS: Final = ((":status", "200"), ("content-type", "application/grpc"))


def message(data: bytes, *, flag: int = 0, length: int | None = None) -> bytes:
    """Returns *data* as gRPC frames it, or with another length or flag before it."""
    return struct.pack(">BI", flag, len(data) if length is None else length) + data


class Exchange:
    """One request, which came whole, and the ways to answer it. What is written goes out in that order."""

    def __init__(
        self, connection: h2.connection.H2Connection, peer: socket.socket, stream: int, path: str
    ) -> None:
        self._connection = connection
        self._peer = peer
        self._stream = stream
        #: The last part of the path.
        self.method = path.rsplit("/", 1)[-1]
        #: The message, without the five bytes before it.
        self.request = b""
        self.headers: dict[str, str] = {}

    def answer(self, data: bytes) -> None:
        """Answers as a sound server does."""
        self.start()
        self.send(message(data))
        self.end("0")

    def start(self, *headers: tuple[str, str]) -> None:
        """Sends the headers of an answer."""
        self._connection.send_headers(self._stream, (*_HEADERS, *headers))

    def send(self, data: bytes, *, is_last: bool = False) -> None:
        """Sends bytes; the last ones end the stream without trailers."""
        self._connection.send_data(self._stream, data, end_stream=is_last)

    def end(self, status: str | None, text: str = "", *more: tuple[str, str]) -> None:
        """Sends trailers."""
        trailers = () if status is None else (("grpc-status", status), ("grpc-message", text))
        self._connection.send_headers(self._stream, (*trailers, *more), end_stream=True)

    def fail(self, status: str, text: str) -> None:
        """Sends headers that are the trailers."""
        headers = (*_HEADERS, ("grpc-status", status), ("grpc-message", text))
        self._connection.send_headers(self._stream, headers, end_stream=True)

    def http(self, status: int) -> None:
        """Answers as a proxy: a page."""
        headers = ((":status", str(status)), ("content-type", "text/html"))
        self._connection.send_headers(self._stream, headers)
        self.send(b"<html>trouble</html>", is_last=True)

    def reset(self, code: int) -> None:
        """Ends the stream with RST_STREAM."""
        self._connection.reset_stream(self._stream, code)

    def raw(self, data: bytes) -> None:
        """Writes what is no HTTP/2."""
        self._flush()
        self._peer.sendall(data)

    def go_away(self, last: int, code: int = 0) -> None:
        """Sends GOAWAY and ends the connection: streams above *last* were not taken, it says."""
        self.raw(struct.pack(">IBIII", 8 << 8 | 7, 0, 0, last, code))
        self.close()

    def close(self) -> None:
        """Ends the connection."""
        self._flush()
        self._peer.shutdown(socket.SHUT_RDWR)

    def _flush(self) -> None:
        self._peer.sendall(self._connection.data_to_send())


class RawServer:
    """Has each request answered by `play`, in a thread for each connection; a context manager."""

    def __init__(self, play: Callable[[Exchange], object]) -> None:
        self.play = play
        #: The methods that were called, each as often as it was.
        self.calls: list[str] = []
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.endpoint = Endpoint("127.0.0.1", self.port, encrypted=False)
        self._peers: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._peers.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: socket.socket) -> None:
        config = h2.config.H2Configuration(
            client_side=False, header_encoding="utf-8", validate_outbound_headers=False
        )
        connection = h2.connection.H2Connection(config)
        connection.initiate_connection()
        exchanges: dict[int, Exchange] = {}
        # The client leaves when it likes; so do we.
        with peer, contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            peer.sendall(connection.data_to_send())
            while data := peer.recv(65536):
                for event in connection.receive_data(data):
                    self._take(event, exchanges, connection, peer)
                peer.sendall(connection.data_to_send())

    def _take(
        self,
        event: h2.events.Event,
        exchanges: dict[int, Exchange],
        connection: h2.connection.H2Connection,
        peer: socket.socket,
    ) -> None:
        if isinstance(event, h2.events.RequestReceived):
            headers = {str(key): str(value) for key, value in event.headers}
            exchange = Exchange(connection, peer, event.stream_id, headers[":path"])
            exchange.headers = headers
            exchanges[event.stream_id] = exchange
        elif isinstance(event, h2.events.DataReceived):
            exchanges[event.stream_id].request += event.data
            connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            exchange = exchanges.pop(event.stream_id)
            exchange.request = exchange.request[5:]
            self.calls.append(exchange.method)
            self.play(exchange)
