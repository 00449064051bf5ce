"""The catalog that can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SCRATCH = {"adbc.connection.catalog": "scratch", "adbc.connection.db_schema": "main"}


Rows = Callable[[str], list[tuple[Any, ...]]]
