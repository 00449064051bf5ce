"""Types both ways: what a column of the engine is in SQLAlchemy, and how values of Python are bound to a column."""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import types as sqltypes
from sqlalchemy.exc import CompileError
from sqlalchemy.sql.sqltypes import _AbstractInterval
from sqlalchemy.sql.type_api import NativeForEmulated, TypeEngine

from e6data_adbc import types as engine_types
from e6data_adbc.sqlalchemy.arrays import Array, is_read

__all__ = ["COLSPECS", "INTERVAL", "MAP", "STRUCT", "TIMESTAMP_TZ", "from_engine"]

_Processor = Callable[[Any], Any] | None


class _Text(sqltypes.UserDefinedType):  # type: ignore[type-arg]
    """A nested type, whose values come as the engine's text."""

    cache_ok = True
    name: str

    def get_col_spec(self, **_: Any) -> str:
        """Returns the type's name."""
        return self.name


class MAP(_Text):
    """A map; its values are the engine's text."""

    name = "MAP"


class STRUCT(_Text):
    """A struct; its values are the engine's text."""

    name = "STRUCT"


class TIMESTAMP_TZ(sqltypes.TIMESTAMP):  # noqa: N801 - the engine's name
    """An instant, in UTC."""

    def __init__(self, timezone: bool = True) -> None:  # noqa: FBT001, FBT002 - SQLAlchemy's signature
        """As SQLAlchemy's, with a zone."""
        super().__init__(timezone=timezone)


class _Numeric(sqltypes.Numeric):  # type: ignore[type-arg]
    def bind_processor(self, dialect: Any) -> _Processor:
        """Has floats bound as decimals, so that the rows of one column have one type."""
        del dialect
        return _to_decimal

    def result_processor(self, dialect: Any, coltype: Any) -> _Processor:
        """Gives a decimal or a float, as the column says."""
        if not self.asdecimal:
            return _to_float
        del dialect, coltype
        places = self._effective_decimal_return_scale

        def process(value: Any) -> Any:
            # What the engine computed as DOUBLE.
            return (
                decimal.Decimal(f"{value:.{places}f}")
                if isinstance(value, float)
                else _to_decimal(value)
            )

        return process


class _Float(sqltypes.Float):  # type: ignore[type-arg]
    def bind_processor(self, dialect: Any) -> _Processor:
        """Has decimals bound as doubles."""
        del dialect
        return _to_float

    def result_processor(self, dialect: Any, coltype: Any) -> _Processor:
        """Gives a float, or a decimal where the column says so."""
        del dialect, coltype
        if not self.asdecimal:
            return _to_float
        places = self._effective_decimal_return_scale
        return lambda value: None if value is None else decimal.Decimal(f"{value:.{places}f}")


def _to_decimal(value: Any) -> Any:
    if isinstance(value, float):
        return decimal.Decimal(repr(value)) if value - value == 0 else value
    if isinstance(value, int) and not isinstance(value, bool):
        return decimal.Decimal(value)
    return value


def _to_float(value: Any) -> Any:
    return float(value) if isinstance(value, decimal.Decimal | int) else value


class _Date(sqltypes.Date):
    def literal_processor(self, dialect: Any) -> _Processor:
        """Writes a day."""
        del dialect
        return lambda value: f"CAST('{value.isoformat()}' AS DATE)"


class _DateTime(sqltypes.DateTime):
    def bind_processor(self, dialect: Any) -> _Processor:
        """Has a zone dropped or added nowhere: the driver binds either kind."""
        del dialect
        return None

    def literal_processor(self, dialect: Any) -> _Processor:
        """Writes a moment, or an instant in UTC."""
        del dialect

        def process(value: datetime.datetime) -> str:
            if value.tzinfo is None:
                return f"CAST('{value.isoformat(sep=' ')}' AS TIMESTAMP)"
            instant = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
            return f"CAST('{instant.isoformat(sep=' ')}+00:00' AS TIMESTAMP_TZ)"

        return process


class INTERVAL(NativeForEmulated, _AbstractInterval):
    """A span of time, the engine's own: days, seconds and microseconds."""

    __visit_name__ = "INTERVAL"
    native = True

    @classmethod
    def adapt_emulated_to_native(cls, interval: Any, **kw: Any) -> INTERVAL:  # type: ignore[override]
        """Takes the place of SQLAlchemy's generic type."""
        del interval, kw
        return cls()

    @property
    def _type_affinity(self) -> Any:
        return sqltypes.Interval

    def as_generic(self, allow_nulltype: bool = False) -> Any:  # noqa: FBT001, FBT002 - SQLAlchemy's signature
        """Returns the generic type."""
        del allow_nulltype
        return sqltypes.Interval(native=True)

    @property
    def python_type(self) -> type[Any]:
        """The class of its values."""
        return datetime.timedelta

    def literal_processor(self, dialect: Any) -> _Processor:
        """Writes days, seconds and microseconds."""
        del dialect
        return lambda value: (
            f"(INTERVAL '{value.days}' DAY + INTERVAL '{value.seconds}' SECOND"
            f" + INTERVAL '{value.microseconds}' MICROSECOND)"
        )


class _LargeBinary(sqltypes.LargeBinary):
    def bind_processor(self, dialect: Any) -> _Processor:
        """Binds as it is."""
        del dialect
        return None

    def result_processor(self, dialect: Any, coltype: Any) -> _Processor:
        """Gives what the driver gives."""
        del dialect, coltype
        return None

    def literal_processor(self, dialect: Any) -> _Processor:
        """Writes the bytes in hexadecimal."""
        del dialect
        return lambda value: f"X'{bytes(value).hex()}'"


class _String(sqltypes.String):
    def literal_processor(self, dialect: Any) -> _Processor:
        """Writes a text that is the same whether or not the engine reads a backslash as an escape."""
        del dialect

        def process(value: str) -> str:
            parts = ["'" + part.replace("'", "''") + "'" for part in value.split("\\")]
            return parts[0] if len(parts) == 1 else "(" + " || CHR(92) || ".join(parts) + ")"

        return process


#: A member of a JSON object that a path names without quotes.
_MEMBER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _step(key: Any) -> str:
    """Returns one step of a path within a JSON value, as it stands in SQL's quotes."""
    if isinstance(key, int):
        if key < 0:
            raise CompileError("elements of a JSON array are counted from its start on e6data")
        return f"[{key}]"
    name = str(key)
    if _MEMBER.fullmatch(name):
        return f".{name}"
    if not name or re.search(r'["\\\x00-\x1f]', name):
        raise CompileError(f"e6data's JSON paths have no form for the key {name!r}")
    return '."' + name.replace("'", "''") + '"'


class _JSONIndex(sqltypes.JSON.JSONIndexType):
    def literal_processor(self, dialect: Any) -> Callable[[Any], str]:
        """Writes a step of a path, without the quotes around all of them."""
        del dialect
        return _step


class _JSONPath(sqltypes.JSON.JSONPathType):
    def literal_processor(self, dialect: Any) -> Callable[[Any], str]:
        """Writes the steps of a path, without the quotes around all of them."""
        del dialect
        return lambda keys: "".join(map(_step, keys))


#: SQLAlchemy's generic types as this dialect binds and reads them.
COLSPECS: Final[dict[type[Any], type[Any]]] = {
    sqltypes.Float: _Float,
    sqltypes.Numeric: _Numeric,
    sqltypes.Date: _Date,
    sqltypes.DateTime: _DateTime,
    sqltypes.Interval: INTERVAL,
    # No String of this dialect's: it has values of its own.
    sqltypes.Enum: sqltypes.Enum,
    sqltypes.LargeBinary: _LargeBinary,
    sqltypes.String: _String,
    sqltypes.ARRAY: Array,
    sqltypes.JSON.JSONIndexType: _JSONIndex,
    sqltypes.JSON.JSONPathType: _JSONPath,
}

_DOUBLE: Final[Any] = getattr(sqltypes, "DOUBLE", None) or (lambda: sqltypes.Float(53))
#: By engine type of the driver's one table; the names that one of them has are told apart below.
_TYPES: Final[dict[engine_types.EngineType, Callable[[], TypeEngine[Any]]]] = {
    engine_types.BOOLEAN: sqltypes.BOOLEAN,
    engine_types.INTEGER: sqltypes.INTEGER,
    engine_types.SMALLINT: sqltypes.SMALLINT,
    engine_types.TINYINT: sqltypes.SMALLINT,
    engine_types.LONG: sqltypes.BIGINT,
    engine_types.FLOAT: sqltypes.FLOAT,
    engine_types.DOUBLE: _DOUBLE,
    engine_types.BINARY: sqltypes.VARBINARY,
    engine_types.DATE: sqltypes.DATE,
    engine_types.DATETIME: sqltypes.TIMESTAMP,
    engine_types.TIMESTAMP_TZ: TIMESTAMP_TZ,
    engine_types.INTERVAL: INTERVAL,
    engine_types.ARRAY: lambda: sqltypes.ARRAY(sqltypes.NullType),
    engine_types.MAP: MAP,
    engine_types.STRUCT: STRUCT,
    engine_types.NULL: sqltypes.NullType,
}


def from_engine(name: str, length: int | None = None) -> TypeEngine[Any]:
    """Returns the type of a column.

    Args:
        name: The engine's name for it, `decimal(10,2)` for instance.
        length: The characters that a text may have, where they are known.
    """
    found = engine_types.find(name)
    if found is None:
        return sqltypes.NullType()
    if found is engine_types.ARRAY and "<" in name:
        # Of which not can be told where an element ends, the text is handed on.
        item = from_engine(name.partition("<")[2].rpartition(">")[0])
        inner = item.item_type if isinstance(item, sqltypes.ARRAY) else item
        return sqltypes.ARRAY(inner if is_read(inner) else sqltypes.NullType())
    first, second = engine_types.numbers(name) or (None, None)
    if found is engine_types.DECIMAL:
        return sqltypes.DECIMAL(first, None if first is None else second or 0)
    if found.form is engine_types.Form.TEXT:
        size = length if first is None else first
        return (sqltypes.CHAR if found is engine_types.CHAR else sqltypes.VARCHAR)(size)
    return _TYPES.get(found, sqltypes.NullType)()
