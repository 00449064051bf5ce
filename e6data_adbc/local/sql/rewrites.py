"""Calls of e6data's functions as the calls of DuckDB that mean the same, on sqlglot's trees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlglot import exp

from e6data_adbc.local.sql.errors import UnsupportedSqlError
from e6data_adbc.local.sql.patterns import strftime_pattern

__all__ = ["rewrite_call", "rewrite_ordered_list"]

#: Functions that differ in their name only. Macros cannot aggregate over a window, so aggregates stand here.
_RENAMED: Final[dict[str, str]] = {
    "COLLECT_LIST": "array_agg",
    "STRING_AGG": "string_agg",
    "LISTAGG": "string_agg",
    "APPROX_PERCENTILE": "approx_quantile",
    "APPROX_QUANTILES": "approx_quantile",
    "ARRAY_JOIN": "array_to_string",
    "FILTER_ARRAY": "list_filter",
    "TRANSFORM": "list_transform",
    "SEQUENCE": "generate_series",
    "ELEMENT_AT": "array_extract",
    "CARDINALITY": "len",
    "RAND": "random",
    "TRUNCATE": "trunc",
    "JSON_VALUE": "json_extract_string",
    "JSON_EXTRACT": "json_extract_string",
    "FORMAT": "printf",
}

#: Date parts that are read of text too; DuckDB wants a type.
_PARTS: Final = frozenset(
    {
        "YEAR",
        "QUARTER",
        "MONTH",
        "WEEK",
        "WEEKOFYEAR",
        "DAY",
        "DAYOFMONTH",
        "DAYOFYEAR",
        "DAYNAME",
        "MONTHNAME",
        "HOUR",
        "MINUTE",
        "SECOND",
        "LAST_DAY",
    }
)

Rewrite = Callable[[str, list[Any]], "exp.Expression | None"]


def rewrite_call(name: str, arguments: list[Any]) -> exp.Expression | None:
    """Returns what a call of *name* (upper case) becomes; None if DuckDB has it as it is.

    Raises:
        UnsupportedSqlError: It has no counterpart for these arguments.
    """
    special = _SPECIAL.get(name)
    if special is not None:
        return special(name, arguments)
    if name in _PARTS and len(arguments) == 1 and _is_text(arguments[0]):
        return _call(name.lower(), _cast(arguments[0], "TIMESTAMP"))
    renamed = _RENAMED.get(name)
    return None if renamed is None else _call(renamed, *arguments)


def rewrite_ordered_list(call: exp.Expression, order: exp.Expression) -> exp.Expression:
    """Returns `LISTAGG(x, sep) WITHIN GROUP (ORDER BY y)` with the order inside the call."""
    values = call.expressions
    is_distinct = isinstance(values[0], exp.Distinct)
    value, *rest = values[0].expressions if is_distinct else values
    separator = rest[0] if rest else exp.Literal.string("")
    ordered = [value, exp.Order(this=separator, expressions=order.expressions)]
    return _call("string_agg", *([exp.Distinct(expressions=ordered)] if is_distinct else ordered))


def _call(name: str, *arguments: Any) -> exp.Expression:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _cast(value: Any, target: str) -> exp.Expression:
    return exp.cast(value, target, dialect="duckdb")


def _is_text(node: Any) -> bool:
    return isinstance(node, exp.Literal) and bool(node.is_string)


def _pattern(name: str, node: Any) -> exp.Expression:
    if not _is_text(node):
        raise UnsupportedSqlError(
            f"not supported by the local engine: {name} with a pattern that is not a literal"
        )
    return exp.Literal.string(strftime_pattern(node.this))


def _format(name: str, arguments: list[Any]) -> exp.Expression | None:
    if len(arguments) != 2:
        return _call("to_varchar", *arguments) if name == "TO_CHAR" else None
    value, pattern = arguments
    return _call("strftime", _cast(value, "TIMESTAMP"), _pattern(name, pattern))


def _parse(target: str, *, is_pattern_first: bool) -> Rewrite:
    def rewrite(name: str, arguments: list[Any]) -> exp.Expression | None:
        if len(arguments) == 1:
            return _cast(arguments[0], target)
        if len(arguments) != 2:
            return None
        pattern, value = arguments if is_pattern_first else reversed(arguments)
        moment = _call("strptime", value, _pattern(name, pattern))
        return _cast(moment, target)

    return rewrite


def _is_unit(node: Any) -> bool:
    return _is_text(node) and str(node.this).upper().rstrip("S") in _UNITS


_UNITS: Final = frozenset(
    {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND"}
)


def _difference(name: str, arguments: list[Any]) -> exp.Expression | None:
    """`(unit, a, b)` is b - a; `(a, b, unit)` and `(a, b)`, in days, are a - b."""
    if name == "TIMESTAMP_DIFF" and len(arguments) == 2:
        return None
    if len(arguments) == 2:
        end, start, unit = *arguments, exp.Literal.string("day")
    elif len(arguments) == 3 and _is_unit(arguments[0]):
        unit, start, end = arguments
    elif len(arguments) == 3:
        end, start, unit = arguments
    else:
        return None
    return _call("date_diff", unit, _cast(start, "TIMESTAMP"), _cast(end, "TIMESTAMP"))


def _date_add(_: str, arguments: list[Any]) -> exp.Expression | None:
    if len(arguments) == 2 and isinstance(arguments[1], exp.Interval):
        return None  # DuckDB's own form
    if len(arguments) == 2:
        day = _call("timestamp_add", exp.Literal.string("day"), arguments[1], arguments[0])
        return _cast(day, "DATE")
    if len(arguments) != 3:
        return None
    moved = _call("timestamp_add", *arguments)
    is_time = _is_text(arguments[0]) and arguments[0].this.upper() in ("HOUR", "MINUTE", "SECOND")
    return moved if is_time or not _is_date(arguments[2]) else _cast(moved, "DATE")


def _is_date(node: Any) -> bool:
    if isinstance(node, exp.CurrentDate):
        return True
    if isinstance(node, exp.Cast):
        return bool(node.to.is_type("date"))
    return _is_text(node) and ":" not in node.this


def _replace_all(_: str, arguments: list[Any]) -> exp.Expression | None:
    if len(arguments) == 2:
        arguments = [*arguments, exp.Literal.string("")]
    return (
        _call("regexp_replace", *arguments, exp.Literal.string("g"))
        if len(arguments) == 3
        else None
    )


def _ends(name: str, arguments: list[Any]) -> exp.Expression | None:
    if len(arguments) != 2:
        return None
    return _call(name.lower(), _cast(arguments[0], "VARCHAR"), arguments[1])


def _position(_: str, arguments: list[Any]) -> exp.Expression | None:
    if len(arguments) != 2:
        return None
    value, array = arguments
    return _call("coalesce", _call("list_position", array, value), exp.Literal.number(0))


def _from_unixtime(name: str, arguments: list[Any]) -> exp.Expression | None:
    if len(arguments) != 2:
        return None
    return _format(name, [_call("from_unixtime", arguments[0]), arguments[1]])


def _named_struct(_: str, arguments: list[Any]) -> exp.Expression | None:
    keys: Sequence[Any] = arguments[::2]
    if len(arguments) % 2 or not all(_is_text(key) for key in keys):
        return None
    pairs = zip(keys, arguments[1::2], strict=True)
    return _call(
        "struct_pack",
        *(
            exp.PropertyEQ(this=exp.to_identifier(key.this, quoted=True), expression=value)
            for key, value in pairs
        ),
    )


def _cast_first(target: str) -> Rewrite:
    def rewrite(_: str, arguments: list[Any]) -> exp.Expression | None:
        return _cast(arguments[0], target) if len(arguments) == 1 else None

    return rewrite


_SPECIAL: Final[dict[str, Rewrite]] = {
    "FORMAT_DATE": _format,
    "FORMAT_TIMESTAMP": _format,
    "DATE_FORMAT": _format,
    "TO_CHAR": _format,
    "TO_VARCHAR": _format,
    "TO_DATE": _parse("DATE", is_pattern_first=False),
    "TO_TIMESTAMP": _parse("TIMESTAMP", is_pattern_first=False),
    "PARSE_DATE": _parse("DATE", is_pattern_first=True),
    "PARSE_DATETIME": _parse("TIMESTAMP", is_pattern_first=True),
    "PARSE_TIMESTAMP": _parse("TIMESTAMP", is_pattern_first=True),
    "DATE_ADD": _date_add,
    "DATE_DIFF": _difference,
    "DATEDIFF": _difference,
    "TIMESTAMP_DIFF": _difference,
    "REGEXP_REPLACE": _replace_all,
    "LEFT": _ends,
    "RIGHT": _ends,
    "ARRAY_POSITION": _position,
    "FROM_UNIXTIME": _from_unixtime,
    "NAMED_STRUCT": _named_struct,
    "DATE": _cast_first("DATE"),
    "TIMESTAMP": _cast_first("TIMESTAMP"),
}
