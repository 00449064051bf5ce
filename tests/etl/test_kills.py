"""Kills: whenever a load dies, the same call loads what is missing, and nothing twice."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest

from tests.etl.places import Place

pytestmark = pytest.mark.slow

ROWS = 3000
POINTS = ["begin", "begun", "batch", "committing", "watermark", "commit", "committed"]


@pytest.fixture
def source(engine: Any) -> Any:
    """A URI of a catalog whose table `numbers` has keys, some of them twice, and two NULLs."""
    from e6data_adbc.testing import isolated_catalog

    keys = [None, None, *(number // 2 for number in range(ROWS - 2))]
    table = pa.table({"id": list(range(ROWS)), "k": keys, "v": [f"v{n}" for n in range(ROWS)]})
    with isolated_catalog(engine, {"numbers": table}) as catalog:
        yield engine.uri_for(catalog)


def run(to: str, options: dict[str, Any], **kill: Any) -> subprocess.CompletedProcess[str]:
    given = {"source": "select id, k, v from numbers", "to": to, "options": options, **kill}
    return subprocess.run(
        [sys.executable, "-m", "tests.etl.killed_worker", json.dumps(given)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


SHAPES = {
    "partitions": ({"partition": ["id", 12]}, 6),
    "gathered partitions": ({"partition": ["id", 12], "commit_rows": 600}, 3),
    "key": ({"incremental": "k", "commit_rows": 400}, 4),
    "replace": ({"partition": ["id", 6], "mode": "replace"}, 4),
    "upsert": ({"partition": ["id", 6], "mode": "upsert", "key": "id"}, 3),
    "one commit": ({}, 2),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_killed_load_goes_on(place: Place, source: str, shape: str) -> None:
    """SIGKILL at seeded points before, inside and after commits: at the end each row is there once."""
    options, kills = SHAPES[shape]
    options = {"uri": source, "job": "nightly", **options}
    chance = random.Random(f"{place.kind} {shape}")
    if "replace" in shape:
        place.run("CREATE TABLE {}t (id BIGINT, k BIGINT, v TEXT)")
        place.run("INSERT INTO {}t VALUES (-1, -1, 'old')")

    passes = 1 if shape == "one commit" else 2  # most of its points are passed once
    died = 0
    for _ in range(kills):
        end = run(place.url(), options, point=chance.choice(POINTS), after=chance.randrange(passes))
        assert end.returncode in {0, -signal.SIGKILL}, end.stderr
        died += end.returncode != 0
        if end.returncode and "replace" in shape:
            seen = place.rows("SELECT id FROM {}t")
            assert seen == [(-1,)] or len(seen) == ROWS, "the old rows stay until the new are whole"
    last = run(place.url(), options)

    assert last.returncode == 0, last.stderr
    assert died
    assert place.rows(
        "SELECT COUNT(*), COUNT(DISTINCT id), CAST(SUM(id) AS BIGINT), COUNT(k) FROM {}t"
    ) == [(ROWS, ROWS, ROWS * (ROWS - 1) // 2, ROWS - 2)]
    assert [row[0] for row in place.rows("SELECT state FROM {}e6_loads")] == ["complete"]
    assert json.loads(run(place.url(), options).stdout)["rows"] == 0


@pytest.mark.timeout(300)
def test_two_workers_of_one_job(place: Place, source: str) -> None:
    """Two processes load the same job at once: no row is lost or there twice, and both end well."""
    options = {"uri": source, "job": "nightly", "partition": ["id", 6]}
    given = {"source": "select id, k, v from numbers", "to": place.url(), "options": options}
    command = [sys.executable, "-m", "tests.etl.killed_worker", json.dumps(given)]
    workers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]

    ends = [(worker.communicate(timeout=200), worker.returncode) for worker in workers]

    assert [code for _, code in ends] == [0, 0], ends
    assert place.rows("SELECT COUNT(*), COUNT(DISTINCT id) FROM {}t") == [(ROWS, ROWS)]
    assert sum(json.loads(out)["rows"] for (out, _), _ in ends) == ROWS
