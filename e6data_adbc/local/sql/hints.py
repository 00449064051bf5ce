"""Statements that users of other engines try and this one does not run: the way to what they are for."""

from __future__ import annotations

import re
from typing import Final

from e6data_adbc.local.data.statements import HEAD

__all__ = ["way"]

_LISTINGS: Final = (
    "list them with adbc_get_objects() of a connection, or select from information_schema."
)
_SESSION: Final = (
    "catalog and schema are of the connection: set adbc.connection.catalog and adbc.connection.db_schema, or name them"
    " in the URI, or write catalog.schema.table"
)
_FILES: Final = "fetch the result as Arrow and write it, or have the local engine serve a folder"
_CATALOGS: Final = (
    "have the local engine serve a folder with the file, or use LocalEngine.add_catalog"
)
_BOUND: Final = "write ? for the values and bind them"
#: The first words of a statement, what it is called, and the way.
_WAYS: Final = tuple(
    (re.compile(rf"{HEAD}(?:{words})\b", re.IGNORECASE), name, text)
    for words, name, text in (
        ("use", "USE", _SESSION),
        (r"show\s+catalogs", "SHOW CATALOGS", _LISTINGS + "schemata"),
        (r"show\s+schemas\s+(?:from|in|like)", "SHOW SCHEMAS FROM", _LISTINGS + "schemata"),
        (
            r"show\s+columns",
            "SHOW COLUMNS",
            "write DESCRIBE and the table, or " + _LISTINGS + "columns",
        ),
        (r"show\s+create", "SHOW CREATE", _LISTINGS + "columns"),
        (
            r"begin|start\s+transaction|commit|rollback|abort",
            "TRANSACTION",
            "there are no transactions, each statement stands for itself; leave this one out",
        ),
        (
            "set|reset",
            "SET",
            "what can be set are options of the driver and settings of the local engine",
        ),
        ("prepare", "PREPARE", _BOUND),
        ("execute", "EXECUTE", _BOUND),
        ("copy", "COPY", _FILES),
        ("export", "EXPORT", _FILES),
        ("attach", "ATTACH", _CATALOGS),
        ("detach", "DETACH", _CATALOGS),
    )
)


def way(sql: str) -> str | None:
    """Returns the refusal of *sql* with what to do in its place; None where it is not one of these statements."""
    found = next(((name, text) for words, name, text in _WAYS if words.match(sql)), None)
    if found is None:
        return None
    return f"{found[0]} statements are not supported by the engine; {found[1]}"
