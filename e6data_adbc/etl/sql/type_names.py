"""Names of SQL types, read and made."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

__all__ = ["integer_of", "read_decimal", "read_length"]


def integer_of(kind: Any, *, least: int = 8) -> Any:
    """Returns the signed integer type that holds all values of *kind*, at least *least* bits wide.

    Args:
        kind: An integer type other than uint64.
        least: 8, 16, 32 or 64.
    """
    bits = kind.bit_width if pa.types.is_signed_integer(kind) else 2 * kind.bit_width
    signed = {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}
    return signed[max(bits, least)]


def read_decimal(definition: str, name: str) -> Any:
    """Returns the Arrow type of `name(precision,scale)`, or None for any other text."""
    found = re.fullmatch(rf"{name}\((\d+),\s*(-?\d+)\)", definition, re.IGNORECASE)
    if found is None:
        return None
    precision, scale = int(found[1]), int(found[2])
    if not 0 <= scale <= precision <= 76:
        return None
    return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)


def read_length(definition: str, name: str) -> int | None:
    """Returns the length of `name(length)`, or None for any other text."""
    found = re.fullmatch(rf"{name}\((\d+)\)", definition, re.IGNORECASE)
    return None if found is None else int(found[1])
