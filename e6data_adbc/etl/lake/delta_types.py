"""How columns are stored in Delta Lake."""

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

__all__ = ["stored"]


def stored(field: pa.Field[Any]) -> Column | str:
    """Returns how a column is stored, or why it cannot be."""
    kind: Any = field.type
    if pa.types.is_duration(kind):
        loss = "an interval becomes its number of microseconds"
        return column(field, pa.int64(), convert=microseconds, loss=loss)
    found = plain(kind, _in_delta)
    if found is None:
        return "Delta Lake has nothing that it could be"
    return column(field, found, *_checks(found))


def _checks(kind: Any) -> tuple[Check, ...]:
    if pa.types.is_date(kind):
        return (NO_DAYS_BEYOND,)
    return (NO_TIMES_BEYOND,) if pa.types.is_timestamp(kind) else ()


def _in_delta(kind: Any) -> Any:
    """Returns the type of a column without others in it; Delta's integers have a sign, and its times microseconds."""
    test = pa.types
    if test.is_timestamp(kind):
        return pa.timestamp("us", None if kind.tz is None else "UTC")
    if test.is_null(kind):
        return pa.string()
    if test.is_float16(kind):
        return pa.float32()
    if test.is_time(kind) or test.is_duration(kind) or test.is_interval(kind):
        return None
    return _SIGNED.get(kind, kind)


_SIGNED = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
}
