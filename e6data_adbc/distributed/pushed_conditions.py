"""Conditions of other engines as SQL, where both surely mean the same.

Numbers with a floating point are left out, as NaN has another place in every engine, and so is the order of texts.
Whether texts are equal is asked only for engines that look again: a server's collation may take more for equal.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterable
from typing import Any, Final

import pyarrow as pa

from e6data_adbc._sql.literals import to_literal
from e6data_adbc._sql.names import quoted_name

__all__ = ["COMPARISONS", "Conditions", "NotPushedError", "joined"]

#: In SQL, by the names that engines give them.
COMPARISONS: Final = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
#: Which Python values are compared with which columns, and how.
_KINDS: Final[tuple[tuple[Any, tuple[type, ...], frozenset[str]], ...]] = (
    (pa.types.is_boolean, (bool,), frozenset({"eq", "ne"})),
    (pa.types.is_signed_integer, (int,), frozenset(COMPARISONS)),
    (pa.types.is_decimal128, (int, decimal.Decimal), frozenset(COMPARISONS)),
    (pa.types.is_date32, (datetime.date,), frozenset(COMPARISONS)),
    (pa.types.is_timestamp, (datetime.datetime,), frozenset(COMPARISONS)),
    (pa.types.is_string, (str,), frozenset({"eq"})),
)


class NotPushedError(Exception):
    """A condition stays with the engine that has it."""


class Conditions:
    """Writes conditions over the columns of one schema. What it cannot write raises NotPushedError."""

    def __init__(self, schema: pa.Schema, *, looks_again: bool) -> None:
        """Takes the columns, and whether the engine applies its conditions to the rows that come, too."""
        self._schema = schema
        self._looks_again = looks_again

    def compared(self, column: str, how: str, value: Any) -> str:
        """Returns a comparison; *how* is one of `COMPARISONS`."""
        literal = self._literal(column, value, how)
        return f"{self._name(column)} {COMPARISONS[how]} {literal}"

    def among(self, column: str, values: Iterable[Any]) -> str:
        """Returns whether the value is one of *values*."""
        literals = [self._literal(column, value, "eq") for value in values]
        if not literals:
            raise NotPushedError("the list has no values")
        return f"{self._name(column)} IN ({', '.join(literals)})"

    def null(self, column: str, *, is_null: bool) -> str:
        """Returns whether the value is NULL, or is not."""
        return f"{self._name(column)} IS {'' if is_null else 'NOT '}NULL"

    def _name(self, column: str) -> str:
        if self._schema.names.count(column) != 1:
            raise NotPushedError(f"{column!r} is none of the columns")
        return quoted_name(column, "column")

    def _literal(self, column: str, value: Any, how: str) -> str:
        self._name(column)
        kind: Any = self._schema.field(column).type
        is_known = any(
            accepts(kind) and type(value) in types and how in ways
            for accepts, types, ways in _KINDS
        )
        if not is_known or (pa.types.is_string(kind) and not self._looks_again):
            raise NotPushedError(f"a {type(value).__name__} is not compared with {kind}")
        if pa.types.is_timestamp(kind) and (value.tzinfo is None) != (kind.tz is None):
            raise NotPushedError("only one of both has a time zone")
        try:
            return to_literal(pa.scalar(value, kind))
        except pa.ArrowException as cause:
            raise NotPushedError(f"{kind} has no such value") from cause


def joined(word: str, *parts: str) -> str:
    """Returns conditions with `AND` or `OR` between them."""
    return f"({f' {word} '.join(parts)})"
