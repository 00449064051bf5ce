"""Do rate and memory stay the same from one row to a hundred million?"""

from __future__ import annotations

import functools
from typing import Any

from benchmarks import rates, servers
from benchmarks.harness import Plot, Report, Settings, Table, interleave, main, median, spread
from benchmarks.rates import FLIGHT_SQL, OURS

__all__ = ["run"]

#: Rows in all, rows of a chunk.
SIZES = (
    (1, 1),
    (1_000, 1_000),
    (100_000, 10_000),
    (1_000_000, 10_000),
    (10_000_000, 10_000),
    (100_000_000, 10_000),
)


def run(settings: Settings) -> Report:
    """Returns seconds, rows per second and peak memory, streaming; each size in a fresh process."""
    report = Report("scale", __doc__)
    sizes = settings.pick(SIZES, (SIZES[1], SIZES[3]))
    for _, chunk in sizes:
        servers.query("lineitem", chunk, 1)
    table = Table(
        "lineitem, batch by batch",
        ["rows", "", "seconds", "million rows/s", "peak memory over idle, MiB", "idle, MiB"],
    )
    memory: dict[str, list[float | None]] = {}
    with servers.serve() as e6data, servers.flight() as flight:
        for rows, chunk in sizes:
            text = servers.query("lineitem", chunk, rows // chunk)
            samples = interleave(
                {
                    name: functools.partial(_read, name, text, e6data, flight)
                    for name in (OURS, FLIGHT_SQL)
                },
                settings.pick(3, 1),
            )
            for name, values in samples.items():
                seconds = [sample["seconds"] for sample in values]
                over = [sample["over_idle"] / 2**20 for sample in values]
                rate = [rows / 1e6 / each for each in seconds]
                idle = median(sample["idle"] for sample in values) / 2**20
                cells = (spread(seconds), spread(rate), spread(over), f"{idle:.0f}")
                table.add(f"{rows:,}", name, *cells)
                memory.setdefault(name, []).append(max(median(over), 0.1))
                report.samples[f"{rows} {name}"] = values
                if name == OURS:
                    report.figures[f"{rows}_mib_over_idle"] = median(over)
    report.tables.append(table)
    title = "Memory of a client that keeps nothing"
    plot = Plot("scale", title, "MiB over idle", [rows for rows, _ in sizes], memory)
    plot.is_line, plot.place_unit = True, "rows"
    report.plots.append(plot)
    return report


def _read(name: str, text: str, e6data: int, flight: int) -> dict[str, Any]:
    """Returns a sample of a fresh process; `over_idle` are the bytes that reading took at the most."""
    with rates.opened((name,), e6data, flight) as readers:
        sample = readers[name].ask("loop", query=text)
        idle = readers[name].idle
    return sample | {"idle": idle, "over_idle": sample["peak"] - idle}


if __name__ == "__main__":
    main(run)
