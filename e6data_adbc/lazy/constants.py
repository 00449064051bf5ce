"""Constants of a predicate as Arrow values of a column's own type, and the steps of such a type.

A constant need not lie on a step: no decimal of two digits is 1.255. The comparison with it then is one with the step
below, which `Step` has; `x > 1.255` and `x >= 1.255` both are `x > 1.25`.
"""

from __future__ import annotations

import dataclasses
import decimal
import math
from collections.abc import Callable
from typing import Any, Final

import polars as pl
import pyarrow as pa

__all__ = ["KeptError", "Step", "arrow_of", "bounds", "exact", "kind_of", "next_moment", "step_of"]

_DAY: Final = 86_400_000_000
#: Days and microseconds of the years 0001 to 9999, which are all that SQL has a text for.
_DAYS: Final = range(-719_162, 2_932_897)
_MOMENTS: Final = range(_DAYS.start * _DAY, _DAYS.stop * _DAY)
#: Whole numbers up to here are exact as doubles, and none above becomes one below.
_WHOLE: Final = 2**53
#: Far more than what a decimal loses as a double, relatively.
_SLACK: Final = decimal.Decimal("1e-12")
_RANGES: Final[dict[Any, range]] = {
    pl.Int32: range(-(2**31), 2**31),
    pl.Int64: range(-(2**63), 2**63),
}
_EXACT: Final = decimal.Context(prec=200)


class KeptError(Exception):
    """Why a clause stays in Polars; its text is the reason."""


@dataclasses.dataclass(frozen=True)
class Step:
    """The value of a type at a constant, or the next below it."""

    value: pa.Scalar[Any]
    is_exact: bool


def exact(value: Any) -> decimal.Decimal:
    """Returns a number of Python as a decimal with all its digits."""
    return decimal.Decimal(value)


def kind_of(dtype: pl.DataType) -> pa.DataType:
    """Returns the Arrow type in which a constant beside a column of *dtype* is bound.

    Raises:
        KeptError: The type is not compared on the server.
    """
    if isinstance(dtype, pl.Decimal):
        return pa.decimal128(dtype.precision or 38, dtype.scale)
    if isinstance(dtype, pl.Datetime) and dtype.time_unit == "us":
        return pa.timestamp("us", dtype.time_zone)
    found: pa.DataType | None = _KINDS.get(type(dtype))
    if found is None:
        raise KeptError(f"values of type {dtype} are not compared on the server")
    return found


_KINDS: Final[dict[Any, Any]] = {
    pl.Int32: pa.int32(),
    pl.Int64: pa.int64(),
    pl.Float32: pa.float32(),
    pl.Float64: pa.float64(),
    pl.Boolean: pa.bool_(),
    pl.String: pa.string(),
    pl.Date: pa.date32(),
}


def arrow_of(constant: pl.Series, dtype: pl.DataType) -> pa.Scalar[Any]:
    """Returns the one value of *constant* in the Arrow type of *dtype*, which it has to be a value of.

    Raises:
        KeptError: It is null, or has no exact form in that type or in SQL.
    """
    step = step_of(constant, dtype)
    if not step.is_exact:
        raise KeptError(f"the constant is no value of type {dtype}")
    return step.value


def step_of(constant: pl.Series, dtype: pl.DataType) -> Step:
    """Returns the step of *dtype* at or below the one value of *constant*.

    Raises:
        KeptError: The constant is null, of a type that is not compared with this one, or outside of it.
    """
    if constant.null_count():
        raise KeptError("the constant is null")
    of = constant.dtype
    if isinstance(dtype, pl.Int32 | pl.Int64):
        if of.is_integer():
            return _whole(constant.item(), dtype, is_exact=True)
        if isinstance(of, pl.Float64):
            return _floored(constant.item(), dtype)
    elif isinstance(dtype, pl.Decimal):
        if of.is_integer() or isinstance(of, pl.Decimal):
            return _decimal(exact(constant.item()), dtype)
    elif isinstance(dtype, pl.Date) and isinstance(of, pl.Datetime):
        if of == pl.Datetime("us"):
            days, rest = divmod(constant.to_physical().item(), _DAY)
            return Step(_checked(pa.scalar(days, pa.int32()).cast(pa.date32()), dtype), not rest)
    elif of == dtype:
        return Step(_checked(constant.to_arrow()[0].cast(kind_of(dtype)), dtype), is_exact=True)
    raise KeptError(f"a constant of type {of} is not compared with type {dtype} on the server")


def next_moment(moment: pa.Scalar[Any]) -> pa.Scalar[Any]:
    """Returns the timestamp of the next microsecond; KeptError if SQL has no text for it."""
    value: int = moment.cast(pa.int64()).as_py()
    if value + 1 not in _MOMENTS:
        raise KeptError("SQL has no text for what comes after the constant")
    following: pa.Scalar[Any] = pa.scalar(value + 1, moment.type)
    return following


def bounds(number: float, dtype: pl.Decimal) -> tuple[pa.Scalar[Any], pa.Scalar[Any]]:
    """Returns decimals surely below and above every one that Polars takes for equal to the double *number*.

    Raises:
        KeptError: There is none.
    """
    if not math.isfinite(number):
        raise KeptError("NaN and infinities are no decimals")
    value = exact(number)
    step = decimal.Decimal(1).scaleb(-dtype.scale)
    margin = _EXACT.add(_EXACT.multiply(abs(value), _SLACK), step)
    low = _decimal(_EXACT.subtract(value, margin), dtype)
    high = _decimal(_EXACT.add(_EXACT.add(value, margin), step), dtype)
    return low.value, high.value


def _whole(value: int, dtype: pl.DataType, *, is_exact: bool) -> Step:
    if value not in _RANGES[type(dtype)]:
        raise KeptError(f"the constant is outside of type {dtype}")
    return Step(pa.scalar(value, kind_of(dtype)), is_exact)


def _floored(value: float, dtype: pl.DataType) -> Step:
    if not math.isfinite(value) or abs(value) >= _WHOLE:
        raise KeptError("beside this double, whole numbers are not compared exactly")
    floor = math.floor(value)
    return _whole(floor, dtype, is_exact=floor == value)


def _decimal(value: decimal.Decimal, dtype: pl.Decimal) -> Step:
    step = decimal.Decimal(1).scaleb(-dtype.scale)
    floor = value.quantize(step, rounding=decimal.ROUND_FLOOR, context=_EXACT)
    try:
        return Step(pa.scalar(floor, kind_of(dtype)), floor == value)
    except pa.ArrowInvalid as error:
        raise KeptError(f"the constant has more digits than type {dtype}") from error


def _checked(value: pa.Scalar[Any], dtype: pl.DataType) -> pa.Scalar[Any]:
    """Returns *value* if SQL has an exact text for it."""
    within = _LIMITS.get(type(dtype))
    if within is not None and not within(value):
        raise KeptError("SQL has no text for the constant")
    return value


def _is_text(value: Any) -> bool:
    return "\0" not in value.as_py()


_LIMITS: Final[dict[Any, Callable[[Any], bool]]] = {
    pl.Date: lambda value: value.value in _DAYS,
    pl.Datetime: lambda value: value.value in _MOMENTS,
    pl.String: _is_text,
    pl.Float32: lambda value: math.isfinite(value.as_py()),
    pl.Float64: lambda value: math.isfinite(value.as_py()),
}
