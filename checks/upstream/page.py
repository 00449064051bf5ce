"""The tables of `docs/compatibility.md`: what the public connector's clients and its own tests do here."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator, Sequence

from checks.upstream.own_tests import Outcome
from checks.upstream.run import Report, Step, Value

__all__ = ["lines", "unexplained"]


def lines(report: Report, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yields the Markdown: clients by values and steps, notes on what fails, the connector's own tests."""
    clients = list(dict.fromkeys(step.client for step in report.steps))
    notes: dict[str, int] = {}
    yield f"\n| | {' | '.join(clients)} |\n|---|{'---|' * len(clients)}"
    yield from _value_rows(report.values, clients)
    for name in dict.fromkeys(step.name for step in report.steps):
        found = {step.client: step for step in report.steps if step.name == name}
        cells = " | ".join(_cell(found.get(client), notes) for client in clients)
        yield f"| {name} | {cells} |"
    left = [str(len(report.uncleared.get(client, []))) for client in clients]
    yield f"| queries left behind | {' | '.join(left)} |\n"
    for text, number in notes.items():
        yield f"{number}. {text}"
    yield from _own(outcomes)


def _value_rows(values: Sequence[Value], clients: Sequence[str]) -> Iterator[str]:
    words = {
        "values, equal in value and type": lambda value: value.verdict.word == "equal",
        "equal in value, as another type": lambda value: value.verdict.word.startswith("equal, "),
        "lossy in the connector": lambda value: value.verdict.word.startswith("engine is right"),
        "without an explanation": lambda value: not value.verdict.is_explained,
    }
    for title, has in words.items():
        counts = collections.Counter(value.client for value in values if has(value))
        yield f"| {title} | {' | '.join(str(counts[client]) for client in clients)} |"


def _cell(step: Step | None, notes: dict[str, int]) -> str:
    if step is None:
        return "n/a"
    if step.verdict == "works":
        return "yes"
    return f"no ({notes.setdefault(step.verdict, len(notes) + 1)})"


def _own(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield "\n| the connector's own tests | passed | known not to | failed or not run |\n|---|---|---|---|"
    for suite in dict.fromkeys(outcome.suite for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.suite == suite]
        passed = sum(outcome.result == "passed" for outcome in mine)
        known = sum(outcome.result != "passed" and outcome.is_explained for outcome in mine)
        yield f"| {suite} | {passed} | {known} | {len(mine) - passed - known} |"
    yield ""
    reasons = collections.defaultdict(list)
    for outcome in outcomes:
        if outcome.result != "passed":
            reasons[outcome.reason or outcome.words].append(_short(outcome))
    for why, names in reasons.items():
        yield f"- {', '.join(f'`{name}`' for name in names)}: {why}."


def _short(outcome: Outcome) -> str:
    where, _, name = outcome.name.partition("::")
    return f"{where.removeprefix('test.').removesuffix('.TestE6X')}::{name}"


def unexplained(report: Report, outcomes: Sequence[Outcome]) -> list[str]:
    """Returns everything that nobody can account for, one line each; empty when the check is green."""
    left = [
        f"{client} left {sql!r}" for client, queries in report.uncleared.items() for sql in queries
    ]
    tests = [str(dataclasses.asdict(outcome)) for outcome in outcomes if not outcome.is_explained]
    return [*report.unexplained, *left, *tests]
