"""Draws the generated part of `docs/connection.md`: the diagram of the colour's states and the retry table.

`make docs` asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from e6data_adbc._session.colour.strategy import TABLE, Action, Kind, Phase
from e6data_adbc._session.retry.retry_table import ROWS, Cell, Row, Step

#: From every state to the same place; said in words, not drawn five times.
EVERYWHERE = (Kind.INVALIDATED, Kind.RESET)
#: What leaves a state as it is for all that a reader wants to know.
UNEVENTFUL = (Action.IGNORE, Action.CONFIRM, Action.LEND)


def lines() -> Iterator[str]:
    """Yields the Markdown of diagram and table."""
    yield "## The states of a colour\n"
    yield from diagram()
    yield "\nWhoever asks to forget the colour, or resets the connection, starts over from any state.\n"
    yield "## What is repeated, call by call\n"
    yield from retry_rows()


def diagram() -> Iterator[str]:
    """Yields a Mermaid state diagram of the strategy table."""
    labels: dict[tuple[Phase, Phase], list[str]] = {}
    for (phase, kind), edge in TABLE.items():
        stays = edge.to is phase and (edge.action in UNEVENTFUL or edge.action is Action.NOTE)
        if kind not in EVERYWHERE and not stays:
            labels.setdefault((phase, edge.to), []).append(kind.value)
    yield "```mermaid\nstateDiagram-v2"
    yield f"    [*] --> {Phase.DETECTING.value}"
    for (start, end), kinds in labels.items():
        yield f"    {start.value} --> {end.value}: {' / '.join(dict.fromkeys(kinds))}"
    yield "```"


def retry_rows() -> Iterator[str]:
    """Yields the retry table; methods with the same row share a line."""
    yield "| calls | effect | sent again after | instead, after | one try / in all | when nobody knows |"
    yield "|---|---|---|---|---|---|"
    seen: list[Row] = []
    for row in ROWS.values():
        if row not in seen:
            seen.append(row)
            methods = ", ".join(f"`{name}`" for name, other in ROWS.items() if other == row)
            yield f"| {methods} | {row.effect} | {again(row)} | {instead(row)} | {limits(row)} | {row.doubt} |"


def again(row: Row) -> str:
    """Returns the failures after which the same call is sent again, with how often."""
    counts: dict[int, list[str]] = {}
    for failure, cell in row.cells.items():
        if cell.step is Step.RETRY:
            counts.setdefault(cell.times, []).append(failure.value)
    return "; ".join(f"{', '.join(names)} (≤ {times})" for times, names in counts.items())


def instead(row: Row) -> str:
    """Returns what else is done, and after which failures."""
    found: dict[Cell, list[str]] = {}
    for failure, cell in row.cells.items():
        if cell.step is not Step.RETRY:
            found.setdefault(cell, []).append(failure.value)
    return "; ".join(
        f"{', '.join(names)}: {cell.step.value}" + (f" (≤ {cell.times})" if cell.times > 1 else "")
        for cell, names in found.items()
    )


def limits(row: Row) -> str:
    """Returns the limit of one try, and what bounds them all."""
    one = "all that is left" if row.per_try is None else f"{row.per_try:g} s"
    total = "the resume limit" if row.limit is None else f"`{row.limit.value.rsplit('.', 1)[-1]}`"
    return f"{one} / {total}"
