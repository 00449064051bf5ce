"""docs/performance.md: the results as a page, with the targets and what is missing of them."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.environment import ROOT
from benchmarks.harness import Report, Settings, read_report
from benchmarks.harness import number as digits

__all__ = ["TARGETS", "TITLES", "read_reasons", "write"]

#: Why targets are not reached, written by hand; a reason is shown only while its target is missed.
#: Of a line.
_MOST_CHARACTERS: Final = 120
REASONS: Final = Path(__file__).with_name("not_reached.md")

_Figures = dict[str, dict[str, float]]


@dataclasses.dataclass(frozen=True)
class Target:
    """What is to be reached.

    Attributes:
        text: What is compared.
        value: Takes the figure out of those of all reports; KeyError where it was not measured.
        limit: What the figure must not exceed, or fall below.
        is_most: Whether *limit* is the most that is allowed.
        reason: The heading in `not_reached.md` under which it says why, where it is not reached.
    """

    text: str
    value: Callable[[_Figures], float]
    limit: float
    is_most: bool = False
    reason: str = ""

    def is_reached(self, value: float) -> bool:
        """Tells whether *value* is good enough."""
        return value <= self.limit if self.is_most else value >= self.limit


_FIXED: Final = ("int64", "int32", "double", "timestamp", "decimal")
TARGETS: Final = (
    Target(
        "decoding lineitem on one core, million rows/s (chunks of 10,000 rows)",
        lambda f: f["decode_types"]["lineitem_10k_hot"],
        40,
    ),
    Target(
        "or over the public connector's decoder, times",
        lambda f: f["decode_types"]["lineitem_10k_over_upstream"],
        540,
    ),
    Target(
        "fixed width (the slowest of int32, int64, double, timestamp, decimal), x memcpy like for like",
        lambda f: max(f["decode_types"][f"{kind}_cold_over_memcpy"] for kind in _FIXED),
        2.5,
        is_most=True,
    ),
    Target(
        "ASCII strings, million values/s",
        lambda f: f["decode_types"]["string_hot"],
        400,
        reason="strings",
    ),
    Target(
        "lineitem, loop, over the public connector, times",
        lambda f: f["end_to_end"]["lineitem_loop_over_upstream"],
        180,
        reason="receiving",
    ),
    Target(
        "lineitem, loop, over ADBC Flight SQL",
        lambda f: f["end_to_end"]["lineitem_loop_over_flight_sql"],
        2.0,
        reason="receiving",
    ),
    Target(
        "narrow, loop, over ADBC Flight SQL",
        lambda f: f["end_to_end"]["narrow_loop_over_flight_sql"],
        2.0,
        reason="receiving",
    ),
    Target(
        "lineitem, Table, over ADBC Flight SQL",
        lambda f: f["end_to_end"]["lineitem_table_over_flight_sql"],
        1.7,
        reason="receiving",
    ),
    Target(
        "narrow, Table, over ADBC Flight SQL",
        lambda f: f["end_to_end"]["narrow_table_over_flight_sql"],
        1.7,
        reason="receiving",
    ),
    Target(
        "lineitem, loop, over pyarrow.flight",
        lambda f: f["end_to_end"]["lineitem_loop_over_flight"],
        1.6,
        reason="receiving",
    ),
    Target(
        "lineitem, loop, MiB over idle",
        lambda f: f["end_to_end"]["lineitem_loop_mib_over_idle"],
        16,
        is_most=True,
        reason="memory",
    ),
    Target(
        "streaming 10 million rows, MiB over idle",
        lambda f: f["scale"]["10000000_mib_over_idle"],
        40,
        is_most=True,
        reason="memory",
    ),
    Target(
        "streaming 100 million rows, MiB over idle",
        lambda f: f["scale"]["100000000_mib_over_idle"],
        40,
        is_most=True,
        reason="memory",
    ),
    Target(
        "a scan that keeps 0.1 % of the rows, bytes over those of `read`",
        lambda f: f["lazy_scan"]["bytes_of_read"],
        0.02,
        is_most=True,
    ),
    Target(
        "a scan that keeps 0.1 % of the rows, time over that of `read`",
        lambda f: f["lazy_scan"]["seconds_of_read"],
        0.1,
        is_most=True,
    ),
    Target(
        "a scan with nothing to push down, time over that of `read` and the same filter",
        lambda f: f["lazy_scan"]["kept_of_filtered"],
        1.05,
        is_most=True,
    ),
    Target(
        "sink_parquet of a scan of 8 million rows, memory over that of 1 million",
        lambda f: f["lazy_scan"]["sink_of_eighth"],
        1.15,
        is_most=True,
    ),
    Target(
        "lineitem where one packet in a hundred is lost, over the same driver by grpcio",
        lambda f: f["packet_loss"]["0.01_over_grpcio"],
        1.0,
    ),
    Target(
        "a tiny warm query, sequential round trips, V1",
        lambda f: f["small_queries"]["V1_round_trips"],
        4.2,  # four, and what the line itself takes
        is_most=True,
        reason="tiny",
    ),
    Target(
        "a tiny warm query, p50 over the public connector's, V1",
        lambda f: f["small_queries"]["V1_of_upstream_p50"],
        0.3,
        is_most=True,
        reason="tiny",
    ),
    Target(
        "a tiny warm query, sequential round trips, V2",
        lambda f: f["small_queries"]["V2_round_trips"],
        4.2,
        is_most=True,
        reason="tiny",
    ),
    Target(
        "a tiny warm query, p50 over the public connector's, V2",
        lambda f: f["small_queries"]["V2_of_upstream_p50"],
        0.3,
        is_most=True,
        reason="tiny",
    ),
)

_HEAD: Final = """# Performance

Written by `make bench` from `benchmarks/results/`. `make bench-check` fails when the decoder becomes slower than
recorded. Every benchmark runs alone too: `python -m benchmarks.end_to_end`, with `--quick` for a first look.

"""

_METHOD: Final = """## How it is measured

- Who is compared takes turns: each round asks everybody once, each beginning with another one, and a ratio is made
  inside a round. Cells are medians, with the range over the rounds in brackets. Ratios carry over to another machine,
  absolute figures do not.
- Each contestant has a process of its own, which is asked once before it counts. Processor time is that of the whole
  client process, user and system, with its children. Memory is `VmHWM`, set back before each measurement.
- The e6data servers of the public connector and of this driver are one and the same: a native program that sends a
  ready-made chunk again and again (`native/benchserver`). Flight and Flight SQL are served by pyarrow's C++ server from
  a table of the same rows, also without work for a row. Server and client share the two cores.
- All of it runs on loopback. A real engine also computes; a real network also waits.
"""

#: The heading of each section, and the plots that stand in it.
TITLES: Final = {
    "decode_types": "Decoding",
    "server_headroom": "What the server can deliver",
    "end_to_end": "End to end",
    "chunk_sizes": "The size of chunks",
    "first_batch": "The first batch",
    "lazy_scan": "Lazy scans",
    "to_sql": "Tables of pandas",
    "small_queries": "Small queries and connecting",
    "import_time": "Importing",
    "command_line": "The command line",
    "scale": "From one row to a hundred million",
    "concurrency": "Several queries at once",
    "slow_consumer": "A slow consumer",
    "tls": "Encryption",
    "round_trip": "A longer round trip",
    "packet_loss": "Lost packets",
    "profile": "Where the time goes",
}


def write(settings: Settings, names: Sequence[str]) -> Path:
    """Writes the page from what is in the results, and returns its path; that of a quick run is not docs/."""
    directory = settings.results
    found = [directory / f"{name}.json" for name in names]
    reports = {path.stem: read_report(path) for path in found if path.exists()}
    path = directory / "performance.md" if settings.is_quick else ROOT / "docs" / "performance.md"
    images = "." if settings.is_quick else "../benchmarks/results"
    parts = [_HEAD, _targets(reports), _METHOD, _machine([p for p in found if p.exists()])]
    parts += [_section(report, images) for report in reports.values()]
    path.write_text(_wrapped("\n".join(part.rstrip() + "\n" for part in parts)))
    return path


def _wrapped(page: str) -> str:
    """Returns *page* with lines of at most 120 characters, but for tables and pictures."""
    lines = []
    for line in page.split("\n"):
        if len(line) <= _MOST_CHARACTERS or line.startswith(("|", "!")):
            lines.append(line)
            continue
        indent = "  " if line.startswith("- ") else ""
        lines += textwrap.wrap(
            line,
            _MOST_CHARACTERS,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def read_reasons() -> dict[str, str]:
    """Returns the text under each heading of `not_reached.md`."""
    parts = REASONS.read_text().split("\n## ")[1:]
    return {
        heading.strip(): text.strip() for heading, _, text in (p.partition("\n") for p in parts)
    }


def _targets(reports: dict[str, Report]) -> str:
    figures = {name: report.figures for name, report in reports.items()}
    lines = ["## What was to be reached", "", "| | wanted | measured | |", "|---|---|---|---|"]
    missed: dict[str, list[str]] = {}
    reasons = read_reasons()
    for target in TARGETS:
        try:
            value = target.value(figures)
        except KeyError:
            lines.append(f"| {target.text} | | not measured | |")
            continue
        sign = "≤" if target.is_most else "≥"
        is_reached = target.is_reached(value)
        word = "reached" if is_reached else "**not reached**"
        lines.append(f"| {target.text} | {sign} {target.limit:g} | {digits(value)} | {word} |")
        if not is_reached and target.reason:
            missed.setdefault(target.reason, []).append(target.text)
    if missed:
        lines += ["", "### Why not"]
    for reason, texts in missed.items():
        lines += ["", f"*{'; '.join(texts)}.*", "", reasons[reason]]
    return "\n".join(lines) + "\n"


def _machine(paths: Sequence[Path]) -> str:
    if not paths:
        return ""
    listed = {path.stem: json.loads(path.read_text())["machine"] for path in paths}
    first = next(iter(listed.values()))
    # Which transport was the default is on record since it is not grpcio any more.
    runs: dict[tuple[str, str], list[str]] = {}
    for name, one in listed.items():
        run = (one["date"], one.get("transport", "grpc"))
        runs.setdefault(run, []).append(f"{TITLES[name]} (load {one['load']})")
    machine = f"{first['processor']}; {first['system']}; {first['packages']}"
    lines = [
        f"Measured on {machine}. When, over which transport, and the load average after each section:\n"
    ]
    for (date, transport), names in runs.items():
        lines.append(f"- {date}, over {transport} (`adbc.e6data.transport`): {', '.join(names)}.")
    return "\n".join(lines) + "\n"


def _section(report: Report, images: str) -> str:
    drawn = [(plot.name, plot.title) for plot in report.plots] + list(report.pictures)
    plots = [f"![{title}]({images}/{name}.svg)\n" for name, title in drawn]
    return "\n".join([f"## {TITLES[report.name]}\n", report.text(), *plots])
