"""What many partitions and workers cost a server, counted by the local engine: `python -m checks.distributed_ledger`.

`--partitions 1000 --workers 100` are workers that read ten tickets each. A worker is what the server takes for one: an
endpoint of its own in this process, with a sign-in of its own. Sign-ins, calls and bytes come from the engine's ledger.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import statistics
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from e6data_adbc import distributed
from e6data_adbc.distributed.connections import CONNECTIONS
from e6data_adbc.local import LocalEngine

__all__ = ["Counted", "count", "main"]

#: So many workers read at a time; a process keeps no more connections than four.
_AT_ONCE: Final = 3
ROWS: Final = 200_000
#: A key of which most values are small: half of the rows lie in a thousandth of its range.
SKEWED: Final = f"SELECT range AS id, pow(range, 10) AS k FROM range({ROWS})"


@dataclasses.dataclass(frozen=True)
class Counted:
    """What the engine saw of one plan and all of its readers.

    Attributes:
        sign_ins: Calls of `authenticate`, the planner's included.
        queries: Statements that were prepared, to plan and to read.
        fetches: Fetch calls.
        bytes: Bytes of all answers.
        ticket_bytes: Bytes of all tickets together.
        rows: How many rows each ticket had.
    """

    sign_ins: int
    queries: int
    fetches: int
    bytes: int
    ticket_bytes: int
    rows: tuple[int, ...]


def read_some(worker: int, tickets: Sequence[distributed.Ticket], *, keeps: bool) -> list[int]:
    """Reads tickets one after the other, as a worker does; returns how many rows each has."""
    found = []
    for ticket in tickets:
        # Of no effect without TLS, but it is another endpoint with it.
        uri = f"{ticket.reveal_uri()!s}?tls_server_name=worker-{worker}"
        reader = distributed.read(distributed.Ticket(bytes(ticket), uri))
        found.append(sum(batch.num_rows for batch in reader))
        if not keeps:
            CONNECTIONS.close()
    return found


def count(
    sql: str, on: str, partitions: int, workers: int, *, bounds: Any = None, keeps: bool = True
) -> Counted:
    """Returns what the engine saw of *sql* in so many partitions, read by so many workers.

    Args:
        sql: The query.
        on: The column that it is split by.
        partitions: How many parts are asked for.
        workers: How many read them, each as many.
        bounds: As for `plan`.
        keeps: Whether a worker keeps its connection between two tickets, as `read` does.
    """
    with LocalEngine(chunk_rows=1_000) as engine:
        tickets, _ = distributed.plan(sql, engine.uri, on, partitions, bounds)
        jobs = [tickets[index::workers] for index in range(min(workers, len(tickets)))]
        with ThreadPoolExecutor(_AT_ONCE if keeps else 1) as pool:
            read = functools.partial(read_some, keeps=keeps)
            rows = list(pool.map(read, range(len(jobs)), jobs))
        CONNECTIONS.close()
        calls, numbers = engine.ledger.calls, engine.ledger.metrics()
    return Counted(
        sign_ins=calls["authenticate"],
        queries=int(numbers["queries"]),
        fetches=calls["getNextResultBatch"],
        bytes=int(numbers["answered_bytes"]),
        ticket_bytes=sum(map(len, tickets)),
        rows=tuple(size for sizes in rows for size in sizes),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the figures as a table of Markdown; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--partitions", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=100)
    given = parser.parse_args(arguments)
    many, few = given.partitions, given.workers
    plain = f"SELECT range AS id, range * 2 AS k FROM range({ROWS})"
    kinds: dict[str, Callable[[], Counted]] = {
        "1 partition, 1 worker": lambda: count(plain, "k", 1, 1),
        f"{few} partitions, {few} workers": lambda: count(plain, "k", few, few),
        f"{many:,} partitions, {few} workers": lambda: count(plain, "k", many, few),
        "… that connect anew for each ticket": lambda: count(plain, "k", many, few, keeps=False),
        f"skewed key, {few} partitions": lambda: count(SKEWED, "k", few, few),
        "… cut by quantiles": lambda: count(SKEWED, "k", few, few, bounds="quantiles"),
    }
    print(
        "| | sign-ins | statements | fetches | MB answered | tickets, kB | rows of a part: least, median, most |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, action in kinds.items():
        found = action()
        least, most = min(found.rows), max(found.rows)
        middle = f"{statistics.median(found.rows):,.0f}"
        assert sum(found.rows) == ROWS
        print(
            f"| {name} | {found.sign_ins:,} | {found.queries:,} | {found.fetches:,} | {found.bytes / 1e6:.1f} |"
            f" {found.ticket_bytes / 1e3:,.0f} | {least:,}, {middle}, {most:,} |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
