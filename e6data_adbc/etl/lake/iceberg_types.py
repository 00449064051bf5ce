"""How columns are stored in Iceberg, and what the columns of a table take."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from e6data_adbc.etl.columns import Check, Column
from e6data_adbc.etl.plain_types import (
    NO_DAYS_BEYOND,
    NO_TIMES_BEYOND,
    column,
    microseconds,
    plain,
)

__all__ = ["schema_of", "stored", "widens"]


def stored(field: pa.Field[Any]) -> Column | str:
    """Returns how a column is stored, or why it cannot be."""
    kind: Any = field.type
    if pa.types.is_duration(kind):
        loss = "an interval becomes its number of microseconds"
        return column(field, pa.int64(), convert=microseconds, loss=loss)
    found = plain(kind, _in_iceberg)
    if found is None:
        return "Iceberg has nothing that it could be"
    return column(field, found, *_checks(found))


def _checks(kind: Any) -> tuple[Check, ...]:
    if pa.types.is_date(kind):
        return (NO_DAYS_BEYOND,)
    return (NO_TIMES_BEYOND,) if pa.types.is_timestamp(kind) else ()


def _in_iceberg(kind: Any) -> Any:
    """Returns the type of a column without others in it: integers of 32 and 64 bits, times in microseconds."""
    test = pa.types
    if test.is_timestamp(kind):
        return pa.timestamp("us", None if kind.tz is None else "UTC")
    if test.is_time(kind):
        return pa.time64("us")
    if test.is_null(kind):
        return pa.string()
    if test.is_float16(kind):
        return pa.float32()
    if test.is_duration(kind) or test.is_interval(kind):
        return None
    return _INTEGERS.get(kind, kind)


_INTEGERS = {
    pa.int8(): pa.int32(),
    pa.int16(): pa.int32(),
    pa.uint8(): pa.int32(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
}


def widens(field: pa.Field[Any], given: Any) -> bool:
    """Tells whether Iceberg lets a column become one of *given*, which it does without another look at its files."""
    test = pa.types
    there: Any = field.type
    if test.is_decimal(there) and test.is_decimal(given):
        return bool(given.scale == there.scale and given.precision > there.precision)
    return (there, given) in {(pa.int32(), pa.int64()), (pa.float32(), pa.float64())}


def schema_of(fields: Any) -> pa.Schema:
    """Returns the Arrow types of a table's columns, in the layout in which this driver writes them.

    Args:
        fields: Of a pyiceberg schema. A type that this driver does not write is given as one that no column has.
    """
    return pa.schema([_field(each) for each in fields])


def _field(field: Any) -> pa.Field[Any]:
    return pa.field(field.name, _arrow(field.field_type), nullable=not field.required)


def _arrow(kind: Any) -> Any:
    from pyiceberg import types

    match kind:
        case types.DecimalType():
            return pa.decimal128(kind.precision, kind.scale)
        case types.FixedType():
            return pa.binary(len(kind))
        case types.UUIDType():
            return pa.binary(16)
        case types.ListType():
            return pa.list_(_arrow(kind.element_type))
        case types.MapType():
            return pa.map_(_arrow(kind.key_type), _arrow(kind.value_type))
        case types.StructType():
            return pa.struct([(each.name, _arrow(each.field_type)) for each in kind.fields])
    by_type: dict[type, pa.DataType] = {
        types.BooleanType: pa.bool_(),
        types.IntegerType: pa.int32(),
        types.LongType: pa.int64(),
        types.FloatType: pa.float32(),
        types.DoubleType: pa.float64(),
        types.DateType: pa.date32(),
        types.TimeType: pa.time64("us"),
        types.TimestampType: pa.timestamp("us"),
        types.TimestamptzType: pa.timestamp("us", "UTC"),
        types.StringType: pa.string(),
        types.BinaryType: pa.binary(),
    }
    return by_type.get(type(kind), pa.month_day_nano_interval())
