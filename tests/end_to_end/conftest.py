"""Engines in processes of their own, and clients in processes of their own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest


class ServedEngine:
    """An `e6data-adbc serve` process."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "e6data_adbc",
                "serve",
                "--port",
                "0",
                "--user",
                "u",
                "--token",
                "t",
                *arguments,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.fullmatch(r"listening on e6data://(127\.0\.0\.1:\d+)\n", line)
        assert found, line
        self.uri = f"e6data://u:t@{found.group(1)}/sample/sales"

    def kill(self) -> None:
        """Ends the process without a word to its clients."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ends the process as a service manager would."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., ServedEngine]]:
    """Starts engines in processes of their own."""
    started: list[ServedEngine] = []

    def start(*arguments: str) -> ServedEngine:
        started.append(ServedEngine(*arguments))
        return started[-1]

    yield start
    for engine in started:
        engine.stop()


@pytest.fixture
def run_client() -> Callable[..., str]:
    """Runs Python code in a process of its own and returns what it printed."""

    def run(code: str, *arguments: str, timeout: float = 100) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
