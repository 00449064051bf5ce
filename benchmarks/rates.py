"""The part that several benchmarks share: the same query to several readers, in rows per second."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from benchmarks import servers
from benchmarks.harness import Table, interleave, median, ratios, spread
from benchmarks.servers import Reader

__all__ = [
    "FLIGHT",
    "FLIGHT_SQL",
    "GRPCIO",
    "OURS",
    "OURS_V2",
    "add_rows",
    "measure",
    "million",
    "opened",
]

OURS, OURS_V2, FLIGHT_SQL, FLIGHT = "e6data, V1", "e6data, V2", "ADBC Flight SQL", "pyarrow.flight"
#: The same driver with grpcio in the place of HTTP/2 of its own.
GRPCIO = "e6data, V1, over grpcio"
_KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    OURS: ("E6data", {}),
    GRPCIO: ("E6data", {"options": {"adbc.e6data.transport": "grpc"}}),
    OURS_V2: ("E6data", {"protocol": "v2"}),
    FLIGHT_SQL: ("FlightSql", {}),
    FLIGHT: ("Flight", {}),
}


@contextlib.contextmanager
def opened(
    names: tuple[str, ...], e6data: int, flight: int, **arguments: Any
) -> Iterator[dict[str, Reader]]:
    """Gives a process for each of *names*, connected to the port that serves it."""
    with contextlib.ExitStack() as stack:
        readers = {}
        for name in names:
            kind, more = _KINDS[name]
            port = e6data if kind == "E6data" else flight
            warm_up = servers.query("tiny", 1, 1)
            readers[name] = Reader(kind, warm_up=warm_up, port=port, **more, **arguments)
            stack.callback(readers[name].close)
        yield readers


def measure(
    readers: dict[str, Reader], texts: dict[str, str], rounds: int, action: str = "loop"
) -> dict[str, list[dict[str, Any]]]:
    """Returns the samples of everyone in *texts*."""
    return interleave(
        {
            name: lambda name=name, text=text: readers[name].ask(action, query=text)  # type: ignore[misc]
            for name, text in texts.items()
        },
        rounds,
    )


def million(samples: list[dict[str, Any]]) -> list[float]:
    """Returns million rows per second of each sample."""
    return [sample["rows"] / sample["seconds"] / 1e6 for sample in samples]


def add_rows(
    table: Table, label: str, samples: dict[str, list[dict[str, Any]]], reference: str
) -> dict[str, float]:
    """Adds a row for each name to *table*: label, name, rate, ratio, processor time; returns the median rates."""
    rates = {name: million(taken) for name, taken in samples.items()}
    for name, taken in samples.items():
        compared = ratios(rates[name], rates[reference])
        cpu = [1e6 * sample["cpu"] / sample["rows"] for sample in taken]
        table.add(label, name, spread(rates[name]), spread(compared), spread(cpu))
    return {name: median(values) for name, values in rates.items()}
