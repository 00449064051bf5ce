"""Prints, value by value, whether the public connector and the local engine agree, and who is right where they do not.

`python -m tools.upstream_check [--all]` makes the connector's environment when it is not there, starts an engine, and
ends with code 1 when a difference has no explanation.
"""

from __future__ import annotations

import sys

from tools.upstream_check.environment import UnavailableError
from tools.upstream_check.run import Report, run


def main() -> int:
    """Runs the check; returns the exit code."""
    try:
        report = run()
    except UnavailableError as error:
        print(error, file=sys.stderr)
        return 2
    print(_table(report, show_all="--all" in sys.argv[1:]))
    return 1 if report.unexplained else 0


def _table(report: Report, *, show_all: bool) -> str:
    lines = [
        (value.case.sql[:44], value.protocol, value.form, value.shown, value.verdict.word)
        for value in report.values
        if show_all or value.verdict.word != "equal"
    ]
    lines += [(name, "", "", str(got)[:40], verdict) for name, got, verdict in report.steps]
    widths = [max(len(line[index]) for line in lines) for index in range(4)]
    text = "\n".join(
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[4]]
        )
        for line in lines
    )
    equal = sum(value.verdict.word == "equal" for value in report.values)
    return (
        f"{text}\n\n{len(report.values)} values: {equal} equal in value and type, "
        f"{len(report.unexplained)} differences without an explanation"
    )


if __name__ == "__main__":
    sys.exit(main())
