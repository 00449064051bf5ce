"""A TCP proxy on loopback that does to connections what networks do."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

__all__ = ["FaultProxy", "Way"]

T = TypeVar("T")

_READ_BYTES: Final = 65536


class Way(enum.Enum):
    """The direction of bytes."""

    #: From the client to the server.
    UP = "up"
    #: From the server to the client.
    DOWN = "down"


BOTH: Final = (Way.UP, Way.DOWN)


@dataclasses.dataclass
class Conditions:
    """What one direction suffers from now on; connections that are open feel a change at once."""

    #: Seconds that each piece of data is late; order is kept, and the rate is not reduced.
    latency_seconds: float = 0.0
    #: Bytes a second at most; None for no limit.
    bytes_per_second: float | None = None
    #: Bytes vanish, as behind a firewall that forgot the connection: no reset, no end.
    is_black_hole: bool = False
    #: Bytes that still pass, over all connections, before everything is reset; None for no end.
    cut_after: int | None = None


class FaultProxy:
    """Passes connections on to a server, under conditions that a test changes as it goes.

    A context manager; any thread may call any method, and each returns when its effect has begun. It lives on an event
    loop in a thread of its own::

        with FaultProxy("127.0.0.1:5000") as proxy:
            connect(proxy.target)
            proxy.black_hole()
    """

    def __init__(self, target: str) -> None:
        """Passes connections on to *target*, `host:port`."""
        host, _, port = target.rpartition(":")
        self._upstream = (host.strip("[]"), int(port))
        self._conditions = {way: Conditions() for way in Way}
        self._links: set[_Link] = set()
        #: Connections that were accepted so far, and bytes that were passed on.
        self.connections = 0
        self.passed = dict.fromkeys(Way, 0)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="fault-proxy", daemon=True
        )
        # Ours from start to stop, so that a deaf port stays taken, and a closed one is free for nobody else.
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(128)
        self._socket.setblocking(False)
        self._accepting: asyncio.Task[None] | None = None

    def __enter__(self) -> FaultProxy:  # noqa: PYI034 - Self is of Python 3.11
        self._thread.start()
        self.hear()
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._socket.close()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._socket.getsockname()[1])

    @property
    def target(self) -> str:
        """`host:port` for the client."""
        return f"127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        """Connections that pass through now."""
        return self._do(lambda: len(self._links))

    def slow(
        self,
        *ways: Way,
        latency_seconds: float = 0.0,
        bytes_per_second: float | None = None,
    ) -> None:
        """Delays, or narrows, one direction or both."""
        self._change(ways, latency_seconds=latency_seconds, bytes_per_second=bytes_per_second)

    def black_hole(self, *ways: Way) -> None:
        """Lets bytes vanish without a sign, in one direction or both."""
        self._change(ways, is_black_hole=True)

    def cut_after(self, count: int, *ways: Way) -> None:
        """Resets every connection once *count* more bytes have passed in that direction."""
        self._change(ways or (Way.DOWN,), cut_after=count)

    def heal(self) -> None:
        """Ends all conditions; what vanished stays gone."""

        def forget() -> None:
            for way in Way:
                self._conditions[way] = Conditions()
                for link in self._links:
                    link.changed.set()

        self._do(forget)

    def reset(self) -> int:
        """Resets (RST) the open connections at both ends; returns how many there were."""

        def abort() -> int:
            links = list(self._links)
            for link in links:
                link.reset()
            return len(links)

        return self._do(abort)

    def half_close(self, way: Way = Way.DOWN) -> None:
        """Ends (FIN) one direction of the open connections, and leaves the other one open."""

        def finish() -> None:
            for link in self._links:
                link.finish(way)

        self._do(finish)

    def deafen(self) -> None:
        """Accepts no connection from now on: a client's connect succeeds, in the kernel, and nobody ever answers."""

        async def stop() -> None:
            if self._accepting is not None:
                self._accepting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._accepting
                self._accepting = None

        self._run(stop())

    def hear(self) -> None:
        """Accepts connections, those too that came while it was deaf."""

        def start() -> None:
            if self._accepting is None:
                self._accepting = self._loop.create_task(self._accept())

        self._do(start)

    def conditions(self, way: Way) -> Conditions:
        """Returns the conditions of a direction; for the links."""
        return self._conditions[way]

    def _change(self, ways: tuple[Way, ...], **values: Any) -> None:
        def change() -> None:
            for way in ways or BOTH:
                self._conditions[way] = dataclasses.replace(self._conditions[way], **values)
                for link in self._links:
                    link.changed.set()

        self._do(change)

    def _do(self, act: Callable[[], T]) -> T:
        async def run() -> T:
            return act()

        return self._run(run())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _accept(self) -> None:
        while True:
            client, _ = await self._loop.sock_accept(self._socket)
            self.connections += 1
            link = _Link(self, client)
            self._links.add(link)
            link.task = self._loop.create_task(link.run(self._upstream))
            link.task.add_done_callback(lambda _, link=link: self._links.discard(link))

    async def _stop(self) -> None:
        tasks = [link.task for link in self._links if link.task]
        if self._accepting is not None:
            tasks.append(self._accepting)
        for link in list(self._links):
            link.reset()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Link:
    """One connection: two sockets, and a pump for each direction. It lives on the loop."""

    def __init__(self, proxy: FaultProxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server: socket.socket | None = None
        self.task: asyncio.Task[None] | None = None
        self.changed = asyncio.Event()

    async def run(self, upstream: tuple[str, int]) -> None:
        """Pumps until both directions have ended."""
        loop = asyncio.get_running_loop()
        client = self._client
        client.setblocking(False)
        self._server = server = socket.socket(
            socket.AF_INET6 if ":" in upstream[0] else socket.AF_INET
        )
        server.setblocking(False)
        try:
            await loop.sock_connect(server, upstream)
            await asyncio.gather(
                self._pump(loop, client, server, Way.UP), self._pump(loop, server, client, Way.DOWN)
            )
        except OSError:
            self.reset()
        finally:
            client.close()
            server.close()

    async def _pump(
        self, loop: asyncio.AbstractEventLoop, source: socket.socket, sink: socket.socket, way: Way
    ) -> None:
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sender = loop.create_task(self._send(loop, late, sink, way))
        try:
            while data := await loop.sock_recv(source, _READ_BYTES):
                conditions = self._proxy.conditions(way)
                if not conditions.is_black_hole:
                    late.put_nowait((loop.time() + conditions.latency_seconds, data))
            late.put_nowait((0.0, b""))
            await sender
        finally:
            sender.cancel()

    async def _send(
        self,
        loop: asyncio.AbstractEventLoop,
        late: asyncio.Queue[tuple[float, bytes]],
        sink: socket.socket,
        way: Way,
    ) -> None:
        while True:
            due, data = await late.get()
            if not data:
                if not self._proxy.conditions(way).is_black_hole:
                    self.finish(way)
                return
            await self._until(loop, due)
            while data:
                conditions = self._proxy.conditions(way)
                if conditions.is_black_hole:
                    break
                rate, left = conditions.bytes_per_second, conditions.cut_after
                size = len(data) if rate is None else max(1, min(len(data), int(rate / 50)))
                piece, data = data[:size], data[size:]
                if left is not None:
                    piece = piece[:left]
                    conditions.cut_after = left - len(piece)
                await loop.sock_sendall(sink, piece)
                self._proxy.passed[way] += len(piece)
                if conditions.cut_after == 0:
                    self.reset()
                    return
                if rate is not None:
                    await self._until(loop, loop.time() + len(piece) / rate)

    async def _until(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        """Waits until *due*, or until the conditions change."""
        while (left := due - loop.time()) > 0:
            self.changed.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.changed.wait(), left)
                return

    def reset(self) -> None:
        """Ends both sides with a reset."""
        for side in (self._client, self._server):
            if side is not None and side.fileno() >= 0:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Closing a socket under a pump's feet leaves the loop watching it, so the pump does it.
        if self.task is not None:
            self.task.cancel()

    def finish(self, way: Way) -> None:
        """Sends FIN in one direction."""
        sink = self._server if way is Way.UP else self._client
        if sink is not None and sink.fileno() >= 0:
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)
