"""What is left of the rate when every round trip takes ten milliseconds more?"""

from __future__ import annotations

from benchmarks import rates, servers
from benchmarks.harness import Plot, Report, Settings, Table, main, median, ratios
from benchmarks.rates import FLIGHT, FLIGHT_SQL, GRPCIO, OURS, OURS_V2

__all__ = ["run"]

DELAY_MS = 10.0
OURS_V2_8 = "e6data, V2, 8 chunks a response"
NAMES = (OURS, GRPCIO, OURS_V2, FLIGHT_SQL, FLIGHT)


def run(settings: Settings) -> Report:
    """Returns rows per second near and far, for chunks of 10,000 rows."""
    report = Report("round_trip", __doc__)
    chunks = settings.pick(64, 24)
    text = servers.query("lineitem", 10_000, chunks)
    texts = dict.fromkeys(NAMES, text)
    texts[OURS_V2_8] = servers.query("lineitem", 10_000, chunks, per_response=8)
    table = Table(
        "lineitem, batch by batch, 10,000 rows a chunk",
        ["", "", "million rows/s", "of ADBC Flight SQL", "µs of CPU a row"],
    )
    series: dict[str, list[float | None]] = {}
    places = ["as it is", f"+{DELAY_MS:.0f} ms"]
    with (
        servers.serve() as near,
        servers.flight() as flight,
        servers.delay(near, DELAY_MS) as far,
        servers.delay(flight, DELAY_MS) as far_flight,
    ):
        found = []
        for label, ports in zip(places, ((near, flight), (far, far_flight)), strict=True):
            with rates.opened(NAMES, *ports) as readers:
                readers[OURS_V2_8] = readers[OURS_V2]
                samples = rates.measure(readers, texts, settings.pick(3, 1))
            for name, rate in rates.add_rows(table, label, samples, FLIGHT_SQL).items():
                series.setdefault(name, []).append(rate)
            report.samples[label] = samples
            found.append(samples)
    for name in (OURS, OURS_V2_8):
        over = ratios(rates.million(found[1][name]), rates.million(found[1][FLIGHT_SQL]))
        report.figures[f"{name} of flight_sql far"] = median(over)
    report.tables.append(table)
    title = "lineitem over a line with a longer round trip"
    report.plots.append(Plot("round_trip", title, "million rows/s", places, series))
    report.notes.append(
        "A response is asked for after the one before it has come, because the protocol hands out rows once and in"
        " order: a chunk costs a round trip at least. Flight streams. Several chunks a response make up for it."
    )
    return report


if __name__ == "__main__":
    main(run)
