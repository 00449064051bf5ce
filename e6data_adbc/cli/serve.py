"""`e6data-adbc serve`: the local engine as a process."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from e6data_adbc.cli.exits import UsageError

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "serve",
        help="run the local engine until it is stopped",
        description="Run the local engine. Prints `listening on e6data://host:port` once it answers; SIGTERM or Ctrl-C "
        "stops it.",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=0, help="port; 0 takes a free one (default)")
    parser.add_argument("--user", help="who may sign in")
    parser.add_argument(
        "--token",
        default=os.environ.get("E6DATA_TOKEN"),
        help="the token that is demanded; better given as E6DATA_TOKEN, which process lists do not show (default: made "
        "up, and told on standard error)",
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="write the made-up token here instead, readable only by you",
    )
    parser.add_argument(
        "--admin-token-file",
        type=Path,
        metavar="FILE",
        help="permit `e6data-adbc admin` to whoever can read this file; it is made, readable only by you, if it is not "
        "there. The environment's E6DATA_ADMIN_TOKEN permits it too",
    )
    parser.add_argument(
        "--path",
        type=Path,
        metavar="DIR",
        help="folder of Parquet, CSV and DuckDB files to serve as tables",
    )
    parser.add_argument(
        "--tpch",
        type=float,
        metavar="SCALE",
        help="serve the TPC-H tables of this scale factor as the catalog tpch (extra tpch)",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="refuse functions and syntax that only DuckDB knows (needs sqlglot)",
    )
    parser.add_argument("--chunk-rows", type=int, metavar="N", help="rows of one chunk of a result")
    parser.add_argument(
        "--listen-anywhere",
        action="store_true",
        help="permit a --host that other machines can reach",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Runs the engine until a signal stops it."""
    if given.path is not None and not given.path.exists():
        raise UsageError(f"could not serve {str(given.path)!r}: there is no such folder")
    from e6data_adbc.local import serve

    settings: dict[str, Any] = {}
    if given.chunk_rows is not None:
        settings["chunk_rows"] = given.chunk_rows
    if given.tpch is not None:
        settings["tpch"] = given.tpch
    if given.strict:
        settings["strict"] = True
    if given.listen_anywhere:
        settings["listen_anywhere"] = True
    return serve(
        given.host,
        given.port,
        given.user,
        given.token,
        given.path,
        token_file=given.token_file,
        admin_token=os.environ.get("E6DATA_ADMIN_TOKEN") or None,
        admin_token_file=given.admin_token_file,
        **settings,
    )
