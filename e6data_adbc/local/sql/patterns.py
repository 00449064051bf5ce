"""Date patterns: Java's letters (`yyyy-MM-dd`) and MySQL's percent codes (`%Y-%m-%d`) → DuckDB's strftime codes."""

from __future__ import annotations

import re
from typing import Final

from e6data_adbc.local.sql.errors import UnsupportedSqlError

__all__ = ["strftime_pattern"]

#: A quoted text, a run of one letter, or any other character.
_JAVA: Final = re.compile(
    r"'(?P<quoted>(?:[^']|'')*)'|(?P<run>([A-Za-z])\3*)|(?P<other>.)", re.DOTALL
)

#: The documentation writes years as `y` and as `Y`; both are the calendar year.
_LETTERS: Final[dict[str, str]] = {
    "y": "%Y",
    "yyyy": "%Y",
    "Y": "%Y",
    "YYYY": "%Y",
    "uuuu": "%Y",
    "yy": "%y",
    "YY": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "M": "%-m",
    "dd": "%d",
    "d": "%-d",
    "DDD": "%j",
    "D": "%-j",
    "HH": "%H",
    "H": "%-H",
    "hh": "%I",
    "h": "%-I",
    "mm": "%M",
    "m": "%-M",
    "ss": "%S",
    "s": "%-S",
    "SSS": "%g",
    "SSSSSS": "%f",
    "a": "%p",
    "EEEE": "%A",
    "EEE": "%a",
    "EE": "%a",
    "E": "%a",
}

_PERCENT: Final[dict[str, str]] = {
    **{letter: f"%{letter}" for letter in "YymdHIjbaSpf%"},
    "e": "%-d",
    "k": "%-H",
    "h": "%I",
    "l": "%-I",
    "i": "%M",
    "s": "%S",
    "M": "%B",
    "W": "%A",
    "T": "%H:%M:%S",
    "r": "%I:%M:%S %p",
    "c": "%-m",
}


def strftime_pattern(pattern: str) -> str:
    """Returns the strftime pattern that means what *pattern* means.

    Raises:
        UnsupportedSqlError: A letter of it has no counterpart; names it.
    """
    return _from_percent(pattern) if "%" in pattern else _from_java(pattern)


def _from_java(pattern: str) -> str:
    parts: list[str] = []
    for found in _JAVA.finditer(pattern):
        quoted, run = found["quoted"], found["run"]
        if quoted is not None:
            parts.append(quoted.replace("''", "'") if quoted else "'")
        elif run is None:
            parts.append(found[0])
        elif run in _LETTERS:
            parts.append(_LETTERS[run])
        else:
            raise _unknown(run, pattern)
    return "".join(parts)


def _from_percent(pattern: str) -> str:
    def code(found: re.Match[str]) -> str:
        letter = found[1]
        if letter not in _PERCENT:
            raise _unknown(found[0], pattern)
        return _PERCENT[letter]

    return re.sub(r"%(.?)", code, pattern, flags=re.DOTALL)


def _unknown(letters: str, pattern: str) -> UnsupportedSqlError:
    return UnsupportedSqlError(
        f"not supported by the local engine: {letters!r} in the date pattern {pattern!r}"
    )
