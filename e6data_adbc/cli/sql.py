"""`e6data-adbc sql`: run statements, show or store their rows."""

from __future__ import annotations

import argparse
import contextlib
import decimal
import io
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from e6data_adbc.cli import connecting
from e6data_adbc.cli.exits import UsageError
from e6data_adbc.cli.progress import count, seconds, teller
from e6data_adbc.cli.showing import FORMATS, Outcome, Show, run_statement

__all__ = ["add_to", "parse_parameters", "read_text", "split", "summary"]

_NAMED: Final = re.compile(r"([^\W\d]\w*)=(.*)", re.DOTALL)

Values = dict[str, Any] | list[Any] | None


def add_to(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "sql",
        help="run SQL and show or store the rows",
        description="Run SQL. Rows appear as they arrive, whatever the size of the result. Ctrl-C cancels the query on "
        "the server.",
    )
    parser.add_argument(
        "sql", nargs="?", help="one or more statements; - reads them from standard input"
    )
    parser.add_argument(
        "-f",
        "--file",
        type=Path,
        metavar="FILE",
        help="read the statements from this file (UTF-8) instead; the first that fails is the last",
    )
    connecting.add_options(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write to this .parquet, .arrow, .csv, .json or .jsonl file instead; it appears when it is complete",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="how to print rows (default: table; on a terminal that is too narrow for it, vertical)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="how long each statement may take, with its rows; then it is cancelled, and the exit code is 4",
    )
    parser.add_argument(
        "--no-pager",
        action="store_true",
        help="do not use the pager that E6DATA_PAGER, or else PAGER, names for a terminal",
    )
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="[NAME=]VALUE",
        help="a value for :NAME or, without a name, for the next ?; may be repeated. A JSON value has its type "
        '(5, 1.50, true, null, "5", [1, 2]), anything else is text',
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Runs the statements one after the other."""
    statements = split(_text(given))
    values = parse_parameters(given.param)
    if given.output is not None:
        from e6data_adbc.cli.files import check_target

        check_target(given.output)
        if len(statements) > 1:
            raise UsageError(
                f"could not write {str(given.output)!r}: there are {len(statements)} statements"
            )
    if given.timeout is not None and not given.timeout > 0:
        raise UsageError(
            f"could not run SQL: --timeout has to be above 0, and is {given.timeout:g}"
        )
    show = Show(
        given.output, given.format or "fitting", given.quiet, given.timeout, not given.no_pager
    )
    connecting.check_changes(given, statements)
    on_progress = None if given.quiet else teller("the cluster is ")
    with contextlib.closing(connecting.connect(given, on_progress)) as connection:
        for statement in statements:
            outcome = run_statement(connection, statement, values, show)
            if not given.quiet and (given.output is not None or sys.stderr.isatty()):
                sys.stderr.write(f"{summary(outcome, given.output)}\n")
    return 0


def summary(outcome: Outcome, output: Path | None) -> str:
    """Returns how many rows went where, and how long it took."""
    target = f" to {output}" if output is not None else ""
    if outcome.has_changed:
        target = " changed"
    return f"{count(outcome.rows, 'row')}{target} in {seconds(outcome.seconds)}"


def _text(given: argparse.Namespace) -> str:
    if (given.sql is None) == (given.file is None):
        what = (
            "neither a statement nor --file is"
            if given.sql is None
            else "both a statement and --file are"
        )
        raise UsageError(
            f"could not run SQL: {what} given; write e6data-adbc sql 'select 1', or -f FILE, or - for standard input"
        )
    return read_text(given.sql, given.file)


def read_text(sql: str | None, file: Path | None = None) -> str:
    """Returns the text of *file*, or *sql*; of standard input where that is `-`.

    Raises:
        UsageError: It cannot be read, or is not UTF-8.
    """
    if file is None and sql != "-":
        return str(sql)
    try:
        data = sys.stdin.buffer.read() if file is None else file.read_bytes()
        return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig").read()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        what = "standard input" if file is None else repr(str(file))
        raise UsageError(f"could not read {what}: {why}") from error


def parse_parameters(words: list[str]) -> Values:
    """Returns the values of `--param`, by name or in order.

    Raises:
        UsageError: Some have names and some have not.
    """
    matches = [_NAMED.fullmatch(word) for word in words]
    if not all(matches):
        if any(matches):
            raise UsageError("could not bind --param: some have a name and some have none")
        return [_value(word) for word in words]
    return {match[1]: _value(match[2]) for match in matches if match} or None


def _value(text: str) -> Any:
    try:
        value = json.loads(text, parse_float=decimal.Decimal, parse_constant=_no_number)
    except ValueError:
        return text
    return text if isinstance(value, dict) else value


def _no_number(text: str) -> Any:
    raise ValueError(text)  # NaN and Infinity are no JSON


def split(text: str) -> list[str]:
    """Returns the statements of *text*, or the whole as one where its borders depend on the server.

    Raises:
        UsageError: There is none.
    """
    from e6data_adbc._sql.placeholders import split_statements
    from e6data_adbc.errors import ProgrammingError

    try:
        statements = split_statements(text)
    except ProgrammingError:  # its borders depend on the server's quoting rules
        statements = [text.strip()]
    if not statements:
        raise UsageError("could not run SQL: there is none")
    return statements
