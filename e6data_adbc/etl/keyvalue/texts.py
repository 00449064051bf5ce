"""Values of rows as text, and back: each of a field of its own, or all of a row as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from e6data_adbc.etl.columns import Check, Column, is_bytes
from e6data_adbc.etl.plain_types import (
    NO_DAYS_BEYOND,
    NO_TIMES_BEYOND,
    column,
    digits,
    hexadecimal,
    microseconds,
    plain,
)

__all__ = ["as_json", "as_text", "from_json", "from_text", "stored", "whole"]

#: Control characters, which JSON writes as numbers, and two signs with a meaning.
_ESCAPES: Final = (
    *(("\\", "\\\\"), ('"', '\\"')),
    *((chr(code), f"\\u{code:04x}") for code in range(32)),
)


def whole(field: pa.Field[Any]) -> Column | str:
    """Returns how a column is stored in Arrow's own format: as it is, but encodings."""
    is_wide = pa.types.is_decimal256(field.type)
    kind: Any = field.type if is_wide else plain(field.type)
    return "nothing says what its values are" if kind is None else column(field, kind)


def stored(field: pa.Field[Any], *checks_of_floats: Check) -> Column | str:
    """Returns how a column is stored whose values are texts, or why it cannot be.

    Args:
        field: The column.
        checks_of_floats: Which floats the text has not.
    """
    kind: Any = field.type
    if pa.types.is_duration(kind):
        loss = "an interval becomes its number of microseconds"
        return column(field, pa.int64(), convert=microseconds, loss=loss)
    found = plain(kind, _leaf)
    if found is None or pa.types.is_nested(found):
        return "a text does not tell its values; the layout of streams has every type"
    checks: tuple[Check, ...] = ()
    if pa.types.is_floating(found):
        checks = checks_of_floats
    elif pa.types.is_date(found):
        checks = (NO_DAYS_BEYOND,)
    elif pa.types.is_timestamp(found):
        checks = (NO_TIMES_BEYOND,)
    return column(field, found, *checks)


def _leaf(kind: Any) -> Any:
    test = pa.types
    if test.is_float16(kind):
        return pa.float32()
    if test.is_timestamp(kind) and kind.tz is not None:
        return pa.timestamp(kind.unit, "UTC")
    if test.is_null(kind):
        return pa.string()
    return None if test.is_interval(kind) else kind


def as_text(array: Any) -> Any:
    """Returns an array as texts in binary: bytes as they are, `true` and `false`, shortest digits, times with a Z."""
    if is_bytes(array.type):
        return array.cast(pa.binary())
    return digits(array).cast(pa.binary())


def from_text(values: Sequence[bytes | None], kind: pa.DataType) -> Any:
    """Returns what `as_text` made texts of, as *kind*."""
    texts = pa.array(values, pa.binary())
    return texts if kind == pa.binary() else _read(texts.cast(pa.string()), kind)


def _read(texts: Any, kind: Any) -> Any:
    if pa.types.is_time(kind):  # Arrow reads texts of times with a day only
        moments: Any = pc.binary_join_element_wise("1970-01-01 ", texts, "")
        return moments.cast(pa.timestamp(kind.unit)).cast(kind)
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return _nanoseconds(texts).cast(kind)
    return texts.cast(kind)


def _nanoseconds(texts: Any) -> Any:
    """Returns times as numbers of nanoseconds; of the outermost ones Arrow's own reading finds no place for seconds."""
    whole: Any = pc.utf8_slice_codeunits(texts, 0, 19).cast(pa.timestamp("s")).cast(pa.int64())
    rest = pc.utf8_slice_codeunits(texts, 20, 29).cast(pa.int64())
    # Beyond the limit and back again.
    return pc.add(pc.multiply(whole, pa.scalar(10**9, pa.int64())), rest)


def as_json(batch: pa.RecordBatch) -> Any:
    """Returns each row as one JSON object in binary.

    Numbers and truth values are JSON's own; bytes are hexadecimal digits, and all else is text.
    """
    parts: list[Any] = []
    for index, field in enumerate(batch.schema):
        start = "{" if index == 0 else ","
        parts += [
            f"{start}{json.dumps(field.name, ensure_ascii=False)}:",
            _token(batch.column(index)),
        ]
    texts: Any = pc.binary_join_element_wise(*parts, "}", "")
    return texts.cast(pa.binary())


def _token(array: Any) -> Any:
    kind = array.type
    test = pa.types
    texts = hexadecimal(array.cast(pa.binary())) if is_bytes(kind) else digits(array)
    if test.is_floating(
        kind
    ):  # a zero without a point is an integer to many readers, which has no sign
        texts = pc.if_else(pc.equal(texts, pa.scalar("-0")), "-0.0", texts)
    is_bare = test.is_integer(kind) or test.is_boolean(kind) or test.is_floating(kind)
    if not is_bare:
        if test.is_string(kind):
            texts = _escaped(texts)
        texts = pc.binary_join_element_wise('"', texts, '"', "")
    return texts.fill_null("null")


def _escaped(texts: Any) -> Any:
    if not pc.any(pc.match_substring_regex(texts, '[\\\\"\\x00-\\x1f]')).as_py():
        return texts
    for sign, escape in _ESCAPES:
        texts = pc.replace_substring(texts, sign, escape)
    return texts


def from_json(values: Iterable[bytes], schema: pa.Schema) -> pa.RecordBatch:
    """Returns the columns *schema* of rows that `as_json` made objects of; a column that one has not is NULL."""
    rows = [json.loads(value, parse_int=str, parse_float=str) for value in values]
    arrays = []
    for field in schema:
        texts = [_shown(row.get(field.name)) for row in rows]
        if field.type == pa.binary():
            arrays.append(
                pa.array(
                    [None if text is None else bytes.fromhex(text) for text in texts], pa.binary()
                )
            )
        else:
            arrays.append(_read(pa.array(texts, pa.string()), field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _shown(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value  # type: ignore[no-any-return] # numbers were read as texts
