"""What one vector of a chunk means: nulls, the member its type selects, and its values.

`examine_column` and `read_column` are the whole rule in the order in which faults are reported.
"""

from __future__ import annotations

import enum
import struct
from typing import Any

import pyarrow as pa

from checks.reference import arrow
from checks.reference.decimals import own_scale, read_decimals
from checks.reference.errors import DecodeError, located
from checks.reference.thrift import Items, Scalar, Struct, Text, float64
from checks.reference.vectors import FORMS, Form, VectorType

MICROS_PER_DAY = 86_400_000_000

#: The union member that holds the values of a form: plain, constant.
_MEMBERS: dict[Form, tuple[str, str]] = {
    Form.BOOLEAN: ("boolData", "boolConstantData"),
    Form.INT32: ("int32Data", "numericConstantData"),
    Form.INT64: ("int64Data", "numericConstantData"),
    Form.FLOAT64: ("float64Data", "numericDecimalConstantData"),
    Form.FLOAT32: ("float32Data", "numericDecimalConstantData"),
    Form.TEXT: ("varcharData", "varcharConstantData"),
    Form.BYTES: ("varcharData", "varcharConstantData"),
    Form.DATE: ("dateData", "dateConstantData"),
    Form.MOMENT: ("timeData", "timeConstantData"),
    Form.INSTANT: ("timeData", "timeConstantData"),
    Form.DECIMAL: ("decimal128Data", "numericDecimal128ConstantData"),
    Form.SPAN: ("int64Data", "numericConstantData"),
}
#: vector type → the union member that holds its values: plain, constant.
HOLDERS: dict[int, tuple[str, str]] = {kind: _MEMBERS[form] for kind, form in FORMS.items()}


class Evidence(enum.IntEnum):
    """What the scale of a column rests on, the least first."""

    NULLS = 0
    DIGITS = 1
    VALUES = 2


class Budget:
    """Decoded bytes that the columns of one chunk may still take."""

    def __init__(self, limit: int) -> None:
        self.left = limit

    def spend(self, size: int, offset: int) -> None:
        self.left -= size
        if self.left < 0:
            raise DecodeError("limit_exceeded", offset)


def vector_type(vector: Struct, rows: int) -> Scalar:
    """The vector's type number as it stands, once it has one, and *rows* rows."""
    kind, size = vector.fields.get("vectorType"), vector.fields.get("size")
    if kind is None or size is None:
        raise DecodeError("missing_field", vector.stop)
    assert isinstance(kind, Scalar)
    assert isinstance(size, Scalar)
    if size.value != rows:
        raise DecodeError("bad_size", size.offset)
    return kind


def decimal_scale(vector: Struct) -> int | None:
    """The scale a DECIMAL128 vector announces; None for the rest."""
    kind, data = vector.fields["vectorType"], vector.fields.get("data")
    if (
        not isinstance(data, Struct)
        or not isinstance(kind, Scalar)
        or FORMS.get(kind.value) is not Form.DECIMAL
    ):
        return None
    holder = data.fields.get(_MEMBERS[Form.DECIMAL][_is_constant(vector)])
    scale = holder.fields.get("scale") if isinstance(holder, Struct) else None
    return scale.value if isinstance(scale, Scalar) else None


def decimal_evidence(vector: Struct, rows: int) -> tuple[int | None, Evidence]:
    """The scale that a DECIMAL128 vector's values have, and what it rests on; faults are for `read_column`."""
    listed = vector.fields.get("nullSet")
    entries = min(rows, 1) if _is_constant(vector) else rows
    items = listed.items[:entries] if isinstance(listed, Items) else []
    present = [row for row, entry in enumerate(items) if entry.value == 0]  # type: ignore[union-attr]
    announced = decimal_scale(vector)
    if announced is not None:
        return announced, Evidence.VALUES if announced or present else Evidence.NULLS
    data = vector.fields.get("data")
    name = _MEMBERS[Form.DECIMAL][_is_constant(vector)]
    holder = data.fields.get(name) if isinstance(data, Struct) else None
    values = holder.fields.get("data") if isinstance(holder, Struct) else None
    cells = _cells(values, present) if values is not None else {}
    bodies = [cells[row].data for row in present if row in cells]
    if not bodies:
        return None, Evidence.NULLS
    if all(len(body) == 16 for body in bodies):
        return 0, Evidence.VALUES
    return own_scale(bodies), Evidence.DIGITS


def examine_column(vector: Struct, rows: int, target: pa.DataType, budget: Budget) -> None:
    """Judge all of *vector* but its values, and spend what its rows take; errors carry no column."""
    at, kind = vector_type(vector, rows)
    if kind not in HOLDERS and kind != VectorType.NULL:
        raise DecodeError("unknown_vector_type", at)
    if kind != VectorType.NULL and not arrow.accepts(kind, target):
        raise DecodeError("type_mismatch", at)
    if kind == VectorType.NULL or all(nulls := _nulls(vector, rows)):
        budget.spend(arrow.size(target, rows, 0), vector.stop)
        return

    holder = _holder(vector, kind)
    scale = holder.fields.get("scale") if FORMS[kind] is Form.DECIMAL else None
    if isinstance(scale, Scalar) and not -38 <= scale.value <= 38:
        raise DecodeError("bad_decimal", scale.offset)

    repeat = rows if _is_constant(vector) else 1
    present = [row for row, null in enumerate(nulls) if not null]
    cells = _cells(holder.fields["data"], present)
    zone = holder.fields.get("zoneData") if FORMS[kind] is Form.INSTANT else None
    zones = _cells(zone, present) if zone is not None else {}
    texts = zones if FORMS[kind] is Form.INSTANT else cells
    text_bytes = sum(len(text.data) for text in texts.values() if isinstance(text, Text))
    budget.spend(arrow.size(target, rows, text_bytes * repeat), vector.stop)

    _require(present, cells, holder.fields["data"])
    if zone is not None:
        _require(present, zones, zone)


def read_column(vector: Struct, rows: int, target: pa.DataType) -> list[Any]:
    """The *rows* values of *vector*, which `examine_column` has passed, in the plain form of *target*."""
    kind = vector_type(vector, rows).value
    if kind == VectorType.NULL or all(nulls := _nulls(vector, rows)):
        return [None] * rows
    holder = _holder(vector, kind)
    # A constant is a column of one row, repeated at the end.
    repeat = rows if _is_constant(vector) else 1
    present = [row for row, null in enumerate(nulls) if not null]
    cells = _cells(holder.fields["data"], present)
    zone = holder.fields.get("zoneData") if FORMS[kind] is Form.INSTANT else None
    zones = _cells(zone, present) if zone is not None else {}
    values: list[Any] = [None] * len(nulls)
    if FORMS[kind] is Form.DECIMAL:
        assert isinstance(target, pa.Decimal128Type)
        scale = holder.fields.get("scale")
        announced = scale.value if isinstance(scale, Scalar) else None
        values = read_decimals([cells.get(row) for row in range(len(nulls))], announced, target)
    else:
        for row in present:
            with located(row=row):
                values[row] = _value(kind, cells[row], zones.get(row), target)
    return values * repeat


def _is_constant(vector: Struct) -> bool:
    flag = vector.fields.get("isConstantVector")
    return isinstance(flag, Scalar) and flag.value == 1


def _nulls(vector: Struct, rows: int) -> list[bool]:
    """Which rows are null: one entry a row, of a constant vector one in all."""
    listed = vector.fields.get("nullSet")
    if listed is None:
        raise DecodeError("missing_field", vector.stop)
    assert isinstance(listed, Items)
    entries = min(rows, 1) if _is_constant(vector) else rows
    if listed.count < entries:
        raise DecodeError("short_list", listed.count_offset)
    for row, entry in enumerate(listed.items[:entries]):
        assert isinstance(entry, Scalar)
        if entry.value not in (0, 1):
            raise DecodeError("bad_bool", entry.offset, row=row)
    return [entry.value == 1 for entry in listed.items[:entries]]  # type: ignore[union-attr]


def _holder(vector: Struct, kind: int) -> Struct:
    """The union member that *kind* selects, with its values in it."""
    data = vector.fields.get("data")
    name = HOLDERS[kind][_is_constant(vector)]
    holder = data.fields.get(name) if isinstance(data, Struct) else None
    if holder is None:
        raise DecodeError("missing_field", vector.stop)
    assert isinstance(holder, Struct)
    if "data" not in holder.fields:
        raise DecodeError("missing_field", holder.stop)
    return holder


def _cells(values: Any, present: list[int]) -> dict[int, Any]:
    """Row → value node, of those *present* rows that the list (or lone constant) has."""
    if not isinstance(values, Items):
        return {0: values}
    return {row: values.items[row] for row in present if row < values.count}


def _require(present: list[int], cells: dict[int, Any], values: Any) -> None:
    for row in present:
        if row not in cells:
            raise DecodeError("short_list", values.count_offset, row=row)


def _value(kind: int, cell: Any, zone: Text | None, target: pa.DataType) -> Any:
    if isinstance(cell, Text):
        return _text(cell, target)
    value, form = cell.value, FORMS[kind]
    if form is Form.BOOLEAN:
        if value not in (0, 1):
            raise DecodeError("bad_bool", cell.offset)
        return value == 1
    if form is Form.INT32:
        if not -(1 << target.bit_width - 1) <= value < 1 << target.bit_width - 1:
            raise DecodeError("out_of_range", cell.offset)
        return value
    if form is Form.FLOAT32:
        try:
            return int.from_bytes(struct.pack(">f", float64(value)), "big")
        except OverflowError:
            raise DecodeError("out_of_range", cell.offset) from None
    if form is Form.DATE:
        return value // MICROS_PER_DAY
    if form is Form.INSTANT and pa.types.is_struct(target):
        return value, None if zone is None else _text(zone, pa.utf8())
    return value


def _text(cell: Text, target: pa.DataType) -> str | bytes:
    if arrow.is_binary(target):
        return cell.data
    try:
        return cell.data.decode("utf-8")
    except UnicodeDecodeError:
        raise DecodeError("invalid_utf8", cell.offset) from None
