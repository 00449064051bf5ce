"""How long until the first batch of a long result, and until the rest of it is given up?"""

from __future__ import annotations

from typing import Any

from benchmarks import end_to_end, servers
from benchmarks.end_to_end import contestants
from benchmarks.harness import Plot, Report, Settings, Table, interleave, main, median, spread

__all__ = ["run"]


def run(settings: Settings) -> Report:
    """Returns milliseconds from executing to the first batch, and for closing the result then."""
    report = Report("first_batch", __doc__)
    tables = {"lineitem": 100_000, "narrow": 100_000}
    rounds = settings.pick(15, 3)
    texts = {mix: servers.query(mix, rows, 1_000) for mix, (rows, _, _) in end_to_end.SIZES.items()}
    medians: dict[str, list[float | None]] = {}
    with contestants(settings, tables, is_short=settings.is_quick) as readers:
        for mix, text in texts.items():
            table = Table(f"{mix}, of 1,000 chunks", ["", "first batch, ms", "closing, ms"])
            samples = interleave(
                {
                    name: lambda name=name, reader=reader, mix=mix, text=text: reader.ask(  # type: ignore[misc]
                        "loop", query=_text(name, mix, text), most=1
                    )
                    for name, reader in readers.items()
                },
                rounds,
                warm_up=True,
            )
            for name, taken in samples.items():
                first = _milliseconds(taken, "first")
                table.add(name, spread(first), spread(_milliseconds(taken, "close")))
                medians.setdefault(name, []).append(median(first))
            report.tables.append(table)
            report.samples[mix] = samples
            ours = median(_milliseconds(samples[end_to_end.OURS], "first"))
            theirs = median(_milliseconds(samples[end_to_end.FLIGHT_SQL], "first"))
            report.figures[f"{mix}_of_flight_sql"] = ours / theirs
    title = "Time to the first batch"
    report.plots.append(Plot("first_batch", title, "milliseconds", list(texts), medians))
    return report


def _text(name: str, mix: str, text: str) -> str:
    return f"select * from {mix}" if name in {end_to_end.POSTGRES, end_to_end.DUCKDB} else text


def _milliseconds(samples: list[dict[str, Any]], key: str) -> list[float]:
    return [1e3 * sample[key] for sample in samples]


if __name__ == "__main__":
    main(run)
