"""`e6data-adbc load`: a result into another system, each row exactly once."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from e6data_adbc.cli.exits import UsageError, describe
from e6data_adbc.cli.progress import Progress as Line
from e6data_adbc.cli.progress import count, seconds
from e6data_adbc.errors import Error, NotSupportedError, ProgrammingError, Status

if TYPE_CHECKING:
    from e6data_adbc.etl import LoadReport, Progress, Watermark

__all__ = ["add_to"]

#: Failures that are about what was typed.
_TYPED = frozenset({Status.INVALID_ARGUMENT, Status.NOT_IMPLEMENTED})
#: How many partitions a column is cut into, unless the user says.
_PARTITIONS = 8
#: Failures after which the destination may not answer for long.
_AWAY = frozenset({Status.IO, Status.TIMEOUT, Status.UNAUTHENTICATED})


def add_to(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "load",
        help="load a result into another system, each row exactly once",
        description="Load a result into a database, a Delta table or a folder of files. With --job the destination "
        "keeps, in the same commit as the rows, how far the load has come: run the same command again after any "
        "failure, and it goes on from there; once complete it changes nothing.",
    )
    parser.add_argument(
        "source", help="SQL or the name of a table; with --status and --forget the job's name"
    )
    parser.add_argument(
        "destination",
        help="postgresql://user@host/database#schema.table, duckdb:///path#table, sqlite:///path#table, "
        "parquet+file:///folder (or csv+file, ipc+file), or delta+file:///folder; ${NAME} stands for an environment "
        "variable, so that no password has to be typed",
    )
    parser.add_argument(
        "--uri",
        help="where to read, e6data://user@host:port/catalog/schema (default: E6DATA_URI; one of them is needed). Keep "
        "the token out of it: give it as E6DATA_PASSWORD",
    )
    parser.add_argument(
        "--mode",
        default="append",
        choices=["append", "replace", "upsert", "replace-where"],
        help="how rows go in (default: %(default)s)",
    )
    parser.add_argument(
        "--key", action="append", default=[], help="a key column of an upsert; may be repeated"
    )
    parser.add_argument(
        "--where", help="the rows that replace-where replaces, in the destination's SQL"
    )
    parser.add_argument("--job", help="a name under which the load can be resumed")
    parser.add_argument("--run", dest="run_name", help="a name for this execution of the job")
    parser.add_argument(
        "--incremental", metavar="COLUMN", help="load what is above the job's last value of it"
    )
    parser.add_argument("--partition-on", metavar="COLUMN", help="cut the result by its values")
    parser.add_argument(
        "--partition-count", type=int, metavar="K", help=f"how often (default: {_PARTITIONS})"
    )
    parser.add_argument("--commit-rows", type=int, metavar="N", help="the least rows of a commit")
    parser.add_argument(
        "--schema",
        default="create",
        choices=["create", "match", "evolve"],
        help="make a table that is not there, expect one that fits, or also add columns and widen types "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--on-type",
        default="error",
        choices=["error", "cast"],
        help="whether a value that the destination cannot hold is an error, or is changed and told "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--on-duplicate",
        default="error",
        choices=["error", "last"],
        help="whether two rows of an upsert with one key are an error, or the last one wins (default: %(default)s)",
    )
    parser.add_argument(
        "--state-table", metavar="NAME", help="where watermarks are kept (default: e6_loads)"
    )
    parser.add_argument(
        "--patience",
        type=float,
        metavar="SECONDS",
        help="how long to try again what fails for a reason that may pass (default: 60 for a commit, 5 for the first "
        "contact with the destination)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON lines: events and a report")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--dry-run", action="store_true", help="say what would be changed, and write nothing"
    )
    instead.add_argument("--status", action="store_true", help="say how far the job's runs are")
    instead.add_argument(
        "--forget", action="store_true", help="remove the job's watermarks; its rows stay"
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Loads, or does what was asked instead."""
    try:
        if given.status:
            return _status(given)
        if given.forget:
            return _forget(given)
        if not (given.uri or os.environ.get("E6DATA_URI")):
            raise UsageError("could not load: neither --uri nor E6DATA_URI names the source")
        if given.partition_count is not None and given.partition_on is None:
            raise UsageError(
                "could not load: --partition-count says how often, and nothing by which column;"
                " add --partition-on COLUMN"
            )
        return _dry_run(given) if given.dry_run else _load(given)
    except (ProgrammingError, NotSupportedError) as error:
        if error.status_code in _TYPED:
            raise UsageError(str(error)) from error
        raise


def _load(given: argparse.Namespace) -> int:
    from e6data_adbc import etl

    telling = _Telling(given)
    try:
        report = etl.load(
            given.source,
            given.destination,
            job=given.job,
            run=given.run_name,
            incremental=given.incremental,
            partition=_partition(given),
            commit_rows=given.commit_rows,
            on_duplicate=given.on_duplicate,
            patience_seconds=given.patience,
            progress=telling,
            **_common(given),
        )
    except BaseException as error:
        telling.failed(error)
        raise
    telling.ended(report)
    return 0


def _partition(given: argparse.Namespace) -> tuple[str, int] | None:
    if given.partition_on is None:
        return None
    count = given.partition_count
    return given.partition_on, _PARTITIONS if count is None else count


def _dry_run(given: argparse.Namespace) -> int:
    from e6data_adbc import etl

    prepared = etl.dry_run(given.source, given.destination, **_common(given))
    for kind, lines in (("change", prepared.changes), ("loss", prepared.losses)):
        for line in lines:
            print(json.dumps({kind: line}) if given.json else f"{kind}: {line}")
    if not prepared.changes and not given.quiet and not given.json:
        print("the table is there, and takes every column as it is")
    return 0


def _status(given: argparse.Namespace) -> int:
    from e6data_adbc import etl

    marks = etl.status(given.source, given.destination, state_table=given.state_table)
    for mark in marks:
        print(_json(mark) if given.json else _line(mark))
    if not marks and not given.quiet:
        sys.stderr.write(f"no load of job {given.source!r} has begun there\n")
    return 0


def _forget(given: argparse.Namespace) -> int:
    from e6data_adbc import etl

    runs = etl.forget(given.source, given.destination, state_table=given.state_table)
    if given.json:
        print(json.dumps({"forgotten_runs": runs}))
    elif not given.quiet:
        print(f"forgot {count(runs, 'run')} of job {given.source!r}")
    return 0


def _common(given: argparse.Namespace) -> dict[str, Any]:
    return {
        "uri": given.uri,
        "mode": given.mode.replace("-", "_"),
        "key": given.key or None,
        "where": given.where,
        "schema": given.schema,
        "on_type": given.on_type,
        "state_table": given.state_table,
    }


class _Telling:
    """Says how a load goes: a line on a terminal, or JSON lines."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._line = Line(sys.stderr, enabled=False if given.quiet or given.json else None)
        self._last: Watermark | None = None

    def __call__(self, progress: Progress) -> None:
        self._last = progress.watermark or self._last
        if self._given.json:
            watermark = progress.watermark
            event = {"event": progress.event, "rows": progress.rows, "commits": progress.commits}
            event["sequence"] = 0 if watermark is None else watermark.sequence
            print(json.dumps(event), flush=True)
        else:
            self._line.update(progress.rows)

    def ended(self, report: LoadReport) -> None:
        self._line.clear()
        if self._given.json:
            print(json.dumps({"event": "complete"} | json.loads(report.to_json())), flush=True)
            return
        if self._given.quiet:
            return
        done = f"{count(report.rows, 'row')} in {count(report.commits, 'commit')}"
        before = f"; {count(report.skipped_rows, 'row')} before" if report.skipped_rows else ""
        sys.stderr.write(f"{done} to {report.target} in {seconds(report.seconds)}{before}\n")
        for loss in report.losses:
            sys.stderr.write(f"changed: {loss}\n")

    def failed(self, error: BaseException) -> None:
        """Says from where the next call goes on."""
        self._line.clear()
        if self._given.json:
            print(json.dumps({"event": "failed", "error": describe(error)}), flush=True)
        if self._last is not None and not self._given.quiet:
            mark = self._now(self._last, error)
            sys.stderr.write(
                f"the same command goes on after: {mark.describe()} (job {mark.job!r})\n"
            )

    def _now(self, last: Watermark, error: BaseException) -> Watermark:
        """Asks the destination, where a commit that failed or was interrupted may be; *last* if it does not answer."""
        from e6data_adbc import etl

        if isinstance(error, Error) and error.status_code in _AWAY:
            return last
        try:
            marks = etl.status(
                last.job, self._given.destination, state_table=self._given.state_table
            )
        except (Error, KeyboardInterrupt):  # the second Ctrl-C wants no question more
            return last
        return next((mark for mark in marks if mark.run == last.run), last)


def _line(mark: Watermark) -> str:
    return f"{mark.run or '-'}\t{mark.describe()}"


def _json(mark: Watermark) -> str:
    return json.dumps(mark.to_fields())
