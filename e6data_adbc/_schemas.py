"""Arrow schemas of results and tables: the engine's metadata, and what the first chunks say where that is silent."""

from __future__ import annotations

import enum
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from e6data_adbc import errors
from e6data_adbc._told_types import arrow_type
from e6data_adbc.types import (
    DECIMAL,
    DECIMAL_PRECISION,
    NULL,
    VECTORS,
    EngineType,
    Layout,
    VectorType,
    find,
    numbers,
)

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "FORMAT_KEY",
    "TYPE_KEY",
    "ZONE_KEY",
    "Column",
    "Evidence",
    "Shape",
    "is_open",
    "merged",
    "needs_first_chunk",
    "result_schema",
    "table_field",
]

#: Field metadata: the engine's name for the column's type, and the zone and format texts it sent along.
TYPE_KEY: Final = b"E6DATA:type"
ZONE_KEY: Final = b"E6DATA:zone"
FORMAT_KEY: Final = b"E6DATA:format"

_PLAIN: Final = Layout()
#: Schemas of results are remembered up to so many columns, as the same queries come again and again.
_MOST_REMEMBERED: Final = 256

#: A column of result metadata: name, type name, zone, format.
Column = tuple[str, str, str, str]


class Evidence(enum.IntEnum):
    """What type and scale of a vector rest on, the least first; `native/chunk/src/probe.rs` has the same."""

    #: No values: the scale 0 that nulls announce may be no more than a default.
    NULLS = 0
    #: Decimal text without an announced scale: later text may have more digits.
    DIGITS = 1
    #: Values of this type and scale.
    VALUES = 2


class Shape(NamedTuple):
    """What the vectors of a column say so far: vector type, decimal scale where it has one, and how sure that is."""

    vector: int
    scale: int | None
    evidence: int = Evidence.VALUES


def needs_first_chunk(columns: Sequence[Column]) -> bool:
    """Tells whether the Arrow schema of *columns* is unknown before a chunk was seen.

    Few engines name a decimal's scale in metadata, and a type name may be one that we do not know.
    """
    return any(map(_needs_shape, [type_name for _, type_name, _, _ in columns]))


def is_open(column: Column, shape: Shape) -> bool:
    """Tells whether *column* is still undecided after chunks with *shape*.

    Nulls alone do not decide a decimal, and text without an announced scale may get longer.
    """
    return _needs_shape(column[1]) and shape.evidence < Evidence.VALUES


def merged(earlier: Shape, later: Shape) -> Shape:
    """Returns what two vectors of one column say together: the larger of two scales, for the other fits into it."""
    if earlier.vector != later.vector:
        return later if later.evidence > earlier.evidence else earlier
    if (earlier.evidence == Evidence.NULLS) != (later.evidence == Evidence.NULLS):
        return max(earlier, later, key=lambda shape: shape.evidence)
    scales = [shape.scale for shape in (earlier, later) if shape.scale is not None]
    evidence = max(earlier.evidence, later.evidence)
    return Shape(earlier.vector, max(scales, default=None), evidence)


def result_schema(
    columns: Sequence[Column],
    shapes: Sequence[Shape | tuple[int, int | None]] | None = None,
    *,
    layout: Layout = _PLAIN,
    vectors_decide: bool = False,
) -> pa.Schema:
    """Returns the Arrow schema of a result.

    Args:
        columns: The result metadata.
        shapes: The vectors of the first chunks, one per column; gives decimal scales and the types of unknown names.
            A scale in the column's type name comes first; where none is known (no chunk, or nulls only) it is 0.
        layout: The user's choices.
        vectors_decide: Take the type from the vector where it contradicts the name. Right for a single chunk; a
            stream has published its schema by then and must refuse.

    Raises:
        DataError: A column has a type that neither its name nor its vector explains.
    """
    make = _remembered if len(columns) <= _MOST_REMEMBERED else _schema
    told = tuple(map(tuple, shapes)) if shapes else None
    return make(tuple(columns), told, layout, vectors_decide)


def _schema(
    columns: tuple[Column, ...],
    shapes: tuple[tuple[Any, ...], ...] | None,
    layout: Layout,
    vectors_decide: bool,  # noqa: FBT001 - `result_schema` names it
) -> pa.Schema:
    import pyarrow as pa

    fields = []
    for index, column in enumerate(columns):
        shape = shapes[index] if shapes else None
        engine = _result_type(column, shape, vectors_decide=vectors_decide)
        scale = (shape[1] if shape else None) or 0
        declared = _declared_scale(column[1])
        if declared is not None:
            scale = max(declared, scale) if vectors_decide else declared
        # A scale beyond the digits there are is left to the decoder, which reports where it stands.
        scale = scale if abs(scale) <= DECIMAL_PRECISION else 0
        fields.append(_field(column, arrow_type(engine, column[1], layout, scale)))
    return pa.schema(fields)


_remembered: Final = functools.lru_cache(maxsize=256)(_schema)


def table_field(name: str, type_name: str, *, layout: Layout = _PLAIN) -> pa.Field[Any]:
    """Returns the field of a table column as the engine's listing describes it.

    Raises:
        DataError: *type_name* is unknown.
    """
    engine = find(type_name)
    if engine is None:
        raise _unknown((name, type_name, "", ""), None)
    scale = 0
    if engine is DECIMAL and (given := numbers(type_name)) is not None:
        scale = given[1] or 0
    return _field((name, type_name, "", ""), arrow_type(engine, type_name, layout, scale))


@functools.lru_cache(maxsize=1024)
def _needs_shape(type_name: str) -> bool:
    engine = find(type_name)
    return engine is None or (engine is DECIMAL and _declared_scale(type_name) is None)


@functools.lru_cache(maxsize=1024)
def _declared_scale(type_name: str) -> int | None:
    """Returns the scale that `DECIMAL(p, s)` names, or None."""
    given = numbers(type_name)
    if given is None or find(type_name) is not DECIMAL:
        return None
    precision, scale = given
    if scale is None:
        return None
    return scale if scale <= precision <= DECIMAL_PRECISION else None


def _result_type(
    column: Column, shape: tuple[Any, ...] | None, *, vectors_decide: bool
) -> EngineType:
    named = find(column[1])
    if shape is None or shape[0] == NULL.vector:
        if named is None and shape is None:
            raise _unknown(column, shape)
        return named or NULL
    carried = (
        VECTORS.get(VectorType(shape[0])) if shape[0] in VectorType._value2member_map_ else None
    )
    if named is not None and (not vectors_decide or carried is None):
        return named
    if named is not None and carried is not None and named.vector == carried.vector:
        return named
    if carried is None:
        raise _unknown(column, shape)
    return carried


def _field(column: Column, arrow_type: pa.DataType) -> pa.Field[Any]:
    import pyarrow as pa

    name, type_name, zone, text_format = column
    if "\0" in name:
        raise errors.make(
            errors.Status.INVALID_DATA,
            f"could not name column {name!r}: the Arrow C interface has no names with a zero byte",
            hint="give the column an alias in the query",
        )
    metadata = {TYPE_KEY: type_name.encode()}
    if zone:
        metadata[ZONE_KEY] = zone.encode()
    if text_format:
        metadata[FORMAT_KEY] = text_format.encode()
    return pa.field(name, arrow_type, metadata=metadata)


def _unknown(column: Column, shape: tuple[Any, ...] | None) -> errors.Error:
    carried = f" and vector type {shape[0]}" if shape else ""
    return errors.make(
        errors.Status.INVALID_DATA,
        f"could not find the Arrow type of column {column[0]!r}: unknown type name {column[1]!r}{carried}",
        hint="cast the column in the query",
    )
