"""`e6data-adbc cluster`: the power state of a cluster."""

from __future__ import annotations

import argparse
import os
from typing import Any

from e6data_adbc.cli import progress
from e6data_adbc.cli.exits import UsageError

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "cluster",
        help="show, resume or suspend a cluster",
        description="Show, resume or suspend a cluster. The state is printed on standard output.",
    )
    actions = parser.add_subparsers(metavar="action", required=True, dest="action")
    for name, text in (
        ("status", "print the state"),
        ("resume", "resume it and wait until it is active"),
        ("suspend", "suspend it: its queries end, and it costs nothing until it is resumed"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument(
            "--uri",
            help="e6data://user@host:port (default: E6DATA_URI). Keep the token out of it: give it as E6DATA_PASSWORD",
        )
        action.add_argument(
            "-q", "--quiet", action="store_true", help="say nothing but the state and errors"
        )
        if name == "resume":
            action.add_argument(
                "--timeout",
                type=float,
                default=300.0,
                metavar="SECONDS",
                help="how long to wait (default: %(default)g)",
            )
        action.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Asks the cluster service, and prints the state in the end."""
    uri = given.uri or os.environ.get("E6DATA_URI")
    if not uri:
        raise UsageError("could not find a cluster: neither --uri nor E6DATA_URI says where it is")
    from e6data_adbc import cluster

    match given.action:
        case "status":
            state = cluster.status(uri)
        case "suspend":
            state = cluster.suspend(uri)
        case _:
            state = cluster.resume(
                uri,
                timeout_seconds=given.timeout,
                on_progress=None if given.quiet else progress.teller(),
            )
    print(state)
    return 0
