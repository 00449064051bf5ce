"""The goals of reliability that runs of the tests show, and the branches that the tests take."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from checks import decoder_coverage
from checks.reliability.line import Length, Line

ROOT: Final = Path(__file__).resolve().parents[2]


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
