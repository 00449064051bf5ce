"""`e6data-adbc ping`: does the engine answer, and how fast."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import Any

from e6data_adbc.cli import connecting
from e6data_adbc.cli.exits import UsageError

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "ping",
        help="check that the engine answers",
        description="Sign in where that is needed, run a trivial query, and print the state, the deployment and the "
        "time that it took. A suspended cluster is an error and stays suspended.",
    )
    connecting.add_options(parser)
    parser.add_argument(
        "-n",
        "--count",
        type=int,
        default=1,
        metavar="N",
        help="how often (default: %(default)s); the first time includes signing in",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="how long each may take (default: 10)",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Checks as often as asked, over one connection."""
    from e6data_adbc import cluster

    if given.count < 1:
        raise UsageError(f"could not ping: --count has to be 1 or more, and is {given.count}")
    if given.timeout is not None and not given.timeout > 0:
        raise UsageError(f"could not ping: --timeout has to be above 0, and is {given.timeout:g}")
    with contextlib.closing(connecting.connect(given)) as connection:
        for _ in range(given.count):
            health = cluster.ping(connection, timeout_seconds=given.timeout)
            print(f"{health.state}, {health.strategy}, {health.latency_seconds * 1000:.1f} ms")
            sys.stdout.flush()
    return 0
