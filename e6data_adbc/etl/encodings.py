"""Arrow values without their encodings: dictionaries, runs, views of lists and extension types, at any depth."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from e6data_adbc import types

__all__ = ["decoded"]


def decoded(array: Any) -> Any:
    """Returns *array* with plain values in place of dictionaries, runs, views and extension types.

    An array without encodings is returned as it is. Arrow's own casts lack some of these encodings, and read others
    wrongly (views of lists: the last one).
    """
    kind = array.type
    if not _is_encoded(kind):
        return array
    if isinstance(kind, pa.BaseExtensionType):
        return _shown(array)
    if pa.types.is_dictionary(kind):
        return _taken(array.dictionary, array.indices)
    if pa.types.is_run_end_encoded(kind):
        places = pa.RunEndEncodedArray.from_arrays(
            array.run_ends, pa.array(range(len(array.values)), pa.int32())
        )
        runs: Any = places.slice(array.offset, len(array))
        return _taken(array.values, pc.call_function("run_end_decode", [runs]))
    if pa.types.is_struct(kind):
        return pa.StructArray.from_arrays(
            [decoded(each) for each in array.flatten()],
            names=[field.name for field in kind],
            mask=array.is_null(),
        )
    if pa.types.is_map(kind):
        lists = _entries(array)
        keys, items = (decoded(each) for each in lists.flatten().flatten())
        return pa.MapArray.from_arrays(_offsets(lists), keys, items)
    return pa.ListArray.from_arrays(_offsets(array), decoded(array.flatten()))


def _is_encoded(kind: Any) -> bool:
    test = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return types.storage(kind) is not None
    if test.is_dictionary(kind) or test.is_run_end_encoded(kind):
        return True
    if test.is_list_view(kind) or test.is_large_list_view(kind):
        return True
    return any(_is_encoded(kind.field(index).type) for index in range(kind.num_fields))


def _shown(array: Any) -> Any:
    storage = array.storage
    if types.storage(array.type) == pa.bool_():
        return storage.cast(pa.bool_())
    if types.storage(array.type) != array.type.storage_type:  # a UUID
        return pa.array(
            [None if each is None else str(each) for each in array.to_pylist()], pa.string()
        )
    return decoded(storage)


def _taken(values: Any, places: Any) -> Any:
    values = decoded(values)
    # Arrow takes no values of views.
    if pa.types.is_string_view(values.type):
        values = values.cast(pa.large_string())
    elif pa.types.is_binary_view(values.type):
        values = values.cast(pa.large_binary())
    return values.take(places)


def _entries(array: Any) -> Any:
    """Returns maps as lists of keys and values."""
    pairs = pa.StructArray.from_arrays([array.keys, array.items], ["key", "value"])
    return pa.ListArray.from_buffers(
        pa.list_(pairs.type),
        len(array),
        array.buffers()[:2],
        array.null_count,
        array.offset,
        children=[pairs],
    )


def _offsets(array: Any) -> Any:
    """Returns where each list begins in those before it, and the last one ends; NULL where there is none."""
    lengths = pc.list_value_length(array).cast(pa.int32())
    ends: Any = pc.cumulative_sum(lengths.fill_null(0))
    starts = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    is_null = pa.concat_arrays([array.is_null(), pa.array([False])])
    return pc.if_else(is_null, pa.scalar(None, pa.int32()), starts)
