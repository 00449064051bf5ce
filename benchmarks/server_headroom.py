"""How fast is the benchmark server itself, read by a bare client that looks at nothing?"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

from benchmarks import servers
from benchmarks.harness import Report, Settings, Table, interleave, main, median, spread

__all__ = ["run"]

SETS = (("lineitem", 1_000), ("lineitem", 10_000), ("lineitem", 100_000), ("narrow", 100_000))


def run(settings: Settings) -> Report:
    """Returns the receive-only rate for the sizes of response that the other benchmarks use."""
    report = Report("server_headroom", __doc__)
    table = Table(
        "Receive only", ["rows of", "MB a response", "GB/s", "million rows/s", "CPU s/GB of client"]
    )
    texts = {}
    for mix, rows in SETS:
        chunks = settings.pick(10_000_000, 2_000_000) // rows
        texts[f"{mix}, {rows:,} a chunk"] = (mix, rows, servers.query(mix, rows, max(chunks, 1)))
    with servers.serve() as port:
        samples = interleave(
            {name: _ask(port, text) for name, (_, _, text) in texts.items()}, settings.pick(3, 1)
        )
    for name, (mix, rows, _) in texts.items():
        taken = samples[name]
        speeds = [sample["bytes"] / sample["seconds"] / 1e9 for sample in taken]
        rates = [sample["responses"] * rows / sample["seconds"] / 1e6 for sample in taken]
        size = taken[0]["bytes"] / taken[0]["responses"] / 1e6
        cpu = [sample["cpu"] / sample["bytes"] * 1e9 for sample in taken]
        table.add(name, f"{size:.2f}", spread(speeds), spread(rates), spread(cpu))
        report.figures[f"{mix}_{rows}_million_rows"] = median(rates)
    report.tables.append(table)
    report.samples = samples
    report.notes.append(
        "One thread of the server on one core, the bare client (Rust, h2) on the other. A client that reaches these"
        " rows per second is limited by the server."
    )
    return report


def _ask(port: int, text: str) -> Callable[[], Any]:
    command = [str(servers.benchserver()), "receive", f"127.0.0.1:{port}", text, "V1"]

    def ask() -> Any:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return ask


if __name__ == "__main__":
    main(run)
