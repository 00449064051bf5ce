"""Measures the goals of reliability at full length and says which of them are reached.

`python -m checks.reliability` runs all but `soak` and `coverage`, which takes more than an hour; `storm` or another
name runs a part; `--short` takes the lengths of the tests. The exit code is 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

from checks.reliability import goals, runs_of_tests
from checks.reliability.line import SHORT, Length, Line

PARTS: Final[dict[str, Callable[[Length], Iterator[Line]]]] = {
    "storm": goals.storms,
    "black-hole": goals.black_hole,
    "idle": goals.idle_connections,
    "cancel": goals.cancels,
    "flips": goals.flips,
    "colours": goals.colours,
    "sessions": goals.sessions,
    "resume": goals.resuming,
    "crowd": goals.crowds,
    "leaks": goals.leaks,
    "forks": goals.forks,
    "machine": runs_of_tests.machine,
    "simulation": runs_of_tests.simulation,
    "matrix": runs_of_tests.typed,
    "closes": goals.closes,
    "interrupts": goals.interrupts,
    "coverage": runs_of_tests.coverage,
    "soak": goals.soak,
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
