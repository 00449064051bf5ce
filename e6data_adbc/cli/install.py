"""`e6data-adbc install-manifest`: make the driver known by name where the wheel could not."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from e6data_adbc.cli import manifest
from e6data_adbc.cli.exits import UsageError

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "install-manifest",
        help="make the driver known by its name, `e6data`, to ADBC driver managers",
        description="Write driver manifests with the absolute path of this installation's library, for driver managers "
        "outside of Python and for installations outside of a virtual environment.",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--venv", action="store_true", help="in this virtual environment (default inside of one)"
    )
    where.add_argument("--user", action="store_true", help="for this user (default elsewhere)")
    where.add_argument(
        "--dir", type=Path, metavar="DIR", help="in this folder, which ADBC_DRIVER_PATH may name"
    )
    parser.add_argument("--uninstall", action="store_true", help="remove them instead")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Writes or removes the manifests and prints their paths."""
    folder = _folder(given)
    verb = "remove manifests from" if given.uninstall else "write manifests into"
    try:
        files = manifest.uninstall(folder) if given.uninstall else manifest.install(folder)
    except OSError as error:
        raise OSError(
            f"could not {verb} {str(folder)!r}: {error.strerror}; --venv and --dir DIR name other folders"
        ) from error
    for file in files:
        print(file)
    return 0


def _folder(given: argparse.Namespace) -> Path:
    if given.dir is not None:
        return Path(given.dir).absolute()
    venv = manifest.venv_folder()
    if given.venv and venv is None:
        raise UsageError("could not install for the virtual environment: this Python is in none")
    return manifest.user_folder() if given.user or venv is None else venv
