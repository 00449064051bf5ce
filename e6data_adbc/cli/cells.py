"""Columns as text: exact, and the same in every output format."""

from __future__ import annotations

import decimal
import json
from typing import Any, Final

import pyarrow as pa

__all__ = ["FEW", "is_number", "json_texts", "strings", "texts"]

#: Rows for which the functions of Arrow cost more to load than they save.
FEW: Final = 64


def texts(column: Any) -> Any:
    """Returns *column* as an Arrow array of text with the same nulls.

    Decimals have all their digits and no exponent; dates and timestamps are ISO 8601, an instant in UTC with `Z`; a
    duration is days, hours, minutes and seconds; bytes are hexadecimal; nested values are JSON.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return texts(column.dictionary_decode())
    if pa.types.is_string(kind):
        return column
    import pyarrow.compute as pc

    if pa.types.is_decimal(kind):
        return _decimals(column)
    if pa.types.is_timestamp(kind):
        return pc.replace_substring(pc.cast(column, pa.string()), " ", "T", max_replacements=1)
    if pa.types.is_duration(kind):
        return _each(column.cast(pa.int64()), lambda count: _duration(count, kind.unit))
    if _is_binary(kind):
        return _each(column, bytes.hex)
    if pa.types.is_nested(kind):
        return _each(column, _json)
    return pc.cast(column, pa.string())


def strings(column: Any) -> list[str | None]:
    """Returns the same as `texts` does, as a list."""
    kind = column.type
    # Arrow's functions, and making an array of a list, which looks for pandas, cost more to load than a few rows take.
    if len(column) <= FEW and (
        pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_string(kind)
    ):
        values = column.to_pylist()
        if pa.types.is_string(kind):
            return values  # type: ignore[no-any-return]
        return [None if value is None else str(value).lower() for value in values]
    return texts(column).to_pylist()  # type: ignore[no-any-return]


def is_number(kind: pa.DataType) -> bool:
    """Tells whether values of *kind* are read from their right end."""
    return (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_duration(kind)
    )


def _decimals(column: Any) -> Any:
    import pyarrow.compute as pc

    found = pc.cast(column, pa.string())
    # Small values get an exponent, which is exact but not what a column of money shall look like.
    if pc.any(pc.match_substring(found, "E")).as_py():
        return _each(column, lambda value: format(value, "f"))
    return found


def _is_binary(kind: pa.DataType) -> bool:
    return (
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _duration(count: int, unit: str) -> str:
    digits = {"s": 0, "ms": 3, "us": 6, "ns": 9}[unit]
    seconds, fraction = divmod(abs(count), 10**digits)
    days, seconds = divmod(seconds, 86_400)
    text = f"{'-' if count < 0 else ''}{days} {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:0{digits}}" if digits else text


def _each(column: Any, write: Any) -> Any:
    values = column.to_pylist()
    return pa.array([None if value is None else write(value) for value in values], pa.string())


def json_texts(column: Any) -> list[str]:
    """Returns the values of *column* as JSON.

    Integers and floats are numbers, booleans and nulls themselves, nested values objects and arrays; decimals are text,
    since most readers of JSON would round them, as are NaN and the infinities.
    """
    kind = column.type
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return ["null" if text is None else text for text in strings(column)]
    if pa.types.is_floating(kind) or pa.types.is_nested(kind):
        return [_json(value) for value in column.to_pylist()]
    # Straight to the encoder's own function: a call of dumps for each cell is most of the time otherwise.
    quote = json.encoder.encode_basestring
    return ["null" if text is None else quote(text) for text in strings(column)]


def _json(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    return value if value is None or isinstance(value, str | int) else str(value)
