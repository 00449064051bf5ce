"""What does encryption cost?"""

from __future__ import annotations

from benchmarks import rates, servers
from benchmarks.harness import Plot, Report, Settings, Table, main, median, ratios
from benchmarks.rates import FLIGHT, FLIGHT_SQL, GRPCIO, OURS

__all__ = ["run"]

NAMES = (OURS, GRPCIO, FLIGHT_SQL, FLIGHT)


def run(settings: Settings) -> Report:
    """Returns rows per second with and without TLS."""
    report = Report("tls", __doc__)
    text = servers.query("lineitem", 10_000, settings.pick(100, 30))
    authority = servers.certificates()[0]
    table = Table(
        "lineitem, batch by batch, 10,000 rows a chunk",
        ["", "", "million rows/s", "of ADBC Flight SQL", "µs of CPU a row"],
    )
    with (
        servers.serve() as plain,
        servers.flight() as flight,
        servers.serve(tls=True) as secure,
        servers.flight(tls=True) as secure_flight,
        rates.opened(NAMES, plain, flight) as open_readers,
        rates.opened(NAMES, secure, secure_flight, certificates=authority) as readers,
    ):
        both = {f"{name} ": reader for name, reader in open_readers.items()} | readers
        samples = rates.measure(both, dict.fromkeys(both, text), settings.pick(5, 1))
    plain_samples = {name: samples[f"{name} "] for name in NAMES}
    tls_samples = {name: samples[name] for name in NAMES}
    found = [
        rates.add_rows(table, label, taken, FLIGHT_SQL)
        for label, taken in (("plain", plain_samples), ("TLS", tls_samples))
    ]
    for name in NAMES:
        kept = ratios(rates.million(tls_samples[name]), rates.million(plain_samples[name]))
        report.figures[f"{name} kept"] = median(kept)
    report.tables.append(table)
    report.samples = samples
    series = {name: [one[name] for one in found] for name in NAMES}
    places = ["plain", "TLS"]
    report.plots.append(
        Plot("tls", "lineitem with and without TLS", "million rows/s", places, series)
    )
    return report


if __name__ == "__main__":
    main(run)
