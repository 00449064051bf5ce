"""Python values as Arrow columns: each value as it is, or an error that says which one is not.

A column has one type. Values of different types take the narrowest that holds each of them exactly: whole numbers
beside decimals become decimals, dates beside datetimes become midnights. What would be rounded, cut or read as
something else is refused. `None`, pandas' `NA` and `NaT` and NumPy's `NaT` are null; a float that is NaN stays NaN.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import sys
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, NoReturn

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.types import DECIMAL_PRECISION

__all__ = ["Where", "column", "is_list"]

#: What errors call the value of an index.
Where = Callable[[int], str]

_EPOCH: Final = datetime.datetime(1970, 1, 1)
_MICROSECOND: Final = datetime.timedelta(microseconds=1)
_DAY: Final = 86_400_000_000
_INT64: Final = range(-(2**63), 2**63)
#: How deep lists may lie in lists; far deeper than any engine's, and far from the end of Python's stack.
_DEEPEST: Final = 32
#: Their classes are not imported: a program that has such values has imported them.
_NULLS: Final = frozenset({"NAType", "NaTType", "MaskedConstant"})


class _Kind(enum.Enum):
    """What a value is, in the words of errors."""

    TRUTH = "a truth value"
    WHOLE = "a whole number"
    FLOAT = "a float"
    DECIMAL = "a decimal"
    TEXT = "text"
    BYTES = "bytes"
    DATE = "a date"
    MOMENT = "a datetime without a zone"
    INSTANT = "a datetime with a zone"
    SPAN = "a span of time"
    TIME = "a time of day"
    LIST = "a list"


class _Item(NamedTuple):
    """A value that is not null; moments, instants and dates count microseconds from 1970, spans microseconds."""

    kind: _Kind
    value: Any
    #: The Arrow type that a NumPy scalar has; None for Python's own.
    type: Any = None


def column(values: Sequence[Any], where: Where) -> pa.Array[Any]:
    """Returns *values* as an array of one type.

    Args:
        values: Values of Python, NumPy, pandas or Arrow.
        where: Names the value of an index in errors.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, a value has no exact form in a type that holds the others.
        NotSupportedError: A value of this Python type has no form in SQL.
    """
    scalars = [value for value in values if isinstance(value, pa.Scalar)]
    kinds = {scalar.type for scalar in scalars}
    if len(kinds) == 1 and all(
        value is None for value in values if not isinstance(value, pa.Scalar)
    ):
        (kind,) = kinds
        parts = [pa.nulls(1, kind) if value is None else pa.repeat(value, 1) for value in values]
        joined: pa.Array[Any] = pa.concat_arrays(parts)
        return joined
    return _column(values, where, 0)


def _column(values: Sequence[Any], where: Where, depth: int) -> pa.Array[Any]:
    items = [_read(value, where, index) for index, value in enumerate(values)]
    kind = _common(items, where)
    if kind is None:
        return pa.nulls(len(items))
    if kind is _Kind.LIST:
        return _lists(items, where, depth)
    types = {item.type for item in items if item is not None}
    if len(types) == 1 and (numpy_type := types.pop()) is not None:
        array: pa.Array[Any] = pa.array([item and item.value for item in items], numpy_type)
        return array
    return _BUILDERS[kind](items, where)


def is_list(value: object) -> bool:
    """Tells whether *value* holds values of its own, and is no text, bytes or mapping."""
    if isinstance(value, list | tuple | set | frozenset | range):
        return True
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return True
    numpy, pandas, polars = (sys.modules.get(name) for name in ("numpy", "pandas", "polars"))
    return (
        (numpy is not None and isinstance(value, numpy.ndarray) and value.ndim > 0)
        or (
            pandas is not None
            and isinstance(
                value, pandas.Series | pandas.Index | pandas.api.extensions.ExtensionArray
            )
        )
        or (polars is not None and isinstance(value, polars.Series))
    )


# ---- reading


def _read(value: Any, where: Where, index: int) -> _Item | None:
    """Returns what *value* is; None for null."""
    if value is None or type(value).__name__ in _NULLS:
        return None
    for kinds, read in _READERS:
        if isinstance(value, kinds):
            try:
                return read(value)
            except (OverflowError, ValueError) as cause:
                _refuse(where(index), str(cause))
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray) and value.ndim == 0:
        return _read(value[()], where, index)
    if numpy is not None and isinstance(value, numpy.generic):
        return _read_numpy(value, numpy, where, index)
    if is_list(value):
        return _Item(_Kind.LIST, _elements(value))
    if isinstance(value, pa.Scalar):
        try:
            return _read(value.as_py(), where, index)
        except (ValueError, OverflowError, ImportError):
            _refuse(where(index), f"Python has no value of Arrow type {str(value.type)!r} for it")
    name = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    raise errors.make(
        Status.NOT_IMPLEMENTED,
        f"could not bind {where(index)}: the Python type {name!r} has no form in SQL",
        hint="pass text, a number, bytes, a date, a datetime or a list of these",
    )


def _elements(values: Any) -> list[Any]:
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(
        values, pandas.Series | pandas.Index | pandas.api.extensions.ExtensionArray
    ):
        return list(values)
    # What is missing in them is NaN, NA or NaT, whatever the others are.
    is_missing = values.isna()
    return [None if gone else value for value, gone in zip(values, is_missing, strict=True)]


def _decimal(value: decimal.Decimal) -> _Item:
    if not value.is_finite():
        raise ValueError("decimals have no NaN and no infinity; a float has")
    return _Item(_Kind.DECIMAL, value)


def _moment(value: datetime.datetime) -> _Item:
    if getattr(value, "nanosecond", 0):  # pandas.Timestamp
        raise ValueError(_BETWEEN)
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime(warn=False)
    offset = value.utcoffset()
    ticks = (value.replace(tzinfo=None) - _EPOCH) // _MICROSECOND
    if offset is None:
        return _Item(_Kind.MOMENT, ticks)
    return _Item(_Kind.INSTANT, ticks - offset // _MICROSECOND)


def _date(value: datetime.date) -> _Item:
    return _Item(_Kind.DATE, (value.toordinal() - _EPOCH.toordinal()) * _DAY)


def _span(value: datetime.timedelta) -> _Item:
    if getattr(value, "nanoseconds", 0):  # pandas.Timedelta
        raise ValueError(_BETWEEN)
    if hasattr(value, "to_pytimedelta"):
        try:
            value = value.to_pytimedelta()
        except OverflowError:
            raise ValueError(_TOO_LONG) from None
    ticks = value // _MICROSECOND
    if ticks not in _INT64:
        raise ValueError(_TOO_LONG)
    return _Item(_Kind.SPAN, ticks)


_BETWEEN: Final = "the engine counts microseconds, and the value lies between two; round it first"
_TOO_LONG: Final = "64 bits hold no such number of microseconds"

#: What Python's own types are, a subclass before its base.
_READERS: Final[tuple[tuple[Any, Callable[[Any], _Item]], ...]] = (
    (bool, lambda value: _Item(_Kind.TRUTH, bool(value))),
    # By the methods of the base: a subclass may write itself otherwise, and is that value all the same.
    (int, lambda value: _Item(_Kind.WHOLE, int.__int__(value))),
    (float, lambda value: _Item(_Kind.FLOAT, float.__float__(value))),
    (str, lambda value: _Item(_Kind.TEXT, str.__str__(value))),
    (bytes | bytearray | memoryview, lambda value: _Item(_Kind.BYTES, memoryview(value).tobytes())),
    (decimal.Decimal, _decimal),
    (datetime.datetime, _moment),
    (datetime.date, _date),
    (datetime.timedelta, _span),
    (datetime.time, lambda value: _Item(_Kind.TIME, value)),
    (uuid.UUID, lambda value: _Item(_Kind.TEXT, str(value))),
)


def _read_numpy(value: Any, numpy: Any, where: Where, index: int) -> _Item | None:
    if isinstance(value, numpy.bool_):
        return _Item(_Kind.TRUTH, bool(value))
    if isinstance(value, numpy.integer) and not isinstance(value, numpy.timedelta64):
        return _Item(_Kind.WHOLE, int(value), pa.from_numpy_dtype(value.dtype))
    if isinstance(value, numpy.float16 | numpy.float32):
        return _Item(_Kind.FLOAT, float(value), pa.float32())
    if isinstance(value, numpy.datetime64 | numpy.timedelta64):
        return None if numpy.isnat(value) else _numpy_time(value, numpy, where(index))
    raise errors.make(
        Status.NOT_IMPLEMENTED,
        f"could not bind {where(index)}: the NumPy type {str(value.dtype)!r} has no form in SQL",
        hint="pass a type of Python's own",
    )


def _numpy_time(value: Any, numpy: Any, where: str) -> _Item:
    """Returns a `datetime64` or `timedelta64`; its ticks are reckoned here, since NumPy's casts overflow in silence."""
    is_span = isinstance(value, numpy.timedelta64)
    unit, step = numpy.datetime_data(value.dtype)
    count = int(value.astype("int64")) * step
    if unit in _MONTHS and not is_span:
        year, month = divmod(count * _MONTHS[unit], 12)
        if 1 <= 1970 + year <= 9999:
            return _date(datetime.date(1970 + year, 1 + month, 1))
        _refuse(where, "the year is outside 0001 to 9999")
    if unit not in _TICKS:
        has = "a month or a year has no fixed length" if unit in _MONTHS else "it has no unit"
        _refuse(where, has, "convert it to days, or a unit below")
    many, few = _TICKS[unit]
    ticks, between = divmod(count * many, few)
    if between:
        _refuse(where, _BETWEEN)
    if ticks not in _INT64:
        _refuse(where, _TOO_LONG)
    if is_span:
        return _Item(_Kind.SPAN, ticks)
    return _Item(_Kind.DATE if unit in {"W", "D"} else _Kind.MOMENT, ticks)


#: NumPy's units in months, and in microseconds as a fraction.
_MONTHS: Final = {"Y": 12, "M": 1}
_TICKS: Final = {
    "W": (7 * _DAY, 1),
    "D": (_DAY, 1),
    "h": (3_600_000_000, 1),
    "m": (60_000_000, 1),
    "s": (1_000_000, 1),
    "ms": (1000, 1),
    "us": (1, 1),
    "ns": (1, 10**3),
    "ps": (1, 10**6),
    "fs": (1, 10**9),
    "as": (1, 10**12),
}

# ---- one type for all

_NUMBERS: Final = frozenset({_Kind.WHOLE, _Kind.FLOAT, _Kind.DECIMAL})


def _common(items: Sequence[_Item | None], where: Where) -> _Kind | None:
    """Returns what all values can be; None where all are null."""
    #: The first index of each kind.
    found: dict[_Kind, int] = {}
    for index, item in enumerate(items):
        if item is not None:
            found.setdefault(item.kind, index)
    kinds = list(found)
    clash = next((n for n in range(2, len(kinds) + 1) if _joint(kinds[:n]) is None), None)
    if clash is not None:
        one, other = kinds[0], kinds[clash - 1]
        _refuse(
            where(found[other]),
            f"it is {other.value}, and {where(found[one])} is {one.value}",
            "give a parameter values of one type",
        )
    return _joint(kinds)


def _joint(kinds: Sequence[_Kind]) -> _Kind | None:
    """Returns the kind that values of all *kinds* can be, None where there is none."""
    if len(kinds) < 2:
        return next(iter(kinds), None)
    if _NUMBERS.issuperset(kinds):
        return _Kind.FLOAT if _Kind.FLOAT in kinds else _Kind.DECIMAL
    return _Kind.MOMENT if set(kinds) == {_Kind.DATE, _Kind.MOMENT} else None


_Items = Sequence["_Item | None"]


def _ticks(kind: pa.DataType) -> Callable[[_Items, Where], pa.Array[Any]]:
    def build(items: _Items, _where: Where) -> pa.Array[Any]:
        return pa.array([item and item.value for item in items], pa.int64()).cast(kind)

    return build


def _plain(*kinds: pa.DataType) -> Callable[[_Items, Where], pa.Array[Any]]:
    def build(items: _Items, where: Where) -> pa.Array[Any]:
        values = [item and item.value for item in items]
        for kind in kinds:
            try:
                array = pa.array(values, kind)
            except UnicodeEncodeError:
                _refuse(where(_first_without_text(values)), "the text is not valid Unicode")
            if isinstance(array, pa.Array):
                return array
        raise AssertionError(f"{kinds[-1]} has no limit that makes chunks")

    return build


def _first_without_text(values: Sequence[str | None]) -> int:
    return next(
        index
        for index, value in enumerate(values)
        if value is not None and any("\ud800" <= letter <= "\udfff" for letter in value)
    )


def _dates(items: _Items, _where: Where) -> pa.Array[Any]:
    days = [None if item is None else item.value // _DAY for item in items]
    return pa.array(days, pa.int32()).cast(pa.date32())


def _wholes(items: _Items, where: Where) -> pa.Array[Any]:
    values = [item and item.value for item in items]
    if all(value is None or value in _INT64 for value in values):
        return pa.array(values, pa.int64())
    return _decimals(items, where)


def _floats(items: _Items, where: Where) -> pa.Array[Any]:
    values: list[float | None] = []
    for index, item in enumerate(items):
        if item is None:
            values.append(None)
            continue
        try:
            made = float(item.value)
        except OverflowError:
            made = float("inf")
        # Python compares numbers of different types exactly.
        if item.kind is not _Kind.FLOAT and made != item.value:
            _refuse(
                where(index),
                f"it is {item.kind.value} that no double is, and the values beside it are floats",
                "give a parameter values of one type",
            )
        values.append(made)
    return pa.array(values, pa.float64())


def _decimals(items: _Items, where: Where) -> pa.Array[Any]:
    values = [None if item is None else decimal.Decimal(item.value) for item in items]
    digits = _digits(values)
    if sum(digits) > DECIMAL_PRECISION:
        # Zeros at the end may go.
        values = [None if value is None else _short(value) for value in values]
        digits = _digits(values)
    if sum(digits) > DECIMAL_PRECISION:
        index = next(
            i for i in range(len(values)) if sum(_digits(values[: i + 1])) > DECIMAL_PRECISION
        )
        alone = sum(_digits([values[index]])) > DECIMAL_PRECISION
        others = "" if alone else ", together with the values before it"
        _refuse(
            where(index), f"the engine's decimals have at most {DECIMAL_PRECISION} digits{others}"
        )
    whole, fraction = digits
    # A zero has as many zeros behind it as its exponent says, which Arrow would count.
    values = [decimal.Decimal(0) if value is not None and not value else value for value in values]
    return pa.array(values, pa.decimal128(max(whole + fraction, 1), fraction))


def _digits(values: Iterable[decimal.Decimal | None]) -> tuple[int, int]:
    """Returns how many digits a decimal type needs before and behind its point to hold all *values*."""
    whole = fraction = 0
    for value in values:
        if value is not None:
            _, digits, exponent = value.as_tuple()
            assert isinstance(exponent, int)  # noqa: S101 - they are finite
            length = len(digits) if any(digits) else 0
            whole = max(whole, length + exponent if length else 0)
            fraction = max(fraction, -exponent)
    return whole, fraction


def _short(value: decimal.Decimal) -> decimal.Decimal:
    """Returns *value* without zeros behind the point that say nothing; `normalize` would round."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - it is finite
    while exponent < 0 and digits and digits[-1] == 0:
        digits, exponent = digits[:-1], exponent + 1
    return decimal.Decimal((sign, digits or (0,), exponent if digits else 0))


def _lists(items: _Items, where: Where, depth: int) -> pa.Array[Any]:
    if depth == _DEEPEST:
        index = next(index for index, item in enumerate(items) if item is not None)
        _refuse(where(index), f"lists lie in it more than {_DEEPEST} deep")
    offsets: list[int | None] = []
    elements: list[Any] = []
    owners: list[int] = []
    for index, item in enumerate(items):
        offsets.append(None if item is None else len(elements))
        if item is not None:
            elements += item.value
            owners += [index] * len(item.value)
    offsets.append(len(elements))
    inner = _column(elements, _element_of(where, owners), depth + 1)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), inner)


_BUILDERS: Final[dict[_Kind, Callable[[_Items, Where], pa.Array[Any]]]] = {
    _Kind.TRUTH: _plain(pa.bool_()),
    _Kind.WHOLE: _wholes,
    _Kind.FLOAT: _floats,
    _Kind.DECIMAL: _decimals,
    # More than 2 GiB need wide offsets.
    _Kind.TEXT: _plain(pa.string(), pa.large_string()),
    _Kind.BYTES: _plain(pa.binary(), pa.large_binary()),
    _Kind.DATE: _dates,
    _Kind.MOMENT: _ticks(pa.timestamp("us")),
    _Kind.INSTANT: _ticks(pa.timestamp("us", "UTC")),
    _Kind.SPAN: _ticks(pa.duration("us")),
    _Kind.TIME: _plain(pa.time64("us")),
}


def _element_of(where: Where, owners: Sequence[int]) -> Where:
    def name(index: int) -> str:
        owner = where(owners[index])
        return owner if owner.startswith("an element of ") else f"an element of {owner}"

    return name


def _refuse(where: str, cause: str, hint: str | None = None) -> NoReturn:
    raise errors.make(
        Status.INVALID_ARGUMENT, f"could not bind {where}: {cause}", hint=hint, sqlstate="22023"
    ) from None
