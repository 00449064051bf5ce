"""Values that the server binds: as the texts that `executeStatementV2` carries, in the types that the server names.

The server lists the parameters of a prepared statement: an index and a type each. Both go back as they came, so only
the text of a value is ours. What that text is for NULL, bytes, intervals and lists nobody says, so they have none.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, NoReturn

import pyarrow as pa

from e6data_adbc import errors, types
from e6data_adbc._sql import literals
from e6data_adbc._sql.command import Operand
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.options import DatabaseOptions

__all__ = ["TURN_OFF", "answer"]

TURN_OFF: Final = f"set {DatabaseOptions.SERVER_BINDING.value!r} to false, so that values are written into the text"


def answer(
    asked: Sequence[wire.ParameterValue], values: Sequence[Operand]
) -> list[wire.ParameterValue]:
    """Returns the parameters that the server listed, with *values* as their texts.

    Args:
        asked: What the server said; the order of the indices is that of the text.
        values: One for each.

    Raises:
        DataError: The list is not one of so many parameters.
        ProgrammingError: A value is none of its parameter's type, or has no exact text.
        NotSupportedError: A type has no text.
    """
    found = sorted(asked, key=lambda one: one.index)
    first = found[0].index if found else 0
    indices = [one.index for one in found]
    if (
        len(found) != len(values)
        or first not in {0, 1}
        or indices != [*range(first, first + len(found))]
    ):
        raise errors.make(
            Status.INVALID_DATA,
            f"could not bind parameters: the text has {len(values)}, and the server lists"
            f" {len(found)} with the indices {indices[:10]}",
            hint=TURN_OFF,
        )
    return [
        _filled(one, literals.plain(value.scalar), value.label)
        for one, value in zip(found, values, strict=True)
    ]


def _filled(asked: wire.ParameterValue, scalar: Any, where: str) -> wire.ParameterValue:
    # Where the server has no opinion, the value's own type is the parameter's.
    name = asked.type or types.column_definition(scalar.type) or ""
    engine = types.find(name)
    write = None if engine is None or engine.form is None else _TEXTS.get(engine.form)
    if write is None:
        _unsupported(scalar, name, where)
    text = write(scalar, name, where)
    return wire.ParameterValue(index=asked.index, type=name, value=text)


def _boolean(scalar: Any, name: str, where: str) -> str:
    if not pa.types.is_boolean(scalar.type):
        _mismatch(scalar, name, where)
    return "true" if scalar.as_py() else "false"


def _integer(bits: int) -> Callable[[Any, str, str], str]:
    limit = 2 ** (bits - 1)

    def write(scalar: Any, name: str, where: str) -> str:
        value = _number(scalar, name, where)
        if not -limit <= value < limit or int(value) != value:
            _mismatch(scalar, name, where, "the value is not one of that type")
        return str(int(value))

    return write


def _double(scalar: Any, name: str, where: str) -> str:
    value = _number(scalar, name, where)
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if found != value:
        _mismatch(scalar, name, where, "the value is not exactly one of that type")
    return repr(found)


def _float(scalar: Any, name: str, where: str) -> str:
    value = _number(scalar, name, where)
    try:
        (found,) = struct.unpack("f", struct.pack("f", value))
    except OverflowError:
        found = math.inf
    if found != value:
        _mismatch(scalar, name, where, "the value is not exactly one of that type")
    return repr(float(found))


def _decimal(scalar: Any, name: str, where: str) -> str:
    if pa.types.is_floating(scalar.type):
        _mismatch(scalar, name, where, "a float is not exactly a decimal")
    value = _number(scalar, name, where)
    if pa.types.is_decimal(scalar.type):
        return literals.decimal_text(scalar, where)[0]
    return str(value)


def _text(scalar: Any, name: str, where: str) -> str:
    if not literals.is_text(scalar.type):
        _mismatch(scalar, name, where)
    return literals.checked_text(scalar, where)


def _date(scalar: Any, name: str, where: str) -> str:
    if not pa.types.is_date(scalar.type):
        _mismatch(scalar, name, where)
    return literals.date_text(scalar, where)


def _timestamp(*, has_zone: bool) -> Callable[[Any, str, str], str]:
    def write(scalar: Any, name: str, where: str) -> str:
        kind = scalar.type
        if not pa.types.is_timestamp(kind) or (kind.tz is not None) is not has_zone:
            _mismatch(scalar, name, where)
        return literals.timestamp_text(scalar, where)

    return write


def _number(scalar: Any, name: str, where: str) -> int | float | Decimal:
    kind = scalar.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        _mismatch(scalar, name, where)
    value: int | float | Decimal = scalar.as_py()
    if isinstance(value, float) and not math.isfinite(value):
        _mismatch(scalar, name, where, "NaN and infinities have no text", "compute them in SQL")
    return value


_FORM = types.Form
#: By the form of the type that the server names; those that are not here have no text.
_TEXTS: Final[dict[types.Form, Callable[[Any, str, str], str]]] = {
    _FORM.TRUTH: _boolean,
    _FORM.INT: _integer(32),
    _FORM.BIGINT: _integer(64),
    _FORM.FLOAT: _float,
    _FORM.DOUBLE: _double,
    _FORM.DECIMAL: _decimal,
    _FORM.TEXT: _text,
    _FORM.DATE: _date,
    _FORM.MOMENT: _timestamp(has_zone=False),
    _FORM.INSTANT: _timestamp(has_zone=True),
}


def _mismatch(
    scalar: Any, name: str, where: str, cause: str | None = None, hint: str | None = None
) -> NoReturn:
    raise errors.make(
        Status.INVALID_ARGUMENT,
        f"could not bind {where} of Arrow type {str(scalar.type)!r} on the server as {name!r}"
        + (f": {cause}" if cause else ""),
        hint=hint or "bind a value of that type, or say the type in the text: CAST(? AS DOUBLE)",
        sqlstate="22023",
    )


def _unsupported(scalar: Any, name: str, where: str) -> NoReturn:
    wanted = f" as {name!r}" if name else ""
    raise errors.make(
        Status.NOT_IMPLEMENTED,
        f"could not bind {where} of Arrow type {str(scalar.type)!r} on the server{wanted}: no text of it is known",
        hint=TURN_OFF,
    )
