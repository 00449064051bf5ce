"""A MariaDB server of its own, on loopback, from the programs that are installed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
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
    """Yields a fresh server with a database `test`.

    Raises:
        UnavailableError: None is installed, or none can be started by this user.
    """
    program = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
    install = shutil.which("mariadb-install-db")
    if program is None or install is None:
        raise UnavailableError("no MariaDB server is installed")
    user: str | None = None
    if os.geteuid() == 0:  # the server refuses to run as root
        user = "mysql"
        if user not in {entry.pw_name for entry in pwd.getpwall()}:
            raise UnavailableError("MariaDB does not run as root, and there is no user mysql")
    root = Path(tempfile.mkdtemp(prefix="e6data-mariadb-"))
    server = _Process(program, root, free_port(), user)
    try:
        if user is not None:
            shutil.chown(root, user)
        subprocess.run(
            [
                *(install, "--no-defaults", f"--datadir={server.data}", "--skip-test-db"),
                "--auth-root-authentication-method=normal",
            ],
            user=user,
            cwd="/",
            check=True,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        server.start()
        server.make("test")
        yield Server(f"mysql://root@127.0.0.1:{server.port}/test", server.crash)
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)


class _Process:
    """The server's process."""

    def __init__(self, program: str, root: Path, port: int, user: str | None) -> None:
        self.port, self.data = port, root / "data"
        self._program, self._root, self._user = program, root, user
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        # No disk is pulled: what a server that dies leaves with the system stays, so nothing waits for it.
        self._process = subprocess.Popen(
            [
                *(self._program, "--no-defaults", f"--datadir={self.data}"),
                *(f"--port={self.port}", "--bind-address=127.0.0.1", "--skip-name-resolve"),
                *(f"--socket={self._root / 'socket'}", f"--log-error={self._root / 'log'}"),
                *("--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M"),
                *("--performance-schema=OFF", "--debug-no-sync", "--innodb-log-file-size=16M"),
            ],
            user=self._user,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise UnavailableError(f"MariaDB did not start: {self._log()}")
            time.sleep(0.05)

    def make(self, database: str) -> None:
        """Makes a database."""
        import pymysql

        with pymysql.connect(host="127.0.0.1", port=self.port, user="root") as connection:
            connection.cursor().execute(f"CREATE DATABASE {database}")

    def crash(self) -> None:
        """Ends it as a power cut would, and starts it again."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """Ends it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_SECONDS)

    def _answers(self) -> bool:
        import pymysql

        try:
            pymysql.connect(host="127.0.0.1", port=self.port, user="root").close()
        except pymysql.err.OperationalError:
            return False
        return True

    def _log(self) -> str:
        try:
            return (self._root / "log").read_text()[-500:]
        except OSError:
            return "it has no log"
