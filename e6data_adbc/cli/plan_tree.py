"""Plans drawn as trees: the lines of a plan's text, or the operators of an analysis with their times."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

__all__ = ["Node", "analyzed", "draw", "planned"]

#: The pieces of the branches: there are more, the last one, beside and below these.
_LINES: Final = ("├─ ", "└─ ", "│  ", "   ")
_ASCII: Final = ("|- ", "`- ", "|  ", "   ")
_INVISIBLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclasses.dataclass
class Node:
    """One operator.

    Attributes:
        label: Its name and what it does, in one line.
        rows: How many rows it gave; None where that is not known.
        milliseconds: How long it worked; None where that is not known.
        children: The operators that feed it.
    """

    label: str
    rows: int | None = None
    milliseconds: float | None = None
    children: list[Node] = dataclasses.field(default_factory=list)


def planned(plan: str) -> list[Node]:
    """Returns the operators of a plan's text: a line is a child of the last one before it that stands further left."""
    roots: list[Node] = []
    open_ones: list[tuple[int, Node]] = []
    for line in plan.expandtabs().splitlines():
        if not line.strip():
            continue
        depth = len(line) - len(line.lstrip(" "))
        while open_ones and open_ones[-1][0] >= depth:
            open_ones.pop()
        node = Node(_one_line(line))
        (open_ones[-1][1].children if open_ones else roots).append(node)
        open_ones.append((depth, node))
    return roots


def analyzed(analysis: str) -> list[Node]:
    """Returns the operators of an analysis: those of the array `plan` of its JSON; none where there is no such."""
    try:
        found = json.loads(analysis)
    except ValueError:
        return []
    plan = found.get("plan") if isinstance(found, dict) else None
    return _nodes(plan)


def draw(roots: Sequence[Node], *, is_ascii: bool = False) -> Iterator[str]:
    """Yields the lines of the tree, with columns of rows and times before it where any operator has them."""
    everything = list(_walk(roots))
    rows = [f"{node.rows:,}" if node.rows is not None else "" for node in everything]
    times = [_milliseconds(node.milliseconds) for node in everything]
    columns = [
        [text.rjust(max(map(len, [title, *texts]))) for text in [title, *texts]]
        for title, texts in (("time", times), ("rows", rows))
        if any(texts)
    ]
    branches = list(_branches(roots, "", _ASCII if is_ascii else _LINES))
    if columns:
        branches.insert(0, "")
    for index, branch in enumerate(branches):
        yield "  ".join([*(column[index] for column in columns), branch]).rstrip()


def _nodes(found: Any) -> list[Node]:
    if not isinstance(found, list):
        return []
    return [_node(item) for item in found if isinstance(item, dict)]


def _node(item: dict[str, Any]) -> Node:
    details = item.get("details")
    label = str(item.get("name", "?"))
    if isinstance(details, dict) and details:
        label += f"({', '.join(f'{key}=[{value}]' for key, value in details.items())})"
    rows, time = item.get("row_count_out"), item.get("time")
    return Node(
        _one_line(label),
        rows if type(rows) is int else None,
        float(time) if isinstance(time, int | float) else None,
        _nodes(item.get("children")),
    )


def _walk(nodes: Sequence[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from _walk(node.children)


def _branches(roots: Sequence[Node], indent: str, lines: tuple[str, ...]) -> Iterator[str]:
    for root in roots:
        yield indent + root.label
        yield from _below(root.children, indent, lines)


def _below(nodes: Sequence[Node], indent: str, lines: tuple[str, ...]) -> Iterator[str]:
    more, last, beside, below = lines
    for index, node in enumerate(nodes):
        is_last = index == len(nodes) - 1
        yield indent + (last if is_last else more) + node.label
        yield from _below(node.children, indent + (below if is_last else beside), lines)


def _milliseconds(time: float | None) -> str:
    return "" if time is None else f"{time:,.3f} ms"


def _one_line(text: str) -> str:
    return _INVISIBLE.sub(" ", text.strip())
