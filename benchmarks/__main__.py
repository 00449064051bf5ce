"""Asks every question, keeps the answers and writes docs/performance.md.

`python -m benchmarks` takes about a quarter of an hour, `--quick` two minutes and keeps nothing; names of modules ask
only those; `--docs` writes the page from the results that are there.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time

from benchmarks import performance_page
from benchmarks.environment import enter
from benchmarks.harness import Settings, write_report

__all__: list[str] = []

QUESTIONS = (
    "decode_types",
    "server_headroom",
    "end_to_end",
    "chunk_sizes",
    "first_batch",
    "lazy_scan",
    "to_sql",
    "small_queries",
    "import_time",
    "command_line",
    "scale",
    "concurrency",
    "slow_consumer",
    "tls",
    "round_trip",
    "packet_loss",
    "profile",
)


def main() -> int:
    """Runs what is asked for; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=", ".join(QUESTIONS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--docs", action="store_true")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(QUESTIONS)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    enter()
    settings = Settings(arguments.quick)
    started = time.monotonic()
    for name in () if arguments.docs else arguments.names or QUESTIONS:
        before = time.monotonic()
        report = importlib.import_module(f"benchmarks.{name}").run(settings)
        write_report(report, settings)
        print(f"## {name} ({time.monotonic() - before:.0f} s)\n\n{report.text()}", flush=True)
    page = performance_page.write(settings, QUESTIONS)
    print(f"{page} ({time.monotonic() - started:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
