"""What does importing cost, in time and in memory, next to what it brings along?"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.environment import upstream_python
from benchmarks.harness import Report, Settings, Table, interleave, main, median, spread

__all__ = ["run"]

MODULES = (
    "e6data_adbc",
    "e6data_adbc.dbapi",
    "adbc_driver_manager.dbapi",
    "adbc_driver_flightsql.dbapi",
    "pyarrow",
    "grpc",
    "polars",
    "pandas",
)
UPSTREAM = "e6data_python_connector"

_PROGRAM = """
import sys, time
started = time.perf_counter()
import {module}
seconds = time.perf_counter() - started
import json
status = open("/proc/self/status").read()
resident = int(status.split("VmRSS:")[1].split()[0]) * 1024
heavy = [name for name in ("grpc", "numpy", "pandas", "polars", "pyarrow", "duckdb") if name in sys.modules]
print(json.dumps(dict(seconds=seconds, resident=resident, heavy=heavy)))
"""


def run(settings: Settings) -> Report:
    """Returns milliseconds and resident memory of each import in a fresh process."""
    report = Report("import_time", __doc__)
    tasks = {module: _ask(Path(sys.executable), module) for module in MODULES}
    upstream = upstream_python()
    if upstream is not None:
        tasks[UPSTREAM] = _ask(upstream, UPSTREAM)
    samples = interleave(tasks, settings.pick(9, 2), warm_up=True)
    table = Table("A fresh process", ["import", "ms", "resident, MiB", "heavy modules it loads"])
    for name, taken in samples.items():
        milliseconds = [1e3 * sample["seconds"] for sample in taken]
        resident = f"{median([sample['resident'] for sample in taken]) / 2**20:.0f}"
        table.add(name, spread(milliseconds), resident, ", ".join(taken[0]["heavy"]) or "none")
        report.figures[f"{name.replace('.', '_')}_ms"] = median(milliseconds)
    report.tables.append(table)
    report.samples = samples
    return report


def _ask(python: Path, module: str) -> Callable[[], Any]:
    command = [str(python), "-c", _PROGRAM.format(module=module)]

    def ask() -> Any:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return ask


if __name__ == "__main__":
    main(run)
