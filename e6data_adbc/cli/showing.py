"""One statement run, and its rows shown or stored: what `sql` and the shell have in common."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, cast

from e6data_adbc import errors
from e6data_adbc.cli import waiting
from e6data_adbc.cli.exits import UsageError
from e6data_adbc.cli.progress import Progress

if TYPE_CHECKING:
    from e6data_adbc._dbapi.direct import DirectConnection, DirectCursor
    from e6data_adbc._reader import BatchReader
    from e6data_adbc.cli.files import MakeWriter
    from e6data_adbc.cli.formats import Writer

__all__ = ["FORMATS", "Outcome", "Show", "open_sink", "printer", "run_statement"]

FORMATS: Final = ("table", "vertical", "csv", "json", "jsonl")
_LOOK: Final = 0.1


@dataclasses.dataclass
class Show:
    """How rows are shown.

    Attributes:
        output: The file that takes them; None for standard output.
        format: One of `FORMATS`, or `fitting`: a table, or the vertical form where that is wider than the terminal.
        quiet: Whether nothing is said of progress.
        timeout: Seconds that a statement may take, with its rows; None for no limit.
        has_pager: Whether a terminal's rows go through the pager that the environment names.
    """

    output: Path | None = None
    format: str = "fitting"
    quiet: bool = False
    timeout: float | None = None
    has_pager: bool = True


class Outcome(NamedTuple):
    """What became of a statement."""

    #: Rows that were shown or stored, or those that were changed.
    rows: int
    #: Whether the statement changed rows, of which the server told the number.
    has_changed: bool
    #: Whether the statement gives rows at all.
    has_columns: bool
    #: From sending it to its last row.
    seconds: float


class _Limit:
    """The time that a statement may take."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds

    def check(self) -> None:
        """Raises TIMEOUT when it is over."""
        if self._end is not None and time.monotonic() >= self._end:
            raise errors.make(
                errors.Status.TIMEOUT,
                f"could not finish the statement: --timeout, {self._seconds:g} s, is over",
                hint="it was cancelled on the server; give it more time",
            )


def run_statement(
    connection: DirectConnection,
    statement: str,
    values: Any,
    show: Show,
    *,
    statement_options: dict[str, str] | None = None,
    on_done: Callable[[DirectCursor], object] | None = None,
) -> Outcome:
    """Runs *statement* and passes its rows on as they arrive; Ctrl-C cancels it on the server.

    Args:
        connection: Where to run it.
        statement: One statement.
        values: Its parameters.
        show: Where rows go.
        statement_options: Options of the statement.
        on_done: Called with the cursor once all rows were read.

    Raises:
        Error: The statement failed, or its time is over (TIMEOUT).
        BrokenPipeError: Whoever read standard output went away.
    """
    from e6data_adbc._reader import BatchReader

    progress = Progress(sys.stderr, enabled=False if show.quiet else None)
    limit = _Limit(show.timeout)

    def tick() -> None:
        limit.check()
        progress.update(0)

    rows, has_columns = 0, True  # of whoever leaves the pager early
    cursor = connection.cursor(adbc_stmt_kwargs=statement_options)
    try:
        with contextlib.closing(cursor):
            waiting.call(lambda: cursor.execute(statement, values), cursor.adbc_cancel, tick)
            progress.announced = cursor.rowcount
            at_end = (lambda: None) if on_done is None else (lambda: on_done(cursor))
            with BatchReader(cursor, at_end=at_end) as batches, open_sink(show) as sink:
                has_columns = bool(batches.schema.names)
                rows = _copy(batches, sink, show, progress, limit)
            return _outcome(cursor, rows, progress, has_columns=has_columns)
    finally:
        progress.clear()


def _outcome(cursor: DirectCursor, rows: int, progress: Progress, *, has_columns: bool) -> Outcome:
    has_changed = not has_columns and cursor.rowcount >= 0
    return Outcome(
        cursor.rowcount if has_changed else rows, has_changed, has_columns, progress.elapsed
    )


def _copy(
    batches: BatchReader, sink: BinaryIO, show: Show, progress: Progress, limit: _Limit
) -> int:
    writer: Writer | None = _writer(show, sink, batches)
    rows = 0
    try:
        with contextlib.suppress(StopIteration):
            while True:
                batch = batches.poll(_LOOK)
                if batch is not None and writer is not None:
                    if show.output is None:
                        progress.clear()
                    writer.write(batch)
                    rows += batch.num_rows
                    if show.output is None:
                        sink.flush()
                limit.check()
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


def _writer(show: Show, sink: BinaryIO, batches: BatchReader) -> Writer | None:
    if not batches.schema.names:
        return None  # a statement without a result
    if show.output is not None:
        from e6data_adbc.cli.files import check_target

        return check_target(show.output)(sink, batches.schema)
    return printer(show.format)(sink, batches.schema)


def printer(name: str) -> MakeWriter:
    """Returns a function that makes the writer of a format: one of `FORMATS`, or `fitting`."""
    from e6data_adbc.cli import formats

    printers: dict[str, MakeWriter] = {
        "table": formats.Table,
        "vertical": formats.Vertical,
        "fitting": formats.Fitting if sys.stdout.isatty() else formats.Table,
        "csv": formats.Csv,
        "json": formats.Json,
        "jsonl": formats.JsonLines,
    }
    return printers[name]


@contextlib.contextmanager
def open_sink(show: Show) -> Iterator[BinaryIO]:
    """Gives what takes the bytes: the file, the pager, or standard output."""
    if show.output is not None:
        from e6data_adbc.cli.files import open_target

        with open_target(show.output) as file:
            yield file
        return
    sys.stdout.flush()
    pager = _pager() if show.has_pager and sys.stdout.isatty() else None
    if pager is None:
        yield sys.stdout.buffer
        return
    import subprocess

    with subprocess.Popen(pager, stdin=subprocess.PIPE) as process:  # noqa: S603 - the user's own
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        # Whoever leaves the pager has seen enough: that is no error, and the query ends.
        with contextlib.suppress(BrokenPipeError):
            yield cast("BinaryIO", process.stdin)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()


def _pager() -> list[str] | None:
    """Returns the words of the pager; None where the environment names none.

    Raises:
        UsageError: It names a program that is not there.
    """
    text = os.environ.get("E6DATA_PAGER")
    if text is None:
        text = os.environ.get("PAGER", "")
    if not text:
        return None
    import shlex
    import shutil

    words = shlex.split(text)
    if not words or words == ["cat"]:
        return None
    if shutil.which(words[0]) is None:
        raise UsageError(f"could not page the rows: there is no program {words[0]!r}")
    return words
