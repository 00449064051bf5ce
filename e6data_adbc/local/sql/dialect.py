"""SQL as tokens: types and binary literals that DuckDB spells in another way, and the semicolon at the end.

A rewrite sees tokens, never the inside of a literal, comment or quoted name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from e6data_adbc.local.sql.errors import UnsupportedSqlError

__all__ = ["ends_with_semicolon", "to_duckdb"]

#: One token that is left alone (literal, quoted name, comment), one that DuckDB spells in another way, or a bare word.
_TOKEN: Final = re.compile(
    r"""(?P<opaque>'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \$\$.*?\$\$)
      | (?P<binary>[xX]'(?P<hex>[^']*)')
      | (?<![\w.]) (?P<based>0[xXbBoO]\w+)
      | (?<![\w.]) (?P<sized>TIMESTAMPTZ|TIMESTAMP_TZ|TIMESTAMP|TIMETZ|TIME|VARBINARY|BINARY|BYTEA|BLOB)
        \s*\(\s*(?P<size>\d+)\s*\)(?P<zone>\s+WITH\s+TIME\s+ZONE\b | \s+WITHOUT\s+TIME\s+ZONE\b)?
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)

#: Type names, upper case, that DuckDB lacks.
_TYPES: Final = {"TIMESTAMP_TZ": "TIMESTAMPTZ", "VARBINARY": "BLOB"}
#: Type names, upper case, that take a number in parentheses but not in DuckDB; `TIMESTAMP(p)` it has.
_PLAIN: Final = {**_TYPES, "BINARY": "BLOB", "BYTEA": "BLOB", "TIME": "TIME"}
#: The most digits of a second that these types hold.
_DIGITS: Final = 6
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})*")


def to_duckdb(sql: str) -> str:
    """Returns *sql* as DuckDB understands it; text without a known spelling comes back unchanged.

    A type with a number is filled up with blanks, so that the places behind it stay the same.

    Raises:
        UnsupportedSqlError: A binary literal is none, a number has another base than ten, or a type has more digits
            than DuckDB's.
    """
    return _TOKEN.sub(_replace, sql)


def ends_with_semicolon(sql: str) -> bool:
    """Tells whether a semicolon ends *sql*, which the engine refuses; white space and comments do not count."""
    last = ""
    for token in _significant(sql):
        last = token
    return last == ";"


def _significant(sql: str) -> Iterator[str]:
    position = 0
    while position < len(sql):
        found = _TOKEN.match(sql, position)
        if found is None:
            if not sql[position].isspace():
                yield sql[position]
            position += 1
            continue
        if not found[0].startswith(("--", "/*")):
            yield found[0]
        position = found.end()


def _replace(found: re.Match[str]) -> str:
    if found["opaque"] is not None:
        return found[0]
    if found["binary"] is not None:
        return _binary(found["hex"])
    if found["based"] is not None:  # DuckDB reads 0 with the name x1F
        raise UnsupportedSqlError(
            f"not supported by the local engine: the number {found[0]}; write it in decimal digits"
        )
    if found["sized"] is not None:
        return _sized(found).ljust(len(found[0]))
    return _TYPES.get(found[0].upper(), found[0])


def _binary(digits: str) -> str:
    """Returns the bytes of a literal X'…', which DuckDB before 2.0 reads as the text x…, without a word."""
    if _HEX.fullmatch(digits) is None:
        raise UnsupportedSqlError("a binary literal X'…' has two hexadecimal digits for each byte")
    return f"unhex('{digits}')"


def _sized(found: re.Match[str]) -> str:
    name, digits = found["sized"].upper(), int(found["size"])
    zone = (found["zone"] or "").split()
    is_zoned = name.endswith("TZ") or "WITH" in (word.upper() for word in zone)
    if name == "TIMESTAMP" and not is_zoned:
        return found[0]
    if name.startswith("TIME") and digits > _DIGITS:
        raise UnsupportedSqlError(
            f"not supported by the local engine: {' '.join(found[0].split()).upper()}; it has at most {_DIGITS} digits"
            " of a second"
        )
    if is_zoned:
        return "TIMESTAMPTZ" if name.startswith("TIMESTAMP") else "TIMETZ"
    return _PLAIN.get(name, name)
