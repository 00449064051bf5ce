"""Connections to the local engine, for a suite that has a PostgreSQL server."""

from __future__ import annotations

import re
from typing import Any

import stranger_engine

from e6data_adbc.dbapi import Cursor

__all__ = ["connect"]


class _Cursor(Cursor):
    """Takes PostgreSQL's `$1`, `$2` for `?`; the one statement of pandas that has them has them in order."""

    def executemany(self, operation: bytes | str, seq_of_parameters: Any) -> None:
        super().executemany(re.sub(r"\$\d+", "?", str(operation)), seq_of_parameters)


def connect(uri: str, **_: Any) -> Any:
    """Returns a connection to a database of its own, whose schema is PostgreSQL's `public`."""
    del uri
    return stranger_engine.connect(_Cursor, schema="public", setup=("CREATE SCHEMA public",))
