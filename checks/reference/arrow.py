"""The target side: which vector type may fill which Arrow type, its size, and its arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyarrow import types

from checks.reference.vectors import FORMS, Form

UTC = pa.timestamp("us", tz="UTC")
INSTANT_ZONE = pa.struct([pa.field("instant", UTC), pa.field("zone", pa.utf8())])


def is_binary(target: pa.DataType) -> bool:
    return target in (pa.binary(), pa.large_binary(), pa.binary_view())


def is_text(target: pa.DataType) -> bool:
    return target in (pa.utf8(), pa.large_utf8(), pa.string_view())


def _is_instant_zone(target: pa.DataType) -> bool:
    return (
        types.is_struct(target)
        and [field.name for field in target] == ["instant", "zone"]
        and [field.type for field in target] == [UTC, pa.utf8()]
    )


def _text_or_raw(target: pa.DataType) -> bool:
    return is_text(target) or target == pa.binary()


_ACCEPTS: dict[Form, Callable[[pa.DataType], bool]] = {
    Form.BOOLEAN: types.is_boolean,
    Form.INT32: lambda target: target in (pa.int8(), pa.int16(), pa.int32()),
    Form.INT64: types.is_int64,
    Form.FLOAT32: types.is_float32,
    Form.FLOAT64: types.is_float64,
    Form.TEXT: _text_or_raw,
    Form.BYTES: is_binary,
    Form.DATE: types.is_date32,
    Form.MOMENT: lambda target: target == pa.timestamp("us"),
    Form.INSTANT: lambda target: target == UTC or _is_instant_zone(target),
    Form.DECIMAL: types.is_decimal128,
    Form.SPAN: lambda target: target == pa.duration("us"),
}


def accepts(vector_type: int, target: pa.DataType) -> bool:
    """Whether a column of *target* may be filled from this (not NULL) vector type."""
    return _ACCEPTS[FORMS[vector_type]](target)


def size(target: pa.DataType, rows: int, text_bytes: int) -> int:
    """Decoded bytes of a column, by the counting rule of the byte limit; validity is free."""
    if types.is_null(target):
        return 0
    if types.is_boolean(target):
        return (rows + 7) // 8
    if _is_instant_zone(target):
        return 8 * rows + 4 * (rows + 1) + text_bytes
    if is_text(target) or is_binary(target):
        return 4 * (rows + 1) + text_bytes
    return rows * target.bit_width // 8


def array(values: list[Any], target: pa.DataType) -> pa.Array[Any]:
    """An Arrow array of *target* from values in plain form."""
    if _is_instant_zone(target):
        instants = array([None if value is None else value[0] for value in values], UTC)
        zones = array([None if value is None else value[1] for value in values], pa.utf8())
        mask = pa.array([value is None for value in values], pa.bool_())
        return pa.StructArray.from_arrays([instants, zones], fields=list(INSTANT_ZONE), mask=mask)
    if types.is_decimal128(target):
        body = b"".join((value or 0).to_bytes(16, "little", signed=True) for value in values)
        validity = pa.array([value is not None for value in values], pa.bool_()).buffers()[1]
        return pa.Array.from_buffers(target, len(values), [validity, pa.py_buffer(body)])
    if types.is_floating(target):
        return pa.array(values, pa.uint32() if target.bit_width == 32 else pa.uint64()).view(target)
    if types.is_temporal(target):
        return pa.array(values, pa.int32() if types.is_date32(target) else pa.int64()).view(target)
    return pa.array(values, target)
