"""Conditions as pyiceberg filters by them: with NULL as SQL has it, and nothing that its statistics mistake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.conditions import Both, Comparison, Condition, Either, IsNull, Node, Not

__all__ = ["of_condition", "of_keys"]

_OPPOSITE: Final = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def of_condition(condition: Condition) -> Any:
    """Returns the filter of rows that fulfil *condition*.

    Raises:
        NotSupportedError: It compares floats: the statistics of files do not tell where there are NaNs.
    """
    return _of(condition.tree, condition.text, is_not=False)


def of_keys(keys: pa.Table) -> Any:
    """Returns the filter of rows that have one of *keys*, of which none is NULL."""
    library = _expressions()
    names = keys.column_names
    if len(names) == 1:
        return library.In(names[0], keys.column(0).to_pylist())
    rows: Sequence[dict[str, Any]] = keys.to_pylist()
    each = [library.And(*(library.EqualTo(name, row[name]) for name in names)) for row in rows]
    return each[0] if len(each) == 1 else library.Or(*each)


def _expressions() -> Any:
    from pyiceberg import expressions

    return expressions


def _of(node: Node, text: str, *, is_not: bool) -> Any:
    expressions = _expressions()
    match node:
        case Not():
            return _of(node.inner, text, is_not=not is_not)
        case IsNull():
            kind = expressions.NotNull if is_not else expressions.IsNull
            return kind(node.column)
        case Comparison():
            return _comparison(node, text, is_not=is_not)
        case Both() | Either():
            sides = [_of(side, text, is_not=is_not) for side in (node.left, node.right)]
            joins_all = isinstance(node, Both) != is_not
            return expressions.And(*sides) if joins_all else expressions.Or(*sides)


def _comparison(node: Comparison, text: str, *, is_not: bool) -> Any:
    expressions = _expressions()
    if pa.types.is_floating(node.value.type):
        raise errors.make(
            Status.NOT_IMPLEMENTED,
            f"could not read the condition {text!r}: {node.column!r} has floats, and a table does not know which files "
            "have NaN",
            hint="restate by a column of another type, a date for instance",
        )
    kinds: dict[str, Any] = {
        "=": expressions.EqualTo,
        "<": expressions.LessThan,
        "<=": expressions.LessThanOrEqual,
        ">": expressions.GreaterThan,
        ">=": expressions.GreaterThanOrEqual,
    }
    sign = _OPPOSITE[node.sign] if is_not else node.sign
    value = node.value.as_py()
    if sign == "<>":  # which pyiceberg's statistics take for true of NULL
        other = expressions.NotEqualTo(node.column, value)
        return expressions.And(expressions.NotNull(node.column), other)
    return kinds[sign](node.column, value)
