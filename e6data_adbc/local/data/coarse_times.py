"""Arrow tables whose nanoseconds DuckDB would cut off without a word when it copies them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["in_microseconds"]


def in_microseconds(table: pa.Table, nanoseconds: str) -> pa.Table:
    """Returns *table* with durations in microseconds and, for a DuckDB that has no such type, zoned timestamps too.

    Args:
        table: What is about to be copied.
        nanoseconds: The setting of that name.

    Raises:
        ValueError: A value has nanoseconds, and they are refused; names the column.
    """
    import duckdb
    import pyarrow as pa

    has_zoned = int(duckdb.__version__.partition(".")[0]) >= 2
    for index, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_duration(kind) and kind.unit == "ns":
            coarse: pa.DataType = pa.duration("us")
        elif pa.types.is_timestamp(kind) and kind.unit == "ns" and kind.tz and not has_zoned:
            coarse = pa.timestamp("us", kind.tz)
        else:
            continue
        column = _floored(table.column(index), field.name, nanoseconds)
        table = table.set_column(index, field.name, column.cast(coarse))
    return table


def _floored(column: pa.ChunkedArray[Any], name: str, nanoseconds: str) -> pa.ChunkedArray[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    zero = pa.scalar(0, pa.int64())
    values = column.cast(pa.int64())
    whole = pc.divide(values, 1000)
    left = pc.subtract(values, pc.multiply(whole, 1000))
    if nanoseconds == "refuse" and pc.any(pc.not_equal(left, zero)).as_py():
        raise ValueError(
            f"column {name!r} has nanoseconds, and the engine has microseconds; start the local engine with"
            " nanoseconds=floor"
        )
    below: Any = pc.less(left, zero)  # a chunked array, whatever its stub says
    floored: pa.ChunkedArray[Any] = pc.subtract(whole, below.cast(pa.int64()))
    return floored
