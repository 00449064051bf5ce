"""Measures the goals of reliability at full length and says which of them are reached.

`python tools/reliability.py` runs all of it, which takes the better part of an hour; `storm` or another name runs a
part; `--short` takes the lengths of the tests. The exit code is 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import e6data_adbc
from e6data_adbc.local import LocalEngine
from tests.faultproxy.proxy import FaultProxy
from tests.reliability import scenarios
from tests.storm import checker, storm

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
    resuming: int = 200
    leaks: int = 100_000
    reconnects: int = 1000
    forks: int = 200
    is_short: bool = False


SHORT: Final = Length(2, 150, 3.0, 100, 300, 16, 1000, 20, 5, is_short=True)


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
            clients = length.resuming if shared else 16
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
    """G12, without the pool."""
    figures = scenarios.crowd(length.crowd, min(length.crowd, 300))
    yield Line(
        "G12",
        f"{length.crowd} queries, {min(length.crowd, 300)} at a time, one connection",
        "all exact, uncleared 0",
        f"{figures.right} right in {figures.seconds:.1f} s, uncleared {figures.uncleared:g}",
        figures.right == length.crowd and figures.uncleared == 0,
        tuple(figures.errors[:5]),
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


def _zero(goal: str, what: str, found: list[str]) -> Line:
    return Line(goal, what, "0", str(len(found)), not found, tuple(found))


PARTS: Final[dict[str, Callable[[Length], Iterator[Line]]]] = {
    "storm": storms,
    "black-hole": black_hole,
    "cancel": cancels,
    "flips": flips,
    "colours": colours,
    "sessions": sessions,
    "resume": resuming,
    "crowd": crowds,
    "leaks": leaks,
    "forks": forks,
}


def main() -> int:
    """Runs the parts, prints the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all")
    parser.add_argument("--short", action="store_true", help="the lengths of the tests")
    given = parser.parse_args()
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    # What goes wrong here was ordered; the table is what counts.
    logging.getLogger("e6data_adbc").setLevel(logging.CRITICAL)
    length = SHORT if given.short else Length()
    lines: list[Line] = []
    for name in given.parts or PARTS:
        started = time.monotonic()
        lines += PARTS[name](length)
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
