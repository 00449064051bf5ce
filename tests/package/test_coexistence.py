"""The public connector and this package in one process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.seconds

ROOT = Path(__file__).resolve().parents[2]

BOTH = """
import sys
sys.path.append(sys.argv[1])
order = sys.argv[2]
if order == "ours first":
    from e6data_adbc._wire import cluster_pb2, e6x_engine_pb2
    import e6data_python_connector.e6data_grpc as theirs
else:
    import e6data_python_connector.e6data_grpc as theirs
    from e6data_adbc._wire import cluster_pb2, e6x_engine_pb2
import e6data_adbc
from e6data_python_connector.server import e6x_engine_pb2 as their_messages
request = e6x_engine_pb2.StatusRequest(engineIP="a", sessionId="b", queryId="c")
assert their_messages.StatusRequest.FromString(request.SerializeToString()).queryId == "c"
with e6data_adbc.connect("e6data:local") as connection, connection.cursor() as cursor:
    cursor.execute("select 1 as one")
    assert cursor.fetchall() == [(1,)]
print("both")
"""


@pytest.mark.parametrize("order", ["ours first", "theirs first"])
def test_both_load_in_one_process(upstream_packages: Path, order: str) -> None:
    """Neither order of imports clashes in protobuf's registry, and messages of one are read by the other."""
    done = subprocess.run(
        [sys.executable, "-c", BOTH, str(upstream_packages), order],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )

    assert done.stdout.strip() == "both", done.stderr
