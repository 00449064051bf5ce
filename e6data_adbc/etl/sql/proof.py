"""Values by which a destination proves that it keeps a type: written, read back, and compared."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
from typing import Any

import pyarrow as pa

from e6data_adbc import types
from e6data_adbc.etl.columns import (
    NEGATIVE_ZERO,
    NOT_A_NUMBER,
    ZERO_BYTE,
    Check,
    is_bytes,
    is_text,
)
from e6data_adbc.etl.plain_types import NO_DAYS_BEYOND, NO_TIMES_BEYOND

__all__ = ["Sample", "is_kept", "sample_of"]


@dataclasses.dataclass(frozen=True)
class Sample:
    """What tries one type.

    Attributes:
        stored: The type in which values are written.
        values: Those that have to come back, or the type is refused.
        checks: What no value may be, because it is not tried.
        special: Values that a destination may lack; those that do not come back are refused by their check.
    """

    stored: pa.DataType
    values: Any
    checks: tuple[Check, ...] = ()
    special: tuple[tuple[Check, Any], ...] = ()


def sample_of(kind: Any) -> Sample | None:
    """Returns what tries a type; None for one that is not tried, as nested ones."""
    kind = types.storage(kind) or kind
    test = pa.types
    if test.is_null(kind):
        return _sample(pa.string(), [None])
    if test.is_boolean(kind):
        return _sample(kind, [True, False, None])
    if test.is_integer(kind):
        high = 2 ** (kind.bit_width - test.is_signed_integer(kind)) - 1
        return _sample(kind, [-high - 1 if test.is_signed_integer(kind) else 0, 1, high, None])
    if test.is_floating(kind):
        return _of_floats(kind)
    if test.is_decimal(kind):
        # By their digits: arithmetic would round them.
        all_digits, exponent = (9,) * kind.precision, -kind.scale
        most = [decimal.Decimal((sign, all_digits, exponent)) for sign in (0, 1)]
        return _sample(kind, [*most, decimal.Decimal((1, (1,), exponent)), None])
    if is_text(kind):
        # Those that look like numbers are such to a column of SQLite that wants numbers.
        texts = pa.array(["", "007", "1.50", "1e3", " π 𝄞 '\"\\ ", None])
        return Sample(pa.string(), texts, special=((ZERO_BYTE, pa.array(["a\0b"])),))
    if is_bytes(kind):
        return _sample(pa.binary(), [b"", b"\0\xff'", None])
    if test.is_date(kind):
        days = [dt.date(1, 1, 1), dt.date(1969, 12, 31), dt.date(9999, 12, 31), None]
        return _sample(pa.date32(), days, NO_DAYS_BEYOND)
    if test.is_timestamp(kind):
        return _of_times(kind)
    if test.is_time(kind):
        return _sample(pa.time64("us"), [dt.time(0), dt.time(23, 59, 59, 999_999), None])
    if test.is_duration(kind):
        return _sample(pa.duration("us"), [-90_061_000_001, 0, 10**15 + 1, None])
    return None


def is_kept(sample: Any, found: Any) -> bool:
    """Tells whether what was read back is what was written, as values and as a kind of type."""
    kind = types.storage(found.type)
    if kind is not None or isinstance(found.type, pa.BaseExtensionType):
        found = found.storage if hasattr(found, "storage") else found.cast(kind)
    if sample.null_count == len(sample):
        return bool(found.null_count == len(found))
    if not _are_alike(sample.type, found.type):
        return False
    are_times = pa.types.is_timestamp(found.type) and pa.types.is_timestamp(sample.type)
    if are_times and (found.type.tz is None) != (sample.type.tz is None):
        return False
    try:
        back = found.cast(sample.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    if pa.types.is_floating(sample.type):
        # NaN is not equal to itself, and the two zeros are equal.
        return [_shown(value) for value in sample] == [_shown(value) for value in back]
    return bool(back.equals(sample))


def _are_alike(written: Any, found: Any) -> bool:
    """Tells whether one type may stand for the other, so that what is true of the values tried is true of all."""
    test = pa.types
    if is_text(found):  # times and decimals may be text, with all that they say
        return not (
            test.is_boolean(written) or test.is_integer(written) or test.is_floating(written)
        )
    if is_text(written):
        return False
    is_same_kind = test.is_floating(found) == test.is_floating(written)
    return is_same_kind and is_bytes(found) == is_bytes(written)


def _shown(value: Any) -> str | None:
    return None if not value.is_valid else repr(float(value.as_py()))


def _sample(kind: pa.DataType, values: list[Any], *checks: Check) -> Sample:
    return Sample(kind, pa.array(values, kind), checks)


def _of_floats(kind: Any) -> Sample:
    stored = kind if kind.bit_width > 16 else pa.float32()
    if stored.bit_width == 64:
        outer = [1.7976931348623157e308, -5e-324, 0.1]
    else:
        outer = [3.4028234663852886e38, -1.401298464324817e-45, 0.10000000149011612]
    special = (
        (NOT_A_NUMBER, pa.array([float("nan")], stored)),
        (NEGATIVE_ZERO, pa.array([-0.0], stored)),
    )
    return Sample(stored, pa.array([1.5, float("-inf"), *outer, None], stored), (), special)


def _of_times(kind: Any) -> Sample:
    zone = None if kind.tz is None else "UTC"
    if kind.unit == "ns":
        stored = pa.timestamp("ns", zone)
        return Sample(
            stored, pa.array([-(2**63) + 1, -1, 2**63 - 1, None], pa.int64()).cast(stored)
        )
    stored = pa.timestamp("us", zone)
    values = pa.array(
        [-62_135_596_799_999_999, -1, 253_402_300_799_999_999, None], pa.int64()
    ).cast(stored)
    return Sample(stored, values, (NO_TIMES_BEYOND,))
