"""Columns on their way into a destination: the type that each is stored as, and the proof that no value changes."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.encodings import decoded
from e6data_adbc.etl.sink import OnType

__all__ = [
    "Check",
    "Column",
    "Converter",
    "longest",
    "INFINITE",
    "NEGATIVE_ZERO",
    "NOT_A_NUMBER",
    "NOTHING",
    "ZERO_BYTE",
    "between",
    "fits_without_loss",
    "is_bytes",
    "is_text",
]

Array = Any  # a pa.Array; the stubs make it generic over what only the running program knows
#: Makes what is stored of an array; ArrowInvalid where a value does not fit.
Convert = Callable[[Array], Array]


@dataclasses.dataclass(frozen=True)
class Check:
    """Values of a type that a destination has not.

    Attributes:
        what: Their name in an error.
        find: Returns a mask of them, or None where there are none.
        repair: Returns the array without them, where a loss is allowed; None where there is no such thing.
        loss: What `repair` does, for the report.
    """

    what: str
    find: Callable[[Array], Array | None]
    repair: Convert | None = None
    loss: str = ""


@dataclasses.dataclass(frozen=True)
class Column:
    """How one column is stored.

    Attributes:
        name: As the result and the destination have it.
        source: The type in the result.
        stored: The Arrow type that the destination's library is given.
        definition: The destination's name of the type.
        checks: Values that the destination has not.
        convert: Makes what is stored; by default a cast that fails where a value would change.
        loss: What is lost of every value, because a cast was allowed; empty for none.
    """

    name: str
    source: pa.DataType
    stored: pa.DataType
    definition: str
    checks: tuple[Check, ...] = ()
    convert: Convert | None = None
    loss: str = ""


class Converter:
    """Turns batches of a result into batches for a destination. One thread at a time."""

    def __init__(self, columns: Sequence[Column], on_type: OnType) -> None:
        """Takes the columns in the order of the result."""
        self._columns = columns
        self._allows_loss = on_type is OnType.CAST
        #: What was changed in values, and how often.
        self.losses: Counter[str] = Counter()
        self.schema = pa.schema([pa.field(each.name, each.stored) for each in columns])

    def convert(self, batch: pa.RecordBatch, first_row: int) -> pa.RecordBatch:
        """Returns *batch* as the destination takes it.

        Args:
            batch: With the columns in their order.
            first_row: The number of its first row, for errors.

        Raises:
            DataError: The destination has not a value; names column, type and row.
        """
        for column in self._columns:
            if column.loss:
                self.losses[f"{column.name}: {column.loss}"] += batch.num_rows
        arrays = [
            self._column(column, batch.column(index), first_row)
            for index, column in enumerate(self._columns)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _column(self, column: Column, array: Array, first_row: int) -> Array:
        array = decoded(array)  # the checks look at values
        for check in column.checks:
            found = check.find(array)
            if found is None:
                continue
            if not self._allows_loss or check.repair is None:
                row = first_row + pc.index(found, value=True).as_py()
                raise _refused(column, f"the destination has no {check.what}", row)
            self.losses[f"{column.name}: {check.loss}"] += pc.sum(found).as_py()
            array = check.repair(array)
        if column.convert is None and array.type == column.stored:
            return array
        convert = column.convert or (lambda values: values.cast(column.stored))
        try:
            return convert(array)
        except pa.ArrowNotImplementedError as cause:
            raise errors.make(
                Status.NOT_IMPLEMENTED,
                f"could not load column {column.name!r} of type {str(column.source)!r}: Arrow does not make "
                f"{str(column.stored)!r} of it",
                hint="cast the column in the query",
            ) from cause
        except pa.ArrowInvalid as cause:
            if self._allows_loss and column.convert is None:
                self.losses[f"{column.name}: cut to {column.stored}"] += len(array)
                return array.cast(column.stored, safe=False)
            row = first_row + _first_failure(convert, array)
            raise _refused(column, f"it does not fit into {column.definition}", row) from cause


def _refused(column: Column, cause: str, row: int) -> errors.Error:
    return errors.make(
        Status.INVALID_DATA,
        f"could not load column {column.name!r} of type {str(column.source)!r}: row {row}: {cause}",
        hint='change it in the query, or allow the loss with on_type="cast"',
    )


def _first_failure(convert: Convert, array: Array) -> int:
    """Returns the row of the first value that *convert* refuses."""
    low, high = 0, len(array)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(array.slice(low, middle - low))
        except pa.ArrowInvalid:
            high = middle
        else:
            low = middle
    return low


def fits_without_loss(source: Any, target: Any) -> bool:
    """Tells whether each value of *source* is one of *target*: wider integers, floats and decimals."""
    test = pa.types
    if source == target:
        return True
    if test.is_integer(source) and test.is_integer(target):
        signed = test.is_signed_integer(source)
        if signed == test.is_signed_integer(target):
            return bool(source.bit_width <= target.bit_width)
        return not signed and bool(source.bit_width < target.bit_width)
    if test.is_integer(source) and test.is_decimal(target):
        return bool(len(str(2**source.bit_width)) <= target.precision - target.scale)
    if test.is_integer(source) and test.is_floating(target):
        return bool(source.bit_width <= {16: 11, 32: 24, 64: 53}[target.bit_width])
    if test.is_floating(source) and test.is_floating(target):
        return bool(source.bit_width <= target.bit_width)
    if test.is_decimal(source) and test.is_decimal(target):
        return bool(
            source.scale <= target.scale
            and source.precision - source.scale <= target.precision - target.scale
        )
    return False


def has_more_digits(given: Any, there: Any) -> bool:
    """Tells whether *given* is a decimal that says how many digits it has, and they are more than a column has.

    The engine gives all decimals 38 digits, which says nothing: whether fewer do is a question of the values.
    """
    test = pa.types
    if not (test.is_decimal(given) and test.is_decimal(there)) or given.precision == 38:
        return False
    return bool(given.precision > there.precision and fits_without_loss(there, given))


def is_text(kind: Any) -> bool:
    """Tells whether *kind* is a text, however it is laid out."""
    test = pa.types
    return bool(test.is_string(kind) or test.is_large_string(kind) or test.is_string_view(kind))


def is_bytes(kind: Any) -> bool:
    """Tells whether *kind* is binary, however it is laid out."""
    test = pa.types
    return bool(
        test.is_binary(kind)
        or test.is_large_binary(kind)
        or test.is_binary_view(kind)
        or test.is_fixed_size_binary(kind)
    )


# ---- values that some destination has not


def _where(mask: Array) -> Array | None:
    return mask if pc.any(mask).as_py() else None


def _zero_bytes(array: Array) -> Array | None:
    if not any(buffer is not None and re.search(b"\0", buffer) for buffer in _text_buffers(array)):
        return None
    return _where(pc.match_substring(array.cast(pa.large_string()), "\0"))


def _text_buffers(array: Array) -> list[Any]:
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.large_string())
    return array.buffers()[2:]  # type: ignore[no-any-return]


def _without_zero_bytes(array: Array) -> Array:
    return pc.replace_substring(array.cast(pa.large_string()), "\0", "").cast(array.type)


def _wide(array: Array) -> Array:
    """Returns floats of at least 32 bits: of fewer, Arrow cannot compute."""
    return array.cast(pa.float32()) if pa.types.is_float16(array.type) else array


def _nan(array: Array) -> Array | None:
    return _where(pc.is_nan(_wide(array)))


def _nan_to_null(array: Array) -> Array:
    array = _wide(array)
    return pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)


def _infinite(array: Array) -> Array | None:
    return _where(pc.is_inf(_wide(array)))


def _infinite_to_null(array: Array) -> Array:
    array = _wide(array)
    return pc.if_else(pc.is_inf(array), pa.scalar(None, array.type), array)


def _negative_zero(array: Array) -> Array | None:
    array = _wide(array)
    one = pa.scalar(1.0, array.type)
    return _where(pc.equal(pc.divide(one, array), pa.scalar(-math.inf, array.type)))


def _positive_zero(array: Array) -> Array:
    array = _wide(array)
    return pc.if_else(
        pc.equal(array, pa.scalar(0.0, array.type)), pa.scalar(0.0, array.type), array
    )


ZERO_BYTE: Final = Check(
    "text with a zero byte", _zero_bytes, _without_zero_bytes, "zero bytes are left out"
)
NOTHING: Final = Check("NULL in that column", lambda array: _where(array.is_null()))
NOT_A_NUMBER: Final = Check("NaN", _nan, _nan_to_null, "NaN is NULL")
INFINITE: Final = Check("infinity", _infinite, _infinite_to_null, "infinity is NULL")
NEGATIVE_ZERO: Final = Check("negative zero", _negative_zero, _positive_zero, "-0.0 is 0.0")


def between(low: int, high: int, what: str) -> Check:
    """Returns the check for dates or times of any unit, as whole numbers of days or microseconds, low to high."""

    def find(array: Array) -> Array | None:
        kind = array.type
        numbers = array.view(pa.int32() if pa.types.is_date32(kind) else pa.int64())
        limits = pc.min_max(numbers)
        if limits["min"].as_py() is None:
            return None
        unit = _size(kind)
        first, last = math.ceil(low / unit), math.ceil((high + 1) / unit) - 1
        if limits["min"].as_py() >= first and limits["max"].as_py() <= last:
            return None
        bounds = [
            pa.scalar(min(max(bound, -(2**63)), 2**63 - 1), pa.int64()) for bound in (first, last)
        ]
        return pc.or_(pc.less(numbers, bounds[0]), pc.greater(numbers, bounds[1]))

    return Check(f"{what} as early or as late as this", find)


def _size(kind: Any) -> Fraction:
    """Returns how many days the unit of a date is, or how many microseconds that of a timestamp."""
    if pa.types.is_date(kind):
        return Fraction(1) if pa.types.is_date32(kind) else Fraction(1, 86_400_000)
    return {"s": Fraction(10**6), "ms": Fraction(1000), "us": Fraction(1), "ns": Fraction(1, 1000)}[
        kind.unit
    ]


def longest(length: int) -> Check:
    """Returns the check for texts of more than *length* characters."""

    def find(array: Array) -> Array | None:
        return _where(
            pc.greater(pc.utf8_length(array.cast(pa.large_string())), pa.scalar(length, pa.int64()))
        )

    return Check(f"text of more than {length} characters in that column", find)
