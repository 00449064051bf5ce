"""The fault proxy itself: each fault is what it says."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from checks.fault_proxy import FaultProxy, Way


class Echo(socketserver.BaseRequestHandler):
    """Sends back what it got; the order `send N` brings N bytes."""

    def handle(self) -> None:
        self.request.settimeout(10)
        with contextlib.suppress(OSError):
            while data := self.request.recv(65536):
                if data.startswith(b"send "):
                    data = b"x" * int(data[5:])
                self.request.sendall(data)
            self.request.sendall(b"bye")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    """A proxy before a server that echoes."""
    with Server(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        with FaultProxy(f"127.0.0.1:{server.server_address[1]}") as proxy:
            yield proxy
        server.shutdown()
        thread.join()


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[socket.socket]:
    """A connection through the proxy that has said hello."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as connection:
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello"
        yield connection


def read(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (piece := client.recv(65536)):
        data += piece
    return data


def test_it_passes_everything_on(proxy: FaultProxy, client: socket.socket) -> None:
    """Without a fault every byte arrives, and the end arrives too."""
    client.sendall(b"send 300000")
    assert read(client, 300000) == b"x" * 300000
    client.shutdown(socket.SHUT_WR)

    assert read(client, 10) == b"bye"
    assert proxy.connections == 1
    assert proxy.passed[Way.DOWN] == 300008


def test_latency_delays_each_direction(proxy: FaultProxy, client: socket.socket) -> None:
    """0.05 s each way are 0.1 s there and back, and nothing gets lost or out of order."""
    proxy.slow(latency_seconds=0.05)
    started = time.monotonic()
    client.sendall(b"a")

    assert client.recv(10) == b"a"
    assert time.monotonic() - started >= 0.1


def test_bandwidth_is_a_limit(proxy: FaultProxy, client: socket.socket) -> None:
    """40 KB at 200 KB/s take 0.2 s."""
    proxy.slow(Way.DOWN, bytes_per_second=200_000)
    started = time.monotonic()
    client.sendall(b"send 40000")

    assert len(read(client, 40000)) == 40000
    assert time.monotonic() - started >= 0.18


@pytest.mark.parametrize("ways", [(Way.UP,), (Way.DOWN,), ()], ids=["up", "down", "both"])
def test_a_black_hole_gives_no_sign(
    proxy: FaultProxy, client: socket.socket, ways: tuple[Way, ...]
) -> None:
    """Bytes go and nothing comes, until it heals; what vanished stays gone."""
    proxy.black_hole(*ways)
    client.sendall(b"lost")
    client.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.recv(10)
    client.settimeout(5)
    proxy.heal()
    client.sendall(b"again")

    assert client.recv(10) == b"again"


def test_a_reset_is_a_reset(proxy: FaultProxy, client: socket.socket) -> None:
    """The client hears ECONNRESET, not an orderly end; the next connection works."""
    assert proxy.reset() == 1

    with pytest.raises(ConnectionResetError):
        client.recv(10)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as second:
        second.sendall(b"b")
        assert second.recv(10) == b"b"


def test_half_close_ends_one_direction(proxy: FaultProxy, client: socket.socket) -> None:
    """The client reads the end, and its own bytes still reach the server."""
    proxy.half_close(Way.DOWN)
    assert client.recv(10) == b""
    before = proxy.passed[Way.UP]
    client.sendall(b"up")

    deadline = time.monotonic() + 5
    while proxy.passed[Way.UP] == before and time.monotonic() < deadline:
        pass
    assert proxy.passed[Way.UP] == before + 2


def test_a_cut_comes_after_so_many_bytes(proxy: FaultProxy, client: socket.socket) -> None:
    """Not one byte more arrives."""
    proxy.cut_after(1000)
    client.sendall(b"send 5000")

    data = b""
    with pytest.raises(ConnectionResetError):
        while True:
            data += client.recv(100)
    assert len(data) <= 1000
    assert proxy.passed[Way.DOWN] == 1005


def test_a_deaf_port_connects_and_says_nothing(proxy: FaultProxy) -> None:
    """The kernel accepts; nobody answers until it hears again."""
    proxy.deafen()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as client:
        client.sendall(b"anybody there")
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(100)
        client.settimeout(5)
        proxy.hear()

        assert client.recv(100) == b"anybody there"


def test_a_server_that_is_not_there_is_a_reset() -> None:
    """The client is not left hanging."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{taken.getsockname()[1]}"
        with FaultProxy(target) as proxy:
            with pytest.raises(ConnectionError):  # which may come as early as with connecting
                with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as client:
                    raise ConnectionError if client.recv(10) == b"" else AssertionError
