"""The engine's SQL in DuckDB's words: the few spellings that one cheap rewrite covers.

Everything else goes to DuckDB as it is. A rewrite sees tokens, never the inside of a literal, comment or quoted name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

__all__ = ["MACROS", "to_duckdb"]

#: One token that is left alone (literal, quoted name, comment) or a bare word.
_TOKEN: Final = re.compile(
    r"""(?P<opaque>'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \$\$.*?\$\$)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)""",
    re.VERBOSE | re.DOTALL,
)

#: Type names, upper case, that DuckDB lacks.
_TYPES: Final = {"TIMESTAMP_TZ": "TIMESTAMPTZ", "VARBINARY": "BLOB"}

#: Functions that DuckDB lacks, made where every connection sees them.
MACROS: Final[tuple[str, ...]] = (
    "CREATE OR REPLACE MACRO to_varchar(x) AS CAST(x AS VARCHAR)",
    "CREATE OR REPLACE MACRO charindex(part, whole) AS strpos(whole, part)",
    "CREATE OR REPLACE MACRO locate(part, whole) AS strpos(whole, part)",
    """
    CREATE OR REPLACE MACRO timestamp_add(unit, amount, moment) AS CAST(moment AS TIMESTAMP) + CASE lower(unit)
        WHEN 'year' THEN to_years(CAST(amount AS INTEGER))
        WHEN 'quarter' THEN to_months(3 * CAST(amount AS INTEGER))
        WHEN 'month' THEN to_months(CAST(amount AS INTEGER))
        WHEN 'week' THEN to_days(7 * CAST(amount AS INTEGER))
        WHEN 'day' THEN to_days(CAST(amount AS INTEGER))
        WHEN 'hour' THEN to_hours(CAST(amount AS BIGINT))
        WHEN 'minute' THEN to_minutes(CAST(amount AS BIGINT))
        WHEN 'second' THEN to_seconds(CAST(amount AS BIGINT))
        ELSE error('timestamp_add does not know the unit ' || unit)
    END
    """,
    """
    CREATE OR REPLACE MACRO timestamp_diff(unit, a, b) AS
        date_diff(unit, CAST(a AS TIMESTAMP), CAST(b AS TIMESTAMP))
    """,
)


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
