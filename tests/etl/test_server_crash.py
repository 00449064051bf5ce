"""A database server that dies under a load: the load goes on when it is back, in the same call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from e6data_adbc.etl import Progress, load
from tests.etl import places
from tests.etl.postgres_server import Server

pytestmark = pytest.mark.slow

ROWS = 600


@pytest.mark.timeout(200)
@pytest.mark.parametrize("event", ["committing", "committed"])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_load_outlives_a_crash_of_the_server(
    engine: Any, tmp_path: Path, request: pytest.FixtureRequest, kind: str, event: str, workers: int
) -> None:
    """Rows under way are sent again, what was committed is not."""
    from e6data_adbc.testing import isolated_catalog

    name = {"postgresql": "postgres_process", "mysql": "mariadb_process"}[kind]
    process: Server = request.getfixturevalue(name)
    place = places.make(kind, tmp_path, process.url)
    left = [2]

    def crash(progress: Progress) -> None:
        if progress.event == event:
            left[0] -= 1
            if left[0] == 0:
                process.crash()

    with isolated_catalog(engine, {"numbers": pa.table({"n": list(range(ROWS))})}) as catalog:
        report = load(
            "numbers",
            place.url(),
            uri=engine.uri_for(catalog),
            job="j",
            partition=("n", 6),
            workers=workers,
            progress=crash,
        )

    assert left[0] <= 0
    assert report.watermark is not None
    assert report.watermark.rows == ROWS
    assert place.rows("SELECT COUNT(*), COUNT(DISTINCT n) FROM {}t") == [(ROWS, ROWS)]
