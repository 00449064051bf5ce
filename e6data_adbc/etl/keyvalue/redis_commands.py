"""Commands of Redis as bytes, made of Arrow arrays: one for each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from e6data_adbc.etl.keyvalue.texts import as_text

__all__ = ["Packed", "keys_of", "set_fields"]

_NOTHING = pa.scalar(b"", pa.binary())


class Packed(NamedTuple):
    """Commands as they are sent, and how many they are."""

    data: bytes
    number: int


def keys_of(prefix: bytes, names: Any) -> Any:
    """Returns the keys of rows: the prefix, `:` and their names."""
    return _joined(pa.scalar(prefix + b":", pa.binary()), names)


def set_fields(keys: Any, batch: pa.RecordBatch, *, is_new: bool) -> Packed:
    """Returns the commands that make each row a hash: HSET of what it has, HDEL of what is NULL if it may be there.

    Args:
        keys: Of the rows, as binary.
        batch: The rows, none with NULL in all columns.
        is_new: Whether no row is there yet.
    """
    key = _bulk(keys)
    values = [as_text(array) for array in batch.columns]
    names = [_bulk_of(name.encode()) for name in batch.schema.names]
    pairs = [
        _or_nothing(_joined(name, _bulk(value))) for name, value in zip(names, values, strict=True)
    ]
    counts = _count([pc.is_valid(value) for value in values])
    sets = _joined(_head(counts, 2), _bulk_of(b"HSET"), key, *pairs)
    count = batch.num_rows
    nulls = [value.null_count for value in values]
    if is_new or not any(nulls):
        return Packed(_bytes(sets), count)
    missing = _count([pc.is_null(value) for value in values])
    fields = [
        pc.if_else(pc.is_null(value), pa.scalar(name, pa.binary()), _NOTHING)
        for name, value in zip(names, values, strict=True)
    ]
    is_short = pc.greater(missing, pa.scalar(0, pa.int64()))
    drops = _joined(_head(missing, 1), _bulk_of(b"HDEL"), key, *fields)
    drops = pc.if_else(is_short, drops, _NOTHING)
    return Packed(_bytes(_joined(drops, sets)), count + pc.sum(is_short).as_py())


def _count(masks: Sequence[Any]) -> Any:
    total: Any = masks[0].cast(pa.int64())
    for mask in masks[1:]:
        total = pc.add(total, mask.cast(pa.int64()))
    return total


def _head(counts: Any, each: int) -> Any:
    """Returns how a command begins that has a name, a key, and for each of *counts* so many arguments."""
    numbers = pc.add(pc.multiply(counts, pa.scalar(each, pa.int64())), pa.scalar(2, pa.int64()))
    return _joined(b"*", numbers.cast(pa.string()).cast(pa.binary()), b"\r\n")


def _bulk(values: Any) -> Any:
    sizes = pc.binary_length(values).cast(pa.string()).cast(pa.binary())
    return _joined(b"$", sizes, b"\r\n", values, b"\r\n")


def _bulk_of(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


def _or_nothing(values: Any) -> Any:
    return values.fill_null(b"") if values.null_count else values


def _joined(*parts: Any) -> Any:
    arguments = [
        pa.scalar(part, pa.binary()) if isinstance(part, bytes) else part for part in parts
    ]
    return pc.binary_join_element_wise(*arguments, _NOTHING)


def _bytes(texts: Any) -> bytes:
    """Returns the texts of a new array one after the other."""
    data = texts.buffers()[2]
    return b"" if data is None else data.to_pybytes()
