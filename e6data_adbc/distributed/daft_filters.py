"""Filters of Daft as SQL that lets through at least the same rows: Daft filters again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
from daft.expressions.visitor import ExpressionVisitor

from e6data_adbc.distributed.pushed_conditions import Conditions, NotPushedError, joined

__all__ = ["condition"]

#: Daft's names of comparisons, and ours.
_COMPARED: Final = {
    "equal": "eq",
    "not_equal": "ne",
    "less_than": "lt",
    "less_than_or_equal": "le",
    "greater_than": "gt",
    "greater_than_or_equal": "ge",
}


def condition(filtering: Any, schema: pa.Schema) -> str | None:
    """Returns what of *filtering*, over columns of *schema*, SQL can say; None where that is nothing."""
    if filtering is None:
        return None
    try:
        return _written(filtering, Conditions(schema, looks_again=True))
    except NotPushedError:
        return None


class _Shape(ExpressionVisitor):  # type: ignore[misc] # daft is no dependency
    """Tells what an expression is: `col` and its name, `lit` and its value, or an operation and its arguments."""

    def visit_(self, name: str, args: Sequence[Any]) -> tuple[str, Any]:
        return name, args

    def visit_col(self, name: str) -> tuple[str, Any]:
        return "col", name

    def visit_lit(self, value: Any) -> tuple[str, Any]:
        return "lit", value

    def visit_alias(self, *_: Any) -> tuple[str, Any]:
        return "", ()

    visit_cast = visit_try_cast = visit_function = visit_coalesce = visit_alias


_SHAPE: Final = _Shape()


def _written(it: Any, conditions: Conditions) -> str:
    name, args = _SHAPE.visit(it)
    if name == "and":  # either alone lets through more
        parts = [part for part in (_perhaps(each, conditions) for each in args) if part]
        if parts:
            return joined("AND", *parts)
    elif name == "or":
        return joined("OR", *(_written(part, conditions) for part in args))
    elif args and name not in {"col", "lit"}:
        column, *others = args
        kind, of = _SHAPE.visit(column)
        if kind == "col" and name in ("is_null", "not_null"):
            return conditions.null(of, is_null=name == "is_null")
        if kind == "col" and name == "is_in":
            return conditions.among(of, map(_value, others[0]))
        if kind == "col" and name == "between":
            low, high = (_value(other) for other in others)
            return joined(
                "AND", conditions.compared(of, "ge", low), conditions.compared(of, "le", high)
            )
        if kind == "col" and name in _COMPARED:
            return conditions.compared(of, _COMPARED[name], _value(others[0]))
    raise NotPushedError(f"{name!r} has no sure counterpart")


def _perhaps(it: Any, conditions: Conditions) -> str | None:
    try:
        return _written(it, conditions)
    except NotPushedError:
        return None


def _value(it: Any) -> Any:
    kind, value = _SHAPE.visit(it)
    if kind != "lit":
        raise NotPushedError("it is no constant")
    return value
