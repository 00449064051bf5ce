"""Who reads a result receives and decodes it, while the result's threads rest."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import e6data_adbc
from e6data_adbc.local import LocalEngine
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads are looked at in /proc")

THREADS = {"e6data-fetch", "e6data-decode"}


def switches() -> int:
    """Returns how often the threads of results have gone to sleep."""
    total = 0
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            if (task / "comm").read_text(encoding="ascii").strip() in THREADS:
                lines = (task / "status").read_text(encoding="ascii").splitlines()
                (line,) = (line for line in lines if line.startswith("voluntary_ctxt_switches"))
                total += int(line.split()[1])
    return total


@pytest.mark.parametrize(("transport", "rests"), [("native", True), ("grpc", False)])
def test_threads_rest_while_responses_are_usual(
    engine: LocalEngine, transport: str, rests: bool
) -> None:
    """A hundred responses wake nobody; over grpcio each is fetched by one thread and decoded by another."""
    options = {"adbc.e6data.transport": transport}
    with e6data_adbc.connect(engine.uri, db_kwargs=options) as connection:
        with connection.cursor() as cursor:
            cursor.execute("select i from range(2000000) as t(i)")
            reader = cursor.fetch_record_batch()
            rows = sum(reader.read_next_batch().num_rows for _ in range(3))
            before = switches()
            while rows < 1_500_000:
                rows += reader.read_next_batch().num_rows
            slept = switches() - before
            assert rows + reader.read_all().num_rows == 2_000_000
    assert (slept <= 4) == rests, slept


def test_large_responses_have_their_threads(serve_large: str) -> None:
    """They are received while others are decoded; what comes is the same."""
    total = 2_000_000
    with e6data_adbc.connect(serve_large) as connection, connection.cursor() as cursor:
        cursor.execute(f"select i, i::varchar || 'x' as s from range({total}) as t(i)")
        reader = cursor.fetch_record_batch()
        batches = [reader.read_next_batch()]
        before = switches()
        while sum(batch.num_rows for batch in batches) < total // 2:
            batches.append(reader.read_next_batch())
        slept = switches() - before
        batches.extend(reader)
        eventually(lambda: not switches())  # the threads have ended with the result
    assert pa.Table.from_batches(batches).column(0).equals(pa.chunked_array([range(total)]))
    assert slept > 4


@pytest.fixture
def serve_large() -> Iterator[str]:
    """The URI of an engine whose responses have some 9 MB."""
    with LocalEngine(chunk_rows=200_000, chunk_bytes=16 << 20, response_bytes=16 << 20) as large:
        yield large.uri
