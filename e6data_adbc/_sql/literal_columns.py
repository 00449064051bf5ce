"""Whole columns as SQL literals: the texts that `to_literal` gives value by value, several times as fast.

Each type that has a short way goes it; whatever a short way does not take (a value that is refused, a layout that is
rare) makes the column go the long one, which then says what is wrong with which value.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, Final

import pyarrow as pa

from e6data_adbc import types
from e6data_adbc._sql.literals import double_text, null_of, to_literal

__all__ = ["column_literals"]

_EPOCH: Final = datetime.datetime(1970, 1, 1)
_INT64_MIN: Final = -(2**63)
_MICROSECONDS: Final = {"s": 1_000_000, "ms": 1_000, "us": 1}


def column_literals(column: pa.Array[Any], where: Callable[[int], str]) -> list[str]:
    """Returns *column* as literals, in order.

    Args:
        column: Any Arrow array.
        where: Names the value of an index in errors.

    Raises:
        Error: As `to_literal` for the first value that has no literal.
    """
    if isinstance(column, pa.DictionaryArray):
        return _repeated(column, where)
    row = types.of_values(column.type)
    write = None if row is None or row.form is None else _WRITERS.get(row.form)
    if write is not None:
        try:
            null = to_literal(pa.scalar(None, column.type))
            return [null if text is None else text for text in write(column)]
        except (_LongWay, ArithmeticError, ValueError, pa.ArrowException):
            pass  # OverflowError is arithmetic: a date or time that Python does not have
    return [to_literal(scalar, where(index)) for index, scalar in enumerate(column)]


def _repeated(column: Any, where: Callable[[int], str]) -> list[str]:
    """Returns a dictionary's values, each written once, where it first stands; what no row has may have no literal."""
    null = to_literal(null_of(column.type))
    values, known = column.dictionary, dict[int, str]()
    texts = []
    for row, index in enumerate(column.indices.to_pylist()):
        if index is not None and index not in known:
            known[index] = to_literal(values[index], where(row))
        texts.append(null if index is None else known[index])
    return texts


class _LongWay(Exception):  # noqa: N818 - no error: the column is written value by value
    """A value that the short way does not take."""


_Texts = list["str | None"]


def _texts(column: Any) -> _Texts:
    return [None if value is None else _text(value) for value in column.to_pylist()]


def _text(value: str) -> str:
    if "\0" in value:
        raise _LongWay
    if "\\" in value:
        return to_literal(pa.scalar(value))
    return "'" + value.replace("'", "''") + "'"


def _integers(column: Any) -> _Texts:
    return [None if value is None else _integer(value) for value in column.to_pylist()]


def _integer(value: int) -> str:
    if value >= 0:
        return str(value)
    if value == _INT64_MIN:
        raise _LongWay
    return f"({value})"


def _wide_integers(column: Any) -> _Texts:
    form = f"CAST('{{}}' AS {types.DECIMAL.cast}({types.UINT64_DIGITS}, 0))".format
    return [None if value is None else form(value) for value in column.to_pylist()]


def _truths(column: Any) -> _Texts:
    words = {True: "TRUE", False: "FALSE", None: None}
    return [words[value] for value in column.to_pylist()]


def _floats(column: Any) -> _Texts:
    if pa.types.is_float16(column.type):
        raise _LongWay
    name = _cast_name(column.type)
    return [
        None if value is None else f"CAST({double_text(value)} AS {name})"
        for value in column.to_pylist()
    ]


def _decimals(column: Any) -> _Texts:
    if pa.types.is_uint64(column.type):
        return _wide_integers(column)
    if not pa.types.is_decimal128(column.type):
        raise _LongWay
    precision, scale = column.type.precision, column.type.scale
    if scale < 0 or precision > types.DECIMAL_PRECISION:
        raise _LongWay
    import pyarrow.compute as pc  # costs as much as a query to load

    span: Any = pc.min_max(column).as_py()
    for value in (span["min"], span["max"]):
        # Arrow does not hold a value to the digits of its type.
        if value is not None and abs(value.scaleb(scale)) >= 10**precision:
            raise _LongWay
    form = f"CAST('{{}}' AS {types.DECIMAL.cast}({precision}, {scale}))".format
    return [
        # Arrow writes small values with an exponent.
        text if text is None else to_literal(column[index]) if "E" in text else form(text)
        for index, text in enumerate(column.cast(pa.string()).to_pylist())
    ]


def _days(column: Any) -> _Texts:
    if not pa.types.is_date32(column.type):
        raise _LongWay
    name = _cast_name(column.type)
    return [
        None if day is None else f"CAST('{day.isoformat()}' AS {name})"
        for day in column.to_pylist()
    ]


def _moments(column: Any) -> _Texts:
    kind = column.type
    if kind.unit not in _MICROSECONDS:
        raise _LongWay
    zone, name = "" if kind.tz is None else "+00:00", _cast_name(kind)
    factor, micro = _MICROSECONDS[kind.unit], datetime.timedelta(microseconds=1)
    return [
        None
        if ticks is None
        else f"CAST('{(_EPOCH + ticks * factor * micro).isoformat(sep=' ')}{zone}' AS {name})"
        for ticks in column.view(pa.int64()).to_pylist()
    ]


def _bytes(column: Any) -> _Texts:
    return [None if value is None else f"X'{value.hex().upper()}'" for value in column.to_pylist()]


def _cast_name(kind: Any) -> str | None:
    row = types.of_values(kind)
    return None if row is None else row.cast


_FORM = types.Form
#: The short ways, by the form of the values.
_WRITERS: Final[dict[types.Form, Callable[[Any], _Texts]]] = {
    _FORM.TRUTH: _truths,
    _FORM.INT: _integers,
    _FORM.BIGINT: _integers,
    _FORM.FLOAT: _floats,
    _FORM.DOUBLE: _floats,
    _FORM.DECIMAL: _decimals,
    _FORM.TEXT: _texts,
    _FORM.BYTES: _bytes,
    _FORM.DATE: _days,
    _FORM.MOMENT: _moments,
    _FORM.INSTANT: _moments,
}
