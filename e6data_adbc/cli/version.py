"""`e6data-adbc version`: what is installed."""

from __future__ import annotations

import argparse
import platform
from importlib import metadata
from typing import Any

from e6data_adbc._version import VERSION

__all__ = ["add_to", "version_of"]

_LIBRARIES = ("adbc-driver-manager", "grpcio", "protobuf", "pyarrow", "duckdb", "polars", "pandas")


def add_to(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "version",
        help="show the versions of this package and its libraries",
        description="Print the versions of this package, of Python and of the libraries that matter in a bug report.",
    )
    parser.set_defaults(run=run)


def run(_given: argparse.Namespace) -> int:
    """Prints a line for each library that matters in a bug report."""
    print(f"e6data-adbc {VERSION}")
    print(f"python {platform.python_version()} on {platform.platform()}")
    for name in _LIBRARIES:
        print(f"{name} {version_of(name)}")
    return 0


def version_of(name: str) -> str:
    """Returns the version of a package; `is not installed` where it is not."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "is not installed"
