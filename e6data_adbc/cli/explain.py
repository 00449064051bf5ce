"""`e6data-adbc explain`: how the server would run a statement, or has run it."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING, Any

from e6data_adbc.cli import connecting, plan_tree, waiting
from e6data_adbc.cli.exits import UsageError
from e6data_adbc.cli.formats import terminal_width
from e6data_adbc.cli.progress import Progress, count, teller
from e6data_adbc.cli.sql import parse_parameters, read_text, split

if TYPE_CHECKING:
    from e6data_adbc._dbapi.direct import DirectCursor
    from e6data_adbc._dbapi.told import Analysis

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "explain",
        help="show the plan of a statement, or the times of its run",
        description="Draw the plan of a statement, which is not run, as a tree. With --analyze the statement runs, "
        "what it changes is changed, its rows are dropped, and the tree has the rows and the times of each operator as "
        "far as the server tells them.",
    )
    parser.add_argument("sql", help="one statement; - reads it from standard input")
    connecting.add_options(parser)
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--analyze", action="store_true", help="run the statement")
    way.add_argument(
        "--dry-run", action="store_true", help="print what the server's dry run says, as it is"
    )
    parser.add_argument("--raw", action="store_true", help="print the server's own text")
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="[NAME=]VALUE",
        help="a value for :NAME or for the next ?, as for the command sql",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Prints the plan."""
    statements = split(read_text(given.sql))
    if len(statements) > 1:
        raise UsageError(f"could not explain {len(statements)} statements at once")
    values = parse_parameters(given.param)
    if given.analyze:
        connecting.check_changes(given, statements)
    progress = Progress(sys.stderr, enabled=False if given.quiet else None)
    on_progress = None if given.quiet else teller("the cluster is ")
    with contextlib.closing(connecting.connect(given, on_progress)) as connection:
        cursor = connection.cursor()
        with contextlib.closing(cursor):
            try:
                lines = waiting.call(
                    lambda: _lines(cursor, statements[0], values, given),
                    cursor.adbc_cancel,
                    lambda: progress.update(0),
                )
            finally:
                progress.clear()
    for line in lines:
        print(line)
    sys.stdout.flush()
    return 0


def _lines(cursor: DirectCursor, sql: str, values: Any, given: argparse.Namespace) -> list[str]:
    if given.dry_run:
        return [cursor.dry_run(sql, values)]
    if not given.analyze:
        plan = cursor.explain(sql, values)
        return [plan] if given.raw else _fitted(plan_tree.planned(plan))
    found = cursor.explain_analyze(sql, values)
    if given.raw:
        return [found.plan, found.analysis]
    roots = plan_tree.analyzed(found.analysis) or plan_tree.planned(found.plan)
    return [*_fitted(roots), "", _summary(found)]


def _fitted(roots: list[plan_tree.Node]) -> list[str]:
    """Returns the drawn tree; on a terminal no line is longer than that is wide."""
    try:
        "└─│├".encode(sys.stdout.encoding or "ascii")
        is_ascii = False
    except UnicodeEncodeError:
        is_ascii = True
    lines = list(plan_tree.draw(roots, is_ascii=is_ascii))
    if not sys.stdout.isatty():
        return lines
    width = terminal_width()
    return [line if len(line) <= width else line[: width - 3] + "..." for line in lines]


def _summary(found: Analysis) -> str:
    facts = []
    if found.total_milliseconds is not None:
        facts.append(f"total {found.total_milliseconds:,.0f} ms")
    facts.append(f"parsing {found.parsing_milliseconds:,} ms")
    facts.append(f"queueing {found.queueing_milliseconds:,} ms")
    if found.row_count is not None:
        facts.append(count(found.row_count, "row"))
    if found.is_cached:
        facts.append("from the cache")
    return ", ".join(facts)
