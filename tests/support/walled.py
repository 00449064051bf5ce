"""Who may read what on the engine with walls, and what its refusals say."""

from __future__ import annotations

from typing import Any

from tests.local.wire import Wire

DENIED = ("INTERNAL", "Access denied")
SECRET = "a-word-in-a-file"
USERS = {
    "users": [
        {"name": "sampler", "tokens": ["s"], "catalogs": ["sample"]},
        {"name": "writer", "tokens": ["w"], "catalogs": ["sample", "scratch"]},
        {"name": "filer", "tokens": ["f"], "catalogs": ["files"]},
        {"name": "reader", "tokens": ["r"], "read_only": True},
    ]
}


def prepared(wire: Wire, sql: str, catalog: str = "sample", schema: str = "sales") -> Any:
    """Returns the future of a prepare."""
    return wire.start(
        "prepareStatementV2",
        sessionId=wire.session_id,
        queryString=sql,
        catalog=catalog,
        schema=schema,
    )
