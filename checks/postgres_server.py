"""A PostgreSQL server of its own, on loopback, from the programs that are installed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

_SECONDS = 60


def programs() -> Path | None:
    """Returns the folder of the newest installed server, or None."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = str(packaged[-1]) if packaged else shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


class UnavailableError(Exception):
    """No server can be started here; the text says why."""


@dataclasses.dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        url: Its address, without a table.
        crash: Ends it as a power cut would, and starts it again.
    """

    url: str
    crash: Callable[[], None]


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Yields a fresh server.

    Raises:
        UnavailableError: None is installed, or none can be started by this user.
    """
    folder = programs()
    if folder is None:
        raise UnavailableError("no PostgreSQL server is installed")
    user: str | None = None
    if os.geteuid() == 0:  # the server refuses to run as root
        user = "postgres"
        if user not in {entry.pw_name for entry in pwd.getpwall()}:
            raise UnavailableError("PostgreSQL does not run as root, and there is no user postgres")

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(folder / program), *arguments],
            user=user,
            cwd="/",
            env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]},
            check=True,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    root = Path(tempfile.mkdtemp(prefix="e6data-postgres-"))
    try:
        if user is not None:
            shutil.chown(root, user)
        data, port = str(root / "data"), free_port()
        run("initdb", "-D", data, "-A", "trust", "-U", "loader", "-E", "UTF8", "-N")
        # No disk is pulled: what a server that dies leaves with the system stays, so nothing waits for it.
        settings = f"-p {port} -k {root} -c listen_addresses=127.0.0.1 -c deadlock_timeout=200ms -c fsync=off"

        def start() -> None:
            run("pg_ctl", "-D", data, "-o", settings, "-l", str(root / "log"), "-w", "start")

        def stop() -> None:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")

        def crash() -> None:
            stop()
            start()

        start()
        try:
            yield Server(f"postgresql://loader@127.0.0.1:{port}/postgres", crash)
        finally:
            stop()
    finally:
        shutil.rmtree(root, ignore_errors=True)


def free_port() -> int:
    """Returns a port of loopback that nobody has."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
