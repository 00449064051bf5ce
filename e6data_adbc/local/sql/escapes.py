r"""Literals in which a backslash escapes the quote, `'it\'s'`: the engine reads them, DuckDB does not."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["standard"]

_TOKEN: Final = re.compile(
    r"""--[^\n]*|/\*.*?\*/|"(?:[^"]|"")*"|'(?P<literal>(?:[^'\\]|''|\\.)*)'|(?P<loose>')""",
    re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(.)|''", re.DOTALL)
_MEANT: Final = {"n": "\n", "r": "\r", "t": "\t", "'": "''", "\\": "\\"}


def standard(sql: str) -> str:
    r"""Returns *sql* with the literals of standard SQL.

    A text is left alone unless it has `\'` and every literal ends where backslashes escape: `'C:\'` is a path. In a
    text that is taken to escape, `\\`, `\n`, `\r` and `\t` mean what the public connector means by them.
    """
    if "\\'" not in sql:
        return sql
    tokens = list(_TOKEN.finditer(sql))
    if any(token["loose"] for token in tokens):
        return sql
    return _TOKEN.sub(
        lambda token: token[0] if token["literal"] is None else f"'{_written(token['literal'])}'",
        sql,
    )


def _written(literal: str) -> str:
    return _ESCAPE.sub(
        lambda found: "''" if found[1] is None else _MEANT.get(found[1], found[0]), literal
    )
