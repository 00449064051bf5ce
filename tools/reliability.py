"""Measures the goals of reliability at full length and says which of them are reached.

`python tools/reliability.py` runs all but `soak` and `coverage`, which takes more than an hour; `storm` or another name
runs a part; `--short` takes the lengths of the tests. The exit code is 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import gc
import json
import logging
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import e6data_adbc
from e6data_adbc.local import LocalEngine
from tests.faultproxy.proxy import FaultProxy
from tests.reliability import idle, pool, scenarios, sudden
from tests.storm import checker, storm
from tools import decoder_coverage

ROOT: Final = Path(__file__).resolve().parent.parent

#: The longest that a connection through which nothing comes may go unnoticed, in seconds.
BLACK_HOLE_SECONDS: Final = 30.0


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of the table."""

    goal: str
    what: str
    demanded: str
    measured: str
    ok: bool
    #: What went wrong, for the reader.
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Length:
    """How long each part runs."""

    storm_seeds: int = 10
    storm_queries: int = 1000
    flip_seconds: float = 60.0
    cancels: int = 1000
    crowd: int = 1000
    resuming: int = 1000
    leaks: int = 100_000
    reconnects: int = 1000
    forks: int = 200
    workers: int = 100
    idle_seconds: float = 1800.0
    seeds: int = 10_000
    soak_seconds: float = 3600.0
    #: Processes in which a connection is closed, or SIGINT comes, at random moments; and how often in each.
    sudden_processes: int = 200
    closes: int = 25
    interrupts: int = 100
    first_seed: int = 1
    is_short: bool = False


SHORT: Final = Length(
    storm_seeds=2,
    storm_queries=150,
    flip_seconds=3.0,
    cancels=100,
    crowd=300,
    resuming=16,
    leaks=1000,
    reconnects=20,
    forks=5,
    workers=4,
    idle_seconds=3.0,
    seeds=300,
    soak_seconds=5.0,
    sudden_processes=2,
    closes=12,
    interrupts=60,
    is_short=True,
)


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
            figures = scenarios.flips(length.flip_seconds, shared=shared, style=style)
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


def machine(length: Length) -> Iterator[Line]:
    """G16: the machines of Hypothesis, as the tests have them."""
    profile = "" if length.is_short else "thorough"
    yield _tests(
        "G16",
        "state machine of a colour and its sessions, "
        + ("60 x 30" if length.is_short else "2,000 x 50"),
        ["tests/session/test_strategy_stateful.py"],
        {"HYPOTHESIS_PROFILE": profile},
    )


def simulation(length: Length) -> Iterator[Line]:
    """G17."""
    yield _tests(
        "G17",
        f"simulation with a virtual clock, {length.seeds:,} seeds",
        ["tests/session/test_simulation.py"],
        {"E6DATA_SEEDS": str(length.seeds)},
        None if length.is_short else 120.0,
    )


def typed(_length: Length) -> Iterator[Line]:
    """G21 and the rest of the matrix of faults: each outcome that is demanded is a test."""
    yield _tests("G21", "each fault ends as the tables demand", list(_MATRIX), {})


#: The tests of trouble: transport, sessions, processes, security. What docs/reliability.md tells is shown by them.
_MATRIX: Final = (
    "tests/connection",
    "tests/faultproxy",
    "tests/processes",
    "tests/session",
    "tests/transport",
)


#: The tests that use what trouble may strike.
_USE: Final = (
    "tests/adbc",
    "tests/parameters/test_server_binding.py",
    "tests/partitions",
    "tests/telemetry",
)

#: What the coverage is of, by the names of files, and the least share of it; G22 names the first two and the decoder.
_COVERED: Final = {
    "_session": (r"/_session/", 95),
    "the retry and strategy tables": (
        r"/_session/(retry/(decide|retry_table|failure)|colour/(strategy|routes))\.py",
        95,
    ),
    "_transport": (r"/_transport/", 90),
    "queries (_driver)": (
        r"/_driver/(query|results|binding)/\w+\.py",
        90,
    ),
}


def coverage(_length: Length) -> Iterator[Line]:
    """G22: branches of retry, strategy and session code, of queries, and of the decoder where that can be measured."""
    parts = ("_session", "_transport", "_driver")
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "COVERAGE_FILE": f"{folder}/data"}
        command = [sys.executable, "-m", "coverage"]
        sources = ",".join(f"e6data_adbc/{part}" for part in parts)
        run = [*command, "run", "--branch", f"--source={sources}", "-m", "pytest", "-q"]
        # The limit of one test is for code that nobody counts along with.
        done = _run([*run, "-o", "timeout=0", *_MATRIX, *_USE], environment)
        report = _run([*command, "json", "-q", "-o", f"{folder}/report.json"], environment)
        if report.returncode:
            yield Line("G22", "coverage", "a report", "none", False, (done.stdout[-1000:],))
            return
        if done.returncode:
            said = done.stdout.strip().splitlines()
            yield Line("G22", "tests", "passed", said[-1], False, tuple(said[-8:]))
        files = json.loads(Path(folder, "report.json").read_text())["files"]
    for part, (what, least) in _COVERED.items():
        found = [file["summary"] for name, file in files.items() if re.search(what, name)]
        taken = sum(summary["covered_branches"] for summary in found)
        count = sum(summary["num_branches"] for summary in found)
        yield _covered(part, taken, count, least)
    try:
        decoder = decoder_coverage.measure()
    except decoder_coverage.UnavailableError as cause:
        print(f"  G22 branches of the decoder: not measured, {cause}", file=sys.stderr)
    else:
        yield _covered("the decoder (by its Rust tests)", decoder.taken, decoder.count, 95)


def _covered(part: str, taken: int, count: int, least: int) -> Line:
    share = 100 * taken / max(count, 1)
    measured = f"{share:.1f} % of {count}"
    return Line("G22", f"branches of {part}", f">= {least} %", measured, share >= least)


def _tests(
    goal: str,
    what: str,
    tests: list[str],
    environment: dict[str, str],
    limit: float | None = None,
) -> Line:
    started = time.monotonic()
    # The limit of one test is for their short form.
    command = [sys.executable, "-m", "pytest", "-q", "-o", "timeout=0", *tests]
    done = _run(command, {**os.environ, **environment})
    took = time.monotonic() - started
    lines = done.stdout.strip().splitlines() or [done.stderr]
    demanded = "0 violations" if limit is None else f"0 violations in <= {limit:g} s"
    ok = done.returncode == 0 and (limit is None or took <= limit)
    return Line(goal, what, demanded, lines[-1].strip("= "), ok, tuple(lines[-8:]))


def _run(command: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


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


PARTS: Final[dict[str, Callable[[Length], Iterator[Line]]]] = {
    "storm": storms,
    "black-hole": black_hole,
    "idle": idle_connections,
    "cancel": cancels,
    "flips": flips,
    "colours": colours,
    "sessions": sessions,
    "resume": resuming,
    "crowd": crowds,
    "leaks": leaks,
    "forks": forks,
    "machine": machine,
    "simulation": simulation,
    "matrix": typed,
    "closes": closes,
    "interrupts": interrupts,
    "coverage": coverage,
    "soak": soak,
}
#: Only where they are named: an hour, and what G18 and the tests run anyway.
EXTRA: Final = frozenset({"soak", "coverage"})


def main() -> int:
    """Runs the parts, prints the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all")
    parser.add_argument("--only", metavar="PART,PART", help="the same, as an option")
    parser.add_argument("--short", action="store_true", help="the lengths of the tests")
    parser.add_argument("--queries", type=int, help="of G14 (100,000)")
    parser.add_argument("--idle-minutes", type=float, help="of G6 (30)")
    parser.add_argument("--soak-minutes", type=float, help="of G15 (60)")
    parser.add_argument("--seeds", type=int, help="of G17 (10,000)")
    parser.add_argument("--processes", type=int, help="of closes and interrupts (200 each)")
    parser.add_argument("--first-seed", type=int, help="of closes and interrupts (1)")
    given = parser.parse_args()
    # What goes wrong here was ordered; the table is what counts.
    logging.getLogger("e6data_adbc").setLevel(logging.CRITICAL)
    length = SHORT if given.short else Length()
    lengths = {
        "leaks": given.queries,
        "idle_seconds": given.idle_minutes and given.idle_minutes * 60,
        "soak_seconds": given.soak_minutes and given.soak_minutes * 60,
        "seeds": given.seeds,
        "sudden_processes": given.processes,
        "first_seed": given.first_seed,
    }
    length = dataclasses.replace(
        length, **{name: value for name, value in lengths.items() if value is not None}
    )
    lines: list[Line] = []
    names = [*given.parts, *(given.only or "").replace(",", " ").split()]
    unknown = set(names) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    for name in names or [name for name in PARTS if name not in EXTRA]:
        started = time.monotonic()
        for line in PARTS[name](length):
            lines.append(line)
            print(f"  {line.goal} {line.what}: {line.measured}", file=sys.stderr, flush=True)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    _print(lines)
    return 0 if all(line.ok for line in lines) else 1


def _print(lines: list[Line]) -> None:
    rows = [("goal", "what", "demanded", "measured", "ok")]
    rows += [(r.goal, r.what, r.demanded, r.measured, "yes" if r.ok else "NO") for r in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        print(
            " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    for line in lines:
        if not line.ok:
            print(f"\n{line.goal} {line.what}:")
            for note in line.notes[:10]:
                print(f"  {note}")


if __name__ == "__main__":
    sys.exit(main())
