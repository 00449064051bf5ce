"""An Iceberg catalog in SQLite under a folder, for tests of loads."""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
from pyiceberg.utils.config import Config

#: What it is called in addresses.
NAME = "lakehouse"


def address(folder: Path, table: str) -> str:
    """Returns the address of a table in a catalog under *folder*, with the catalog's settings."""
    settings = f"type=sql&uri=sqlite:///{folder}/catalog.db&warehouse=file://{folder}/warehouse"
    return f"iceberg://{NAME}/{table}?{settings}"


def configure(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Makes the catalog known, by the environment as pyiceberg reads it."""
    settings = {
        "TYPE": "sql",
        "URI": f"sqlite:///{folder}/catalog.db",
        "WAREHOUSE": f"file://{folder}/warehouse",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"PYICEBERG_CATALOG__{NAME.upper()}__{name}", value)


@contextlib.contextmanager
def catalog(settings: dict[str, str] | None = None) -> Iterator[Any]:
    """Yields the catalog of pyiceberg itself; without *settings* the one of the environment."""
    known: Any = settings or Config().get_catalog_config(NAME) or {}
    opened = load_catalog(NAME, **known)
    try:
        yield opened
    finally:
        opened.close()


def read(address: str) -> pa.Table:
    """Returns all rows of a table, by pyiceberg itself; those of one that is not there are none."""
    split = urllib.parse.urlsplit(address)
    settings = dict(urllib.parse.parse_qsl(split.query))
    with catalog(settings) as opened:
        try:
            table = opened.load_table(split.path.strip("/"))
        except (NoSuchTableError, NoSuchNamespaceError):
            return pa.table({})
        found: pa.Table = table.scan().to_arrow()
        return found
