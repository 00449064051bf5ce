"""Functions of one column as conditions: parts of dates, what a text has in it, kinds of floats."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import polars as pl
import pyarrow as pa

from e6data_adbc.lazy.condition import Condition
from e6data_adbc.lazy.constants import KeptError, arrow_of, kind_of
from e6data_adbc.lazy.nodes import Constant, Node

__all__ = ["MONOTONE", "compare", "of_float", "of_text"]

_DOUBT: Final = "the server may find a text where Polars does not"
_INFINITE: Final = "NaN and infinities are told apart by Polars"
#: Patterns that are the text which they find.
_PLAIN: Final = re.compile(r"[A-Za-z0-9 _@%&=:;,/<>!\"'~`-]+")
_LARGEST: Final[dict[pa.DataType, float]] = {
    pa.float32(): 3.4028234663852886e38,
    pa.float64(): 1.7976931348623157e308,
}
_YEARS: Final = range(2, 9998)


def compare(name: str, sql: str, dtype: pl.DataType, op: str, constant: pl.Series) -> Condition:
    """Returns the comparison of function *name* of a column with *constant*, as bounds of the column.

    Raises:
        KeptError: The function of this type has no such bounds.
    """
    if constant.null_count():
        raise KeptError("the constant is null")
    is_moment = isinstance(dtype, pl.Datetime) and dtype.time_zone in {None, "UTC"}
    if not is_moment and not (isinstance(dtype, pl.Date) and name == "Year"):
        raise KeptError(f"{name} of type {dtype} is not translated")
    first, after = MONOTONE[name](constant)
    start, end = (_at(day, dtype) for day in (first, after))
    if op == "Lt":
        return Condition((f"{sql} < ", start))
    if op == "LtEq":
        return Condition((f"{sql} < ", end))
    if op == "Gt":
        return Condition((f"{sql} >= ", end))
    if op == "GtEq":
        return Condition((f"{sql} >= ", start))
    if op == "Eq":
        return Condition((f"({sql} >= ", start, f" AND {sql} < ", end, ")"))
    return Condition((f"({sql} < ", start, f" OR {sql} >= ", end, ")"))


def _year(constant: pl.Series) -> tuple[datetime.date, datetime.date]:
    if not constant.dtype.is_integer() or constant.item() not in _YEARS:
        raise KeptError("the constant is no year between 2 and 9997")
    year = constant.item()
    return datetime.date(year, 1, 1), datetime.date(year + 1, 1, 1)


def _day(constant: pl.Series) -> tuple[datetime.date, datetime.date]:
    arrow_of(constant, pl.Date())  # a day that SQL has a text for
    day = constant.item()
    if day == datetime.date.max:
        raise KeptError("there is no day after the constant")
    return day, day + datetime.timedelta(1)


#: Functions that go up and down with their column: the first value at which each has that of a constant, and the first
#: at which it has more.
MONOTONE: Final[Mapping[str, Callable[[pl.Series], tuple[datetime.date, datetime.date]]]] = {
    "Year": _year,
    "Date": _day,
}


def _at(day: datetime.date, dtype: pl.DataType) -> pa.Scalar[Any]:
    kind: Any = kind_of(dtype)
    if pa.types.is_date32(kind):
        return pa.scalar(day, kind)
    return pa.scalar(day, pa.date32()).cast(pa.timestamp("us")).cast(kind)


def of_float(name: str, sql: str, kind: pa.DataType, *, negated: bool) -> Condition | None:
    """Returns whether a float is of a kind; None for another function.

    Raises:
        KeptError: The server would keep nearly all rows.
    """
    if name not in {"IsNan", "IsNotNan", "IsFinite", "IsInfinite"}:
        return None
    most = pa.scalar(_LARGEST[kind], kind)
    least = pa.scalar(-_LARGEST[kind], kind)
    if name == "IsFinite" and not negated:
        return Condition((f"({sql} <= ", most, f" AND {sql} >= ", least, ")"))
    beyond = Condition((f"(NOT ({sql} <= ", most, f") OR {sql} < ", least, ")"))
    if name == "IsFinite":
        return beyond
    if (name == "IsNotNan") == negated and name != "IsInfinite":
        return beyond.doubted(_INFINITE)
    if name == "IsInfinite" and not negated:
        return beyond.doubted(_INFINITE)
    raise KeptError(_INFINITE)


def of_text(
    name: str, sql: str, inputs: Sequence[Node], settings: Mapping[str, Any]
) -> Condition | None:
    """Returns whether a text has another in it; None for another function.

    Raises:
        KeptError: The server may not find the text where Polars does.
    """
    if name not in {"StartsWith", "EndsWith", "Contains"}:
        return None
    (wanted,) = inputs
    if not isinstance(wanted, Constant):
        raise KeptError("the text to find is not constant")
    value = arrow_of(wanted.value, pl.String())
    text: str = value.as_py()
    if name == "Contains" and not settings.get("literal") and not _PLAIN.fullmatch(text):
        raise KeptError("regular expressions are Polars' own")
    # An engine may count UTF-16 units; text without pairs of them has as many of these as characters.
    if not text or not all(char < "\U00010000" for char in text):
        raise KeptError(
            "the text to find is empty, or the server may count its characters otherwise"
        )
    if name == "StartsWith":
        return Condition((f"SUBSTRING({sql}, 1, {len(text)}) = ", value), _DOUBT)
    return Condition((f"STRPOS({sql}, ", value, ") > 0"), _DOUBT)
