"""The types of the engine, a row each: the only such table.

Whatever depends on a type reads its row: result schemas, `ExecuteSchema`, `GetTableSchema`, `GetObjects`, literals,
parameters that the server binds, the columns that ingestion makes, and the local engine. So a column has one type
wherever a consumer meets it. `tests/package/test_types.py` walks the table and its readers.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "DecimalPrecision",
    "EngineType",
    "Form",
    "Interval",
    "Layout",
    "Nested",
    "Text",
    "TimestampTz",
    "VectorType",
    "Xdbc",
]

#: Digits of the engine's decimals.
DECIMAL_PRECISION: Final = 38
#: Digits that the unsigned integers of 64 bits need, which no integer of the engine holds.
UINT64_DIGITS: Final = 20


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


class Nested(enum.Enum):
    """What an ARRAY, MAP or STRUCT column becomes."""

    TEXT = "text"
    ARROW = "arrow"


class DecimalPrecision(enum.Enum):
    """How many digits a DECIMAL column has."""

    MAX = "max"
    DECLARED = "declared"


class Interval(enum.Enum):
    """What a column of spans becomes."""

    DURATION = "duration"
    INT64 = "int64"
    TEXT = "text"


@dataclasses.dataclass(frozen=True)
class Layout:
    """The choices a user has among Arrow types for one engine type."""

    text: Text = Text.UTF8
    timestamp_tz: TimestampTz = TimestampTz.INSTANT
    nested: Nested = Nested.TEXT
    decimal_precision: DecimalPrecision = DecimalPrecision.MAX
    interval: Interval = Interval.DURATION


class Form(enum.Enum):
    """How values are written as text: as literals in SQL, and as parameters that the server binds."""

    TRUTH = enum.auto()
    INT = enum.auto()
    BIGINT = enum.auto()
    FLOAT = enum.auto()
    DOUBLE = enum.auto()
    DECIMAL = enum.auto()
    TEXT = enum.auto()
    BYTES = enum.auto()
    DATE = enum.auto()
    MOMENT = enum.auto()
    INSTANT = enum.auto()
    SPAN = enum.auto()
    LIST = enum.auto()


class Xdbc(NamedTuple):
    """What ODBC and JDBC say of a type, for `GetObjects`."""

    #: The number of java.sql.Types, which ODBC shares for the ones both have.
    code: int
    #: The size where the type's name has none: digits, bits or characters.
    size: int | None = None
    #: Digits after the point.
    digits: int | None = None
    #: The base that the size counts in.
    radix: int | None = None
    #: What tells ODBC's dates and times apart, which have one number.
    datetime_sub: int | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class EngineType:
    """One type of the engine: a row of the table.

    Attributes:
        names: Those in result metadata and column listings, upper case; a listing of the local engine has the first.
        vector: The vector type that carries it; its name is the local engine's in result metadata.
        xdbc: What ODBC and JDBC say of it.
        arrow: The Arrow type of a result for a layout and a decimal scale.
        values: The Arrow types whose values are of this type, by the names of Arrow's type ids.
        sql: Its name where a column is made and where the server binds; None where no column is made.
        cast: Its name in the casts of literals; None where the dialect has no cast to it.
        form: How values are written; None where none are.
        duck: DuckDB's types that are sent as this one, and what each is cast to first; None for nothing.
        vectors: Further vector types that are read the same way.
    """

    names: tuple[str, ...]
    vector: VectorType
    xdbc: Xdbc
    arrow: Callable[[Layout, int], pa.DataType]
    values: tuple[str, ...] = ()
    sql: str | None = None
    cast: str | None = None
    form: Form | None = None
    duck: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    vectors: tuple[VectorType, ...] = ()


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


def _span(layout: Layout, scale: int) -> pa.DataType:
    import pyarrow as pa

    match layout.interval:
        case Interval.DURATION:
            return pa.duration("us")
        case Interval.INT64:
            return pa.int64()
        case Interval.TEXT:
            return _text(layout, scale)


BOOLEAN = EngineType(
    names=("BOOLEAN", "BOOL"),
    vector=VectorType.BOOLEAN,
    xdbc=Xdbc(16, 1),
    arrow=_fixed("bool_"),
    values=("BOOL",),
    sql="BOOLEAN",
    cast="BOOLEAN",
    form=Form.TRUTH,
    duck={"boolean": None},
)
INTEGER = EngineType(
    names=("INT", "INTEGER"),
    vector=VectorType.INTEGER,
    xdbc=Xdbc(4, 10, 0, 10),
    arrow=_fixed("int32"),
    values=("INT32", "UINT16"),
    sql="INT",
    cast="INT",
    form=Form.INT,
    duck={"integer": None, "utinyint": "INTEGER", "usmallint": "INTEGER"},
)
# The small integers are int32 as well: results carry them so, and a table schema that said int16 would contradict
# the rows that a scanner then reads (docs/design/0003-one-type-table.md).
SMALLINT = EngineType(
    names=("SMALLINT", "SHORT"),
    vector=VectorType.INTEGER,
    xdbc=Xdbc(5, 5, 0, 10),
    arrow=_fixed("int32"),
    values=("INT16", "UINT8"),
    sql="SMALLINT",
    cast="INT",
    form=Form.INT,
    duck={"smallint": "INTEGER"},
)
TINYINT = EngineType(
    names=("TINYINT", "BYTE"),
    vector=VectorType.INTEGER,
    xdbc=Xdbc(-6, 3, 0, 10),
    arrow=_fixed("int32"),
    values=("INT8",),
    sql="TINYINT",
    cast="INT",
    form=Form.INT,
    duck={"tinyint": "INTEGER"},
)
LONG = EngineType(
    names=("BIGINT", "LONG"),
    vector=VectorType.LONG,
    xdbc=Xdbc(-5, 19, 0, 10),
    arrow=_fixed("int64"),
    values=("INT64", "UINT32"),
    sql="BIGINT",
    cast="BIGINT",
    form=Form.BIGINT,
    duck={"bigint": None, "uinteger": "BIGINT"},
)
FLOAT = EngineType(
    names=("FLOAT", "REAL"),
    vector=VectorType.FLOAT,
    xdbc=Xdbc(7, 24, None, 2),
    arrow=_fixed("float32"),
    values=("HALF_FLOAT", "FLOAT"),
    sql="FLOAT",
    cast="FLOAT",
    form=Form.FLOAT,
    duck={"float": None},
)
DOUBLE = EngineType(
    names=("DOUBLE",),
    vector=VectorType.DOUBLE,
    xdbc=Xdbc(8, 53, None, 2),
    arrow=_fixed("float64"),
    values=("DOUBLE",),
    sql="DOUBLE",
    cast="DOUBLE",
    form=Form.DOUBLE,
    duck={"double": None},
)
# Precision and scale stand behind its names: those of the Arrow type, of the value, or of DuckDB's type.
DECIMAL = EngineType(
    names=("DECIMAL", "DECIMAL128", "NUMERIC"),
    vector=VectorType.DECIMAL128,
    xdbc=Xdbc(3, DECIMAL_PRECISION, 0, 10),
    arrow=_decimal,
    values=("DECIMAL32", "DECIMAL64", "DECIMAL128", "DECIMAL256", "UINT64"),
    sql="DECIMAL",
    cast="DECIMAL",
    form=Form.DECIMAL,
    duck={
        "decimal": None,
        "ubigint": "DECIMAL(20,0)",
        "hugeint": "DECIMAL(38,0)",
        "uhugeint": "DECIMAL(38,0)",
    },
)
STRING = EngineType(
    names=("VARCHAR", "STRING", "TEXT", "JSON"),
    vector=VectorType.STRING,
    xdbc=Xdbc(12),
    arrow=_text,
    values=("STRING", "LARGE_STRING", "STRING_VIEW"),
    sql="VARCHAR",
    cast="VARCHAR",
    form=Form.TEXT,
    # DuckDB's JSON is a varchar too, which Arrow would mark as an extension.
    duck=dict.fromkeys(
        (
            *("varchar", "enum", "uuid", "bit", "bignum", "varint"),
            *("time", "time_ns", "time with time zone"),
        ),
        "VARCHAR",
    ),
)
CHAR = EngineType(
    names=("CHAR",), vector=VectorType.STRING, xdbc=Xdbc(1), arrow=_text, form=Form.TEXT
)
BINARY = EngineType(
    names=("BINARY", "VARBINARY"),
    vector=VectorType.BINARY,
    xdbc=Xdbc(-3),
    arrow=_fixed("binary"),
    values=("BINARY", "LARGE_BINARY", "BINARY_VIEW", "FIXED_SIZE_BINARY"),
    sql="VARBINARY",
    cast="VARBINARY",
    form=Form.BYTES,
    duck={"blob": None},
)
DATE = EngineType(
    names=("DATE",),
    vector=VectorType.DATE,
    xdbc=Xdbc(91, 10, datetime_sub=1),
    arrow=_fixed("date32"),
    values=("DATE32", "DATE64"),
    sql="DATE",
    cast="DATE",
    form=Form.DATE,
    duck={"date": None},
)
DATETIME = EngineType(
    names=("TIMESTAMP", "DATETIME"),
    vector=VectorType.DATETIME,
    vectors=(VectorType.TIMESTAMP,),
    xdbc=Xdbc(93, 26, 6, datetime_sub=3),
    arrow=_timestamp,
    values=("TIMESTAMP",),
    sql="TIMESTAMP",
    cast="TIMESTAMP",
    form=Form.MOMENT,
    duck={
        "timestamp": None,
        "timestamp_s": "TIMESTAMP",
        "timestamp_ms": "TIMESTAMP",
        "timestamp_ns": "TIMESTAMP",
    },
)
TIMESTAMP_TZ = EngineType(
    names=("TIMESTAMP_TZ",),
    vector=VectorType.TIMESTAMP_TZ,
    xdbc=Xdbc(2014, 32, 6),
    arrow=_timestamp_tz,
    values=("TIMESTAMP",),
    sql="TIMESTAMP_TZ",
    cast="TIMESTAMP_TZ",
    form=Form.INSTANT,
    duck={
        "timestamp with time zone": None,
        "timestamptz_ns": "TIMESTAMPTZ",
        "timestamp_tz_ns": "TIMESTAMPTZ",
    },
)
INTERVAL = EngineType(
    names=("INTERVAL_DAY_SECOND",),
    vector=VectorType.INTERVAL_DAY_SECOND,
    xdbc=Xdbc(110),
    arrow=_span,
    values=("DURATION",),
    sql="INTERVAL DAY TO SECOND",
    form=Form.SPAN,
    duck={"interval": None},
)
# A column of lists is named by its elements; results carry nested values as the engine's text.
ARRAY = EngineType(
    names=("ARRAY",),
    vector=VectorType.ARRAY,
    xdbc=Xdbc(2003),
    arrow=_text,
    values=("LIST", "LARGE_LIST", "FIXED_SIZE_LIST", "LIST_VIEW", "LARGE_LIST_VIEW"),
    sql="ARRAY",
    form=Form.LIST,
    duck={"list": "VARCHAR", "array": "VARCHAR"},
)
MAP = EngineType(
    names=("MAP",),
    vector=VectorType.MAP,
    xdbc=Xdbc(2000),
    arrow=_text,
    duck={"map": "VARCHAR"},
)
STRUCT = EngineType(
    names=("STRUCT", "UNIONTYPE"),
    vector=VectorType.STRUCT,
    xdbc=Xdbc(2002),
    arrow=_text,
    duck={"struct": "VARCHAR", "union": "VARCHAR"},
)
# A column of nothing but nulls is made as text.
NULL = EngineType(
    names=("NULL",),
    vector=VectorType.NULL,
    xdbc=Xdbc(0),
    arrow=_fixed("null"),
    values=("NA",),
    sql="VARCHAR",
    duck={"null": None, '"null"': None},
)

#: All of them; where several have one vector, the first is what a column is whose type name says nothing.
TABLE: Final = (
    *(BOOLEAN, INTEGER, SMALLINT, TINYINT, LONG, FLOAT, DOUBLE, DECIMAL, STRING, CHAR, BINARY),
    *(DATE, DATETIME, TIMESTAMP_TZ, INTERVAL, ARRAY, MAP, STRUCT, NULL),
)

#: By the names that result metadata and column listings use, upper case, without parameters.
NAMES: Final[Mapping[str, EngineType]] = {name: row for row in TABLE for name in row.names}
#: By the vector's own number, for a column whose type name says nothing.
VECTORS: Final[Mapping[VectorType, EngineType]] = {
    vector: row for row in reversed(TABLE) for vector in (row.vector, *row.vectors)
}
#: By DuckDB's base names, lower case.
DUCK: Final[Mapping[str, EngineType]] = {name: row for row in TABLE for name in row.duck}

_NUMBERS: Final = re.compile(r"\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")


@functools.lru_cache(maxsize=1024)
def find(type_name: str) -> EngineType | None:
    """Returns the engine type that *type_name* means in a table listing, or None; case and parameters do not matter."""
    return NAMES.get(re.split(r"[(<]", type_name, maxsplit=1)[0].strip().upper())


def numbers(type_name: str) -> tuple[int, int | None] | None:
    """Returns what stands in the brackets of *type_name*, a length or a precision with its scale; None for nothing."""
    found = _NUMBERS.search(type_name)
    if found is None:
        return None
    return int(found[1]), None if found[2] is None else int(found[2])


def column_definition(kind: Any) -> str | None:  # Any: only some types have scales, zones, elements
    """Returns the SQL type of a column that holds values of the Arrow type *kind*; None where there is none.

    Unsigned integers take the next wider type, text and bytes lose their layout, a column of nulls is text.
    """
    inner = storage(kind)
    if inner is not None:
        return column_definition(inner)
    row = of_values(kind)
    if row is DECIMAL:
        return _decimal_definition(kind)
    if row is ARRAY:
        element = column_definition(kind.value_type)
        return None if element is None else f"{element} {row.sql}"
    return None if row is None else row.sql


def _decimal_definition(kind: Any) -> str | None:
    import pyarrow as pa

    if not pa.types.is_decimal(kind):
        return f"{DECIMAL.sql}({UINT64_DIGITS}, 0)"
    digits = max(kind.precision, kind.precision - kind.scale, kind.scale)
    scale = max(kind.scale, 0)
    if scale > DECIMAL_PRECISION:
        return None
    return f"{DECIMAL.sql}({min(digits, DECIMAL_PRECISION)}, {scale})"


def of_values(kind: Any) -> EngineType | None:
    """Returns the engine type that values of the Arrow type *kind* have; None where there is none.

    None, too, for the encodings and extension types that `storage` looks into.
    """
    return _by_values().get((kind.id, getattr(kind, "tz", None) is not None))


@functools.cache
def _by_values() -> Mapping[tuple[int, bool], EngineType]:
    """Returns the rows by the number of an Arrow type, and whether its values are instants with a zone."""
    return {
        (number, row.form is Form.INSTANT): row
        for row in TABLE
        for name in row.values
        if (number := _type_id(name)) is not None
    }


def _type_id(name: str) -> int | None:
    """Returns the number of Arrow's type *name*; None in a pyarrow that does not have it yet."""
    import pyarrow as pa

    return getattr(pa.lib, f"Type_{name}", None)


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
    return of_values(kind) is ARRAY
