"""What does pushing down save, and what does a scan cost where there is nothing to push down?"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.harness import Report, Settings, Table, interleave, main, median, ratios, spread

__all__ = ["run"]

_QUERY = (
    "select range as id, range % 1000 as k, 'text ' || range as s, range / 7.0 as f from range({})"
)
_PROGRAM = """
import json, resource, sys, time
import polars as pl
import e6data_adbc.polars as e6
uri, sql = sys.argv[1], sys.argv[2]
c = pl.col
# What is loaded with the first query is nobody's.
e6.read("select 1", uri)
e6.scan("select 1 as one", uri).filter(c.one == 1).collect(engine="streaming")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.perf_counter()
{action}
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps(dict(seconds=seconds, bytes=frame.estimated_size(), kib=peak, grown=peak - before)))
"""
ACTIONS = {
    "read": "frame = e6.read(sql, uri)",
    "scan, 0.1 % of the rows": "frame = e6.scan(sql, uri).filter(c.k == 7).collect()",
    "read, the same WHERE by hand": (
        "frame = e6.read(f'select * from ({sql}) as t where k = 7', uri)"
    ),
    "read, filtered here": "frame = e6.read(sql, uri).filter(c.s.str.len_chars() == 7)",
    "scan, nothing to push down": (
        "frame = e6.scan(sql, uri).filter(c.s.str.len_chars() == 7).collect()"
    ),
    "the same, streaming": (
        'frame = e6.scan(sql, uri).filter(c.s.str.len_chars() == 7).collect(engine="streaming")'
    ),
}
SINK = """
import tempfile, os
frame = pl.DataFrame()
with tempfile.TemporaryDirectory() as folder:
    e6.scan(sql, uri).sink_parquet(os.path.join(folder, "out.parquet"))
"""


def run(settings: Settings) -> Report:
    """Returns seconds, bytes that became frames, and peaks of memory, each in a fresh process."""
    report = Report("lazy_scan", __doc__)
    rows = settings.pick(10_000_000, 1_000_000)
    with _served() as uri:
        tasks = {name: _ask(uri, rows, action) for name, action in ACTIONS.items()}
        samples = interleave(tasks, settings.pick(5, 1), warm_up=not settings.is_quick)
        sizes = [rows // 10, rows * 8 // 10]
        sinks = {f"{size:,} rows": _ask(uri, size, SINK) for size in sizes}
        sunk = interleave(sinks, settings.pick(3, 1))
    table = Table(f"{rows:,} rows", ["", "seconds", "MB in frames"])
    seconds = {name: [one["seconds"] for one in taken] for name, taken in samples.items()}
    size = {name: median([one["bytes"] for one in taken]) for name, taken in samples.items()}
    for name in ACTIONS:
        table.add(name, spread(seconds[name]), f"{size[name] / 1e6:.2f}")
    memory = Table("sink_parquet of a scan", ["", "MiB at the peak", "more than before it"])
    for name, taken in sunk.items():
        peak, grown = (median([one[key] / 1024 for one in taken]) for key in ("kib", "grown"))
        memory.add(name, f"{peak:.0f}", f"{grown:.0f}")
    report.tables += [table, memory]
    read, few, by_hand, filtered, kept, streaming = ACTIONS
    small, large = (median([one["kib"] for one in taken]) for taken in sunk.values())
    report.figures |= {
        "bytes_of_read": size[few] / size[read],
        "seconds_of_read": median(ratios(seconds[few], seconds[read])),
        "seconds_of_by_hand": median(ratios(seconds[few], seconds[by_hand])),
        "kept_of_filtered": median(ratios(seconds[kept], seconds[filtered])),
        "streaming_of_filtered": median(ratios(seconds[streaming], seconds[filtered])),
        "sink_of_eighth": large / small,
    }
    report.samples = {**samples, **sunk}
    return report


@contextlib.contextmanager
def _served() -> Iterator[str]:
    """Serves a local engine in a process of its own, and gives its URI."""
    command = [sys.executable, "-m", "e6data_adbc", "serve", "--user", "u"]
    environment = {**os.environ, "E6DATA_TOKEN": "benchmark"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        target = server.stdout.readline().strip().rpartition("/")[2]
        try:
            yield f"e6data://u:benchmark@{target}/sample/sales"
        finally:
            server.terminate()


def _ask(uri: str, rows: int, action: str) -> Callable[[], dict[str, Any]]:
    def ask() -> dict[str, Any]:
        program = _PROGRAM.format(action=action)
        command = [sys.executable, "-c", program, uri, _QUERY.format(rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return ask


if __name__ == "__main__":
    main(run)
