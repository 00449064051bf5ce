"""How a command finds its server."""

from __future__ import annotations

import argparse
import os
import sys
import urllib.parse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from e6data_adbc.cli.exits import UsageError
from e6data_adbc.errors import NotSupportedError, ProgrammingError, Status

if TYPE_CHECKING:
    from e6data_adbc._dbapi.direct import DirectConnection

__all__ = ["add_options", "connect", "check_changes"]

_LOCAL = "e6data:local"
#: Characters of a statement that an error shows.
_SHOWN = 60
#: Failures of opening a connection that are about what was typed.
_TYPED = frozenset({Status.INVALID_ARGUMENT, Status.NOT_IMPLEMENTED, Status.NOT_FOUND})


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say where to connect."""
    parser.add_argument(
        "--uri",
        help="e6data://user@host:port/catalog/schema, or e6data:local for the local engine (default: E6DATA_URI, else "
        "the local engine). Keep the token out of it: give it as E6DATA_PASSWORD, which process lists do not show",
    )
    parser.add_argument("--catalog", help="catalog for unqualified names")
    parser.add_argument("--schema", help="schema for unqualified names")
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="say nothing but results and errors"
    )


def connect(
    given: argparse.Namespace, on_progress: Callable[[str], object] | None = None
) -> DirectConnection:
    """Returns an open connection; says so when it is one to the local engine for want of a URI.

    Args:
        given: What `add_options` added.
        on_progress: Told the state of a cluster that a query resumes.

    Raises:
        UsageError: The URI or an option is wrong.
        Error: The server cannot be reached.
    """
    from e6data_adbc._dbapi.direct import DirectConnection
    from e6data_adbc.options import ConnectionOptions

    uri = _uri(given) or _LOCAL
    if not _uri(given) and not given.quiet:
        sys.stderr.write("no --uri and no E6DATA_URI: using the local engine (e6data:local)\n")
    chosen: dict[str, Any] = {
        ConnectionOptions.CURRENT_CATALOG.value: given.catalog,
        ConnectionOptions.CURRENT_DB_SCHEMA.value: given.schema,
    }
    chosen = {key: value for key, value in chosen.items() if value is not None}
    try:
        return DirectConnection(uri, conn_kwargs=chosen, on_progress=on_progress)
    except (ProgrammingError, NotSupportedError) as error:
        if error.status_code in _TYPED:
            raise UsageError(str(error)) from error
        raise
    except ImportError as error:
        raise UsageError(str(error)) from error


def check_changes(given: argparse.Namespace, statements: Sequence[str]) -> None:
    """Says what becomes of what *statements* change, where that is the local engine's, which ends with the command.

    Args:
        given: What `add_options` added.
        statements: What will be run.

    Raises:
        UsageError: No server was named, so that nobody can have meant it.
    """
    from e6data_adbc._sql.effect import may_change

    uri = _uri(given)
    if uri and not uri.startswith(_LOCAL):
        return
    change = next(filter(may_change, statements), None)
    if change is None:
        return
    if not uri:
        raise UsageError(
            f"could not run {_shortened(change)!r}: it changes something, and neither --uri nor E6DATA_URI names a "
            "server; with --uri e6data:local the local engine runs it, which ends with the command"
        )
    keeps = "scratch" in urllib.parse.parse_qs(uri.partition("?")[2])
    if not given.quiet and not keeps:
        sys.stderr.write("e6data:local ends with this command, and so does what is changed in it\n")


def _uri(given: argparse.Namespace) -> str | None:
    return given.uri or os.environ.get("E6DATA_URI") or None


def _shortened(statement: str) -> str:
    words = " ".join(statement.split())
    return words if len(words) <= _SHOWN else f"{words[: _SHOWN - 1]}…"
