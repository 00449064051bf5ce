"""What does a consumer that takes its time find in memory, and what has the server been made to send?"""

from __future__ import annotations

from benchmarks import rates, servers
from benchmarks.harness import Report, Settings, Table, main
from benchmarks.rates import FLIGHT_SQL, OURS, OURS_V2

__all__ = ["run"]

PAUSE_SECONDS = 0.05
#: Batches after which the consumer gives up.
BATCHES = 40


def run(settings: Settings) -> Report:
    """Returns peak memory while a consumer sleeps after every batch, and rows that waited for it."""
    report = Report("slow_consumer", __doc__)
    text = servers.query("lineitem", 10_000, 10_000)
    table = Table(
        f"lineitem, {1e3 * PAUSE_SECONDS:.0f} ms of sleep after each batch",
        [
            "",
            "rows read",
            "batches",
            "peak memory over idle, MiB",
            "rows sent ahead",
            "closing, ms",
        ],
    )
    with (
        servers.serve() as e6data,
        servers.flight() as flight,
        rates.opened((OURS, OURS_V2, FLIGHT_SQL), e6data, flight) as readers,
    ):
        for name, reader in readers.items():
            servers.calls(e6data)
            sample = reader.ask(
                "loop", query=text, pause=PAUSE_SECONDS, most=settings.pick(BATCHES, 10)
            )
            called = servers.calls(e6data)
            fetched = sum(n for method, n in called.items() if "NextResultBatch" in method)
            over = (sample["peak"] - reader.idle) / 2**20
            table.add(
                name,
                f"{sample['rows']:,}",
                sample["batches"],
                f"{over:.0f}",
                f"{10_000 * fetched - sample['rows']:,}" if fetched else "n/a",
                f"{1e3 * sample['close']:.1f}",
            )
            report.samples[name] = sample | {"fetched": fetched, "idle": reader.idle}
            if name == OURS:
                report.figures["mib_over_idle"] = over
    report.tables.append(table)
    return report


if __name__ == "__main__":
    main(run)
