"""One line of the table that the goals come to, and how long each part runs."""

from __future__ import annotations

import dataclasses
from typing import Final


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
    flips: int = 120
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
    flips=6,
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
