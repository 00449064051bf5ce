"""An engine in a process of its own: a process that serves gRPC must not fork."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest


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
