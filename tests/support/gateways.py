"""nginx and HAProxy as Debian packages them, started by hand on loopback in front of an engine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Final

from typing_extensions import Self

from tests.support.waiting import eventually

__all__ = ["GATEWAYS", "Gateway", "HAProxy", "Nginx"]

#: Where Debian has them, which is on the path of root alone.
_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin"
#: Seconds after which what does not happen is a fault.
_PATIENCE: Final = 60.0


class Gateway:
    """One proxy in front of one address, running between enter and exit.

    Attributes:
        address: `host:port` of the proxy.
    """

    program = ""

    def __init__(self, target: str, folder: Path, *, tls: str = "", **settings: str) -> None:
        """Starts nothing yet.

        Args:
            target: `host:port` of the server behind it.
            folder: For its files; nobody else's.
            tls: What it listens with beside HTTP/2, in its own words; without it plaintext.
            settings: What its template takes beside that.
        """
        self._target = target
        self._folder = folder
        self._tls = tls
        self._settings = settings
        # Whoever connects before the program runs waits in the queue of the socket.
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._running: list[subprocess.Popen[bytes]] = []

    @classmethod
    def is_installed(cls) -> bool:
        """Tells whether the program is there."""
        return shutil.which(cls.program, path=_PATH) is not None

    def uri_of(self, uri: str) -> str:
        """Returns *uri*, of the server behind it, through the proxy."""
        return uri.replace(f"{self._target}/", f"{self.address}/")

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._running:
            _reap(process)
        self._listener.close()

    def _start(self, *more: str) -> None:
        raise NotImplementedError

    def _run(self, arguments: list[str], **environment: str) -> None:
        program = shutil.which(self.program, path=_PATH)
        assert program is not None
        log = self._folder / f"{self.program}.out"
        with log.open("ab") as out:
            self._running.append(
                subprocess.Popen(
                    [program, *arguments],
                    stdout=out,
                    stderr=out,
                    pass_fds=[self._listener.fileno()],
                    env={**os.environ, **environment},
                    cwd=self._folder,
                )
            )

    def restart(self) -> None:
        """Has another process, or another set of them, take over; returns once the new one runs."""
        raise NotImplementedError

    def has_connections(self) -> bool:
        """Tells whether anybody is connected to it."""
        local = f":{self.port:04X}"
        lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        rows = [line.split() for line in lines]
        return any(row[1].endswith(local) and row[3] == "01" for row in rows)


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Nginx(Gateway):
    """`grpc_pass`, with one worker."""

    program = "nginx"

    _TEMPLATE = """
        daemon off;
        pid {folder}/nginx.pid;
        error_log {folder}/error.log;
        worker_processes 1;
        {user}
        events {{ worker_connections 256; }}
        http {{
            access_log off;
            client_body_temp_path {folder}/body;
            proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi;
            uwsgi_temp_path {folder}/uwsgi;
            scgi_temp_path {folder}/scgi;
            server {{
                listen {address} {tls} http2;
                {settings}
                location / {{ grpc_pass grpc://{target}; }}
            }}
        }}
    """

    def _start(self, *more: str) -> None:
        text = self._TEMPLATE.format(
            folder=self._folder,
            user="user root;" if os.getuid() == 0 else "",
            address=self.address,
            target=self._target,
            tls=self._tls,
            settings=self._settings.get("nginx", ""),
        )
        config = self._folder / "nginx.conf"
        config.write_text(text, encoding="ascii")
        self._run(
            ["-p", str(self._folder), "-c", str(config), *more],
            # Sockets that it is given, as one that is replaced gives them to the next.
            NGINX=f"{self._listener.fileno()};",
        )

    def restart(self) -> None:
        """Has it read its settings again: another worker, and the old one ends when its calls have."""
        before = self._workers()
        assert before
        self._running[-1].send_signal(signal.SIGHUP)
        eventually(lambda: bool(self._workers() - before), _PATIENCE)

    def _workers(self) -> set[int]:
        master = self._running[-1].pid
        path = Path(f"/proc/{master}/task/{master}/children")
        eventually(lambda: bool(path.read_text(encoding="ascii").split()), _PATIENCE)
        return {int(pid) for pid in path.read_text(encoding="ascii").split()}


class HAProxy(Gateway):
    """A proxy of HTTP on both sides."""

    program = "haproxy"

    _TEMPLATE = """
        global
            pidfile {folder}/haproxy.pid
            stats socket {folder}/haproxy.sock
            {settings}
        defaults
            mode http
            timeout connect 20s
            timeout client {idle}
            timeout http-keep-alive {idle}
            timeout server 300s
        frontend front
            bind fd@{descriptor} {tls}
            default_backend back
        backend back
            server engine {target} proto h2
    """

    def _start(self, *more: str) -> None:
        text = self._TEMPLATE.format(
            folder=self._folder,
            descriptor=self._listener.fileno(),
            target=self._target,
            tls=self._tls or "proto h2",
            idle=self._settings.get("idle", "300s"),
            settings=self._settings.get("haproxy", ""),
        )
        lines = [line.strip() for line in text.splitlines()]
        config = self._folder / "haproxy.conf"
        config.write_text("\n".join(lines) + "\n", encoding="ascii")
        self._run(["-db", "-f", str(config), *more])

    def restart(self) -> None:
        """Starts another one, which tells the old one to end when its calls have."""
        old = self._running[-1]
        socket_path = self._folder / "haproxy.sock"
        self._wait_for(socket_path)
        socket_path.unlink()
        self._start("-sf", str(old.pid))
        self._wait_for(socket_path)

    def _wait_for(self, path: Path) -> None:
        def answers() -> bool:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                return True
            return False

        eventually(answers, _PATIENCE)


GATEWAYS: Final[list[type[Gateway]]] = [Nginx, HAProxy]
