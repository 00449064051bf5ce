"""Arrow types of the types that the engine tells in full: `array<bigint>`, `decimal(10,2)`."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final

from e6data_adbc.types import (
    ARRAY,
    BOOLEAN,
    DATE,
    DATETIME,
    DECIMAL,
    DECIMAL_PRECISION,
    DOUBLE,
    FLOAT,
    INTEGER,
    INTERVAL,
    LONG,
    MAP,
    SMALLINT,
    STRUCT,
    TIMESTAMP_TZ,
    TINYINT,
    DecimalPrecision,
    EngineType,
    Interval,
    Layout,
    Nested,
    find,
    numbers,
)

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["arrow_type"]

#: Types inside of nested ones whose text holds no delimiter. That of strings and bytes may hold any, and how they are
#: escaped is not known.
_PLAIN: Final = (BOOLEAN, INTEGER, SMALLINT, TINYINT, LONG, FLOAT, DOUBLE, DATE, DATETIME)
_PARTS: Final = re.compile(r"[<>(),]|[^<>(),]+")
#: Types inside of each other; a name of more is no type that anybody made.
_MOST_DEPTH: Final = 32


def arrow_type(engine: EngineType, type_name: str, layout: Layout, scale: int) -> pa.DataType:
    """Returns the Arrow type of a column.

    Args:
        engine: The column's type.
        type_name: What the server told of it.
        layout: The user's choices.
        scale: Digits after the point, of a decimal.
    """
    if engine is DECIMAL and layout.decimal_precision is DecimalPrecision.DECLARED:
        return _declared(type_name, layout, scale)
    if engine in (ARRAY, MAP, STRUCT) and layout.nested is Nested.ARROW:
        told = _nested(type_name, layout.decimal_precision)
        if told is not None:
            found: pa.DataType = told
            return found
    if engine is INTERVAL and find(type_name) is not INTERVAL:
        # Only the vectors say that these are spans, and who reads them goes by the name.
        return engine.arrow(Layout(interval=Interval.DURATION), scale)
    return engine.arrow(layout, scale)


def _declared(type_name: str, layout: Layout, scale: int) -> pa.DataType:
    """Returns the decimal of as many digits as *type_name* says; of all where it says none, or too few for *scale*."""
    import pyarrow as pa

    given = numbers(type_name)
    if given is None or not max(scale, 1) <= given[0] <= DECIMAL_PRECISION:
        return DECIMAL.arrow(layout, scale)
    return pa.decimal128(given[0], scale)


@functools.lru_cache(maxsize=1024)
def _nested(type_name: str, precision: DecimalPrecision) -> Any:
    """Returns the nested type that *type_name* tells; None where it tells no inner types, or one whose text is open."""
    parts = _PARTS.findall(type_name)
    found = _Told(parts, precision)
    kind = found.read(0)
    return kind if found.is_done else None


class _Told:
    """A type name that is read from left to right."""

    def __init__(self, parts: list[str], precision: DecimalPrecision) -> None:
        self._parts = [part for part in (part.strip() for part in parts) if part]
        self._precision = precision
        self._at = 0

    @property
    def is_done(self) -> bool:
        """Whether all of the name was read."""
        return self._at == len(self._parts)

    def read(self, depth: int) -> Any:
        """Returns the Arrow type at this place; None where there is none."""
        name = self._next()
        return None if name is None else self._of(name, depth)

    def _of(self, name: str, depth: int) -> Any:
        import pyarrow as pa

        engine = find(name)
        if engine is None or depth > _MOST_DEPTH:
            return None
        if engine in (ARRAY, MAP):
            inner = self._inner(depth)
            if inner is None or len(inner) != (1 if engine is ARRAY else 2):
                return None
            if engine is ARRAY:
                return pa.list_(inner[0])
            return None if pa.types.is_nested(inner[0]) else pa.map_(*inner)
        if engine is STRUCT and name.upper() == STRUCT.names[0]:
            return self._fields(depth)
        given = self._numbers()
        if engine is DECIMAL:
            if given is None or given[1] is None:
                return None
            return self._decimal(given[0], given[1])
        if engine in _PLAIN and given is None:
            return engine.arrow(Layout(), 0)
        # With its zone's offset an instant is exact text; the precision of a timestamp says nothing here.
        return engine.arrow(Layout(), 0) if engine in (DATETIME, TIMESTAMP_TZ) else None

    def _decimal(self, digits: int, scale: int) -> Any:
        import pyarrow as pa

        if not 0 <= scale <= digits <= DECIMAL_PRECISION:
            return None
        is_declared = self._precision is DecimalPrecision.DECLARED
        return pa.decimal128(digits if is_declared else DECIMAL_PRECISION, scale)

    def _inner(self, depth: int) -> list[Any] | None:
        """Returns the types between angle brackets."""
        if not self._take("<"):
            return None
        found = []
        while True:
            kind = self.read(depth + 1)
            if kind is None:
                return None
            found.append(kind)
            if self._take(">"):
                return found
            if not self._take(","):
                return None

    def _fields(self, depth: int) -> Any:
        """Returns the struct whose fields are between angle brackets, `name:type` or `name type`."""
        import pyarrow as pa

        if not self._take("<"):
            return None
        fields = []
        while True:
            named = self._next()
            if named is None:
                return None
            name, separator, rest = named.partition(":" if ":" in named else " ")
            kind = self._of(rest.strip(), depth + 1) if separator else None
            if kind is None:
                return None
            fields.append(pa.field(name.strip().strip('"`'), kind))
            if self._take(">"):
                names = {field.name.lower() for field in fields}
                return pa.struct(fields) if len(names) == len(fields) else None
            if not self._take(","):
                return None

    def _numbers(self) -> tuple[int, int | None] | None:
        """Returns what stands between round brackets."""
        if not self._take("("):
            return None
        text = []
        while (part := self._next()) not in (None, ")"):
            text.append(str(part))
        return numbers(f"({''.join(text)})")

    def _take(self, sign: str) -> bool:
        if self._at < len(self._parts) and self._parts[self._at] == sign:
            self._at += 1
            return True
        return False

    def _next(self) -> str | None:
        if self._at == len(self._parts):
            return None
        self._at += 1
        return self._parts[self._at - 1]
