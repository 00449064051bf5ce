"""What does the size of a chunk do to the rate, in both result protocols?"""

from __future__ import annotations

from benchmarks import rates, servers
from benchmarks.harness import Plot, Report, Settings, Table, main
from benchmarks.rates import FLIGHT, FLIGHT_SQL, OURS, OURS_V2

__all__ = ["run"]

CHUNKS = (1_000, 10_000, 100_000)
ROWS = {"lineitem": 1_500_000, "narrow": 8_000_000}
OURS_V2_4 = "e6data, V2, 4 chunks a response"


def run(settings: Settings) -> Report:
    """Returns rows per second for chunks of 1,000, 10,000 and 100,000 rows."""
    report = Report("chunk_sizes", __doc__)
    for mix in ROWS:
        for rows in CHUNKS:
            servers.query(mix, rows, 1)
    names = (OURS, OURS_V2, FLIGHT_SQL, FLIGHT)
    with (
        servers.serve() as e6data,
        servers.flight() as flight,
        rates.opened(names, e6data, flight) as readers,
    ):
        readers[OURS_V2_4] = readers[OURS_V2]
        for mix, total in ROWS.items():
            series: dict[str, list[float | None]] = {}
            table = Table(
                f"{mix}, batch by batch",
                ["rows a chunk", "", "million rows/s", "of ADBC Flight SQL", "µs of CPU a row"],
            )
            for rows in CHUNKS:
                chunks = max(2, settings.pick(total, total // 8) // rows)
                texts = dict.fromkeys(names, servers.query(mix, rows, chunks))
                texts[OURS_V2_4] = servers.query(mix, rows, chunks, per_response=4)
                samples = rates.measure(readers, texts, settings.pick(3, 1))
                found = rates.add_rows(table, f"{rows:,}", samples, FLIGHT_SQL)
                for name, rate in found.items():
                    series.setdefault(name, []).append(rate)
                report.samples[f"{mix} {rows}"] = samples
                over = found[OURS] / found[FLIGHT_SQL]
                report.figures[f"{mix}_{rows}_over_flight_sql"] = over
            report.tables.append(table)
            title = f"{mix}: the size of a chunk"
            plot = Plot(f"chunk_sizes_{mix}", title, "million rows/s", CHUNKS, series)
            plot.is_line, plot.place_unit = True, "rows a chunk"
            report.plots.append(plot)
    return report


if __name__ == "__main__":
    main(run)
