"""How a figure comes about: interleaved rounds, ratios inside a round, and the report that holds them."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.environment import ENVIRONMENT, ROOT, enter
from benchmarks.report import Plot, Report, Table, read_report
from e6data_adbc._options import option_values

__all__ = [
    "Plot",
    "Report",
    "Settings",
    "Table",
    "interleave",
    "main",
    "ratios",
    "read_report",
    "spread",
]

RESULTS = ROOT / "benchmarks" / "results"
QUICK_RESULTS = ENVIRONMENT / "quick"


@dataclasses.dataclass(frozen=True)
class Settings:
    """How long to measure."""

    is_quick: bool = False

    def pick(self, full: Any, quick: Any) -> Any:
        """Returns *quick* in a quick run, *full* otherwise."""
        return quick if self.is_quick else full

    @property
    def results(self) -> Path:
        """Where the results go: those of a quick run are no record."""
        return QUICK_RESULTS if self.is_quick else RESULTS


def write_report(report: Report, settings: Settings) -> None:
    """Writes JSON and plots."""
    settings.results.mkdir(parents=True, exist_ok=True)
    content = dataclasses.asdict(report) | {"machine": machine()}
    path = settings.results / f"{report.name}.json"
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    for plot in report.plots:
        plots.draw(plot, settings.results)


def main(run: Callable[[Settings], Report]) -> None:
    """Runs one benchmark as a program."""
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("--quick", action="store_true", help="measure briefly; keeps no results")
    arguments = parser.parse_args()
    enter()
    settings = Settings(arguments.quick)
    started = time.monotonic()
    report = run(settings)
    write_report(report, settings)
    print(report.text())
    print(f"({time.monotonic() - started:.0f} s; {settings.results / report.name}.json)")


def interleave(
    contestants: Mapping[str, Callable[[], Any]], rounds: int, *, warm_up: bool = False
) -> dict[str, list[Any]]:
    """Returns the samples of *rounds* rounds; each round asks everyone once, beginning with another one.

    Args:
        contestants: What gives one sample, by name.
        rounds: How often.
        warm_up: Ask everyone once more beforehand, and forget the answers.
    """
    names = list(contestants)
    samples: dict[str, list[Any]] = {name: [] for name in names}
    if warm_up:
        for ask in contestants.values():
            ask()
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            samples[name].append(contestants[name]())
    return samples


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Returns the ratio of each round."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Returns the median and, in brackets, the range of *values*, to so many significant digits."""
    if not values:
        return "n/a"
    middle, low, high = (
        number(value, digits) for value in (statistics.median(values), min(values), max(values))
    )
    return middle if low == high else f"{middle} [{low}..{high}]"


def number(value: float, digits: int = 3) -> str:
    """Returns *value* with so many significant digits, without an exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}"


def median(values: Sequence[float]) -> float:
    """Returns the median."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """Returns the value below which *share* of *values* lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine() -> dict[str, str]:
    """Returns what the figures were measured on."""
    from importlib import metadata

    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    packages = ("grpcio", "pyarrow", "adbc-driver-manager", "adbc-driver-flightsql", "duckdb")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    return {
        "processor": f"{os.cpu_count()} x {model}",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "packages": versions,
        "transport": option_values.Settings().rpc.transport.value,
        "load": f"{os.getloadavg()[0]:.1f}",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
