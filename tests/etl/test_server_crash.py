"""A PostgreSQL server that dies under a load: the load goes on when it is back, in the same call."""

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
def test_a_load_outlives_a_crash_of_the_server(
    engine: Any, tmp_path: Path, postgres_process: Server, event: str, workers: int
) -> None:
    """Rows under way are sent again, what was committed is not."""
    from e6data_adbc.testing import isolated_catalog

    place = places.make("postgresql", tmp_path, postgres_process.url)
    left = [2]

    def crash(progress: Progress) -> None:
        if progress.event == event:
            left[0] -= 1
            if left[0] == 0:
                postgres_process.crash()

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
