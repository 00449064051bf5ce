"""Expressions of Polars as a small tree, and how it is read from an expression that Polars hands over.

Polars writes an expression as JSON, whose shape is stable enough for what joins its parts, and whose literals are not:
they changed three times, and NaN and infinities become null. So the JSON gives the shape alone. A literal is evaluated
by Polars, from the very part of the expression that it is.
"""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import polars as pl

__all__ = [
    "Binary",
    "Call",
    "Cast",
    "Clause",
    "Column",
    "Constant",
    "Node",
    "Other",
    "clauses_of",
    "unread",
]


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of the scan."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclasses.dataclass(frozen=True)
class Constant:
    """A value that Polars has evaluated: a series of one element, which for `is_in` is a list."""

    value: pl.Series

    def __str__(self) -> str:
        return _shortened(repr(self.value.to_list()[0]))


@dataclasses.dataclass(frozen=True)
class Binary:
    """An operator between two expressions, by Polars' own name of it."""

    op: str
    left: Node
    right: Node

    def __str__(self) -> str:
        return f"({self.left} {_SYMBOLS.get(self.op, self.op)} {self.right})"


@dataclasses.dataclass(frozen=True)
class Call:
    """A function, by Polars' own name of it, with its inputs and those of its settings that matter here."""

    name: str
    inputs: tuple[Node, ...]
    settings: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.inputs))})"


@dataclasses.dataclass(frozen=True)
class Cast:
    """A cast; None for a type that is of no interest here. What it makes of values that do not fit is not said."""

    inner: Node
    dtype: pl.DataType | None

    def __str__(self) -> str:
        return f"Cast({self.inner}{f' as {self.dtype}' if self.dtype is not None else ''})"


@dataclasses.dataclass(frozen=True)
class Other:
    """What is not read any further."""

    what: str

    def __str__(self) -> str:
        return f"{self.what}(…)"


Node = Column | Constant | Binary | Call | Cast | Other


@dataclasses.dataclass(frozen=True)
class Clause:
    """One of the conditions that all must hold, and the columns in it.

    The expression is missing where a plan is read and not run.
    """

    node: Node
    columns: tuple[str, ...]
    expression: pl.Expr | None = None


_SYMBOLS: Final = {
    "Eq": "==",
    "NotEq": "!=",
    "Lt": "<",
    "LtEq": "<=",
    "Gt": ">",
    "GtEq": ">=",
    "EqValidity": "eq_missing",
    "NotEqValidity": "ne_missing",
    "And": "&",
    "LogicalAnd": "&",
    "Or": "|",
    "LogicalOr": "|",
    "Xor": "^",
    "Plus": "+",
    "Minus": "-",
    "Multiply": "*",
    "Divide": "/",
    "TrueDivide": "/",
    "FloorDivide": "//",
    "Modulus": "%",
}
_ANDS: Final = frozenset({"And", "LogicalAnd"})
#: What stands around the name of a function in the JSON.
_FAMILIES: Final = frozenset({"Boolean", "StringExpr", "TemporalExpr"})
#: The types that a cast is followed through, by their names in the JSON.
_TYPES: Final[Mapping[str, pl.DataType]] = {
    "Int64": pl.Int64(),
    "Float64": pl.Float64(),
    '{"Unknown": "Float"}': pl.Float64(),  # as old versions leave it
    '{"Datetime": ["Microseconds", null]}': pl.Datetime("us"),
    **{f'{{"Decimal": [38, {scale}]}}': pl.Decimal(38, scale) for scale in range(39)},
}
#: Functions of constants that Polars has evaluated, or evaluates here.
_FOLDED: Final = frozenset({"ReplaceTimeZone"})
_LONGEST: Final = 60


def clauses_of(predicate: pl.Expr) -> Iterator[Clause]:
    """Gives the conditions that *predicate* joins by AND, each with the expression that it is.

    Raises:
        Exception: Polars cannot write this expression as JSON, or its JSON has another form than it had.
    """
    yield from _clauses(predicate, _shape(predicate))


def _clauses(expression: pl.Expr, shape: Any) -> Iterator[Clause]:
    if "Alias" in shape:  # which says nothing of a condition
        (inner,) = _inputs(expression, 1)
        yield from _clauses(inner, shape["Alias"][0])
        return
    body = shape.get("BinaryExpr")
    if body is not None and body["op"] in _ANDS:
        left, right = _inputs(expression, 2)
        # The conditions are evaluated as they are here: that they are the JSON's is not taken on trust.
        if _shape(left) == body["left"] and _shape(right) == body["right"]:
            yield from _clauses(left, body["left"])
            yield from _clauses(right, body["right"])
            return
    yield Clause(_read(expression, shape), _columns(expression), expression)


def unread(predicate: pl.Expr) -> Clause:
    """Returns *predicate* as a clause of which nothing is known but its columns."""
    return Clause(Other("predicate"), _columns(predicate), predicate)


def _columns(expression: pl.Expr) -> tuple[str, ...]:
    return tuple(dict.fromkeys(expression.meta.root_names()))


def _read(expression: pl.Expr, shape: Any) -> Node:
    ((kind, body),) = shape.items()
    if kind == "Column":
        return Column(body)
    if kind == "Alias":
        (inner,) = _inputs(expression, 1)
        return _read(inner, body[0])
    if kind == "Literal":
        return _constant(expression, shape)
    if kind == "BinaryExpr":
        left, right = _inputs(expression, 2)
        return Binary(body["op"], _read(left, body["left"]), _read(right, body["right"]))
    if kind == "Cast":
        (inner,) = _inputs(expression, 1)
        cast = _read(inner, body["expr"])
        return (
            _constant(expression, shape)
            if isinstance(cast, Constant)
            else Cast(cast, _type(body["dtype"]))
        )
    if kind == "Function":
        name, settings = _function(body["function"])
        read = tuple(map(_read, _inputs(expression, len(body["input"])), body["input"]))
        if name in _FOLDED and all(isinstance(node, Constant) for node in read):
            return _constant(expression, shape)
        return Call(name, read, settings)
    if kind == "Ternary":
        truthy, falsy, predicate = _inputs(expression, 3)
        if _shape(predicate) == body["predicate"] and _shape(falsy) == body["falsy"]:
            parts = ((predicate, "predicate"), (truthy, "truthy"), (falsy, "falsy"))
            return Call(kind, tuple(_read(part, body[name]) for part, name in parts), {})
    return Other(kind)


def _constant(expression: pl.Expr, shape: Any) -> Node:
    if _shape(expression) != shape:
        return Other("Literal")
    value = pl.select(expression).to_series()
    return Constant(value) if len(value) == 1 else Other("Literal")


def _inputs(expression: pl.Expr, count: int) -> Sequence[pl.Expr]:
    """Returns what *expression* works on, in order; Polars gives it from the last to the first."""
    inputs = expression.meta.pop()[::-1]
    if len(inputs) != count:
        raise ValueError(f"{len(inputs)} inputs in place of {count}")
    return inputs


def _shape(expression: pl.Expr) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the JSON is no promise of Polars', and nothing here takes it for one
        return json.loads(expression.meta.serialize(format="json"))


def _type(dtype: Any) -> pl.DataType | None:
    if isinstance(dtype, dict) and set(dtype) == {"Literal"}:
        dtype = dtype["Literal"]
    return _TYPES.get(dtype if isinstance(dtype, str) else json.dumps(dtype))


def _function(written: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(written, dict) and len(written) == 1:
        ((family, written_inside),) = written.items()
        if family in _FAMILIES:
            written = written_inside
    if isinstance(written, str):
        return written, {}
    ((name, settings),) = written.items()
    return name, settings if isinstance(settings, dict) else {}


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
