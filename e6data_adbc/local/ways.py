"""Statements that users of other engines try and this one does not run: the way to what they are for."""

from __future__ import annotations

import re
from typing import Final

from e6data_adbc.local.statements import HEAD

__all__ = ["way"]

_LISTINGS: Final = (
    "list them with adbc_get_objects() of a connection, or select from information_schema.{}"
)
_WAYS: Final = tuple(
    (re.compile(rf"{HEAD}(?:{words})\b", re.IGNORECASE), text)
    for words, text in (
        (
            "use",
            (
                "USE is not a statement of the engine; catalog and schema are of the connection: set"
                " adbc.connection.catalog and adbc.connection.db_schema, or name them in the URI, or write"
                " catalog.schema.table"
            ),
        ),
        (r"show\s+catalogs", "SHOW CATALOGS is not supported; " + _LISTINGS.format("schemata")),
        (
            r"show\s+schemas\s+(?:from|in|like)",
            "SHOW SCHEMAS of a catalog is not supported; " + _LISTINGS.format("schemata"),
        ),
        (
            r"show\s+columns",
            "SHOW COLUMNS is not supported; write DESCRIBE and the table, or "
            + _LISTINGS.format("columns"),
        ),
        (
            r"show\s+create",
            "SHOW CREATE is not supported; " + _LISTINGS.format("columns"),
        ),
        (
            r"begin|start\s+transaction|commit|rollback|abort",
            "the engine has no transactions; each statement stands for itself, so leave this one out",
        ),
        (
            "set|reset",
            "SET is not supported; what can be set are options of the driver and settings of the local engine",
        ),
        (
            "prepare|execute|deallocate",
            "PREPARE and EXECUTE are not supported; write ? for the values and bind them",
        ),
        (
            "copy|export|import",
            (
                "files are not written or read by statements; fetch the result as Arrow and write it, or have the local"
                " engine serve a folder"
            ),
        ),
        (
            "attach|detach",
            (
                "catalogs are not attached by statements; have the local engine serve a folder with the file, or use"
                " LocalEngine.add_catalog"
            ),
        ),
    )
)


def way(sql: str) -> str | None:
    """Returns what to do in place of *sql*; None where it is not one of these statements."""
    return next((text for words, text in _WAYS if words.match(sql)), None)
