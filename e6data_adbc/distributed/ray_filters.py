"""Filters of Ray Data as SQL, where both surely mean the same."""

from __future__ import annotations

import pyarrow as pa
from ray.data.expressions import BinaryExpr, ColumnExpr, Expr, LiteralExpr, Operation, UnaryExpr

from e6data_adbc.distributed.pushed_conditions import (
    COMPARISONS,
    Conditions,
    NotPushedError,
    joined,
)

__all__ = ["condition"]


def condition(filtering: Expr, schema: pa.Schema) -> str | None:
    """Returns *filtering*, over columns of *schema*, as SQL; None where Ray has to apply it."""
    try:
        # Ray does not look again at what a source has filtered.
        return _written(filtering, Conditions(schema, looks_again=False))
    except NotPushedError:
        return None


def _written(it: Expr, conditions: Conditions) -> str:
    if isinstance(it, BinaryExpr) and it.op in (Operation.AND, Operation.OR):
        return joined(it.op.name, *(_written(part, conditions) for part in (it.left, it.right)))
    if isinstance(it, UnaryExpr) and isinstance(it.operand, ColumnExpr):
        if it.op in (Operation.IS_NULL, Operation.IS_NOT_NULL):
            return conditions.null(it.operand.name, is_null=it.op is Operation.IS_NULL)
    elif (
        isinstance(it, BinaryExpr)
        and isinstance(it.left, ColumnExpr)
        and isinstance(it.right, LiteralExpr)
    ):
        if it.op is Operation.IN and isinstance(it.right.value, list):
            return conditions.among(it.left.name, it.right.value)
        if it.op.value in COMPARISONS:
            return conditions.compared(it.left.name, it.op.value, it.right.value)
    raise NotPushedError(f"{type(it).__name__} has no sure counterpart")
