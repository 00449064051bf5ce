"""Arrow scalars written as SQL literals, so that the server reads the same value under every quoting rule it may have.

Three forms, and which types take them:

- plain: TRUE, FALSE, integers of up to 32 bits, text, `X'…'` for bytes. Text is bare because `LIKE ?` wants it so;
  negative integers stand in parentheses, lest `10-?` become the comment `10--1`.
- cast: `CAST(… AS T)` for wider integers, floats, decimals, dates, timestamps and nulls, with the cast names of the
  dialect. An instant with a zone is written in UTC. What a number's own text would not keep is cast from a string: the
  digits of decimals, NaN, infinities, and the sign of zero.
- built: a backslash, which has two readings inside quotes, is joined to its text as `CHR(92)`; a duration or interval
  is a sum of one-unit intervals, the form that both the engine and the local engine take; a list is `ARRAY[…]`. The
  dialect has no cast to these, so their null is a CASE that is never true.

A parameter has nothing but its literal to tell its type, so `operand` casts what the digits alone would type by their
number, `5` and `3000000000`. In an INSERT the table's column has the type, and `to_literal` leaves those bare; so does
`count`, for `LIMIT ?`.

What has no exact form is refused: nanoseconds between microseconds, years outside 0001 to 9999, more than 38 digits,
NUL, text that is no Unicode, empty lists, times of day, structs, maps. A refusal names the type, never the value.
"""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
from collections.abc import Callable
from typing import Any, Final, NoReturn

import pyarrow as pa

from e6data_adbc import errors, types
from e6data_adbc.errors import Status

__all__ = [
    "checked_text",
    "count",
    "date_text",
    "decimal_text",
    "double_text",
    "is_definite",
    "is_text",
    "list_items",
    "null_of",
    "operand",
    "plain",
    "timestamp_text",
    "to_literal",
]

_EPOCH: Final = datetime.datetime(1970, 1, 1)
_INT32_MIN: Final = -(2**31)
_INT64_MIN: Final = -(2**63)
#: Microseconds in one unit; nanoseconds are divided instead.
_MICROSECONDS: Final = {"s": 1_000_000, "ms": 1_000, "us": 1}
_DAY_MS: Final = 86_400_000


def to_literal(scalar: pa.Scalar[Any], where: str = "the value") -> str:
    """Returns *scalar* as SQL text that is one operand wherever it stands, for a place that has a type of its own.

    Args:
        scalar: Any Arrow scalar; dictionary and view types included.
        where: Names the parameter in errors, for instance `parameter 2`.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, this value of an otherwise supported type has no exact literal.
        NotSupportedError: The type has no literal.
    """
    scalar = plain(scalar)
    kind = scalar.type
    if not scalar.is_valid:
        return _null(scalar, where)
    return _writer(kind)(scalar, where)


def operand(scalar: pa.Scalar[Any], where: str = "the value") -> str:
    """Returns *scalar* as SQL text whose type is that of the scalar, whatever its value, null included.

    Arguments and errors as `to_literal`.
    """
    scalar = plain(scalar)
    kind = scalar.type
    if not scalar.is_valid:
        return _typed_null(kind, where)
    if types.of_values(kind) is types.LONG:
        digits = str(scalar.as_py())
        # Those of the least one, without their sign, are no BIGINT.
        return f"CAST({digits if int(digits) != _INT64_MIN else repr(digits)} AS BIGINT)"
    if pa.types.is_int32(kind) and scalar.as_py() == _INT32_MIN:
        return f"CAST('{_INT32_MIN}' AS INT)"  # likewise
    if types.is_list(kind):
        return f"ARRAY[{', '.join(list_items(scalar, where) or ())}]"
    return to_literal(scalar, where)


def count(scalar: pa.Scalar[Any], where: str = "the value") -> str:
    """Returns *scalar* for a place that takes a count, such as LIMIT: the digits alone of a whole number.

    Arguments and errors as `to_literal`.
    """
    scalar = plain(scalar)
    if pa.types.is_integer(scalar.type):
        return str(scalar.as_py()) if scalar.is_valid else "CAST(NULL AS INT)"
    return to_literal(scalar, where)


def list_items(scalar: Any, where: str = "the value") -> list[str] | None:
    """Returns the elements of a list scalar as operands, for `IN (…)`; None when *scalar* is no list.

    A null list gives one null, so that the comparison is unknown, as it would be with a bound null.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, the list is empty, or as `to_literal` for an element.
        NotSupportedError: As `to_literal`, for the element type.
    """
    return _items(scalar, where, operand)


def _items(
    scalar: Any, where: str, write: Callable[[pa.Scalar[Any], str], str]
) -> list[str] | None:
    scalar = plain(scalar)
    if not types.is_list(scalar.type):
        return None
    if not scalar.is_valid:
        return [write(null_of(scalar.type.value_type), where)]
    items = [write(item, where) for item in scalar.values]
    if not items:
        _refuse(scalar.type, where, "an empty list has no SQL form")
    return items


def plain(scalar: Any) -> Any:
    """Returns the value inside the encodings and extension types around it; of a UUID its text."""
    while True:
        kind = scalar.type
        inner = types.storage(kind)
        if inner is None:
            return scalar
        if not scalar.is_valid:
            value = None
        elif pa.types.is_dictionary(kind):
            # pyarrow takes no value of a dictionary of views.
            value = scalar.dictionary[scalar.index.as_py()]
        else:
            value = scalar.value
        if value is None or not value.is_valid:
            scalar = null_of(inner)
        elif value.type != inner:  # an extension type that is not written as its storage
            scalar = pa.scalar(_SHOWN[inner](value.as_py()), inner)
        else:
            scalar = value


#: What an extension type that `types.storage` gives another type than its own has as value, made of its storage.
_SHOWN: Final[dict[pa.DataType, Callable[[Any], Any]]] = {
    pa.string(): lambda stored: str(uuid.UUID(bytes=stored)),
    pa.bool_(): bool,
}


def null_of(kind: Any) -> Any:
    """Returns the null of the type *kind* without the encodings around it, of some of which pyarrow makes no scalar."""
    while (inner := types.storage(kind)) is not None:
        kind = inner
    return pa.scalar(None, kind)


def _null(scalar: pa.Scalar[Any], where: str) -> str:
    kind = scalar.type
    row = types.of_values(kind)
    if _is_built(kind) or row is types.NULL:
        return "NULL"  # the dialect has no cast to these
    if row is None:
        _unsupported(scalar, where)
    return f"CAST(NULL AS {_cast_name(kind)})"


def _typed_null(kind: Any, where: str) -> str:
    null = pa.scalar(None, kind)
    if not _is_built(kind):
        return _null(null, where)
    if types.is_list(kind):
        return f"(CASE WHEN FALSE THEN ARRAY[{operand(null_of(kind.value_type), where)}] END)"
    return f"(CASE WHEN FALSE THEN {_NO_TIME} END)"


def _is_built(kind: Any) -> bool:
    row = types.of_values(kind)
    form = None if row is None else row.form
    return form in {types.Form.SPAN, types.Form.LIST} or pa.types.is_interval(kind)


def _cast_name(kind: Any) -> str:
    """Returns the type that literals of *kind* are cast to, which has one."""
    row = types.of_values(kind)
    name = None if row is None else row.cast
    assert name is not None, kind  # noqa: S101 - those without a cast are built
    if row is not types.DECIMAL:
        return name
    if pa.types.is_uint64(kind):
        return f"{name}({types.UINT64_DIGITS}, 0)"
    widest = types.DECIMAL_PRECISION
    return f"{name}({min(kind.precision, widest)}, {min(max(kind.scale, 0), widest)})"


def _boolean(scalar: Any, _where: str) -> str:
    return "TRUE" if scalar.as_py() else "FALSE"


def _integer(scalar: Any, _where: str) -> str:
    value: int = scalar.as_py()
    if value == _INT64_MIN:
        # Its digits without the sign are no BIGINT.
        return f"({value + 1} - 1)"
    return f"({value})" if value < 0 else str(value)


def _float(scalar: Any, _where: str) -> str:
    # The shortest text of the value as a double, also for narrower floats: narrowing it again is exact.
    return f"CAST({double_text(float(scalar.as_py()))} AS {_cast_name(scalar.type)})"


def double_text(value: float) -> str:
    """Returns what a cast makes of *value*: its digits, or a string where a number in SQL loses it."""
    if not math.isfinite(value):
        return _NO_NUMBERS[str(value)]
    if value == 0.0 and math.copysign(1.0, value) < 0:
        return "'-0.0'"  # the minus of a literal may be that of exact numbers, which have one zero
    text = repr(value).upper()
    # With an exponent it is a floating literal everywhere; without, many lexers read a decimal.
    return text if "E" in text else f"{text}E0"


_NO_NUMBERS: Final = {"nan": "'NaN'", "inf": "'Infinity'", "-inf": "'-Infinity'"}


def decimal_text(scalar: Any, where: str) -> tuple[str, int, int]:
    """Returns the digits of a valid decimal, and the precision and scale that they need.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, it has more digits than the engine's decimals.
    """
    value: decimal.Decimal = scalar.as_py()
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - Arrow decimals are finite
    scale = max(scalar.type.scale, 0)
    unscaled = "".join(map(str, digits)) + "0" * (exponent + scale)
    while _digits(unscaled, scale) > types.DECIMAL_PRECISION and scale and unscaled.endswith("0"):
        unscaled, scale = unscaled[:-1], scale - 1
    needed = _digits(unscaled, scale)
    if needed > types.DECIMAL_PRECISION:
        _refuse(
            scalar.type,
            where,
            f"the engine's decimals have at most {types.DECIMAL_PRECISION} digits",
        )
    unscaled = unscaled.lstrip("0").rjust(scale + 1, "0")
    whole, fraction = (unscaled[:-scale], unscaled[-scale:]) if scale else (unscaled, "")
    text = ("-" if sign else "") + whole + (f".{fraction}" if fraction else "")
    return text, min(max(scalar.type.precision, needed), types.DECIMAL_PRECISION), scale


def _decimal(scalar: Any, where: str) -> str:
    # As text, since a numeric literal of 39 characters may silently become a double.
    if pa.types.is_uint64(scalar.type):
        return f"CAST('{scalar.as_py()}' AS {_cast_name(scalar.type)})"
    text, precision, scale = decimal_text(scalar, where)
    return f"CAST('{text}' AS DECIMAL({precision}, {scale}))"


def _digits(unscaled: str, scale: int) -> int:
    """Returns the precision that a decimal type needs for the value."""
    return max(len(unscaled.lstrip("0")), scale, 1)


def checked_text(scalar: Any, where: str) -> str:
    """Returns the text of a valid scalar.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, it is no Unicode or has a NUL character.
    """
    try:
        value: str = scalar.as_py()
        value.encode()
    except UnicodeError:
        # Raised without the cause, which quotes the value.
        _refuse(scalar.type, where, "the text is not valid Unicode")
    if "\0" in value:
        _refuse(scalar.type, where, "the text has a NUL character")
    return value


def _text(scalar: Any, where: str) -> str:
    value = checked_text(scalar, where)
    if "\\" not in value:
        return _quoted(value)
    parts: list[str] = []
    for index, part in enumerate(value.split("\\")):
        parts += ["CHR(92)"] if index else []
        parts += [_quoted(part)] if part else []
    return f"({' || '.join(parts)})" if len(parts) > 1 else parts[0]


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _binary(scalar: Any, _where: str) -> str:
    return f"X'{scalar.as_py().hex().upper()}'"


def date_text(scalar: Any, where: str) -> str:
    """Returns a valid date as `YYYY-MM-DD`.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, it is no day between the years 0001 and 9999.
    """
    days = scalar.value
    if pa.types.is_date64(scalar.type):
        days, rest = divmod(days, _DAY_MS)
        if rest:
            _refuse(scalar.type, where, "the value is not a whole day")
    moment = _moment(days * _DAY_MS * 1000, scalar.type, where)
    return moment.date().isoformat()


def _date(scalar: Any, where: str) -> str:
    return f"CAST('{date_text(scalar, where)}' AS DATE)"


def timestamp_text(scalar: Any, where: str) -> str:
    """Returns a valid timestamp as `YYYY-MM-DD hh:mm:ss[.ffffff]`; an instant in UTC, with `+00:00`.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, it lies between two microseconds or outside the years 0001 to 9999.
    """
    kind = scalar.type
    moment = _moment(_whole_microseconds(scalar, where), kind, where)
    text = moment.isoformat(sep=" ")  # the fraction appears when it is not zero
    if kind.tz is not None:
        text += "+00:00"
    return text


def _timestamp(scalar: Any, where: str) -> str:
    return f"CAST('{timestamp_text(scalar, where)}' AS {_cast_name(scalar.type)})"


def _duration(scalar: Any, where: str) -> str:
    value = _whole_microseconds(scalar, where)
    sign = "-" if value < 0 else ""
    seconds, microseconds = divmod(abs(value), 1_000_000)
    days, seconds = divmod(seconds, 86_400)
    parts = [
        f"INTERVAL '{sign}{amount} {unit}'"
        for amount, unit in ((days, "DAY"), (seconds, "SECOND"), (microseconds, "MICROSECOND"))
        if amount
    ]
    return f"({' + '.join(parts or [_NO_TIME])})"


def _interval(scalar: Any, where: str) -> str:
    months, days, nanoseconds = scalar.as_py()
    microseconds, rest = divmod(abs(nanoseconds), 1000)
    if rest:
        _refuse(
            scalar.type, where, "the engine counts microseconds, and the value lies between two"
        )
    seconds, microseconds = divmod(microseconds, 1_000_000)
    sign = -1 if nanoseconds < 0 else 1
    units = {"MONTH": months, "DAY": days, "SECOND": sign * seconds}
    units["MICROSECOND"] = sign * microseconds
    parts = [f"INTERVAL '{amount} {unit}'" for unit, amount in units.items() if amount]
    return f"({' + '.join(parts or [_NO_TIME])})"


_NO_TIME: Final = "INTERVAL '0 SECOND'"


def _list(scalar: Any, where: str) -> str:
    return f"ARRAY[{', '.join(_items(scalar, where, to_literal) or ())}]"


def _whole_microseconds(scalar: Any, where: str) -> int:
    unit, value = scalar.type.unit, int(scalar.value)
    if unit != "ns":
        return value * _MICROSECONDS[unit]
    value, rest = divmod(value, 1000)
    if rest:
        _refuse(
            scalar.type,
            where,
            "the engine counts microseconds, and the value lies between two",
            "cast it to microseconds",
        )
    return value


def _moment(microseconds: int, kind: pa.DataType, where: str) -> datetime.datetime:
    try:
        return _EPOCH + datetime.timedelta(microseconds=microseconds)
    except OverflowError:
        _refuse(kind, where, "the year is outside 0001 to 9999")


def is_definite(scalar: Any) -> bool:
    """Tells whether a scalar is neither null nor, of a floating type, NaN or infinite."""
    if not pa.types.is_floating(scalar.type) or not scalar.is_valid:
        return bool(scalar.is_valid)
    return math.isfinite(scalar.as_py())


def is_text(kind: pa.DataType) -> bool:
    """Tells whether *kind* is text of any layout."""
    return types.of_values(kind) is types.STRING


def _writer(kind: Any) -> Callable[[Any, str], str]:
    if pa.types.is_interval(kind):
        return _interval  # of which no column is made
    row = types.of_values(kind)
    return _unsupported if row is None or row.form is None else _WRITERS[row.form]


_FORM = types.Form
#: A writer for each form.
_WRITERS: Final[dict[types.Form, Callable[[Any, str], str]]] = {
    _FORM.TRUTH: _boolean,
    _FORM.INT: _integer,
    _FORM.BIGINT: _integer,
    _FORM.FLOAT: _float,
    _FORM.DOUBLE: _float,
    _FORM.DECIMAL: _decimal,
    _FORM.TEXT: _text,
    _FORM.BYTES: _binary,
    _FORM.DATE: _date,
    _FORM.MOMENT: _timestamp,
    _FORM.INSTANT: _timestamp,
    _FORM.SPAN: _duration,
    _FORM.LIST: _list,
}


def _refuse(kind: pa.DataType, where: str, cause: str, hint: str | None = None) -> NoReturn:
    raise errors.make(
        Status.INVALID_ARGUMENT,
        f"could not write {where} of Arrow type {str(kind)!r}: {cause}",
        hint=hint,
    ) from None


def _unsupported(scalar: Any, where: str) -> NoReturn:
    raise errors.make(
        Status.NOT_IMPLEMENTED,
        f"could not write {where} of Arrow type {str(scalar.type)!r} as a SQL literal: the type has none",
        hint="cast it to a type that has one, for instance text",
    )
