"""What do 1 to 64 queries at once on one connection get, together?"""

from __future__ import annotations

from typing import Any

from benchmarks import rates, servers
from benchmarks.harness import (
    Plot,
    Report,
    Settings,
    Table,
    interleave,
    main,
    median,
    ratios,
    spread,
)
from benchmarks.rates import FLIGHT_SQL, GRPCIO, OURS

__all__ = ["run"]

LEVELS = (1, 2, 4, 8, 16, 32, 64)
#: Chunks of 10,000 rows of lineitem, over all threads.
CHUNKS = 128
SMALL = 256


def run(settings: Settings) -> Report:
    """Returns rows per second of long results, and queries per second of tiny ones, over all threads."""
    report = Report("concurrency", __doc__)
    levels = settings.pick(LEVELS, (1, 8, 64))
    servers.query("lineitem", 10_000, 1)
    tiny = servers.query("tiny", 1, 1)
    table = Table(
        "One connection, one cursor a thread",
        [
            "queries at once",
            "",
            "million lineitem rows/s",
            "of ADBC Flight SQL",
            "peak memory over idle, MiB",
            "tiny queries/s",
            "of ADBC Flight SQL",
        ],
    )
    series: dict[str, list[float | None]] = {}
    with (
        servers.serve() as e6data,
        servers.flight() as flight,
        rates.opened((OURS, GRPCIO, FLIGHT_SQL), e6data, flight) as readers,
    ):
        for level in levels:
            long = servers.query("lineitem", 10_000, CHUNKS // level)
            rows = _ask(readers, long, level, 1, settings)
            small = _ask(readers, tiny, level, SMALL // level, settings)
            for name, reader in readers.items():
                speeds = [s["rows"] / s["seconds"] / 1e6 for s in rows[name]]
                others = [s["rows"] / s["seconds"] / 1e6 for s in rows[FLIGHT_SQL]]
                asked = [s["rows"] / s["seconds"] for s in small[name]]
                theirs = [s["rows"] / s["seconds"] for s in small[FLIGHT_SQL]]
                over = max(s["peak"] for s in rows[name]) - reader.idle
                table.add(
                    level,
                    name,
                    spread(speeds),
                    spread(ratios(speeds, others)),
                    f"{over / 2**20:.0f}",
                    spread(asked),
                    spread(ratios(asked, theirs)),
                )
                series.setdefault(name, []).append(median(speeds))
            report.samples[str(level)] = {"long": rows, "tiny": small}
    report.tables.append(table)
    title = "lineitem, several queries at once"
    plot = Plot("concurrency", title, "million rows/s, together", levels, series)
    plot.is_line, plot.place_unit = True, "queries at once"
    report.plots.append(plot)
    return report


def _ask(
    readers: dict[str, Any], text: str, threads: int, each: int, settings: Settings
) -> dict[str, list[dict[str, Any]]]:
    samples = interleave(
        {
            name: lambda reader=reader: reader.ask(  # type: ignore[misc]
                "together", query=text, threads=threads, each=each
            )
            for name, reader in readers.items()
        },
        settings.pick(3, 1),
    )
    failures = [failure for taken in samples.values() for s in taken for failure in s["failures"]]
    if failures:
        raise RuntimeError(f"{len(failures)} of {threads} queries failed: {failures[0]}")
    return samples


if __name__ == "__main__":
    main(run)
