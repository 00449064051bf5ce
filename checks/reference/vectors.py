"""The numbers of the vector types, and the form in which each carries its values."""

import enum


class VectorType(enum.IntEnum):
    """What a vector says it holds; INT96 is named but never decoded."""

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


class Form(enum.Enum):
    """A way to carry values, which several vector types may share."""

    BOOLEAN = enum.auto()
    INT32 = enum.auto()
    INT64 = enum.auto()
    FLOAT32 = enum.auto()
    FLOAT64 = enum.auto()
    TEXT = enum.auto()
    BYTES = enum.auto()
    DATE = enum.auto()
    MOMENT = enum.auto()
    INSTANT = enum.auto()
    DECIMAL = enum.auto()
    SPAN = enum.auto()


#: vector type → the form of its values; NULL has none.
FORMS: dict[int, Form] = {
    VectorType.BOOLEAN: Form.BOOLEAN,
    VectorType.INTEGER: Form.INT32,
    VectorType.LONG: Form.INT64,
    VectorType.DOUBLE: Form.FLOAT64,
    VectorType.FLOAT: Form.FLOAT32,
    VectorType.STRING: Form.TEXT,
    VectorType.ARRAY: Form.TEXT,
    VectorType.MAP: Form.TEXT,
    VectorType.STRUCT: Form.TEXT,
    VectorType.BINARY: Form.BYTES,
    VectorType.DATE: Form.DATE,
    VectorType.DATETIME: Form.MOMENT,
    VectorType.TIMESTAMP: Form.MOMENT,
    VectorType.TIMESTAMP_TZ: Form.INSTANT,
    VectorType.DECIMAL128: Form.DECIMAL,
    VectorType.INTERVAL_DAY_SECOND: Form.SPAN,
}
