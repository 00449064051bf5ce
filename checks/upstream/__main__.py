"""Runs the public connector's clients and its own tests against the local engine, and says what works.

`python -m checks.upstream [--all] [--write]` makes the connector's environment when it is not there and ends with
code 1 when a difference has no explanation. `--all` prints every value too, `--write` puts the tables into
`docs/compatibility.md`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from checks.pages import ROOT, replaced
from checks.upstream import own_tests, page
from checks.upstream.environment import UnavailableError
from checks.upstream.run import Report, run


def main() -> int:
    """Runs the check; returns the exit code."""
    try:
        report, outcomes = run(), own_tests.run()
    except UnavailableError as error:
        print(error, file=sys.stderr)
        return 2
    if "--all" in sys.argv[1:]:
        print(_values(report))
    table = "\n".join(page.lines(report, outcomes))
    print(table)
    if "--write" in sys.argv[1:]:
        file: Path = ROOT / "docs" / "compatibility.md"
        file.write_text(replaced(file.read_text(), table))
    wrong = page.unexplained(report, outcomes)
    print("\n".join(["", *wrong, f"{len(wrong)} differences without an explanation"]))
    return 1 if wrong else 0


def _values(report: Report) -> str:
    rows = [
        (value.case.sql[:44], value.client, value.form, value.shown, value.verdict.word)
        for value in report.values
    ]
    widths = [max(len(row[index]) for row in rows) for index in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]])
        for row in rows
    )


if __name__ == "__main__":
    sys.exit(main())
