"""The types of the engine and their Arrow types: the only such table.

Result schemas, `ExecuteSchema`, `GetTableSchema` and `GetObjects` all read it, so a column has one type wherever a
consumer meets it.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from e6data_adbc import errors

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EngineType", "Layout", "Text", "TimestampTz", "VectorType"]

#: Field metadata: the engine's name for the column's type, and the zone and format texts it sent along.
TYPE_KEY: Final = b"E6DATA:type"
ZONE_KEY: Final = b"E6DATA:zone"
FORMAT_KEY: Final = b"E6DATA:format"

#: Digits of the engine's decimals.
DECIMAL_PRECISION: Final = 38


class VectorType(enum.IntEnum):
    """The type numbers of a chunk's vectors (protos/e6x_vector.thrift)."""

    BINARY = 0
    BOOLEAN = 1
    DOUBLE = 2
    FLOAT = 3
    INT96 = 4
    INTEGER = 5
    LONG = 6
    STRING = 7
    DATE = 8
    DATETIME = 9
    TIMESTAMP = 10
    STRUCT = 11
    MAP = 12
    ARRAY = 13
    NULL = 14
    TIMESTAMP_TZ = 15
    DECIMAL128 = 16
    INTERVAL_DAY_SECOND = 17


class Text(enum.Enum):
    """The Arrow layout of text and nested columns."""

    UTF8 = "utf8"
    LARGE_UTF8 = "large_utf8"
    STRING_VIEW = "string_view"


class TimestampTz(enum.Enum):
    """What a TIMESTAMP_TZ column becomes."""

    INSTANT = "instant"
    STRUCT = "struct"


@dataclasses.dataclass(frozen=True)
class Layout:
    """The choices a user has among Arrow types for one engine type."""

    text: Text = Text.UTF8
    timestamp_tz: TimestampTz = TimestampTz.INSTANT


@dataclasses.dataclass(frozen=True)
class EngineType:
    """One type of the engine.

    Attributes:
        vector: The vector type that carries it.
        xdbc: The type code of ODBC and JDBC, for `GetObjects`.
        arrow: The Arrow type for a layout and a decimal scale.
    """

    vector: VectorType
    xdbc: int
    arrow: Callable[[Layout, int], pa.DataType]


def _fixed(name: str) -> Callable[[Layout, int], pa.DataType]:
    def arrow_type(_layout: Layout, _scale: int) -> pa.DataType:
        import pyarrow as pa

        found: pa.DataType = getattr(pa, name)()
        return found

    return arrow_type


def _text(layout: Layout, _scale: int) -> pa.DataType:
    import pyarrow as pa

    match layout.text:
        case Text.UTF8:
            return pa.utf8()
        case Text.LARGE_UTF8:
            return pa.large_utf8()
        case Text.STRING_VIEW:
            return pa.string_view()


def _decimal(_layout: Layout, scale: int) -> pa.DataType:
    import pyarrow as pa

    return pa.decimal128(DECIMAL_PRECISION, scale)


def _timestamp(_layout: Layout, _scale: int) -> pa.DataType:
    import pyarrow as pa

    return pa.timestamp("us")


def _timestamp_tz(layout: Layout, _scale: int) -> pa.DataType:
    import pyarrow as pa

    instant = pa.timestamp("us", tz="UTC")
    match layout.timestamp_tz:
        case TimestampTz.INSTANT:
            return instant
        case TimestampTz.STRUCT:
            return pa.struct([pa.field("instant", instant), pa.field("zone", pa.utf8())])


def _duration(_layout: Layout, _scale: int) -> pa.DataType:
    import pyarrow as pa

    return pa.duration("us")


# XDBC codes: java.sql.Types, which ODBC shares for the ones both have.
BOOLEAN = EngineType(VectorType.BOOLEAN, 16, _fixed("bool_"))
INTEGER = EngineType(VectorType.INTEGER, 4, _fixed("int32"))
# The small integers are int32 as well: results carry them so, and a table schema that said int16 would contradict
# the rows that a scanner then reads (docs/design/0003-one-type-table.md).
SMALLINT = EngineType(VectorType.INTEGER, 5, _fixed("int32"))
TINYINT = EngineType(VectorType.INTEGER, -6, _fixed("int32"))
LONG = EngineType(VectorType.LONG, -5, _fixed("int64"))
FLOAT = EngineType(VectorType.FLOAT, 7, _fixed("float32"))
DOUBLE = EngineType(VectorType.DOUBLE, 8, _fixed("float64"))
DECIMAL = EngineType(VectorType.DECIMAL128, 3, _decimal)
STRING = EngineType(VectorType.STRING, 12, _text)
CHAR = EngineType(VectorType.STRING, 1, _text)
BINARY = EngineType(VectorType.BINARY, -3, _fixed("binary"))
DATE = EngineType(VectorType.DATE, 91, _fixed("date32"))
DATETIME = EngineType(VectorType.DATETIME, 93, _timestamp)
TIMESTAMP_TZ = EngineType(VectorType.TIMESTAMP_TZ, 2014, _timestamp_tz)
INTERVAL = EngineType(VectorType.INTERVAL_DAY_SECOND, 110, _duration)
ARRAY = EngineType(VectorType.ARRAY, 2003, _text)
MAP = EngineType(VectorType.MAP, 2000, _text)
STRUCT = EngineType(VectorType.STRUCT, 2002, _text)
NULL = EngineType(VectorType.NULL, 0, _fixed("null"))

#: By the names that result metadata and column listings use, upper case, without parameters.
NAMES: Final[dict[str, EngineType]] = {
    "BOOLEAN": BOOLEAN,
    "BOOL": BOOLEAN,
    "TINYINT": TINYINT,
    "BYTE": TINYINT,
    "SMALLINT": SMALLINT,
    "SHORT": SMALLINT,
    "INT": INTEGER,
    "INTEGER": INTEGER,
    "BIGINT": LONG,
    "LONG": LONG,
    "FLOAT": FLOAT,
    "REAL": FLOAT,
    "DOUBLE": DOUBLE,
    "DECIMAL": DECIMAL,
    "DECIMAL128": DECIMAL,
    "NUMERIC": DECIMAL,
    "STRING": STRING,
    "VARCHAR": STRING,
    "TEXT": STRING,
    "JSON": STRING,
    "CHAR": CHAR,
    "BINARY": BINARY,
    "VARBINARY": BINARY,
    "DATE": DATE,
    "DATETIME": DATETIME,
    "TIMESTAMP": DATETIME,
    "TIMESTAMP_TZ": TIMESTAMP_TZ,
    "INTERVAL_DAY_SECOND": INTERVAL,
    "ARRAY": ARRAY,
    "MAP": MAP,
    "STRUCT": STRUCT,
    "UNIONTYPE": STRUCT,
    "NULL": NULL,
}

#: By the vector's own number, for a column whose type name says nothing.
VECTORS: Final[dict[VectorType, EngineType]] = {
    VectorType.BINARY: BINARY,
    VectorType.BOOLEAN: BOOLEAN,
    VectorType.DOUBLE: DOUBLE,
    VectorType.FLOAT: FLOAT,
    VectorType.INTEGER: INTEGER,
    VectorType.LONG: LONG,
    VectorType.STRING: STRING,
    VectorType.DATE: DATE,
    VectorType.DATETIME: DATETIME,
    VectorType.TIMESTAMP: DATETIME,
    VectorType.STRUCT: STRUCT,
    VectorType.MAP: MAP,
    VectorType.ARRAY: ARRAY,
    VectorType.NULL: NULL,
    VectorType.TIMESTAMP_TZ: TIMESTAMP_TZ,
    VectorType.DECIMAL128: DECIMAL,
    VectorType.INTERVAL_DAY_SECOND: INTERVAL,
}

_PARAMETERS: Final = re.compile(r"\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")

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


def find(type_name: str) -> EngineType | None:
    """Returns the engine type that *type_name* means in a table listing, or None; case and parameters do not matter."""
    return NAMES.get(_base(type_name))


def needs_first_chunk(columns: Sequence[Column]) -> bool:
    """Tells whether the Arrow schema of *columns* is unknown before a chunk was seen.

    Few engines name a decimal's scale in metadata, and a type name may be one that we do not know.
    """
    return any(_needs_shape(type_name) for _, type_name, _, _ in columns)


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
    layout: Layout = Layout(),
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
        fields.append(_field(column, engine.arrow(layout, scale)))
    return pa.schema(fields)


def table_field(name: str, type_name: str, *, layout: Layout = Layout()) -> pa.Field[Any]:
    """Returns the field of a table column as the engine's listing describes it.

    Raises:
        DataError: *type_name* is unknown.
    """
    engine = find(type_name)
    if engine is None:
        raise _unknown((name, type_name, "", ""), None)
    scale = 0
    if engine is DECIMAL and (found := _PARAMETERS.search(type_name)):
        scale = int(found.group(2) or 0)
    return _field((name, type_name, "", ""), engine.arrow(layout, scale))


def column_definition(kind: Any) -> str | None:  # Any: only some types have scales, zones, elements
    """Returns the SQL type of a column that holds values of the Arrow type *kind*; None where there is none.

    Unsigned integers take the next wider type, text and bytes lose their layout, a column of nulls is text.
    """
    import pyarrow as pa

    inner = storage(kind)
    if inner is not None:
        return column_definition(inner)
    if pa.types.is_decimal(kind):
        digits = max(kind.precision, kind.precision - kind.scale, kind.scale)
        scale = max(kind.scale, 0)
        if scale > DECIMAL_PRECISION:
            return None
        return f"DECIMAL({min(digits, DECIMAL_PRECISION)}, {scale})"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz is None else "TIMESTAMP_TZ"
    if is_list(kind):
        element = column_definition(kind.value_type)
        return None if element is None else f"{element} ARRAY"
    return next((name for accepts, name in _definitions() if accepts(kind)), None)


def storage(kind: Any) -> Any:
    """Returns the type of the values inside an encoding or extension type; None where *kind* is neither.

    Those of a UUID are its text, as engines compare and store it; those of `arrow.bool8` are truth values. None, too,
    where what is stored does not tell the value: the number of a period, the bytes of a type that Arrow does not know.
    """
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        shown = {
            "arrow.uuid": pa.string(),
            "arrow.bool8": pa.bool_(),
            "arrow.opaque": None,
            "pandas.period": None,
        }
        return shown.get(getattr(kind, "extension_name", ""), kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return kind.value_type
    return None


def is_list(kind: Any) -> bool:
    """Tells whether *kind* is a list of any layout."""
    import pyarrow as pa

    return any(
        test(kind)
        for test in (
            pa.types.is_list,
            pa.types.is_large_list,
            pa.types.is_fixed_size_list,
            pa.types.is_list_view,
            pa.types.is_large_list_view,
        )
    )


def _definitions() -> tuple[tuple[Callable[[Any], bool], str], ...]:
    import pyarrow as pa

    test = pa.types
    return (
        (test.is_boolean, "BOOLEAN"),
        (test.is_int8, "TINYINT"),
        (test.is_int16, "SMALLINT"),
        (test.is_uint8, "SMALLINT"),
        (test.is_int32, "INT"),
        (test.is_uint16, "INT"),
        (test.is_uint64, "DECIMAL(20, 0)"),
        (test.is_integer, "BIGINT"),
        (test.is_float64, "DOUBLE"),
        (test.is_floating, "FLOAT"),
        (test.is_string, "VARCHAR"),
        (test.is_large_string, "VARCHAR"),
        (test.is_string_view, "VARCHAR"),
        (test.is_null, "VARCHAR"),
        (test.is_binary, "VARBINARY"),
        (test.is_large_binary, "VARBINARY"),
        (test.is_binary_view, "VARBINARY"),
        (test.is_fixed_size_binary, "VARBINARY"),
        (test.is_date, "DATE"),
        (test.is_duration, "INTERVAL DAY TO SECOND"),
    )


@functools.lru_cache(maxsize=1024)
def _base(type_name: str) -> str:
    return re.split(r"[(<]", type_name, maxsplit=1)[0].strip().upper()


def _needs_shape(type_name: str) -> bool:
    engine = NAMES.get(_base(type_name))
    return engine is None or (engine is DECIMAL and _declared_scale(type_name) is None)


@functools.lru_cache(maxsize=1024)
def _declared_scale(type_name: str) -> int | None:
    """Returns the scale that `DECIMAL(p, s)` names, or None."""
    found = _PARAMETERS.search(type_name)
    if found is None or found.group(2) is None or NAMES.get(_base(type_name)) is not DECIMAL:
        return None
    precision, scale = int(found.group(1)), int(found.group(2))
    return scale if scale <= precision <= DECIMAL_PRECISION else None


def _result_type(
    column: Column, shape: tuple[Any, ...] | None, *, vectors_decide: bool
) -> EngineType:
    named = NAMES.get(_base(column[1]))
    if shape is None or shape[0] == VectorType.NULL:
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
