"""`e6data-adbc sql`: run statements, show or store their rows."""

from __future__ import annotations

import argparse
import contextlib
import decimal
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from e6data_adbc.cli import connecting, waiting
from e6data_adbc.cli.exits import UsageError
from e6data_adbc.cli.progress import Progress, count, seconds, teller

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection

    from e6data_adbc._reader import BatchReader
    from e6data_adbc.cli.files import MakeWriter
    from e6data_adbc.cli.formats import Writer

__all__ = ["add_to"]

_FORMATS: Final = ("table", "csv", "json", "jsonl")
_LOOK: Final = 0.1
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
    parser.add_argument("sql", help="one or more statements; - reads them from standard input")
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
        choices=_FORMATS,
        default="table",
        help="how to print rows (default: %(default)s)",
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
    statements = split(sys.stdin.read() if given.sql == "-" else given.sql)
    values = parse_parameters(given.param)
    if given.output is not None:
        from e6data_adbc.cli.files import check_target

        check_target(given.output)
        if len(statements) > 1:
            raise UsageError(
                f"could not write {str(given.output)!r}: there are {len(statements)} statements"
            )
    connecting.check_changes(given, statements)
    on_progress = None if given.quiet else teller("the cluster is ")
    with contextlib.closing(connecting.connect(given, on_progress)) as connection:
        for statement in statements:
            _run_statement(connection, statement, values, given)
    return 0


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


def _run_statement(
    connection: Connection, statement: str, values: Values, given: argparse.Namespace
) -> None:
    from e6data_adbc._reader import BatchReader

    progress = Progress(sys.stderr, enabled=False if given.quiet else None)
    cursor = connection.cursor()
    try:
        with contextlib.closing(cursor):
            waiting.call(
                lambda: cursor.execute(statement, values),
                cursor.adbc_cancel,
                lambda: progress.update(0),
            )
            progress.announced = cursor.rowcount
            with BatchReader(cursor) as batches, _sink(given) as sink:
                has_columns = bool(batches.schema.names)
                rows = _copy(batches, sink, given, progress)
    finally:
        progress.clear()
    if not given.quiet and (given.output is not None or sys.stderr.isatty()):
        target = f" to {given.output}" if given.output is not None else ""
        if not has_columns and cursor.rowcount >= 0:
            rows, target = cursor.rowcount, " changed"
        sys.stderr.write(f"{count(rows, 'row')}{target} in {seconds(progress.elapsed)}\n")


def _copy(
    batches: BatchReader, sink: BinaryIO, given: argparse.Namespace, progress: Progress
) -> int:
    writer: Writer | None = _writer(given, sink, batches)
    rows = 0
    try:
        with contextlib.suppress(StopIteration):
            while True:
                batch = batches.poll(_LOOK)
                if batch is not None and writer is not None:
                    if given.output is None:
                        progress.clear()
                    writer.write(batch)
                    rows += batch.num_rows
                    if given.output is None:
                        sink.flush()
                progress.update(rows)
        progress.clear()
        if writer is not None:
            writer.finish()
            sink.flush()
    except BaseException:
        if writer is not None:
            writer.abandon()
        raise
    return rows


def _writer(given: argparse.Namespace, sink: BinaryIO, batches: BatchReader) -> Writer | None:
    from e6data_adbc.cli.files import check_target

    if not batches.schema.names:
        return None  # a statement without a result
    if given.output is not None:
        return check_target(given.output)(sink, batches.schema)
    return _printer(given.format)(sink, batches.schema)


def _printer(name: str) -> MakeWriter:
    from e6data_adbc.cli import formats

    printers: dict[str, MakeWriter] = {
        "table": formats.Table,
        "csv": formats.Csv,
        "json": formats.Json,
        "jsonl": formats.JsonLines,
    }
    return printers[name]


@contextlib.contextmanager
def _sink(given: argparse.Namespace) -> Iterator[BinaryIO]:
    if given.output is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        return
    from e6data_adbc.cli.files import open_target

    with open_target(given.output) as file:
        yield file
