"""Arrow types without their encodings, and columns stored as such, for destinations that take Arrow as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from e6data_adbc import types
from e6data_adbc.etl.columns import Check, Column, between

__all__ = [
    "NO_DAYS_BEYOND",
    "NO_TIMES_BEYOND",
    "PLAIN_SCALE",
    "column",
    "digits",
    "hexadecimal",
    "microseconds",
    "plain",
]

#: Dates and times of the years 1 to 9999.
NO_DAYS_BEYOND: Final = between(-719_162, 2_932_896, "date")
NO_TIMES_BEYOND: Final = between(-62_135_596_800_000_000, 253_402_300_799_999_999, "time")
#: Up to this scale Arrow writes decimals with all digits, beyond with an exponent where they are small.
PLAIN_SCALE: Final = 6


def plain(kind: Any, leaf: Callable[[Any], Any] = lambda kind: kind) -> Any:
    """Returns the type of the same values in the layout that every reader knows.

    Args:
        kind: The type; an encoding or an extension counts as what is stored in it.
        leaf: Says what becomes of a type that has no others in it; None where there is nothing.

    Returns:
        The type, or None where some type in it has no counterpart.
    """
    test = pa.types
    inner = types.storage(kind)
    if inner is not None:
        return plain(inner, leaf)
    if isinstance(kind, pa.BaseExtensionType):
        return None  # what is stored does not tell the value
    if test.is_map(kind):
        key, item = plain(kind.key_type, leaf), plain(kind.item_type, leaf)
        return None if key is None or item is None else pa.map_(key, item)
    if types.is_list(kind):
        element = plain(kind.value_type, leaf)
        return None if element is None else pa.list_(element)
    if test.is_struct(kind):
        fields = [(field.name, plain(field.type, leaf)) for field in kind]
        return None if not fields or any(each is None for _, each in fields) else pa.struct(fields)
    if test.is_union(kind):
        return None
    return leaf(_simple(kind))


def _simple(kind: Any) -> Any:
    test = pa.types
    if test.is_large_string(kind) or test.is_string_view(kind):
        return pa.string()
    if any(
        accepts(kind)
        for accepts in (test.is_large_binary, test.is_binary_view, test.is_fixed_size_binary)
    ):
        return pa.binary()
    if test.is_date64(kind):
        return pa.date32()
    if test.is_decimal(kind):
        return _decimal(kind)
    return kind


def _decimal(kind: Any) -> Any:
    """Returns the decimal with digits before and behind the point that every reader knows: 38 at most."""
    if kind.scale > 38:
        return None
    scale = max(kind.scale, 0)
    digits = kind.precision - min(kind.scale, 0)
    return pa.decimal128(min(max(digits, scale), 38), scale)


def column(
    field: pa.Field[Any],
    stored: pa.DataType,
    *checks: Check,
    convert: Callable[[Any], Any] | None = None,
    loss: str = "",
) -> Column:
    """Returns the column of *field* that is stored as *stored*, by a cast where no other way is named."""
    return Column(field.name, field.type, stored, str(stored), checks, convert, loss)


def microseconds(array: Any) -> Any:
    """Returns durations as whole numbers of microseconds; ArrowInvalid where there are finer ones."""
    return array.cast(pa.duration("us")).cast(pa.int64())


def digits(array: Any) -> Any:
    """Returns decimals as texts with all their digits; an array of anything else as texts of Arrow's."""
    text = array.cast(pa.string())
    kind = array.type
    is_plain = not pa.types.is_decimal(kind) or 0 <= kind.scale <= PLAIN_SCALE
    if is_plain or not pc.any(pc.match_substring(text, "E")).as_py():
        return text
    return pa.array(
        [None if each is None else f"{each:f}" for each in array.to_pylist()], pa.string()
    )


def hexadecimal(array: Any) -> Any:
    """Returns bytes as texts of hexadecimal digits."""
    if array.offset:
        array = pa.concat_arrays([array, array.slice(0, 0)])
    validity, offsets, data = array.buffers()
    if offsets is None or data is None:
        return array.cast(pa.string())
    starts: Any = pa.Array.from_buffers(pa.int32(), array.offset + len(array) + 1, [None, offsets])
    doubled = pc.multiply(starts, pa.scalar(2, pa.int32()))
    digits = pa.py_buffer(data.to_pybytes().hex().encode())
    return pa.Array.from_buffers(
        *(pa.string(), len(array), [validity, doubled.buffers()[1], digits]),
        offset=array.offset,
    )
