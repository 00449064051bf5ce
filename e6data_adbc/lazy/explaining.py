"""What the scans of a lazy frame would send, read from Polars' optimised plan, which is not run."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl

from e6data_adbc.lazy.nodes import Binary, Call, Cast, Clause, Column, Constant, Node, Other
from e6data_adbc.lazy.scan_query import Plan, Run
from e6data_adbc.lazy.scan_source import Source

__all__ = ["explain"]

_UNSEEN: Final = "an expression that Polars does not show"
_ANDS: Final = frozenset({"And", "LogicalAnd"})
#: The settings of functions by their names in the JSON, in the order of the plan.
_SETTINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "IsIn": ("nulls_equal",),
    "IsBetween": ("closed",),
    "Contains": ("literal", "strict"),
}


def explain(frame: pl.LazyFrame) -> str:
    """Returns the text about *frame*; see `e6data_adbc.polars.explain`."""
    plans = list(_plans(frame._ldf.visit()))
    if not plans:
        return "no scan of e6data is in this plan"
    return "\n\n".join(map(_described, plans))


def _described(plan: Plan) -> str:
    lines = [f"e6data is sent: {plan.sql}"]
    lines += [
        f"  with {value.type} {value.as_py()!r}" for value in plan.bound
    ]  # in the order of their places
    if plan.obstacle is not None:
        lines.append(f"  no more than the text: {plan.obstacle}")
    if plan.n_rows is not None:
        lines.append(f"Polars reads {plan.n_rows} rows of it")
    for kept in plan.kept:
        lines.append(f"Polars filters{' again' if kept.is_sent else ''} {kept}")
    return "\n".join(lines)


def _plans(nodes: Any) -> Iterator[Plan]:
    """Gives the plans of the scans at and below the current node of a traversal."""
    here = nodes.get_node()
    inputs = nodes.get_inputs()
    if not inputs:
        plan = _plan(nodes)
        if plan is not None:
            yield plan
    for one in inputs:
        nodes.set_node(one)
        yield from _plans(nodes)
    nodes.set_node(here)


def _plan(nodes: Any) -> Plan | None:
    view = nodes.view_current_node()
    options = getattr(view, "options", None)
    if type(view).__name__ != "PythonScan" or not isinstance(options, tuple):
        return None
    function, columns, _, predicate, n_rows = options
    source = _source(function)
    if source is None:
        return None
    clauses: list[Clause] = []
    if predicate is not None:
        clauses = list(_clauses(nodes, predicate[1]))
    return source.plan(Run(columns, clauses, n_rows))


def _source(function: Any) -> Source | None:
    """Returns the source that Polars has wrapped into *function*, if it is one of ours."""
    found = getattr(function, "io_source", None)
    if found is None and inspect.isfunction(function):
        found = inspect.getclosurevars(function).nonlocals.get("io_source")
    return found if isinstance(found, Source) else None


def _clauses(nodes: Any, number: int) -> Iterator[Clause]:
    view = _view(nodes, number)
    if type(view).__name__ == "Alias":
        yield from _clauses(nodes, view.expr)
        return
    if type(view).__name__ == "BinaryExpr" and _name(view.op) in _ANDS:
        yield from _clauses(nodes, view.left)
        yield from _clauses(nodes, view.right)
        return
    columns: dict[str, None] = {}
    node = _read(nodes, number, columns)
    yield Clause(node, tuple(columns))


def _view(nodes: Any, number: int) -> Any:
    """Returns Polars' own node of an expression, or None if it shows none, as of functions of bytes."""
    try:
        return nodes.view_expression(number)
    except Exception:  # noqa: BLE001 - it raises what it likes
        return None


def _read(nodes: Any, number: int, columns: dict[str, None]) -> Node:
    view = _view(nodes, number)
    if view is None:
        return Other(_UNSEEN)
    kind = type(view).__name__
    if kind == "Column":
        columns[view.name] = None
        return Column(view.name)
    if kind == "Alias":
        return _read(nodes, view.expr, columns)
    if kind == "Literal":
        return Constant(_constant(view))
    if kind == "BinaryExpr":
        left = _read(nodes, view.left, columns)
        return Binary(_name(view.op), left, _read(nodes, view.right, columns))
    if kind == "Cast":
        cast = _read(nodes, view.expr, columns)
        if isinstance(cast, Constant):
            return Constant(cast.value.cast(view.dtype))
        return Cast(cast, view.dtype)
    if kind == "Ternary":
        parts = (view.predicate, view.truthy, view.falsy)
        return Call(kind, tuple(_read(nodes, part, columns) for part in parts), {})
    if kind == "Function":
        return _call(nodes, view, columns)
    # What is not read may have columns all the same.
    for name in ("predicate", "truthy", "falsy", "expr", "by"):
        inner = getattr(view, name, None)
        for one in inner if isinstance(inner, list) else [inner]:
            if isinstance(one, int):
                _read(nodes, one, columns)
    return Other(kind)


def _call(nodes: Any, view: Any, columns: dict[str, None]) -> Node:
    name, *settings = view.function_data
    name = _name(name)
    inputs = tuple(_read(nodes, one, columns) for one in view.input)
    if name == "ReplaceTimeZone" and isinstance(inputs[0], Constant):
        return Constant(inputs[0].value.dt.replace_time_zone(settings[0]))
    return Call(name, inputs, dict(zip(_SETTINGS.get(name, ()), settings, strict=False)))


def _constant(view: Any) -> pl.Series:
    value = view.value
    if isinstance(value, pl.Series) and not isinstance(view.dtype, pl.List):
        return pl.Series([value]) if len(value) != 1 else value
    return pl.Series([value], dtype=view.dtype)


def _name(operator: Any) -> str:
    return str(operator).rpartition(".")[2]
