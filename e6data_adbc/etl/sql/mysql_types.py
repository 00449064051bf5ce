"""What MariaDB and MySQL store a column as, and which columns that are there take one without a loss."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Final

import pyarrow as pa

from e6data_adbc import types
from e6data_adbc.etl.columns import (
    INFINITE,
    NEGATIVE_ZERO,
    NOT_A_NUMBER,
    Check,
    Column,
    between,
    is_bytes,
    is_text,
    longest,
)
from e6data_adbc.etl.plain_types import NO_DAYS_BEYOND, NO_TIMES_BEYOND
from e6data_adbc.etl.sql.type_names import read_decimal, read_length

__all__ = ["KEY_LENGTH", "collation", "fitted", "plain_name", "read_type", "stored"]

#: Characters of a text that is a key, for which there is an index.
KEY_LENGTH: Final = 255
#: What TIMESTAMP has, in microseconds since 1970: from its first second to January 2038.
_INSTANTS: Final = between(1_000_000, (2**31 - 1) * 1_000_000 + 999_999, "time")

#: What a column of each type takes; a medium integer is narrower than what Arrow has.
_TYPES: Final[dict[str, pa.DataType]] = {
    "tinyint(1)": pa.int8(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "mediumint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "tinyint unsigned": pa.uint8(),
    "smallint unsigned": pa.uint16(),
    "mediumint unsigned": pa.uint16(),
    "int unsigned": pa.uint32(),
    "bigint unsigned": pa.uint64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "time(6)": pa.time64("us"),
    "longblob": pa.binary(),
}
_INTEGERS: Final = {
    str(kind): name
    for name, kind in reversed(_TYPES.items())
    if "medium" not in name and "(" not in name
}


_WIDTH: Final = re.compile(r"^((?:tiny|small|medium|big)?int)\(\d+\)")
_TEXTS: Final = frozenset({"tinytext", "text", "mediumtext", "longtext"})
_BLOBS: Final = frozenset({"tinyblob", "blob", "mediumblob", "longblob"})


def collation(*, is_mariadb: bool) -> str:
    """Returns the collation of texts that are equal if their bytes are."""
    return "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"


def plain_name(kind: str) -> str:
    """Returns the name of a column's type without the width at which it is shown."""
    return kind if kind == "tinyint(1)" else _WIDTH.sub(r"\1", kind)


def stored(field: pa.Field[Any], *, is_mariadb: bool) -> Column | str:
    """Returns how a column is stored, or why it cannot be."""
    kind: Any = types.storage(field.type) or field.type
    if pa.types.is_duration(kind):
        return Column(
            *(field.name, field.type, pa.int64(), "bigint"),
            convert=lambda array: array.cast(pa.duration("us")).cast(pa.int64()),
            loss="an interval becomes its number of microseconds",
        )
    found = _stored(kind, is_mariadb=is_mariadb)
    if found is None:
        return "MySQL has nothing that it could be"
    definition, inner, checks = found
    if not field.nullable and not definition.startswith("timestamp"):
        definition += " NOT NULL"
    return Column(field.name, field.type, inner, definition, checks)


def _stored(kind: Any, *, is_mariadb: bool) -> tuple[str, pa.DataType, tuple[Check, ...]] | None:
    test = pa.types
    if test.is_boolean(kind):
        return "tinyint(1)", kind, ()
    if test.is_integer(kind):
        return _INTEGERS[str(kind)], kind, ()
    if test.is_floating(kind):
        # What a FLOAT shows is rounded to six digits.
        return "double", pa.float64(), (NOT_A_NUMBER, INFINITE, NEGATIVE_ZERO)
    if test.is_decimal(kind):
        return _decimal(kind, most_scale=38 if is_mariadb else 30)
    if is_text(kind) or test.is_null(kind):
        return f"longtext collate {collation(is_mariadb=is_mariadb)}", pa.string(), ()
    if is_bytes(kind):
        return "longblob", pa.binary(), ()
    if test.is_date(kind):
        return "date", pa.date32(), (NO_DAYS_BEYOND,)
    if test.is_timestamp(kind):
        if kind.tz is None:
            return "datetime(6)", pa.timestamp("us"), (NO_TIMES_BEYOND,)
        # A column without a default of its own may get one that changes it with every other.
        return "timestamp(6) NULL DEFAULT NULL", pa.timestamp("us", "UTC"), (_INSTANTS,)
    return ("time(6)", pa.time64("us"), ()) if test.is_time(kind) else None


def _decimal(kind: Any, *, most_scale: int) -> tuple[str, pa.DataType, tuple[Check, ...]] | None:
    scale = max(kind.scale, 0)
    if scale > most_scale:
        return None
    digits = min(max(kind.precision - min(kind.scale, 0), scale), 65)
    wide = pa.decimal128 if digits <= 38 else pa.decimal256
    return f"decimal({digits},{scale})", wide(digits, scale), ()


def read_type(definition: str) -> pa.DataType | None:
    """Returns the Arrow type that a column takes; None where it is not known."""
    return _TYPES.get(definition) or read_decimal(definition, "decimal")


def fitted(column: Column, definition: str) -> Column | None:
    """Returns *column* as a text, a binary or a time that is there takes it; None where it is none of them, or cannot.

    Args:
        column: Of the result.
        definition: Of the column that is there.
    """
    kind, _, order = definition.partition(" collate ")
    inner: Any = column.stored
    if inner == pa.string() and order:
        length = read_length(kind, "varchar")
        if length is None and kind not in _TEXTS:
            return None
        checks = (*column.checks, longest(length)) if length is not None else column.checks
        return dataclasses.replace(column, definition=definition, checks=checks)
    if inner == pa.binary() and (kind in _BLOBS or read_length(kind, "varbinary")):
        return dataclasses.replace(column, definition=definition)
    if inner == pa.bool_() and kind in {"tinyint(1)", "tinyint"}:
        return column
    return _fitted_time(column, kind) if pa.types.is_timestamp(inner) else None


def _fitted_time(column: Column, kind: str) -> Column | None:
    inner: Any = column.stored
    name = "datetime" if inner.tz is None else "timestamp"
    found = re.fullmatch(rf"{name}(?:\((\d)\))?", kind)
    if found is None:
        return None
    # With fewer digits a server would round: whether there are any is a question of the values.
    digits = int(found[1] or 0)
    unit: Any = "us" if digits == 6 else "ms" if digits >= 3 else "s"
    return dataclasses.replace(
        column, stored=pa.timestamp(unit, inner.tz), definition=f"{kind} NULL DEFAULT NULL"
    )
