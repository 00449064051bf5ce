"""What does a query of one row take, warm and with connecting, and how many round trips does it wait for?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import end_to_end, servers
from benchmarks.end_to_end import (
    FLIGHT,
    FLIGHT_SQL,
    GRPCIO,
    MODULE,
    OURS,
    OURS_V2,
    UPSTREAM,
    contestants,
)
from benchmarks.harness import (
    Plot,
    Report,
    Settings,
    Table,
    interleave,
    main,
    median,
    percentile,
    spread,
)
from benchmarks.harness import number as digits
from benchmarks.servers import Reader

__all__ = ["run"]

#: Added to each round trip to count them: far above what a query takes by itself.
DELAY_MS = 50.0


def run(settings: Settings) -> Report:
    """Returns latencies, calls and sequential round trips."""
    report = Report("small_queries", __doc__)
    tables = {"lineitem": 100_000, "narrow": 100_000}
    text = servers.query("tiny", 1, 1)
    with contestants(settings, tables, is_short=settings.is_quick, by_module=True) as readers:
        warm = interleave(
            {name: _ask(reader, "times", name, text, 100) for name, reader in readers.items()},
            settings.pick(12, 2),
            warm_up=True,
        )
        cold = interleave(
            {name: _ask(reader, "connects", name, text, 4) for name, reader in readers.items()},
            settings.pick(12, 1),
        )
    calls = _calls(text)
    trips = _round_trips(text, settings.pick(list(_ALL), [OURS]))
    table = Table(
        "One row",
        [
            "",
            "warm p50, ms",
            "p99, ms",
            "CPU, ms",
            "of the public connector, p50",
            "connecting, query, closing p50, ms",
            "p99, ms",
            "calls",
            "sequential round trips",
        ],
    )
    middle: dict[str, float] = {}
    for name in readers:
        each = [value * 1e3 for sample in warm[name] for value in sample["seconds"]]
        middle[name] = median(each)
        over = [
            median(sample["seconds"]) / median(other["seconds"])
            for sample, other in zip(warm[name], warm.get(UPSTREAM, warm[name]), strict=True)
        ]
        connecting = [value * 1e3 for sample in cold[name] for value in sample["seconds"]]
        table.add(
            name,
            digits(median(each)),
            digits(percentile(each, 0.99)),
            spread([sample["cpu"] * 1e3 for sample in warm[name]]),
            spread(over),
            digits(median(connecting)),
            digits(percentile(connecting, 0.99)),
            calls.get(name, "n/a"),
            f"{trips[name]:.1f}" if name in trips else "n/a",
        )
        if name in {OURS, OURS_V2}:
            report.figures[f"{name[-2:]}_of_upstream_p50"] = median(over)
            report.figures[f"{name[-2:]}_round_trips"] = trips[name]
    report.tables.append(table)
    report.samples = {"warm": warm, "connect": cold, "calls": calls, "round trips": trips}
    shown = {name: [value] for name, value in middle.items()}
    report.plots.append(
        Plot("small_queries", "A warm query of one row", "milliseconds, p50", [""], shown)
    )
    report.notes.append(
        f"Round trips: how much longer a query takes through a line that adds {DELAY_MS:.0f} ms to each of them, in"
        " units of that; calls: what the server counted for a query, including those that nobody waits for."
    )
    return report


def _ask(reader: Reader, action: str, name: str, text: str, count: int) -> Callable[[], Any]:
    query = "select 1" if name in {end_to_end.POSTGRES, end_to_end.DUCKDB} else text
    return lambda: reader.ask(action, query=query, count=count)


_E6DATA: dict[str, tuple[str, dict[str, Any]]] = {
    OURS: ("E6data", {}),
    GRPCIO: ("E6data", {"options": {"adbc.e6data.transport": "grpc"}}),
    MODULE: ("E6dataModule", {}),
    OURS_V2: ("E6data", {"protocol": "v2"}),
    UPSTREAM: ("Upstream", {}),
}
_ALL: dict[str, tuple[str, dict[str, Any]]] = {
    **_E6DATA,
    FLIGHT_SQL: ("FlightSql", {}),
    FLIGHT: ("Flight", {}),
}


def _calls(text: str) -> dict[str, int]:
    """Returns how many calls one warm query makes."""
    found = {}
    with servers.serve() as port:
        for name, (kind, more) in _E6DATA.items():
            try:
                reader = Reader(kind, warm_up=text, port=port, **more)
            except FileNotFoundError:
                continue
            reader.ask("times", query=text, count=5)
            before = servers.calls(port)
            reader.ask("times", query=text, count=20)
            # What runs in the background belongs to the next query's count: one in, one out.
            after = servers.calls(port)
            del before
            found[name] = round(sum(n for method, n in after.items() if method != "calls") / 20)
            reader.close()
    return found


def _round_trips(text: str, names: list[str]) -> dict[str, float]:
    """Returns how many delays of a slow line one warm query waits for."""
    found = {}
    with (
        servers.serve() as e6data,
        servers.flight() as flight,
        servers.delay(e6data, DELAY_MS) as slow,
        servers.delay(flight, DELAY_MS) as far,
    ):
        for name in names:
            kind, more = _ALL[name]
            near = e6data if name in _E6DATA else flight
            try:
                times = [
                    _median_time(kind, text, port, more)
                    for port in (near, slow if near == e6data else far)
                ]
            except FileNotFoundError:
                continue
            found[name] = (times[1] - times[0]) * 1e3 / DELAY_MS
    return found


def _median_time(kind: str, text: str, port: int, more: dict[str, Any]) -> float:
    reader = Reader(kind, warm_up=text, port=port, **more)
    reader.ask("times", query=text, count=1)
    seconds: list[float] = reader.ask("times", query=text, count=7)["seconds"]
    reader.close()
    return median(seconds)


if __name__ == "__main__":
    main(run)
