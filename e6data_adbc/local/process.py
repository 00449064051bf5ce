"""The engine as a process: start, say where, wait for a signal, stop."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from e6data_adbc.local.server import LocalEngine

__all__ = ["serve"]


def serve(  # noqa: PLR0913 - a public face
    host: str = "127.0.0.1",
    port: int = 0,
    user: str | None = None,
    token: str | None = None,
    path: str | Path | None = None,
    *,
    token_file: str | Path | None = None,
    admin_token: str | None = None,
    admin_token_file: str | Path | None = None,
    grace_seconds: float = 0.0,
    made_by: Callable[..., contextlib.AbstractContextManager[LocalEngine]] = LocalEngine,
    **settings: Any,
) -> int:
    """Runs an engine until SIGTERM or SIGINT; returns the exit code 0. Call it from the main thread.

    Prints one line to standard output when it is ready: `listening on e6data://host:port`. A token that was made up is
    told on standard error, or written to *token_file*, which only its owner can read.

    Args:
        host: Address to listen on.
        port: Port; 0 takes a free one.
        user: Who may sign in.
        token: The token that is demanded; made up when None.
        path: A directory of files to serve as tables.
        token_file: Where a token that was made up is written.
        admin_token: The token of the admin service; without it and *admin_token_file* there is no such service.
        admin_token_file: Holds the admin token; made, for its owner only, if there is no such file.
        grace_seconds: How long queries may still be read to their end after the signal.
        made_by: Makes the engine of the settings; what `e6data_adbc.snapshot` has, for instance.
        settings: More settings, by the names of `EngineConfig`.

    Raises:
        Error: The engine cannot start.
    """
    stop = threading.Event()
    if admin_token is None and admin_token_file is not None:
        admin_token = _admin_token(Path(admin_token_file))
    if admin_token is not None:
        settings["admin_token"] = admin_token
    named = {"path": path, "user": user, "token": token}
    settings.update({name: value for name, value in named.items() if value is not None})
    with _signals(stop), made_by(host=host, port=port, **settings) as engine:
        if token is None:
            _tell(engine, token_file)
        print(f"listening on e6data://{engine.target}", flush=True)  # noqa: T201
        stop.wait()
        if grace_seconds:
            engine.stop(grace_seconds)
    return 0


def _admin_token(file: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        return file.read_text().strip()
    token = secrets.token_urlsafe(32)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as made:
        made.write(token)
    return token


def _tell(engine: LocalEngine, token_file: str | Path | None) -> None:
    if token_file is None:
        sys.stderr.write(f"sign in as {engine.user!r} with the token {engine.token!r}\n")
        sys.stderr.flush()
        return
    descriptor = os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(engine.token)


@contextlib.contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    def note(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
