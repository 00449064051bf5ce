"""The Markdown of how suites went, and its place in the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from checks.suites.outcome import Outcome

__all__ = ["lines", "written"]


def lines(outcome: Outcome) -> Iterator[str]:
    """Yields the Markdown of *outcome*."""
    suite = outcome.suite
    yield f"{suite.title}, with {', '.join(outcome.versions)}.\n"
    skipped = sum(outcome.skipped.values())
    yield "| passed | failed, explained | failed, not explained | skipped | fail by the suite's own word |"
    yield "|---|---|---|---|---|"
    wrong = len(outcome.unexplained)
    yield f"| {outcome.passed} | {len(outcome.failures) - wrong} | {wrong} | {skipped} | {outcome.expected} |"
    if outcome.unconnected:
        yield f"\nNot counted: {outcome.unconnected} that pass without opening a connection."
    reasons: dict[str, list[str]] = {}
    for failure in outcome.failures:
        reason = (
            failure.explanation.reason
            if failure.explanation
            else f"NOT EXPLAINED: {failure.message}"
        )
        reasons.setdefault(reason, []).append(failure.test)
    if reasons:
        yield "\n| failed | why |\n|---|---|"
        for reason, tests in reasons.items():
            names: dict[str, int] = {}
            for test in tests:
                name = test.rsplit("::", 1)[-1].split("[")[0]
                names[name] = names.get(name, 0) + 1
            text = ", ".join(
                f"`{name}`{f' ({count})' if count > 1 else ''}" for name, count in names.items()
            )
            yield f"| {text} | {' '.join(reason.split())} |"
    if outcome.skipped:
        yield "\n| skipped | why |\n|---|---|"
        for why, count in outcome.skipped.items():
            yield f"| {count} | {' '.join(why.split())} |"


def written(file: Path, outcome: Outcome) -> None:
    """Puts the lines of *outcome* between its marks in *file*.

    Raises:
        ValueError: There are no such marks.
    """
    name = outcome.suite.name
    begin, end = f"<!-- generated: checks.suites {name} -->", f"<!-- end of {name} -->"
    head, first, rest = file.read_text().partition(begin)
    _, second, tail = rest.partition(end)
    if not (first and second):
        raise ValueError(f"{file} has no marks for {name}")
    text = "\n".join(lines(outcome))
    file.write_text(f"{head}{begin}\n{text}\n\n{end}{tail}")
