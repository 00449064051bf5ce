"""How columns are stored in ClickHouse, and what the columns of a table take."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa

from e6data_adbc import types
from e6data_adbc.etl.columns import (
    Check,
    Column,
    between,
    fits_without_loss,
    is_bytes,
    is_text,
)
from e6data_adbc.etl.plain_types import microseconds
from e6data_adbc.etl.sql.type_names import read_decimal

__all__ = ["Existing", "schema_of", "stored", "widened", "widens"]

#: Microseconds of a day.
_DAY: Final = 86_400_000_000
#: The first and the last day that ClickHouse documents: of 1900 and of 2299.
_DAYS: Final = between(-25_567, 120_529, "date")
_MICROSECONDS: Final = between(-25_567 * _DAY, 120_530 * _DAY - 1, "time")
_UNITS: Final = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_SCALARS: Final[dict[str, pa.DataType]] = {
    "Bool": pa.bool_(),
    "Int8": pa.int8(),
    "Int16": pa.int16(),
    "Int32": pa.int32(),
    "Int64": pa.int64(),
    "UInt8": pa.uint8(),
    "UInt16": pa.uint16(),
    "UInt32": pa.uint32(),
    "UInt64": pa.uint64(),
    "Float32": pa.float32(),
    "Float64": pa.float64(),
    "String": pa.string(),
    "Date32": pa.date32(),
}
_NAMES: Final = {kind: name for name, kind in _SCALARS.items()}
_WRAPPED: Final = re.compile(r"(Nullable|LowCardinality)\((.*)\)")
_MOMENT: Final = re.compile(r"DateTime64\((\d)(?:, '([^']+)')?\)")
#: Names of zones that ClickHouse knows; it knows no offsets.
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]*")


class Existing(NamedTuple):
    """A column that a table has.

    Attributes:
        name: Its name.
        definition: Its type.
        default: What kind of default it has; empty for none.
        is_key: Whether rows are ordered or partitioned by it, so that its type stays.
    """

    name: str
    definition: str
    default: str
    is_key: bool = False


def stored(field: pa.Field[Any]) -> Column | str:
    """Returns how a column is stored, or why it cannot be."""
    kind: Any = types.storage(field.type) or field.type
    if pa.types.is_duration(kind):
        loss = "an interval becomes its number of microseconds"
        definition = "Nullable(Int64)"
        return Column(field.name, field.type, pa.int64(), definition, (), microseconds, loss)
    if types.is_list(kind):
        found = _scalar(kind.value_type)
        if found is None or found[2]:  # checks look at values of columns, not of lists
            return "ClickHouse has nothing that it could be"
        name, inner, _ = found
        definition = f"Array(Nullable({name}))"
        return Column(field.name, field.type, pa.list_(inner), definition, (_NULL_LIST,))
    found = _scalar(kind)
    if found is None:
        return "ClickHouse has nothing that it could be"
    name, inner, checks = found
    definition = f"Nullable({name})" if field.nullable else name
    return Column(field.name, field.type, inner, definition, checks)


def _scalar(kind: Any) -> tuple[str, pa.DataType, tuple[Check, ...]] | None:
    """Returns the name of a type, the Arrow type that is sent, and the values that it has not."""
    test = pa.types
    if test.is_decimal(kind):
        scale = max(kind.scale, 0)
        digits = max(kind.precision - min(kind.scale, 0), scale)
        if digits > 76:
            return None
        make: Any = pa.decimal128 if digits <= 38 else pa.decimal256
        return f"Decimal({digits}, {scale})", make(digits, scale), ()
    if test.is_timestamp(kind):
        # Without a zone a column would have the server's, and show other hours.
        zone = kind.tz if kind.tz and _ZONE.fullmatch(kind.tz) else "UTC"
        return (
            f"DateTime64({_UNITS[kind.unit]}, '{zone}')",
            pa.timestamp(kind.unit, None if kind.tz is None else zone),
            (_MICROSECONDS,),
        )
    if test.is_date(kind):
        return "Date32", pa.date32(), (_DAYS,)
    if test.is_float16(kind):
        return "Float32", pa.float32(), ()
    if test.is_null(kind) or is_text(kind):
        return "String", pa.string(), ()
    if is_bytes(kind):
        return "String", pa.binary(), ()
    name = _NAMES.get(kind)
    return None if name is None else (name, kind, ())


def schema_of(
    existing: Sequence[Existing], columns: Sequence[Column]
) -> tuple[pa.Schema, Collection[str]]:
    """Returns the Arrow types of a table's columns, and the names of those that a load may leave out.

    Args:
        existing: The table's.
        columns: The load's, as they would be stored.
    """
    given = {column.name: column for column in columns}
    fields, optional = [], set()
    for each in existing:
        if each.default in {"MATERIALIZED", "ALIAS"}:
            continue
        kind, is_nullable = _arrow(each.definition, given.get(each.name))
        fields.append(pa.field(each.name, kind, nullable=is_nullable))
        if each.default or each.definition.startswith("Array("):
            optional.add(each.name)
    return pa.schema(fields), optional


def widens(there: Existing, kind: Any, given: Any) -> bool:
    """Tells whether a column of numbers, whose Arrow type is *kind*, can become one of *given*."""
    is_plain = not there.default and not there.is_key
    return is_plain and _bare(there.definition) is not None and fits_without_loss(kind, given)


def widened(there: Existing, kind: Any) -> str:
    """Returns the type of a column that becomes one of *kind*, and takes NULL as it did."""
    found = _scalar(kind)
    name = "" if found is None else found[0]
    return f"Nullable({name})" if there.definition.startswith("Nullable(") else name


def _bare(definition: str) -> str | None:
    """Returns the name of a number's type without Nullable; None for any other."""
    inner = definition.removeprefix("Nullable(").removesuffix(
        ")" * definition.startswith("Nullable(")
    )
    kind = _SCALARS.get(inner)
    is_number = kind is not None and (pa.types.is_integer(kind) or pa.types.is_floating(kind))
    return inner if is_number or read_decimal(inner, "Decimal") is not None else None


def _arrow(definition: str, column: Column | None) -> tuple[pa.DataType, bool]:
    is_nullable = False
    text = definition
    while found := _WRAPPED.fullmatch(text):
        is_nullable = is_nullable or found[1] == "Nullable"
        text = found[2]
    if text.startswith("Array("):
        inner, _ = _arrow(text[len("Array(") : -1], None)
        return pa.list_(inner), True  # NULL lists are refused by their check
    stored_as: Any = None if column is None else column.stored
    if text == "String" and stored_as == pa.binary():
        return pa.binary(), is_nullable
    moment = _MOMENT.fullmatch(text)
    if moment is not None:
        unit = {digits: name for name, digits in _UNITS.items()}.get(int(moment[1]))
        if unit is not None:
            # In UTC both a time without a zone and an instant look as they are; elsewhere an instant does.
            is_plain = pa.types.is_timestamp(stored_as) and stored_as.tz is None
            zone = None if moment[2] == "UTC" and is_plain else moment[2] or "server"
            if pa.types.is_timestamp(stored_as) and stored_as.tz is not None and zone is not None:
                zone = stored_as.tz  # an instant is the same in each zone
            return pa.timestamp(unit, zone), is_nullable  # type: ignore[call-overload]
    kind = _SCALARS.get(text) or read_decimal(text, "Decimal")
    return kind or pa.month_day_nano_interval(), is_nullable


def _nulls(array: Any) -> Any | None:
    return array.is_null() if array.null_count else None


_NULL_LIST: Final = Check("NULL for a list, which it would make an empty one", _nulls)
