"""A complete e6data engine on this machine: the wire protocol in front of DuckDB.

`LocalEngine` runs it in this process, `serve` as a process of its own; `EngineConfig` lists the settings. Importing
this package loads neither gRPC nor DuckDB.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from e6data_adbc.local.config import EngineConfig
    from e6data_adbc.local.faults import When
    from e6data_adbc.local.process import serve
    from e6data_adbc.local.server import LocalEngine, open_engine

__all__ = ["EngineConfig", "LocalEngine", "When", "open_engine", "serve"]

_HOMES: Final = {
    "EngineConfig": "config",
    "LocalEngine": "server",
    "When": "faults",
    "open_engine": "server",
    "serve": "process",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
