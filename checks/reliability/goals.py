"""The goals of reliability that scenarios measure: storms, cancels, flips, lost sessions, crowds, leaks, forks."""

from __future__ import annotations

import concurrent.futures
import gc
import multiprocessing
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import e6data_adbc
from checks.fault_proxy import FaultProxy
from checks.reliability import idle, pool, scenarios, sudden
from checks.reliability.line import Length, Line
from checks.storm import checker, storm
from e6data_adbc.local import LocalEngine

#: The longest that a connection through which nothing comes may go unnoticed, in seconds.
BLACK_HOLE_SECONDS: Final = 30.0


def storms(length: Length) -> Iterator[Line]:
    """G4, and with it G5 and G21 on the way."""
    total = checker.Verdict()
    # Each seed is a storm of its own; its faults are a share of its calls.
    for seed in range(1, length.storm_seeds + 1):
        total.add(checker.check(storm.run(seed, length.storm_queries, **_weather(length))))
        print(f"  storm, seed {seed}: {len(total.violations)} violations so far", file=sys.stderr)
    figures = (
        f"{total.queries} queries, {total.faults} faults, {total.events} changes: "
        f"lost {len(total.lost)}, extra {len(total.extra)}, twice {len(total.twice)}, "
        f"uncleared {len(total.uncleared)}"
    )
    broken = [*total.lost, *total.extra, *total.twice, *total.uncleared]
    demanded = "lost 0, extra 0, twice 0, uncleared 0"
    if not length.is_short:
        demanded += "; >= 10,000 queries, >= 4,000 faults"
    enough = length.is_short or (total.queries >= 10_000 and total.faults >= 4000)
    yield Line("G4", "storm", demanded, figures, not broken and enough, tuple(broken))
    share = f"{total.recovered} of {total.recoverable}"
    yield Line(
        "G4",
        "storm, faults on calls that may be repeated",
        "all recovered",
        share,
        not total.unrecovered,
        tuple(total.unrecovered),
    )
    yield _zero("G5", "storm, calls without a deadline", total.unlimited)
    yield _zero("G21", "storm, errors that are not ours", total.raw)
    yield _zero("G21", "storm, errors without the query's id", total.unnamed)


def _weather(length: Length) -> dict[str, int]:
    return {} if length.is_short else {"hard_events": 8, "soft_events": 20, "false_colours": True}


def black_hole(length: Length) -> Iterator[Line]:
    """G6."""
    if length.is_short:
        return
    with LocalEngine() as engine, FaultProxy(engine.target) as proxy:
        uri = engine.uri.replace(f":{engine.port}/", f":{proxy.port}/")
        # Whatever the fetch may take, keepalive notices.
        with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
            gate = threading.Event()
            fault = engine.faults.delay("getNextResultBatch", gate=gate)
            threading.Thread(
                target=lambda: fault.reached.wait(10) and proxy.black_hole(), daemon=True
            ).start()
            started = time.monotonic()
            text = ""
            try:
                cursor.execute("select 1 as n")
                cursor.fetchall()
            except e6data_adbc.Error as error:
                text = str(error)
            took = time.monotonic() - started
            gate.set()
            proxy.heal()
            proxy.reset()
    yield Line(
        "G6",
        "black hole noticed while a call is open",
        f"<= {BLACK_HOLE_SECONDS:g} s",
        f"{took:.1f} s",
        bool(text) and took <= BLACK_HOLE_SECONDS,
        (text,),
    )


def idle_connections(length: Length) -> Iterator[Line]:
    """G6, on a server with gRPC's own limits; both ways at once, each in a process of its own."""
    ways = {"no call open": False, "a call that waits": True}
    with concurrent.futures.ProcessPoolExecutor(
        len(ways), mp_context=multiprocessing.get_context("spawn")
    ) as processes:
        runs = {
            name: processes.submit(idle.idle, length.idle_seconds, during_call=during_call)
            for name, during_call in ways.items()
        }
    for name, run in runs.items():
        figures = run.result()
        yield Line(
            "G6",
            f"{length.idle_seconds / 60:g} min without a byte, {name}, stock gRPC server",
            "0 GOAWAY, the connection is the same",
            f"{figures.goaways:g} GOAWAY, {figures.pings:g} pings, "
            f"{figures.connections:g} connection, {figures.right} right",
            figures.goaways == 0 and figures.right == 1 and figures.connections == 1,
            tuple(figures.errors),
        )


def cancels(length: Length) -> Iterator[Line]:
    """G7."""
    figures = scenarios.cancels(length.cancels)
    yield Line(
        "G7",
        f"cancel of a waiting fetch, {length.cancels} trials",
        "p99 <= 100 ms, one call each",
        f"p50 {figures.p50:.1f} ms, p99 {figures.p99:.1f} ms, {figures.clears:g} call",
        figures.p99 <= 100 and figures.clears == 1 and figures.right == length.cancels,
        tuple(figures.errors),
    )


def flips(length: Length) -> Iterator[Line]:
    """G8."""
    for style in ("announced", "draining"):
        for shared in (True, False):
            figures = scenarios.flips(length.flips, seconds=0.5, shared=shared, style=style)
            extra = figures.refused if style == "announced" else figures.extra
            yield Line(
                "G8",
                f"flips each 0.5 s, {style}, 16 threads, "
                f"{'one connection' if shared else '16 connections'}",
                "errors 0, extra calls <= 2 a flip",
                f"{figures.right} right, errors {len(figures.errors)}, {figures.flips:g} flips, "
                f"extra {figures.extra:.2f}, refused {figures.refused:.2f} a flip",
                not figures.errors and max(extra, figures.extra) <= 2,
                tuple(figures.errors[:5]),
            )


def colours(length: Length) -> Iterator[Line]:
    """G9."""
    figures = scenarios.opposite_colours(96)
    yield Line(
        "G9",
        "two endpoints of opposite colour, 96 queries",
        "rejected <= 1 each",
        f"{figures.rejected:g}",
        figures.rejected <= 1 and not figures.errors,
        tuple(figures.errors),
    )
    for shared in (True, False):
        cold = scenarios.cold_start(32, shared=shared)
        yield Line(
            "G9",
            f"32 cold threads, {'one connection' if shared else '32 connections'}",
            "1 authenticate",
            f"{cold.authenticates:g}",
            cold.authenticates == 1 and not cold.errors,
            tuple(cold.errors),
        )
    early = scenarios.early_announcement(3.0 if length.is_short else 10.0)
    yield Line(
        "G9",
        "announced before it answers",
        "<= 4 authenticates/s",
        f"{early.authenticates_per_second:.2f}/s, {early.rejected:g} rejected",
        early.authenticates_per_second <= 4 and not early.errors,
        tuple(early.errors[:5]),
    )


def sessions(_length: Length) -> Iterator[Line]:
    """G10."""
    figures = scenarios.session_losses(320)
    yield Line(
        "G10",
        "session loss each 0.3 s, 16 threads, 320 queries",
        "320 right, <= 1 authenticate a loss",
        f"{figures.right} right, {figures.authenticates:g} for {figures.losses:g} losses",
        figures.right == 320 and figures.authenticates <= figures.losses,
        tuple(figures.errors[:5]),
    )


def resuming(length: Length) -> Iterator[Line]:
    """G11."""
    for shared in (True, False):
        for open_session in (False, True):
            # Each client of its own has a channel of its own, so there are fewer of those.
            clients = length.resuming if shared else min(length.resuming, 200)
            figures = scenarios.suspended(clients, shared=shared, open_session=open_session)
            yield Line(
                "G11",
                f"{clients} clients on a suspended cluster, "
                f"{'one connection' if shared else 'own connections'}, "
                f"{'with a session' if open_session else 'new'}",
                f"1 resume, {clients} right",
                f"{figures.resumes:g} resume, {figures.right} right",
                figures.resumes == 1 and figures.right == clients,
                tuple(figures.errors[:5]),
            )
    limit = 1.0 if length.is_short else 5.0
    for kind in ("hang", "flap", "failed", "refusing"):
        figures = scenarios.resume_limit(kind, limit)
        yield Line(
            "G11",
            f"cluster that stays down ({kind}), limit {limit:g} s",
            f"error within {limit + 1:g} s",
            f"{figures.seconds:.2f} s",
            figures.seconds <= limit + 1 and len(figures.errors) == 1,
            tuple(figures.errors),
        )


def crowds(length: Length) -> Iterator[Line]:
    """G12; the pool is the recipe of `docs/connection.md`."""
    figures = scenarios.crowd(length.crowd, length.crowd)
    yield Line(
        "G12",
        f"{length.crowd} queries at a time, one connection",
        "all exact, uncleared 0",
        f"{figures.right} right in {figures.seconds:.1f} s, uncleared {figures.uncleared:g}",
        figures.right == length.crowd and figures.uncleared == 0,
        tuple(figures.errors[:5]),
    )

    threads = 20 if length.is_short else 200
    figures = pool.pooled(threads, 5, 20)
    yield Line(
        "G12",
        f"{threads} threads x 5 queries on a pool of 20",
        "all exact, uncleared 0",
        f"{figures.right} right in {figures.seconds:.1f} s, uncleared {figures.uncleared:g}",
        figures.right == threads * 5 and figures.uncleared == 0,
        tuple(figures.errors[:5]),
    )
    limit = 0.5
    figures = pool.exhausted(50, limit)
    yield Line(
        "G12",
        f"50 wait for a connection of a pool that is taken, limit {limit:g} s",
        f"p99 <= {limit + 0.05:g} s",
        f"p99 {figures.p99:.3f} s, {figures.right} refused",
        figures.right == 50 and figures.p99 <= limit + 0.05,
        tuple(figures.errors[:5]),
    )


def soak(length: Length) -> Iterator[Line]:
    """G15: storms of one seed after the other, as long as it takes, and what memory does meanwhile."""
    total = checker.Verdict()
    ends = time.monotonic() + length.soak_seconds
    seed, sizes = 1000, [_resident()]
    while time.monotonic() < ends:
        seed += 1
        total.add(checker.check(storm.run(seed, length.storm_queries, **_weather(length))))
        sizes.append(_resident())
    # What the first storms fill once, caches and arenas, is not growth; and one storm or another leaves more behind.
    settled = sizes[len(sizes) // 4 :]
    queries = [number * length.storm_queries for number in range(len(settled))]
    per_query = statistics.linear_regression(queries, settled).slope / 1024 if queries[1:] else 0.0
    yield Line(
        "G15",
        f"{length.soak_seconds / 60:.3g} min of storms, {total.queries} queries",
        "no violation" + ("" if length.is_short else ", <= 0.1 KiB a query, with the server"),
        f"{len(total.violations)} violations, {total.faults} faults, {per_query:.3f} KiB a query",
        not total.violations and (length.is_short or per_query <= 0.1),
        tuple(total.violations[:5]),
    )


def _resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def leaks(length: Length) -> Iterator[Line]:
    """G14."""
    figures = scenarios.leaks(length.leaks, reconnects=length.reconnects)
    if not figures.numbers:
        yield Line("G14", "leaks", "a result", "none", False, tuple(figures.errors))
        return
    left = (figures.files, figures.threads, figures.arrow_bytes)
    small = figures.mib <= (3 if length.is_short else 10)
    yield Line(
        "G14",
        f"{length.leaks} queries and {length.reconnects} reconnects",
        f"<= {3 if length.is_short else 10} MiB, nothing left open",
        f"{figures.mib:.1f} MiB ({figures.kib_per_query:.3f} KiB a query); files {left[0]:g}, "
        f"threads {left[1]:g}, Arrow bytes {left[2]:g}",
        small and max(left) <= 0,
        tuple(figures.errors),
    )


def forks(length: Length) -> Iterator[Line]:
    """G18, on the installed grpcio."""
    figures = scenarios.forks(length.forks)
    refused, worked = figures.numbers.get("refused", 0), figures.numbers.get("worked", 0)
    yield Line(
        "G18",
        f"{length.forks} idle forks",
        "old refused, new works, each time",
        f"{refused:g} refused, {worked:g} worked",
        refused == worked == length.forks and not figures.errors,
        tuple(figures.errors[:5]),
    )
    others = scenarios.workers(length.workers)
    for method in ("spawn", "forkserver"):
        count = others.numbers.get(method, 0)
        yield Line(
            "G18",
            f"{length.workers} processes by {method} beside an open client",
            "each gets its rows",
            f"{count:g}",
            count == length.workers,
            tuple(others.errors[:5]),
        )


def closes(length: Length) -> Iterator[Line]:
    """Closing at any moment; `--first-seed` goes on where a run was stopped."""
    yield from _sudden("closes", length, length.closes)


def interrupts(length: Length) -> Iterator[Line]:
    """Ctrl-C at any moment; `--first-seed` as above."""
    yield from _sudden("interrupts", length, length.interrupts)


def _sudden(kind: str, length: Length, count: int) -> Iterator[Line]:
    processes = died = 0
    notes: list[str] = []
    for seed in range(length.first_seed, length.first_seed + length.sudden_processes):
        deaths = sudden.storm(kind, range(seed, seed + 1), count)
        processes += deaths.processes
        died += len(deaths.died)
        notes += deaths.died
        print(f"  {kind}, seed {seed}: {died} of {processes} processes died", file=sys.stderr)
        print(*deaths.died, sep="\n", end="\n" if deaths.died else "", file=sys.stderr, flush=True)
    yield Line(
        "sudden",
        f"{count} {kind} at random moments in each of {processes} processes",
        "no process dies",
        f"{died} died",
        not died,
        tuple(notes),
    )


def _zero(goal: str, what: str, found: list[str]) -> Line:
    return Line(goal, what, "0", str(len(found)), not found, tuple(found))
