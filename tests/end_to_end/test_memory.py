"""A result's length costs time, not memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.served_engine import ServedEngine

pytestmark = [
    pytest.mark.seconds,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

# The peak is the process's own (VmHWM); what getrusage tells includes the parent's before the exec.
STREAM = """
import json, sys
import e6data_adbc
uri, rows = sys.argv[1], int(sys.argv[2])
with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
    cursor.execute(f"select i, i % 7 as j from range({rows}) as t(i)")
    count = total = 0
    for batch in cursor.fetch_record_batch():
        count += batch.num_rows
        total += batch.column(0)[batch.num_rows - 1].as_py()
(peak,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
rss = int(peak.split()[1]) // 1024
print(json.dumps({"rows": count, "rss_mib": rss}))
"""

PARQUET = """
import json, sys
import pyarrow.parquet as pq
import e6data_adbc
uri, rows, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
    cursor.execute(f"select i, i * 2 as j, 'row ' || (i % 1000) as s from range({rows}) as t(i)")
    reader = cursor.fetch_record_batch()
    with pq.ParquetWriter(path, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
(peak,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
rss = int(peak.split()[1]) // 1024
print(json.dumps({"rows": pq.ParquetFile(path).metadata.num_rows, "rss_mib": rss}))
"""


@pytest.mark.timeout(300)
def test_fifty_million_rows_stream_in_constant_memory(
    serve: Callable[..., ServedEngine], run_client: Callable[..., str]
) -> None:
    """Fifty million rows pass through a process that never holds 300 MiB."""
    engine = serve("--chunk-rows", "100000")

    found = json.loads(run_client(STREAM, engine.uri, "50000000", timeout=250))

    assert found["rows"] == 50_000_000
    assert found["rss_mib"] < 300


def test_a_stream_can_be_written_to_parquet_in_constant_memory(
    serve: Callable[..., ServedEngine], run_client: Callable[..., str], tmp_path: Path
) -> None:
    """Writing three million rows needs no more memory than a few batches."""
    engine = serve("--chunk-rows", "50000")

    found = json.loads(run_client(PARQUET, engine.uri, "3000000", str(tmp_path / "rows.parquet")))

    assert found["rows"] == 3_000_000
    assert found["rss_mib"] < 400
