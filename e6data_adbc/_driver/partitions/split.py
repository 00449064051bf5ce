"""Splitting: the spans of a column's values that together have every row once, and their conditions in SQL.

A span holds what is not below its floors and below its ceiling, so with the same cuts in all spans each value falls in
exactly one, whatever the bounds were that the cuts were made from: what lies outside is in the first or the last. Nulls
are in the first. NaN, of which `x < cut` is false in every SQL, is in the last.

Text is compared as the engine does, which may not be as we do. So a span of text names all the cuts below it: under any
order a value belongs to the span of the first cut that it is below.
"""

from __future__ import annotations

import dataclasses
import decimal
import itertools
import json
import math
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

import pyarrow as pa

from e6data_adbc import _schemas, errors, types
from e6data_adbc._sql.literals import to_literal
from e6data_adbc.errors import Status
from e6data_adbc.options import StatementOptions

__all__ = [
    "MOST_PARTITIONS",
    "QUANTILES",
    "Span",
    "bound",
    "check_count",
    "condition",
    "finite_condition",
    "parse_bounds",
    "spans_between",
    "split",
    "value_type",
]

MOST_PARTITIONS: Final = 10_000
#: Each of them names all the cuts before its own.
MOST_OF_TEXT: Final = 256

#: What stands for bounds where each part shall have about as many rows.
QUANTILES: Final = "quantiles"

_BOUNDS: Final = StatementOptions.PARTITION_BOUNDS.value
Scalar = Any  # a pa.Scalar; the stubs make it generic over what only the running program knows


@dataclasses.dataclass(frozen=True)
class Span:
    """Some values of a column.

    Attributes:
        floors: None of which the values are below.
        ceiling: What they are below; None for no limit.
        has_nulls: Whether nulls belong to them.
    """

    floors: tuple[Scalar, ...] = ()
    ceiling: Scalar | None = None
    has_nulls: bool = False


def value_type(field: pa.Field[Any]) -> pa.DataType:
    """Returns the Arrow type in which the values of *field* are split.

    Raises:
        NotSupportedError: The column's type has no order that cuts could follow.
    """
    kind: Any = field.type
    if pa.types.is_struct(kind):  # an instant with its zone's text beside it
        kind = kind.field("instant").type
    engine = types.find((field.metadata or {}).get(_schemas.TYPE_KEY, b"").decode())
    if _is_text(kind) and engine in (types.STRING, types.CHAR):
        return pa.utf8()
    if pa.types.is_floating(kind) or any(accepts(kind) for accepts, _, _ in _WHOLE):
        return kind  # type: ignore[no-any-return]
    raise errors.make(
        Status.NOT_IMPLEMENTED,
        f"could not split by column {field.name!r} of type {str(field.type)!r}: it is no number, date, time or text",
        hint="split by another column",
    )


def parse_bounds(text: str) -> tuple[str | None, str | None]:
    """Returns the two bounds of the option as they stand there, for `bound`; None for one that is left open.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, *text* is no JSON array of two numbers, texts or nulls.
    """
    try:
        found = json.loads(
            text, parse_int=_Number, parse_float=_Number, parse_constant=_no_constant
        )
    except ValueError as cause:
        _bad_bounds(text, f"it is not JSON: {cause}")
    if not isinstance(found, list) or len(found) != 2:
        _bad_bounds(text, "it is not a JSON array of two values")
    if not all(isinstance(value, str | None) for value in found):
        _bad_bounds(text, "its values are not numbers or texts")
    return found[0], found[1]


class _Number(str):
    """A number as it stood in JSON, so that nothing of it is lost."""

    __slots__ = ()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no bound")


def bound(text: str, kind: pa.DataType) -> Scalar:
    """Returns one bound of `parse_bounds` as a value of *kind*.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, it is not such a value.
    """
    try:
        text.encode()
        if isinstance(text, _Number) and _is_text(kind):
            raise ValueError("it is a number, not a text")
        found = pa.array([str(text)], pa.utf8()).cast(kind)[0]
        if pa.types.is_floating(kind) and not math.isfinite(found.as_py()):
            raise ValueError("it is not finite")
    except (ValueError, pa.ArrowException) as cause:
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not use a value of option {_BOUNDS!r} for a column of type {str(kind)!r}: {cause}",
        ) from None
    return found


def split(kind: pa.DataType, lower: Scalar, upper: Scalar, count: int) -> list[Span]:
    """Returns at most *count* spans that divide what is between two values evenly, and hold everything.

    Args:
        kind: What `value_type` returned.
        lower: A valid value of *kind*, finite.
        upper: Likewise, and not below *lower*.
        count: At least 1.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, *upper* is below *lower*, or there are too many partitions for a text.
    """
    check_count(kind, count)
    return _spans(kind, [pa.scalar(value, kind) for value in _cuts(kind, lower, upper, count)])


def spans_between(kind: pa.DataType, starts: Sequence[Scalar]) -> list[Span]:
    """Returns the spans that begin at each of *starts*, and hold everything; none if there are none.

    Args:
        kind: What `value_type` returned.
        starts: Valid values of *kind* in the engine's order; what is below the first is in the first span.
    """
    cuts = list({start.as_py(): start for start in starts}.values())
    return _spans(kind, cuts[1:]) if cuts else []


def check_count(kind: pa.DataType, count: int) -> None:
    """Raises INVALID_ARGUMENT if *count* parts are too many for a column of *kind*."""
    if _is_text(kind) and count > MOST_OF_TEXT:
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not make {count} partitions of a text column: {MOST_OF_TEXT} are the most",
        )


def _spans(kind: pa.DataType, cuts: Sequence[Scalar]) -> list[Span]:
    if not cuts:
        return [Span(has_nulls=True)]
    spans = [Span((), cuts[0], has_nulls=True)]
    for index, cut in enumerate(cuts):
        floors = tuple(cuts[: index + 1]) if _is_text(kind) else (cut,)
        spans.append(Span(floors, cuts[index + 1] if index + 1 < len(cuts) else None))
    return spans


def condition(column: str, span: Span) -> str | None:
    """Returns what rows of *span* fulfil, as SQL; None where all rows do.

    Args:
        column: Its name, quoted.
        span: One of `split`.
    """
    ceiling = None if span.ceiling is None else f"{column} < {to_literal(span.ceiling)}"
    if span.has_nulls:
        return None if ceiling is None else f"({ceiling} OR {column} IS NULL)"
    if ceiling is None and pa.types.is_floating(span.floors[0].type):
        # Not `>=`: where NaN compares as in IEEE 754 that would lose it.
        return f"NOT ({column} < {to_literal(span.floors[0])})"
    parts = [f"{column} >= {to_literal(floor)}" for floor in span.floors]
    return " AND ".join([*parts, ceiling] if ceiling else parts)


def finite_condition(column: str, kind: pa.DataType) -> str | None:
    """Returns what the values fulfil among which bounds can be found, as SQL; None where all do."""
    if not pa.types.is_floating(kind):
        return None
    most = _LARGEST[pa.types.is_float64(kind)]
    low, high = (to_literal(pa.scalar(value, kind)) for value in (-most, most))
    return f"{column} >= {low} AND {column} <= {high}"


#: The largest finite float and double.
_LARGEST: Final = (3.4028234663852886e38, 1.7976931348623157e308)


def _cuts(kind: pa.DataType, lower: Scalar, upper: Scalar, count: int) -> list[Any]:
    """Returns rising values of *kind*, each above *lower* and none above *upper*."""
    if _is_text(kind):
        low, high = str(lower.as_py()), str(upper.as_py())
        _check_order(high < low)
        return _rising(_text_cuts(low, high, count), low, high)
    if pa.types.is_floating(kind):
        low, high = lower.as_py(), upper.as_py()
        _check_order(high < low)
        # Not by the difference, which may be infinite; and as wide as the column is.
        between = (low * (1 - part / count) + high * (part / count) for part in range(1, count))
        return _rising([pa.scalar(cut, kind).as_py() for cut in between], low, high)
    _, number_of, value_of = next(row for row in _WHOLE if row[0](kind))
    first, last = number_of(lower), number_of(upper)
    _check_order(last < first)
    width = last - first + 1
    numbers = _rising([first + width * part // count for part in range(1, count)], first, last)
    return [value_of(number, kind) for number in numbers]


def _rising(values: list[Any], low: Any, high: Any) -> list[Any]:
    return [value for value in dict.fromkeys(values) if low < value <= high]


def _check_order(is_wrong: bool) -> None:  # noqa: FBT001
    if is_wrong:
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not use the value of option {_BOUNDS!r}: the upper bound is below the lower one",
        )


# ---- types whose values are whole numbers of something


def _unscaled(scalar: Scalar) -> int:
    sign, digits, exponent = scalar.as_py().as_tuple()
    number: int = int("".join(map(str, digits))) * 10 ** (exponent + scalar.type.scale)
    return -number if sign else number


def _scaled(number: int, kind: Any) -> decimal.Decimal:
    digits = tuple(map(int, str(abs(number))))
    return decimal.Decimal((int(number < 0), digits, -kind.scale))


def _same(number: int, _kind: pa.DataType) -> int:
    return number


#: Which types they are, the number of a value, and the value of a number for `pa.scalar`.
_WHOLE: Final[
    tuple[
        tuple[Callable[[Any], bool], Callable[[Scalar], int], Callable[[int, pa.DataType], object]],
        ...,
    ]
] = (
    (pa.types.is_signed_integer, lambda scalar: int(scalar.as_py()), _same),
    (pa.types.is_date32, lambda scalar: int(scalar.value), _same),
    (pa.types.is_timestamp, lambda scalar: int(scalar.value), _same),
    (pa.types.is_decimal128, _unscaled, _scaled),
)


# ---- text


def _is_text(kind: Any) -> bool:
    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


@dataclasses.dataclass(frozen=True)
class _Alphabet:
    """Characters as the digits of a number; 0 stands for the end of a text."""

    first: int
    last: int
    #: How many of a text's characters count.
    length: int

    def fits(self, text: str) -> bool:
        return all(self.first <= ord(character) <= self.last for character in text)

    @property
    def base(self) -> int:
        return self._digit(chr(self.last)) + 1

    def number(self, text: str) -> int:
        digits = [self._digit(character) for character in text[: self.length]]
        digits += [0] * (self.length - len(digits))
        number = 0
        for digit in digits:
            number = number * self.base + digit
        return number

    def text(self, number: int) -> str:
        digits: list[int] = []
        for _ in range(self.length):
            number, digit = divmod(number, self.base)
            digits.insert(0, digit)
        ends = digits.index(0) if 0 in digits else len(digits)
        return "".join(map(self._character, digits[:ends]))

    def _digit(self, character: str) -> int:
        code = ord(character)
        return (code if code < _SURROGATES[0] else code - len(_SURROGATES)) - self.first + 1

    def _character(self, digit: int) -> str:
        code = digit + self.first - 1
        return chr(code if code < _SURROGATES[0] else code + len(_SURROGATES))


#: Halves of characters, which no text has.
_SURROGATES: Final = range(0xD800, 0xE000)
_ALPHABETS: Final = (
    _Alphabet(ord("0"), ord("9"), 16),
    _Alphabet(ord(" "), ord("~"), 10),
    _Alphabet(1, 0x10FFFF, 5),
)


def _text_cuts(low: str, high: str, count: int) -> list[str]:
    """Returns texts between two, evenly as far as their first characters tell."""
    pairs = zip(low, high, strict=False)
    prefix = low[: sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))]
    rest = [low[len(prefix) :].replace("\0", ""), high[len(prefix) :].replace("\0", "")]
    alphabet = next(one for one in _ALPHABETS if all(map(one.fits, rest)))
    first, last = map(alphabet.number, rest)
    return [
        prefix + alphabet.text(first + (last - first) * part // count) for part in range(1, count)
    ]


def _bad_bounds(text: str, cause: str) -> NoReturn:
    raise errors.make(
        Status.INVALID_ARGUMENT,
        f"could not set option {_BOUNDS!r} to {text!r}: {cause}",
        hint='give the lower and the upper bound, for instance [0, 1000] or ["2026-01-01", "2026-12-31"]',
    )
