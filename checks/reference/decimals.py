"""The values of a DECIMAL128 vector, as exact integers at the target's scale."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from checks.reference.errors import DecodeError
from checks.reference.thrift import Text

DIGITS = 38

_NUMBER = re.compile(rb"([+-]?)(?:([0-9]+)(?:\.([0-9]+))?|\.([0-9]+))(?:[eE]([+-]?)([0-9]+))?")


def read_decimals(
    cells: Sequence[Text | None], scale: int | None, target: pa.Decimal128Type[Any, Any]
) -> list[int | None]:
    """Unscaled integers at *target*'s scale; *scale* is the vector's, None if not announced.

    One representation holds for all the cells: if each has 16 bytes they are two's complement,
    otherwise each must be decimal text. Nothing is ever rounded.
    """
    is_binary = all(len(cell.data) == 16 for cell in cells if cell is not None)
    values: list[int | None] = []
    for row, cell in enumerate(cells):
        if cell is None:
            values.append(None)
            continue
        value = _binary(cell.data, scale, target) if is_binary else _text(cell.data, scale, target)
        if value is None:
            raise DecodeError("bad_decimal", cell.offset, row=row)
        values.append(value)
    return values


def own_scale(bodies: Sequence[bytes]) -> int:
    """The scale of decimal texts by their own digits, zeros at the end among them while 38 digits have room for them.

    What is no number, or has more digits than any decimal, is passed over.
    """
    written = needed = whole = 0
    for body in bodies:
        match = _NUMBER.fullmatch(body)
        if match is None:
            continue
        _, before, fraction, bare_fraction, exponent_sign, exponent_digits = match.groups(b"")
        fraction = fraction or bare_fraction
        # Beyond any number of digits the text can have, one exponent is like another.
        size = int(exponent_digits.lstrip(b"0")[:18] or b"0")
        places = len(fraction) - (-size if exponent_sign == b"-" else size)
        digits = (before + fraction).lstrip(b"0")
        significant = digits.rstrip(b"0")
        if len(significant) > DIGITS:
            continue
        written = max(written, places)
        if significant:
            zeros = len(digits) - len(significant)
            needed = max(needed, places - zeros)
            whole = max(whole, len(digits) - places)
    return max(0, min(written, max(needed, DIGITS - whole), DIGITS))


def _binary(data: bytes, scale: int | None, target: pa.Decimal128Type[Any, Any]) -> int | None:
    unscaled = int.from_bytes(data, "big", signed=True)
    if abs(unscaled) >= 10**DIGITS:
        return None
    return _rescale(unscaled, scale or 0, target.scale, target.precision)


def _text(data: bytes, scale: int | None, target: pa.Decimal128Type[Any, Any]) -> int | None:
    match = _NUMBER.fullmatch(data)
    if match is None:
        return None
    sign, whole, fraction, bare_fraction, exponent_sign, exponent_digits = match.groups(b"")
    fraction = fraction or bare_fraction
    digits = (whole + fraction).lstrip(b"0")
    if not digits:
        return 0
    exponent_digits = exponent_digits.lstrip(b"0")
    if len(exponent_digits) > 15:
        return None  # beyond any number of digits the text can have
    exponent = int(exponent_sign + (exponent_digits or b"0")) - len(fraction)
    significant = digits.rstrip(b"0")
    exponent += len(digits) - len(significant)  # the value is significant * 10^exponent

    first, limit = (target.scale, target.precision) if scale is None else (scale, DIGITS)
    if exponent + first < 0 or len(significant) + exponent + first > limit:
        return None
    unscaled = int(sign + significant) * 10 ** (exponent + first)
    return _rescale(unscaled, first, target.scale, target.precision)


def _rescale(unscaled: int, scale: int, to_scale: int, precision: int) -> int | None:
    """The same number at another scale; None if digits would be lost or are too many."""
    if to_scale >= scale:
        result = unscaled * 10 ** (to_scale - scale)
    else:
        result, lost = divmod(unscaled, 10 ** (scale - to_scale))
        if lost:
            return None
    return result if abs(result) < 10**precision else None
