"""What a test of code that queries e6data needs beside a local engine: a place of its own on it."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from e6data_adbc.local import LocalEngine

__all__ = ["isolated_catalog"]


@contextlib.contextmanager
def isolated_catalog(engine: LocalEngine, tables: Mapping[str, Any] | None = None) -> Iterator[str]:
    """Yields the name of a fresh catalog on *engine* that nobody else knows; it is gone afterwards.

    Args:
        engine: A running engine.
        tables: Arrow data by table name, to begin with.

    Raises:
        ProgrammingError: Data cannot be stored.
    """
    name = f"test_{uuid.uuid4().hex[:12]}"
    engine.add_catalog(name, tables)
    try:
        yield name
    finally:
        engine.drop_catalog(name)
