"""SQL as tokens: the names of types that DuckDB spells in another way, and the semicolon at the end.

A rewrite sees tokens, never the inside of a literal, comment or quoted name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

__all__ = ["ends_with_semicolon", "to_duckdb"]

#: One token that is left alone (literal, quoted name, comment) or a bare word.
_TOKEN: Final = re.compile(
    r"""(?P<opaque>'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \$\$.*?\$\$)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)""",
    re.VERBOSE | re.DOTALL,
)

#: Type names, upper case, that DuckDB lacks.
_TYPES: Final = {"TIMESTAMP_TZ": "TIMESTAMPTZ", "VARBINARY": "BLOB"}


def to_duckdb(sql: str) -> str:
    """Returns *sql* as DuckDB understands it; text without a known spelling comes back unchanged."""
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
    word = found["word"]
    return _TYPES.get(word.upper(), word) if word else found[0]
