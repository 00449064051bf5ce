"""Engines in processes of their own, and clients in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.support.served_engine import ServedEngine


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


@pytest.fixture(scope="session")
def served_uri() -> Iterator[str]:
    """The URI of the engine, for all tests here."""
    serve = [sys.executable, "-m", "e6data_adbc", "serve", "--user", "u", "--chunk-rows", "100"]
    environment = {**os.environ, "E6DATA_TOKEN": "served-token"}
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        target = server.stdout.readline().strip().rpartition("/")[2]
        yield f"e6data://u:served-token@{target}/sample/sales"
        server.terminate()
