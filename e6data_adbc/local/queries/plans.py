"""DuckDB's plans and profiles, in the form in which the local engine tells them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["plan_text", "profile_tree"]

_ROWS: Final = "Estimated Cardinality"
#: What DuckDB puts around the operators that run the query, and says nothing about it.
_WRAPPERS: Final = frozenset({"RESULT_COLLECTOR", "EXPLAIN_ANALYZE"})


def plan_text(document: str) -> str:
    """Returns a plan as lines of `OPERATOR(attribute=[values]): rowcount = n`, each two blanks deeper than its parent.

    The form is Calcite's. Row counts are estimates.

    Args:
        document: What DuckDB answers to `EXPLAIN (FORMAT json)`.
    """
    return "\n".join(line for node in json.loads(document) for line in _lines(node, 0))


def profile_tree(document: str) -> list[dict[str, Any]]:
    """Returns the operators that ran, each with `name`, `details`, `row_count_out`, `time` and `children`.

    Times are milliseconds of work of the operator itself, in all threads together, so that their sum may exceed the
    time of the query.

    Args:
        document: What DuckDB's `get_profiling_information` gives in JSON.
    """
    root = json.loads(document)
    found = root.get("operator") or root.get("children") or []
    nodes = [_profiled(node) for node in found]
    while len(nodes) == 1 and nodes[0]["name"] in _WRAPPERS:
        nodes = nodes[0]["children"]
    return nodes


def _lines(node: dict[str, Any], depth: int) -> Iterator[str]:
    details = dict(node.get("extra_info") or {})
    rows = details.pop(_ROWS, None)
    attributes = ", ".join(f"{key}=[{_value(value)}]" for key, value in details.items())
    estimate = f": rowcount = {rows}" if rows is not None else ""
    yield f"{'  ' * depth}{node['name'].strip()}({attributes}){estimate}"
    for child in node.get("children") or ():
        yield from _lines(child, depth + 1)


def _profiled(node: dict[str, Any]) -> dict[str, Any]:
    details = {
        key: _value(value) for key, value in (node.get("extra_info") or {}).items() if key != _ROWS
    }
    # The second names are those of DuckDB 1.
    rows = node.get("intermediate_rows", node.get("operator_cardinality", 0))
    seconds = node.get("timing", node.get("operator_timing", 0.0))
    return {
        "name": str(node.get("type", node.get("operator_type", "?"))).strip(),
        "details": details,
        "row_count_out": int(rows),
        "time": round(float(seconds) * 1000, 3),
        "children": [_profiled(child) for child in node.get("children") or ()],
    }


def _value(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return " ".join(text.split())
