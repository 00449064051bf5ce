"""How fast do rows arrive as Arrow, batch by batch and as one table, and what does that cost the client?"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks import servers
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
from benchmarks.servers import Reader

__all__ = ["run"]

OURS, OURS_V2 = "e6data, V1", "e6data, V2"
#: The same driver with grpcio in the place of HTTP/2 of its own.
GRPCIO = "e6data, V1, over grpcio"
#: The same driver by its own DB-API module in the place of the manager's; for small queries alone.
MODULE = "e6data, V1, by its own module"
UPSTREAM, UPSTREAM_V2 = "public connector, V1", "public connector, V2"
FLIGHT_SQL, FLIGHT, POSTGRES, DUCKDB = (
    "ADBC Flight SQL",
    "pyarrow.flight",
    "ADBC PostgreSQL",
    "DuckDB in process",
)

#: Rows of a chunk, and how many chunks the fast ones, and the slow ones, are given.
SIZES = {"lineitem": (10_000, 200, 2), "narrow": (100_000, 100, 2)}
#: Rows in the tables of those that have tables.
TABLES = {"lineitem": 300_000, "narrow": 2_000_000}


def run(settings: Settings) -> Report:
    """Returns rows per second, client processor time per row and memory, of everyone."""
    report = Report("end_to_end", __doc__)
    rounds = settings.pick(12, 2)
    tables = settings.pick(TABLES, dict.fromkeys(TABLES, 100000))
    with contestants(settings, tables) as readers:
        # The loops first: what a process once held as a table counts for its memory later.
        for form in ("loop", "table"):
            for mix in SIZES:
                texts = _texts(mix, settings, tables)
                samples = interleave(
                    {
                        name: _question(reader, form, texts[name])
                        for name, reader in readers.items()
                    },
                    rounds,
                    warm_up=not settings.is_quick,
                )
                _add(report, mix, form, samples, {n: r.idle for n, r in readers.items()})
    report.notes.append(
        "`loop` reads batch after batch and keeps none, `table` keeps all rows. Memory is the peak of the process"
        " over what it had once connected. The public connector's rows are made into Arrow column by column."
        " DuckDB reads a table of its own in the same process, on both cores. glibc gives the memory of a table that"
        " was dropped back late: a process that reads one table after another stays at about twice the largest, with"
        " this driver as with ADBC Flight SQL, until somebody calls `malloc_trim(0)`."
    )
    return report


@contextlib.contextmanager
def contestants(
    settings: Settings, tables: dict[str, int], *, is_short: bool = False, by_module: bool = False
) -> Iterator[dict[str, Reader]]:
    """Gives a process for each contestant that can be had here; in short, for those that matter most.

    Those of ADBC go through the driver manager's DB-API module; *by_module* adds this driver by its own.
    """
    for mix in SIZES:
        _texts(mix, settings, tables)  # what is to be served must be there when the server starts
    warm_up = servers.query("tiny", 1, 1)
    with contextlib.ExitStack() as stack:
        e6data = stack.enter_context(servers.serve())
        flight = stack.enter_context(servers.flight())
        postgres = None if is_short else stack.enter_context(servers.postgres(tables))
        readers: dict[str, Reader] = {}

        def add(name: str, kind: str, warm: str = warm_up, **arguments: Any) -> None:
            try:
                readers[name] = Reader(kind, warm_up=warm, **arguments)
            except FileNotFoundError:
                return
            stack.callback(readers[name].close)

        add(OURS, "E6data", port=e6data)
        add(GRPCIO, "E6data", port=e6data, options={"adbc.e6data.transport": "grpc"})
        add(FLIGHT_SQL, "FlightSql", port=flight)
        if by_module:
            add(MODULE, "E6dataModule", port=e6data)
        add(UPSTREAM, "Upstream", port=e6data)
        if is_short:
            yield readers
            return
        add(OURS_V2, "E6data", port=e6data, protocol="v2")
        add(FLIGHT, "Flight", port=flight)
        if postgres is not None:
            add(POSTGRES, "Postgres", warm="select 1", uri=postgres)
        add(DUCKDB, "DuckDb", warm="select 1", tables=tables)
        add(UPSTREAM_V2, "Upstream", port=e6data, is_v2=True)
        yield readers


def _texts(mix: str, settings: Settings, tables: dict[str, int]) -> dict[str, str]:
    rows, chunks, slow_chunks = SIZES[mix]
    chunks = settings.pick(chunks, chunks // 5)
    fast = servers.query(mix, rows, chunks)
    slow = servers.query(mix, rows, settings.pick(slow_chunks, 1))
    local = f"select * from {mix} limit {tables[mix]}"
    return {
        OURS: fast,
        GRPCIO: fast,
        OURS_V2: fast,
        FLIGHT_SQL: fast,
        FLIGHT: fast,
        POSTGRES: local,
        DUCKDB: local,
        UPSTREAM: slow,
        UPSTREAM_V2: slow,
    }


def _question(reader: Reader, form: str, text: str) -> Callable[[], Any]:
    return lambda: reader.ask(form, query=text)


def _add(
    report: Report,
    mix: str,
    form: str,
    samples: dict[str, list[dict[str, Any]]],
    idle: dict[str, int],
) -> None:
    columns = ["", "million rows/s", "of ADBC Flight SQL", "µs of client CPU a row"]
    table = Table(f"{mix}, {form}", [*columns, "peak memory over idle, MiB", "idle, MiB"])
    rates = {
        name: [sample["rows"] / sample["seconds"] / 1e6 for sample in taken]
        for name, taken in samples.items()
    }
    for name, taken in samples.items():
        compared = ratios(rates[name], rates[FLIGHT_SQL])
        cpu = [1e6 * sample["cpu"] / sample["rows"] for sample in taken]
        over = max(sample["peak"] for sample in taken) - idle[name]
        memory = (f"{over / 2**20:.0f}", f"{idle[name] / 2**20:.0f}")
        table.add(name, spread(rates[name]), spread(compared), spread(cpu), *memory)
    report.tables.append(table)
    report.samples[f"{mix} {form}"] = samples
    place = f"{mix}_{form}"
    for label, other in (("flight_sql", FLIGHT_SQL), ("flight", FLIGHT), ("upstream", UPSTREAM)):
        if other in rates:
            report.figures[f"{place}_over_{label}"] = median(ratios(rates[OURS], rates[other]))
    report.figures[f"{place}_v2_over_v1"] = median(ratios(rates[OURS_V2], rates[OURS]))
    report.figures[f"{place}_cpu_us"] = median([1e6 * s["cpu"] / s["rows"] for s in samples[OURS]])
    report.figures[f"{place}_mib_over_idle"] = (
        max(sample["peak"] for sample in samples[OURS]) - idle[OURS]
    ) / 2**20
    if form == "loop":
        medians = {name: [median(values)] for name, values in rates.items()}
        title = f"{mix}: rows that arrive as Arrow, batch by batch"
        report.plots.append(Plot(f"end_to_end_{mix}", title, "million rows/s", [mix], medians))


if __name__ == "__main__":
    main(run)
