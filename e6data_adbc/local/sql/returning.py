"""Changes with RETURNING: the query whose columns are those of their rows, found without running the change."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["preview"]

_TOKEN: Final = re.compile(
    r"""(?P<skip>\s+ | --[^\n]* | /\*.*?\*/)
      | "(?:[^"]|"")*" | \w+ | '(?:[^']|'')*' | \$\$.*?\$\$ | .""",
    re.VERBOSE | re.DOTALL,
)
_NAME: Final = re.compile(r'"(?:[^"]|"")*"|[^\W\d]\w*')
_CHANGES: Final = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
#: What may stand between the first word of a change and its table.
_PARTICLES: Final = frozenset({"OR", "REPLACE", "IGNORE", "INTO", "FROM", "ONLY"})
#: What may stand behind the table and is no alias.
_CLAUSES: Final = frozenset(
    [
        "SET",
        "USING",
        "WHERE",
        "RETURNING",
        "VALUES",
        "SELECT",
        "DEFAULT",
        "BY",
        "ON",
        "FROM",
        "WITH",
        "WHEN",
    ]
)
#: The column that the rows of a MERGE have beside those of the table, outside `*`.
_ACTION: Final = "merge_action"


def preview(sql: str) -> str | None:
    """Returns the SELECT whose columns are those that the RETURNING of *sql* gives; None where there is no RETURNING.

    *sql* is one statement in DuckDB's words.
    """
    tokens = _tokens(sql)
    words = [text.upper() for text, _, _ in tokens]
    # Names in parentheses are of columns, values and sub-queries.
    top = [index for index, (_, _, depth) in enumerate(tokens) if depth == 0]
    start = next((index for index in top if words[index] in _CHANGES), None)
    end = next((index for index in top if words[index] == "RETURNING"), None)
    if start is None or end is None or end < start:
        return None
    kind, at = words[start], start + 1
    while at < end and words[at] in _PARTICLES:
        at += 1
    name = at
    at += 1
    while at + 1 < end and words[at] == ".":
        at += 2
    table = "".join(text for text, _, _ in tokens[name:at])
    if at < end and words[at] == "AS":
        at += 1
    is_alias = at < end and _NAME.fullmatch(tokens[at][0]) and words[at] not in _CLAUSES
    alias = f" AS {tokens[at][0]}" if is_alias else ""
    items = sql[tokens[end][1] + len(tokens[end][0]) :]
    if kind == "MERGE":
        items = _without_action(tokens[end + 1 :])
        columns = f"(SELECT *, CAST(NULL AS VARCHAR) AS {_ACTION} FROM {table})"  # noqa: S608 - the user's own text
        alias = alias or f" AS {tokens[at - 1][0]}"
        table = columns
    return f"SELECT {items}\nFROM {table}{alias}"


def _without_action(tokens: list[tuple[str, int, int]]) -> str:
    """Returns the items of a MERGE's RETURNING, whose `*` has the table's columns only."""
    pieces = []
    for index, (text, _, depth) in enumerate(tokens):
        before = tokens[index - 1][0] if index else ","
        is_all = text == "*" and depth == 0 and before in {",", "."}
        pieces.append(f"* EXCLUDE ({_ACTION})" if is_all else text)
    return " ".join(pieces).replace(" . ", ".")


def _tokens(sql: str) -> list[tuple[str, int, int]]:
    """Returns the tokens of *sql*: text, offset and how many parentheses are open around it."""
    found, depth = [], 0
    for token in _TOKEN.finditer(sql):
        if token["skip"] is not None:
            continue
        text = token[0]
        depth -= text in {")", "]"}
        found.append((text, token.start(), depth))
        depth += text in {"(", "["}
    return found
