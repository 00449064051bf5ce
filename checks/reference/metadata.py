"""The bytes of a result's metadata: a row count and four texts per column."""

from __future__ import annotations

from dataclasses import dataclass

from checks.reference.chunk import MAX_COLUMNS
from checks.reference.errors import DecodeError
from checks.reference.thrift import Cursor


@dataclass(frozen=True)
class Column:
    """One column as the engine announces it."""

    name: str
    type_name: str
    zone: str = ""
    format: str = ""


@dataclass(frozen=True)
class ResultMetadata:
    """What getResultMetadata announces; *row_count* may be negative, which means unknown."""

    row_count: int
    columns: tuple[Column, ...]


def parse_metadata(data: bytes) -> ResultMetadata:
    """Read metadata bytes; what follows the last column is ignored."""
    cursor = Cursor(data)
    row_count = cursor.signed(8)
    at = cursor.at
    count = cursor.signed(4)
    if not 0 <= count * 8 <= len(data) - cursor.at:
        raise DecodeError("bad_length", at)
    if count > MAX_COLUMNS:
        raise DecodeError("limit_exceeded", at)
    columns = tuple(Column(*(_utf(cursor) for _ in range(4))) for _ in range(count))
    return ResultMetadata(row_count, columns)


def _utf(cursor: Cursor) -> str:
    size = cursor.unsigned(2)
    at = cursor.at
    data = cursor.take(size)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return modified_utf8(data)
    except ValueError:
        raise DecodeError("invalid_utf8", at) from None


def modified_utf8(data: bytes) -> str:
    """Decode what Java's writeUTF writes; ValueError for bytes that are text in no form.

    There NUL is C0 80 and a character beyond U+FFFF two surrogates of three bytes each. A lone
    surrogate is refused, as is any other overlong form.
    """
    units = data.replace(b"\xc0\x80", b"\x00").decode("utf-8", "surrogatepass")
    return units.encode("utf-16-be", "surrogatepass").decode("utf-16-be")
