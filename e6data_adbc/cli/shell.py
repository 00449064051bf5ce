"""`e6data-adbc shell`: statements typed one after the other."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import Any

from e6data_adbc.cli import connecting
from e6data_adbc.cli.exits import Exit, UsageError
from e6data_adbc.cli.progress import teller

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "shell",
        help="type statements on a terminal",
        description="Type statements on a terminal: they end with a semicolon and Enter. Ctrl-C cancels the query on "
        "the server and keeps the shell, Ctrl-D or \\q leaves it, Tab completes keywords, tables and columns, and \\? "
        "lists the commands. Needs a terminal, and the extra `shell`: pip install 'e6data-adbc[shell]'.",
    )
    connecting.add_options(parser)
    parser.set_defaults(run=run, parser=parser)


def run(given: argparse.Namespace) -> int:
    """Reads and runs statements until the user leaves."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        given.parser.print_help(sys.stderr)
        sys.stderr.write(
            "\ne6data-adbc: could not start the shell: this is no terminal; e6data-adbc sql reads statements from "
            "arguments, files (-f) and standard input (-)\n"
        )
        return Exit.USAGE
    # Positions of the cursor are not asked for: an answer that comes while a query runs would be read as typed.
    os.environ.setdefault("PROMPT_TOOLKIT_NO_CPR", "1")
    try:
        from e6data_adbc.cli.interactive.terminal import read_and_run
    except ImportError as error:
        raise UsageError(
            "could not start the shell: prompt_toolkit is not installed; run: pip install 'e6data-adbc[shell]'"
        ) from error
    on_progress = None if given.quiet else teller("the cluster is ")
    with contextlib.closing(connecting.connect(given, on_progress)) as connection:
        read_and_run(connection, is_quiet=given.quiet)
    return Exit.OK
