"""`e6data-adbc serve`: the local engine as a process."""

from __future__ import annotations

import argparse
import functools
import os
from pathlib import Path
from typing import Any, Final

from e6data_adbc import snapshot
from e6data_adbc.cli.exits import UsageError

__all__ = ["add_to"]

#: Settings that are files.
_FILES: Final = {
    "scratch": "DuckDB file that keeps the catalog `scratch`",
    "users": "JSON file of more users, their tokens and catalogs",
    "log": "add a line of JSON for each call to this file; - is standard error",
    "tls_certificate": "PEM file of the server's certificate: TLS instead of plaintext",
    "tls_key": "PEM file of its key",
    "tls_client_authorities": "PEM file: serve only clients with a certificate of one of these",
}


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
    for name, text in _FILES.items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=Path, metavar="FILE", help=text)
    parser.add_argument(
        "--record",
        type=Path,
        metavar="DIR",
        help="answer from the recordings in DIR; ask --upstream for what is not there, and keep it",
    )
    parser.add_argument(
        "--upstream",
        default=os.environ.get("E6DATA_UPSTREAM"),
        metavar="URI",
        help="the engine that is recorded; better given as E6DATA_UPSTREAM, because it has a token in it",
    )
    parser.add_argument(
        "--replay",
        type=Path,
        metavar="DIR",
        help="answer from the recordings in DIR, and refuse what is not there",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=0.0,
        metavar="S",
        help="seconds that queries may still be read after SIGTERM (default: 0)",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Runs the engine until a signal stops it."""
    if given.path is not None and not given.path.exists():
        raise UsageError(f"could not serve {str(given.path)!r}: there is no such folder")
    if given.record is not None and not given.upstream:
        raise UsageError(
            "could not record: neither --upstream nor E6DATA_UPSTREAM says whom to ask"
        )
    if given.replay is not None and given.record is not None:
        raise UsageError("could not serve: --record and --replay exclude each other")
    from e6data_adbc.local import serve

    names = ("chunk_rows", "tpch", *_FILES)
    settings: dict[str, Any] = {
        name: value for name in names if (value := getattr(given, name)) is not None
    }
    if given.strict:
        settings["strict"] = True
    if given.listen_anywhere:
        settings["listen_anywhere"] = True
    if given.record is not None:
        settings["made_by"] = functools.partial(snapshot.record, given.record, given.upstream)
    elif given.replay is not None:
        settings["made_by"] = functools.partial(snapshot.replay, given.replay)
    return serve(
        given.host,
        given.port,
        given.user,
        given.token,
        given.path,
        token_file=given.token_file,
        admin_token=os.environ.get("E6DATA_ADMIN_TOKEN") or None,
        admin_token_file=given.admin_token_file,
        grace_seconds=given.grace,
        **settings,
    )
