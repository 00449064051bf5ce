"""`load`: the call, its arguments put in order."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from e6data_adbc import dbapi, errors
from e6data_adbc._hide_secrets import concealing, revealed
from e6data_adbc._sql.effect import orders_rows
from e6data_adbc._telemetry import watch_load
from e6data_adbc.errors import Status
from e6data_adbc.etl import destinations
from e6data_adbc.etl.flow import Flow
from e6data_adbc.etl.report import LoadReport, Progress
from e6data_adbc.etl.sink import Mode, OnDuplicate, OnType, Prepared, Request, Schema, Sink
from e6data_adbc.etl.source import Cut, QuerySource, Source, StreamSource
from e6data_adbc.etl.watermark import PlanKind, Watermark

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection

__all__ = ["dry_run", "forget", "load", "status"]

#: Threads of a load in partitions.
_WORKERS = 4


@concealing
def load(  # noqa: PLR0913 - each is a choice of the caller, by name
    source: Any,
    to: str | Sink,
    *,
    connection: Connection | None = None,
    uri: str | None = None,
    mode: Literal["append", "replace", "upsert", "replace_where"] = "append",
    key: str | Sequence[str] | None = None,
    where: str | None = None,
    job: str | None = None,
    run: str | None = None,
    incremental: str | None = None,
    partition: tuple[str, int] | None = None,
    commit_rows: int | None = None,
    schema: Literal["create", "match", "evolve"] = "create",
    on_type: Literal["error", "cast"] = "error",
    on_duplicate: Literal["error", "last"] = "error",
    state_table: str | None = None,
    workers: int = _WORKERS,
    patience_seconds: float | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> LoadReport:
    """Loads a result into another system, each row exactly once, and returns what was done.

    With a *job* the destination keeps, in the same commit as the rows, how far the load has come; the same call after
    any failure goes on from there. Without one there is a single commit, and nothing is kept.

    Args:
        source: SQL, the name of a table, anything with `__arrow_c_stream__`, or a `Source` of one's own.
        to: The destination, `scheme://…#table`, where `${NAME}` stands for an environment variable, or
            `profile://NAME#table`; or a sink.
        connection: An open connection to read from; it stays open.
        uri: Where to connect instead; without both, the environment's `E6DATA_URI`.
        mode: `append`; `replace` all rows, when the new ones are whole; `upsert` by *key*; `replace_where`: delete the
            rows that fulfil *where* and add the load's, which have to fulfil it, too.
        key: The column or columns by which an upsert finds the row to change.
        where: The condition of `replace_where`, in the destination's SQL; for files and lake tables of comparisons
            with literals, IN, BETWEEN, IS NULL, AND, OR and NOT.
        job: A name for what is loaded again and again.
        run: A name for one execution. One that is unfinished is resumed, one that is finished does nothing, a new name
            starts anew. Without it a job has a single run.
        incremental: A column in whose order rows are read: those above the job's last value. Rows without a value come
            first, once. A new row that is not above the last value is not seen.
        partition: A column, and into how many parts its values are cut; each is read and committed by itself.
        commit_rows: The least rows of a commit, which still has whole partitions, or all rows of a value of
            *incremental*.
        schema: Whether the destination's table may be made (`create`), has to be there (`match`), or may also get
            columns and wider types (`evolve`).
        on_type: Whether a value that the destination cannot hold is an error, or is changed (`cast`) and reported.
        on_duplicate: Whether two rows of an upsert with one key are an error, or the `last` of them wins: in the order
            of Arrow data, of *incremental*, or of the query's own ORDER BY.
        state_table: Where a database keeps watermarks, as `schema.table`; by default `e6_loads` beside the table.
        workers: How many partitions are read and committed at once, where the destination can.
        patience_seconds: How long what fails for a reason that may pass is tried again. Unless it is given, a commit is
            for a minute, and the first contact with the destination for five seconds: a wrong address looks like a
            server that is away.
        progress: Told each event of the load.

    Raises:
        ProgrammingError: The arguments exclude each other, or another load was begun under this job and run.
        NotSupportedError: The destination cannot do this, or cannot hold a column.
        Error: The load failed. What was committed stays, and the same call goes on after it.
    """
    started = time.monotonic()
    if patience_seconds is not None and not patience_seconds >= 0:
        raise _wrong(f"a patience of {patience_seconds} seconds is none")
    request = dataclasses.replace(
        _request(mode, key, where, schema, on_type, on_duplicate),
        order=revealed(incremental),
        **_named(job, run),
    )
    cut = _cut(job, incremental, partition, commit_rows)
    if request.on_duplicate is OnDuplicate.LAST:
        _check_order(source, cut)
    with _sink(to, state_table) as sink, _source(source, connection, uri) as rows:
        _check_mode(sink, request)
        watch = watch_load(
            {
                "e6data.load.destination": sink.target.partition(":")[0],
                "e6data.load.mode": request.mode.value,
                "e6data.load.job": request.job or "",
            }
        )
        flow = Flow(
            rows,
            sink,
            request,
            cut,
            commit_rows=commit_rows,
            workers=workers,
            patience_seconds=patience_seconds,
            on_progress=progress,
            watch=watch,
        )
        with watch.running():
            flow.run()
        losses: dict[str, int] = getattr(sink, "losses", {})
        before = flow.before
        return LoadReport(
            target=sink.target,
            mode=request.mode.value,
            rows=flow.rows,
            bytes=flow.bytes,
            commits=flow.commits,
            skipped_rows=0 if before is None else before.rows,
            skipped_commits=0 if before is None else before.sequence,
            seconds=time.monotonic() - started,
            losses=tuple(f"{what} ({count} values)" for what, count in sorted(losses.items())),
            watermark=flow.watermark,
        )


@concealing
def dry_run(  # noqa: PLR0913 - as `load`
    source: Any,
    to: str | Sink,
    *,
    connection: Connection | None = None,
    uri: str | None = None,
    mode: Literal["append", "replace", "upsert", "replace_where"] = "append",
    key: str | Sequence[str] | None = None,
    where: str | None = None,
    schema: Literal["create", "match", "evolve"] = "create",
    on_type: Literal["error", "cast"] = "error",
    state_table: str | None = None,
) -> Prepared:
    """Returns what the destination would have to change for a load, and writes nothing; arguments as for `load`."""
    request = _request(mode, key, where, schema, on_type)
    with _sink(to, state_table) as sink, _source(source, connection, uri) as rows:
        _check_mode(sink, request)
        return sink.prepare(request, rows.schema())


@concealing
def status(job: str, to: str | Sink, *, state_table: str | None = None) -> list[Watermark]:
    """Returns the watermarks of all runs of *job*: the first run first, or by name where that is not kept."""
    with _sink(to, state_table) as sink:
        return sink.history(revealed(job))


@concealing
def forget(job: str, to: str | Sink, *, state_table: str | None = None) -> int:
    """Removes the watermarks of *job* and what its unfinished runs staged; returns how many runs it had.

    Rows that were committed stay, so the same load again has them twice, unless it replaces or upserts.
    """
    with _sink(to, state_table) as sink:
        return sink.forget(revealed(job))


@contextlib.contextmanager
def _sink(to: str | Sink, state_table: str | None) -> Iterator[Sink]:
    if not isinstance(to, str):
        yield to
        return
    options = {} if state_table is None else {"state_table": revealed(state_table)}
    sink = destinations.open_sink(destinations.parse(to), options)
    with contextlib.closing(sink):
        yield sink


@contextlib.contextmanager
def _source(source: Any, connection: Connection | None, uri: str | None) -> Iterator[Source]:
    if isinstance(source, Source) or hasattr(source, "__arrow_c_stream__"):
        if connection is not None or uri is not None:
            raise _wrong("the data itself was given, and a connection to read from")
        yield source if isinstance(source, Source) else StreamSource(source)
        return
    if not isinstance(source, str):
        raise _wrong(
            f"{type(source).__name__!r} is neither SQL, nor the name of a table, nor Arrow data"
        )
    if connection is not None and uri is not None:
        raise _wrong("both a connection and a URI were given")
    if connection is not None:
        yield QuerySource(connection, source)
        return
    with dbapi.connect(uri) as opened:
        yield QuerySource(opened, source)


def _request(
    mode: str,
    key: str | Sequence[str] | None,
    where: str | None,
    schema: str,
    on_type: str,
    on_duplicate: str = OnDuplicate.ERROR.value,
) -> Request:
    names = (revealed(key),) if isinstance(key, str) else tuple(key or ())
    request = Request(
        mode=_one_of(Mode, "mode", mode),
        key=names,
        where=revealed(where),
        schema=_one_of(Schema, "schema", schema),
        on_type=_one_of(OnType, "on_type", on_type),
        on_duplicate=_one_of(OnDuplicate, "on_duplicate", on_duplicate),
    )
    if (request.mode is Mode.UPSERT) != bool(names):
        raise _wrong("an upsert needs the names of key columns, and nothing else takes any")
    if (request.mode is Mode.REPLACE_WHERE) != bool(where):
        raise _wrong("replace_where needs a condition, and nothing else takes one")
    if request.on_duplicate is OnDuplicate.LAST and request.mode is not Mode.UPSERT:
        raise _wrong('on_duplicate="last" is about the keys of an upsert')
    return request


def _named(job: str | None, run: str | None) -> dict[str, Any]:
    if job is not None and not job:
        raise _wrong("the job's name is empty")
    if run is not None and job is None:
        raise _wrong("a run was named, but no job that it is of")
    return {"job": revealed(job), "run": revealed(run) or ""}


def _check_order(source: Any, cut: Cut) -> None:
    """Refuses rows of which none is surely the last."""
    if cut.kind is PlanKind.PARTITIONS:
        raise _wrong(
            'partitions have no order, so with on_duplicate="last" no row of them is the last'
        )
    if cut.kind is PlanKind.WHOLE and isinstance(source, str) and not orders_rows(source):
        raise _wrong(
            'on_duplicate="last" needs an ORDER BY outside of all brackets of the query, or an incremental column'
        )


def _cut(
    job: str | None,
    incremental: str | None,
    partition: tuple[str, int] | None,
    commit_rows: int | None,
) -> Cut:
    if commit_rows is not None and commit_rows < 1:
        raise _wrong(f"{commit_rows} rows are too few for a commit")
    if incremental is not None and partition is not None:
        raise _wrong("rows come in partitions or in the order of a key, not both")
    if job is None and (incremental is not None or commit_rows is not None):
        raise _wrong(
            "several commits need a job under which the destination keeps how far they have come"
        )
    if incremental is not None:
        return Cut(PlanKind.KEY, revealed(incremental))
    if partition is not None:
        column, count = partition
        if count < 1:
            raise _wrong(f"{count} partitions are too few")
        return Cut(PlanKind.PARTITIONS, column, count)
    if commit_rows is not None:
        raise _wrong(
            "a result without partitions and without the order of a key has no place where a load could go on"
        )
    return Cut()


def _check_mode(sink: Sink, request: Request) -> None:
    can = sink.capabilities
    lacks = None if request.mode in can.modes else f"mode {request.mode.value!r}"
    if request.schema is Schema.EVOLVE and not can.can_evolve:
        lacks = 'schema "evolve"'
    if request.on_duplicate is OnDuplicate.LAST and not can.can_keep_last:
        lacks = 'on_duplicate "last"'
    if lacks:
        raise errors.make(
            Status.NOT_IMPLEMENTED,
            f"could not load into {sink.target!r}: it has no {lacks}",
            hint="docs/guides/load.md says what each destination can do",
        )


def _one_of(kind: Any, name: str, value: str) -> Any:
    try:
        return kind(str(value))
    except ValueError:
        known = ", ".join(repr(each.value) for each in kind)
        raise _wrong(f"{name} is {revealed(value)!r}, and may be {known}") from None


def _wrong(cause: str) -> errors.Error:
    return errors.make(Status.INVALID_ARGUMENT, f"could not load: {cause}")
