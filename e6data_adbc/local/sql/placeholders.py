"""Dynamic parameters: where the `?` of a statement stand, and the statement with values in their places."""

from __future__ import annotations

import dataclasses
import decimal
import math
import re
from collections.abc import Callable, Sequence
from typing import Final

from e6data_adbc import types

__all__ = ["Placeholder", "PlaceholderError", "Value", "blank", "fill", "find"]

#: What one `?` is given: the name of its type and the value as text.
Value = tuple[str, str]

#: One token that has no parameter in it, or a parameter, with the type that it is cast to at once.
_TOKEN: Final = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \$\$.*?\$\$
      | (?P<cast>CAST\s*\(\s*)? (?P<mark>\?)
        (?(cast)\s+AS\s+(?P<target>\w+(?:\s*\([\d\s,]*\))?)\s*\) | (?:\s*::\s*(?P<suffix>\w+(?:\s*\([\d\s,]*\))?))?)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


class PlaceholderError(ValueError):
    """Values that do not fit the parameters; the text is for the user and has no value in it."""


@dataclasses.dataclass(frozen=True)
class Placeholder:
    """A `?`: its offset in the text, and the engine's name of its type, empty where only the value has one."""

    offset: int
    type_name: str


def find(sql: str) -> tuple[Placeholder, ...]:
    """Returns the parameters of *sql*, which has the literals of standard SQL, from left to right."""
    if "?" not in sql:
        return ()
    found = []
    for token in _TOKEN.finditer(sql):
        if token["mark"]:
            target = token["target"] or token["suffix"] or ""
            is_known = types.find(target) is not None
            found.append(Placeholder(token.start("mark"), target.upper() if is_known else ""))
    return tuple(found)


def fill(sql: str, places: Sequence[Placeholder], values: Sequence[Value]) -> str:
    """Returns *sql* with each of its parameters replaced by its value, as a literal.

    Raises:
        PlaceholderError: There are more or fewer values, a type is unknown, or a text is no value of it.
    """
    if len(values) != len(places):
        raise PlaceholderError(
            f"the statement has {len(places)} parameters and {len(values)} values came"
        )
    written = [_literal(*value, number) for number, value in enumerate(values, 1)]
    return _written(sql, places, written)


def blank(sql: str) -> str:
    """Returns *sql* with NULL for each parameter: what it reads and changes stays the same."""
    places = find(sql)
    return _written(sql, places, ["NULL"] * len(places))


def _written(sql: str, places: Sequence[Placeholder], literals: Sequence[str]) -> str:
    pieces, at = [], 0
    for place, literal in zip(places, literals, strict=True):
        pieces += [sql[at : place.offset], literal]
        at = place.offset + 1
    return "".join([*pieces, sql[at:]])


def _literal(type_name: str, text: str, number: int) -> str:
    engine = types.find(type_name)
    write = None if engine is None or engine.form is None else _WRITERS.get(engine.form)
    if write is None:
        raise PlaceholderError(
            f"parameter {number} has the type {type_name!r}, which no parameter can have"
        )
    try:
        return write(text)
    except (ValueError, decimal.InvalidOperation):
        raise PlaceholderError(f"the value of parameter {number} is no {type_name}") from None


def _matching(pattern: str, write: Callable[[str], str]) -> Callable[[str], str]:
    """Returns *write* for texts that *pattern* matches whole; others are no values."""
    compiled = re.compile(pattern, re.ASCII)

    def checked(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise ValueError
        return write(text)

    return checked


def _floating(name: str) -> Callable[[str], str]:
    def write(text: str) -> str:
        if not math.isfinite(float(text)):
            raise ValueError
        return f"CAST('{text}' AS {name})"

    return write


def _decimal(text: str) -> str:
    digits = text.lstrip("+-").lstrip("0")
    fraction = len(digits.partition(".")[2])
    precision = max(len(digits.replace(".", "")), fraction, 1)
    if precision > types.DECIMAL_PRECISION:
        raise ValueError
    return f"CAST('{text}' AS DECIMAL({precision}, {fraction}))"


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError
    # A backslash could make an escape of the quote behind it.
    parts = ("'" + part.replace("'", "''") + "'" for part in text.split("\\"))
    return f"({' || CHR(92) || '.join(parts)})"


_INTEGER: Final = r"[+-]?\d{1,19}"
_DATE: Final = r"\d{4}-\d\d-\d\d"
_TIME: Final = r"\d\d:\d\d:\d\d(\.\d{1,6})?"
_FORM = types.Form
#: By the form of a parameter's type. The texts are this engine's own reading, apart from what a driver writes.
_WRITERS: Final[dict[types.Form, Callable[[str], str]]] = {
    _FORM.TRUTH: _matching("(?i)true|false", str.upper),
    _FORM.INT: _matching(_INTEGER, "CAST('{}' AS INT)".format),
    _FORM.BIGINT: _matching(_INTEGER, "CAST('{}' AS BIGINT)".format),
    _FORM.FLOAT: _matching(r"[\d.eE+-]+", _floating("FLOAT")),
    _FORM.DOUBLE: _matching(r"[\d.eE+-]+", _floating("DOUBLE")),
    _FORM.DECIMAL: _matching(r"[+-]?\d+(\.\d+)?", _decimal),
    _FORM.TEXT: _text,
    _FORM.DATE: _matching(_DATE, "CAST('{}' AS DATE)".format),
    _FORM.MOMENT: _matching(f"{_DATE} {_TIME}", "CAST('{}' AS TIMESTAMP)".format),
    _FORM.INSTANT: _matching(rf"{_DATE} {_TIME}[+-]\d\d:\d\d", "CAST('{}' AS TIMESTAMP_TZ)".format),
}
