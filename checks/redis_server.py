"""A Redis server of its own, on loopback, from the program that is installed."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from checks.postgres_server import Server, UnavailableError, free_port

__all__ = ["Server", "UnavailableError", "running"]

_SECONDS = 60


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Yields a fresh server that keeps a log of its changes.

    Raises:
        UnavailableError: None is installed, or it did not start.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise UnavailableError("no Redis server is installed")
    root = Path(tempfile.mkdtemp(prefix="e6data-redis-"))
    port = free_port()
    process: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        # With `everysec` a server that waits for the disk acknowledges what it has not written yet.
        started = subprocess.Popen(
            [
                *(program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(root)),
                *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
                *("--databases", "16", "--maxmemory", "512mb", "--maxmemory-policy", "noeviction"),
            ],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        process[:] = [started]
        deadline = time.monotonic() + _SECONDS
        while not _answers(port):
            if started.poll() is not None or time.monotonic() > deadline:
                raise UnavailableError("Redis did not start")
            time.sleep(0.02)

    def stop() -> None:
        for each in process:
            each.kill()
            each.wait(_SECONDS)

    def crash() -> None:
        stop()
        start()

    try:
        start()
        yield Server(f"redis://127.0.0.1:{port}/0", crash)
    finally:
        stop()
        shutil.rmtree(root, ignore_errors=True)


def _answers(port: int) -> bool:
    """Tells whether the server answers, and has read its log."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(5) == b"+PONG"
    except OSError:
        return False
