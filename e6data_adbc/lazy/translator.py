"""Conditions of Polars as SQL that is true for every row which Polars keeps.

A condition is exact, or it has a doubt: then the server may keep more rows, and Polars filters what arrives once more.
What would lose a row is no condition at all, but a `KeptError` with the reason.

A filter keeps the rows for which it is true; that it may be false or null elsewhere is all one to it. NOT is moved
down to the comparisons first, as De Morgan has it, so each part has only to be true for the right rows, and a part that
is missing in an AND leaves the rest true for all of them.

Doubles: Polars sorts NaN above all numbers, and so do some engines, while for others each comparison with it is false.
`x > c` is written `NOT (x <= c)`, which keeps NaN under both readings and drops null. The zeros, which are equal to
Polars, may have an order: what is below zero is below -0.0, and what is above is not at most 0.0.

Timestamps: results have microseconds, and what a server has below them does not arrive. So a value is equal to all
moments before the next microsecond, and `x > c` is `x >= c + 1 microsecond`, which is the same where nothing is below.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl
import pyarrow as pa

from e6data_adbc.lazy import functions
from e6data_adbc.lazy.condition import Condition, Part, always, joined
from e6data_adbc.lazy.constants import KeptError, arrow_of, bounds, kind_of, next_moment, step_of
from e6data_adbc.lazy.nodes import Binary, Call, Cast, Column, Constant, Node

__all__ = ["Translator"]

_ANDS: Final = frozenset({"And", "LogicalAnd"})
_ORS: Final = frozenset({"Or", "LogicalOr"})
_SQL: Final = {"Eq": "=", "NotEq": "<>", "Lt": "<", "LtEq": "<=", "Gt": ">", "GtEq": ">="}
_NEGATED: Final = {
    "Eq": "NotEq",
    "NotEq": "Eq",
    "EqValidity": "NotEqValidity",
    "NotEqValidity": "EqValidity",
    "Lt": "GtEq",
    "GtEq": "Lt",
    "Gt": "LtEq",
    "LtEq": "Gt",
}
_SWAPPED: Final = {**dict.fromkeys(("Eq", "NotEq", "EqValidity", "NotEqValidity"))} | {
    "Lt": "Gt",
    "Gt": "Lt",
    "LtEq": "GtEq",
    "GtEq": "LtEq",
}
_BOUNDS: Final = {
    "both": ("GtEq", "LtEq"),
    "left": ("GtEq", "Lt"),
    "right": ("Gt", "LtEq"),
    "none": ("Gt", "Lt"),
}
#: Types whose order is beyond doubt.
_ORDERED: Final = (pl.Int32, pl.Int64, pl.Decimal, pl.Date, pl.Datetime)
_FLOATS: Final = (pl.Float32, pl.Float64)
_WHOLE: Final = (pl.Int32, pl.Int64)
#: Values in an IN; of more only their range is asked for.
_MOST_VALUES: Final = 1000
#: Comparisons in one condition, which an exclusive OR doubles each time.
_MOST_PARTS: Final = 4000

_COLLATION: Final = "the server may take more texts for equal than Polars does"
_ORDER: Final = "the server may order or compare {} otherwise than Polars"
_OVERFLOW: Final = "Polars makes null of decimals that do not fit its common type"
_MANY: Final = "there are too many values for IN: their range is asked for"


@dataclasses.dataclass(frozen=True)
class _Operand:
    """What a constant is compared with: a column, or a function of one that goes up and down with it."""

    sql: str
    dtype: pl.DataType
    #: What of the constant's type is compared with the column: the column's own type, or the function's.
    function: str | None = None
    doubt: str | None = None


class Translator:
    """Writes conditions on the columns of one query."""

    def __init__(self, dtypes: Mapping[str, pl.DataType], names: Mapping[str, str]) -> None:
        """Takes the types by name, and the SQL names of those columns that a condition may name."""
        self._dtypes = dtypes
        self._names = names
        self._written = 0

    def of(self, node: Node, *, negated: bool = False) -> Condition:
        """Returns *node*, or NOT *node*, as a condition.

        Raises:
            KeptError: It stays in Polars.
        """
        self._written += 1
        if self._written > _MOST_PARTS:
            raise KeptError("it is too long")
        if isinstance(node, Binary):
            return self._binary(node, negated=negated)
        if isinstance(node, Call):
            return self._call(node, negated=negated)
        if isinstance(node, Column) and isinstance(self._dtypes.get(node.name), pl.Boolean):
            name = self._name(node)
            return Condition((f"NOT {name}" if negated else name,))
        if isinstance(node, Constant) and isinstance(node.value.dtype, pl.Boolean):
            if node.value.null_count():
                raise KeptError("the constant is null")
            return always(node.value.item() != negated)
        raise KeptError(f"{node} is not translated")

    # ---- what joins

    def _binary(self, node: Binary, *, negated: bool) -> Condition:
        if node.op in _ANDS or node.op in _ORS:
            both = [(node.left, negated), (node.right, negated)]
            join = self._all if (node.op in _ANDS) != negated else self._any
            return join(both)
        if node.op == "Xor":
            return self._any_of(
                [
                    self._all([(node.left, False), (node.right, not negated)]),
                    self._all([(node.left, True), (node.right, negated)]),
                ]
            )
        if node.op not in _SWAPPED:
            raise KeptError(f"the operator {node.op} is not translated")
        op = _NEGATED[node.op] if negated else node.op
        if isinstance(node.right, Constant):
            return self._compare(node.left, op, node.right.value)
        if isinstance(node.left, Constant):
            return self._compare(node.right, _SWAPPED[op] or op, node.left.value)
        return self._compare_columns(node.left, op, node.right)

    def _all(self, nodes: Sequence[tuple[Node, bool]]) -> Condition:
        """Returns what holds where all hold: a part that stays in Polars is left out."""
        tried = [self._tried(node, negated=negated) for node, negated in nodes]
        found = [one for one in tried if isinstance(one, Condition)]
        reasons = [one for one in tried if isinstance(one, str)]
        if not found:
            raise KeptError(reasons[0])
        whole = joined(found, " AND ")
        return whole.doubted(reasons[0]) if reasons else whole

    def _tried(self, node: Node, *, negated: bool) -> Condition | str:
        """Returns the condition, or why there is none."""
        try:
            return self.of(node, negated=negated)
        except KeptError as error:
            return str(error)

    def _any(self, nodes: Sequence[tuple[Node, bool]]) -> Condition:
        return self._any_of([self.of(node, negated=negated) for node, negated in nodes])

    def _any_of(self, conditions: Sequence[Condition]) -> Condition:
        return joined(conditions, " OR ")

    # ---- comparisons

    def _compare(self, left: Node, op: str, constant: pl.Series) -> Condition:
        operand = self._operand(left, constant.dtype)
        if op == "NotEqValidity":
            unequal = self._compare_operand(operand, "NotEq", constant)
            return joined([unequal, Condition((f"{operand.sql} IS NULL",))], " OR ")
        op = "Eq" if op == "EqValidity" else op
        return self._compare_operand(operand, op, constant)

    def _compare_operand(self, operand: _Operand, op: str, constant: pl.Series) -> Condition:
        sql, dtype = operand.sql, operand.dtype
        if operand.function is not None:
            return functions.compare(operand.function, sql, dtype, op, constant)
        if isinstance(dtype, pl.Decimal) and isinstance(constant.dtype, pl.Float64):
            return _about(sql, dtype, op, constant)
        if isinstance(dtype, _FLOATS):
            return _compare_float(sql, op, arrow_of(constant, dtype))
        if isinstance(dtype, _ORDERED):
            found = _compare_step(sql, dtype, op, constant)
            return found.doubted(operand.doubt) if operand.doubt else found
        if isinstance(dtype, pl.Boolean) and op in {"Eq", "NotEq"}:
            return Condition((f"{sql} {_SQL[op]} ", arrow_of(constant, dtype)))
        if isinstance(dtype, pl.String) and op == "Eq":
            return Condition((f"{sql} = ", arrow_of(constant, dtype)), _COLLATION)
        raise KeptError(_ORDER.format(f"values of type {dtype}"))

    def _compare_columns(self, left: Node, op: str, right: Node) -> Condition:
        one, other = self._operand(left), self._operand(right)
        kinds = {type(one.dtype), type(other.dtype)}
        alike = one.dtype == other.dtype or kinds <= set(_WHOLE)
        simple = op.replace("Validity", "")
        is_text = isinstance(one.dtype, pl.String) and op in {"Eq", "EqValidity"}
        is_whole = isinstance(one.dtype, _ORDERED) and not isinstance(one.dtype, pl.Datetime)
        if not alike or not (is_whole or is_text):
            raise KeptError(f"columns of types {one.dtype} and {other.dtype} are not compared")
        a, b = one.sql, other.sql
        sql = f"{a} {_SQL[simple]} {b}"
        if op == "EqValidity":
            sql = f"({sql} OR ({a} IS NULL AND {b} IS NULL))"
        elif op == "NotEqValidity":
            sql = (
                f"({sql} OR ({a} IS NULL AND {b} IS NOT NULL) OR ({a} IS NOT NULL AND {b} IS NULL))"
            )
        return Condition((sql,), _COLLATION if is_text else None)

    def _operand(self, node: Node, beside: pl.DataType | None = None) -> _Operand:
        """Returns what *node* is in SQL, where it is a column or goes up and down with one."""
        if isinstance(node, Column):
            return _Operand(self._name(node), self._dtypes[node.name])
        if isinstance(node, Cast) and isinstance(node.inner, Column):
            dtype = self._dtypes[node.inner.name]
            doubt = _followed(dtype, node.dtype, beside)
            return _Operand(self._name(node.inner), _wide(dtype), doubt=doubt or None)
        if isinstance(node, Call) and node.name in functions.MONOTONE and beside is not None:
            (inner,) = node.inputs
            if isinstance(inner, Column):
                return _Operand(self._name(inner), self._dtypes[inner.name], node.name)
        raise KeptError(f"{node} is not translated")

    # ---- functions

    def _call(self, node: Call, *, negated: bool) -> Condition:
        if node.name == "Not":
            return self.of(node.inputs[0], negated=not negated)
        if node.name in {"IsNull", "IsNotNull"} and isinstance(node.inputs[0], Column):
            is_null = (node.name == "IsNull") != negated
            return Condition((f"{self._name(node.inputs[0])} IS {'' if is_null else 'NOT '}NULL",))
        if node.name == "IsBetween":
            column, low, high = node.inputs
            above, below = _BOUNDS[str(node.settings["closed"]).lower()]
            both = Binary("And", Binary(above, column, low), Binary(below, column, high))
            return self.of(both, negated=negated)
        if node.name == "IsIn":
            return self._is_in(node, negated=negated)
        if node.name == "Ternary" and not negated:
            return self._ternary(*node.inputs[1:])
        (first, *others) = node.inputs
        if isinstance(first, Column):
            name, dtype = self._name(first), self._dtypes[first.name]
            if isinstance(dtype, _FLOATS):
                found = functions.of_float(node.name, name, kind_of(dtype), negated=negated)
            elif isinstance(dtype, pl.String) and not negated:
                found = functions.of_text(node.name, name, others, node.settings)
            else:
                found = None
            if found is not None:
                return found
        raise KeptError(f"the function {node.name} is not translated")

    def _ternary(self, truthy: Node, falsy: Node) -> Condition:
        """Returns what holds where the choice between two conditions does; DuckDB writes IN as one."""
        if isinstance(truthy, Constant) and truthy.value.to_list() != [True]:
            either = self.of(falsy)
        else:
            either = self._any([(truthy, False), (falsy, False)])
        return either.doubted("it is a choice between conditions")

    def _is_in(self, node: Call, *, negated: bool) -> Condition:
        left, right = node.inputs
        if not isinstance(right, Constant) or not isinstance(right.value.dtype, pl.List | pl.Array):
            raise KeptError("the values of an IN are not constant")
        listed = right.value.explode()
        if right.value.null_count() or not right.value.list.len().item():
            raise KeptError("the list of an IN is null or empty")
        operand = self._operand(left, listed.dtype)
        values, has_null = listed.drop_nulls(), bool(listed.null_count())
        matches_null = bool(node.settings.get("nulls_equal"))
        if has_null and negated:
            raise KeptError("there is a null among the values of a negated IN")
        found = self._among(operand, values, negated=negated)
        if matches_null and (has_null or negated):
            return joined([found, Condition((f"{operand.sql} IS NULL",))], " OR ")
        return found

    def _among(self, operand: _Operand, values: pl.Series, *, negated: bool) -> Condition:
        sql, dtype = operand.sql, operand.dtype
        if operand.function is not None or operand.doubt is not None:
            raise KeptError("what stands before the IN is not a column")
        if isinstance(dtype, (*_FLOATS, pl.Datetime)) and len(values) <= _MOST_VALUES:
            op = "NotEq" if negated else "Eq"
            each = [
                self._compare_operand(operand, op, values[i : i + 1]) for i in range(len(values))
            ]
            return joined(each, " AND " if negated else " OR ") if each else always(negated)
        if not isinstance(dtype, _ORDERED) and (negated or not isinstance(dtype, pl.String)):
            raise KeptError(_ORDER.format(f"values of type {dtype}"))
        if len(values) > _MOST_VALUES:
            if negated or not isinstance(dtype, _ORDERED):
                raise KeptError("there are too many values for IN")
            low, high = values.min(), values.max()
            ends = pl.Series([low, high], dtype=values.dtype)
            least = _compare_step(sql, dtype, "GtEq", ends[:1])
            most = _compare_step(sql, dtype, "LtEq", ends[1:])
            return joined([least, most], " AND ").doubted(_MANY)
        steps = [step_of(values[i : i + 1], dtype) for i in range(len(values))]
        scalars = [step.value for step in steps if step.is_exact]
        if not scalars:
            return Condition((f"{sql} IS NOT NULL",)) if negated else always(negated)
        parts: list[Part] = [f"{sql} {'NOT IN' if negated else 'IN'} ("]
        for scalar in scalars:
            parts += [scalar, ", "]
        parts[-1] = ")"
        return Condition(tuple(parts), _COLLATION if isinstance(dtype, pl.String) else None)

    def _name(self, column: Column) -> str:
        name = self._names.get(column.name)
        if name is None:
            raise KeptError(f"the column {column.name!r} is not compared on the server")
        return name


def _wide(dtype: pl.DataType) -> pl.DataType:
    return pl.Int64() if isinstance(dtype, pl.Int32) else dtype


def _followed(dtype: pl.DataType, cast: pl.DataType | None, beside: pl.DataType | None) -> str:
    """Returns the doubt about a comparison with a cast column as if it were none, or ''.

    Raises:
        KeptError: The cast may change the answer.
    """
    is_number = isinstance(dtype, pl.Int32 | pl.Int64 | pl.Decimal)
    if isinstance(dtype, pl.Int32) and isinstance(cast, pl.Int64):
        return ""
    if is_number and isinstance(cast, pl.Float64) and isinstance(beside, pl.Float64):
        return ""
    if isinstance(dtype, pl.Date) and cast == pl.Datetime("us") == beside:
        return ""
    if beside is not None and isinstance(dtype, pl.Decimal) and isinstance(cast, pl.Decimal):
        return _OVERFLOW
    raise KeptError(f"the cast of type {dtype} is Polars' own")


def _compare_moment(sql: str, op: str, moment: pa.Scalar[Any]) -> Condition:
    if op in {"Lt", "GtEq"}:
        return Condition((f"{sql} {_SQL[op]} ", moment))
    following = next_moment(moment)
    if op == "LtEq":
        return Condition((f"{sql} < ", following))
    if op == "Gt":
        return Condition((f"{sql} >= ", following))
    if op == "Eq":
        return Condition((f"({sql} >= ", moment, f" AND {sql} < ", following, ")"))
    return Condition((f"({sql} < ", moment, f" OR {sql} >= ", following, ")"))


def _compare_step(sql: str, dtype: pl.DataType, op: str, constant: pl.Series) -> Condition:
    step = step_of(constant, dtype)
    if isinstance(dtype, pl.Datetime):
        return _compare_moment(sql, op, step.value)
    if step.is_exact:
        return Condition((f"{sql} {_SQL[op]} ", step.value))
    # Between two steps: nothing is equal, and what is below is at most the lower one.
    if op == "Eq":
        return always(value=False)
    if op == "NotEq":
        return Condition((f"{sql} IS NOT NULL",))
    found = Condition((f"{sql} {'>' if op.startswith('Gt') else '<='} ", step.value))
    return found.doubted(_OVERFLOW) if isinstance(dtype, pl.Decimal) else found


def _compare_float(sql: str, op: str, value: pa.Scalar[Any]) -> Condition:
    number = value.as_py()
    low, high = value, value
    if number == 0.0:
        low, high = (pa.scalar(math.copysign(0.0, sign), value.type) for sign in (-1.0, 1.0))
    if op == "Gt":
        return Condition((f"NOT ({sql} <= ", high, ")"))
    if op == "GtEq":
        return Condition((f"NOT ({sql} < ", low, ")"))
    if op == "Lt":
        return Condition((f"{sql} < ", low))
    if op == "LtEq":
        return Condition((f"{sql} <= ", high))
    if number != 0.0:
        equal: tuple[Part, ...] = (f"{sql} = ", value)
    else:
        equal = (f"({sql} <= ", high, f" AND NOT ({sql} < ", low, "))")
    return Condition(equal if op == "Eq" else ("NOT (", *equal, ")"))


def _about(sql: str, dtype: pl.Decimal, op: str, constant: pl.Series) -> Condition:
    """Returns the comparison of decimals with a double, which Polars makes after a cast to double."""
    doubt = "Polars compares decimals with a double after rounding them"
    low, high = bounds(constant.item(), dtype)
    if op.startswith("Gt"):
        return Condition((f"{sql} >= ", low), doubt)
    if op.startswith("Lt"):
        return Condition((f"{sql} <= ", high), doubt)
    if op == "Eq":
        return Condition((f"({sql} >= ", low, f" AND {sql} <= ", high, ")"), doubt)
    raise KeptError(doubt)
