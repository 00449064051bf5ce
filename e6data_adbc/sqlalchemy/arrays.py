"""Arrays both ways: lists are bound as arrays, and the engine's text becomes lists where it has one meaning."""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlalchemy import types as sqltypes
from sqlalchemy.exc import CompileError

from e6data_adbc import errors
from e6data_adbc.errors import Status

__all__ = ["Array", "is_read"]

_Processor = Callable[[Any], Any] | None

_WHOLE: Final = re.compile(r"[+-]?\d+")
_WORDS: Final = {"true": True, "false": False}
_NULL: Final = "null"


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(text)
    return int(text)


#: How an element is read whose text has no comma, bracket or quote in it, by its type; the first that fits.
_READ: Final[tuple[tuple[type[Any], Callable[[str], Any]], ...]] = (
    (sqltypes.Boolean, lambda text: _WORDS[text.lower()]),
    (sqltypes.Integer, _whole),
    (sqltypes.Float, float),
    (sqltypes.Numeric, decimal.Decimal),
    (sqltypes.DateTime, datetime.datetime.fromisoformat),
    (sqltypes.Date, datetime.date.fromisoformat),
)


def is_read(item: Any) -> bool:
    """Tells whether arrays of a type are read as lists."""
    return _reader(item) is not None


def _reader(item: Any) -> Callable[[str], Any] | None:
    return next((read for kind, read in _READ if isinstance(item, kind)), None)


class Array(sqltypes.ARRAY):  # type: ignore[type-arg]
    """An array of one type, which counts from one."""

    def bind_processor(self, dialect: Any) -> _Processor:
        """Has each element bound as its type says."""
        process = self.item_type.dialect_impl(dialect).bind_processor(dialect)
        if process is None:
            return None
        return lambda value: _mapped(value, process)

    def literal_processor(self, dialect: Any) -> _Processor:
        """Writes the elements."""
        process = self.item_type.dialect_impl(dialect).literal_processor(dialect)

        def written(value: Any) -> str:
            if value is None:
                return "NULL"
            if isinstance(value, (list, tuple)):
                if not value:
                    raise CompileError("an empty array has no SQL form on e6data")
                return f"ARRAY[{', '.join(map(written, value))}]"
            if process is None:
                raise CompileError(f"an array of {self.item_type!r} has no SQL form on e6data")
            return str(process(value))

        return written

    def result_processor(self, dialect: Any, coltype: Any) -> _Processor:
        """Gives lists; of a type that is not said the engine's text.

        Elements whose text may have commas in it cannot be told apart: NotSupportedError, for each value.
        """
        del coltype
        if isinstance(self.item_type, sqltypes.NullType):
            return None
        read = _reader(self.item_type)
        process = self.item_type.dialect_impl(dialect).result_processor(dialect, None)
        kind = list if not self.as_tuple else tuple

        def element(text: str) -> Any:
            if text.lower() == _NULL:
                return None
            if text[:1] == text[-1:] == "'" and len(text) > 1:
                text = text[1:-1]
            value = read(text)  # type: ignore[misc] # checked below
            return value if process is None else process(value)

        def built(value: Any) -> Any:
            if isinstance(value, list):
                return kind(built(each) for each in value)
            return element(value) if isinstance(value, str) else value

        def given(value: Any) -> Any:
            if value is None or not isinstance(value, str):
                return value  # `nested=arrow` has made lists
            if read is None:
                raise errors.make(
                    Status.NOT_IMPLEMENTED,
                    f"could not read an array of {self.item_type!r}: the server sends the text of the whole array, in"
                    " which an element with a comma in it looks like two",
                    hint="select sqlalchemy.type_coerce(column, String) for that text, or the elements by UNNEST",
                )
            try:
                return built(_parsed(value))
            except (ValueError, KeyError, ArithmeticError) as cause:
                raise errors.make(
                    Status.INVALID_DATA,
                    f"could not read {value[:80]!r} as an array of {self.item_type!r}",
                    hint="declare the type that its elements have",
                ) from cause

        return given


def _mapped(value: Any, process: Callable[[Any], Any]) -> Any:
    if isinstance(value, (list, tuple)):
        return [_mapped(each, process) for each in value]
    return process(value)


def _parsed(text: str) -> list[Any]:
    """Returns the texts of an array's elements; of those of an array within it, a list."""
    pieces = iter(re.findall(r"[\[\],]|[^\[\],]+", text.strip()))
    if next(pieces, None) != "[":
        raise ValueError(text)
    found = _elements(pieces)
    if next(pieces, None) is not None:
        raise ValueError(text)
    return found


def _elements(pieces: Iterator[str]) -> list[Any]:
    found: list[Any] = []
    element: Any = None
    for piece in pieces:
        if piece == "[":
            if element is not None:
                raise ValueError(piece)
            element = _elements(pieces)
        elif piece in {",", "]"}:
            if element is not None:
                found.append(element)
            elif piece == "," or found:
                raise ValueError(piece)
            if piece == "]":
                return found
            element = None
        elif piece.strip():
            if element is not None:
                raise ValueError(piece)
            element = piece.strip()
    raise ValueError("it has no end")
