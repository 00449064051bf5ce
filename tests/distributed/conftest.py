"""An engine for workers in processes of their own; its token is nowhere to be seen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e6data_adbc.distributed.connections import CONNECTIONS
from e6data_adbc.local import LocalEngine

TOKEN = "s3cr3t-0f-the-tests"


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    """The engine of one module."""
    with LocalEngine(token=TOKEN, chunk_rows=100) as engine:
        yield engine
        CONNECTIONS.close()
