"""The source that Polars reads a scan from: one query for each run, and what is left of the filter on its batches."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from e6data_adbc import errors
from e6data_adbc._reader import query
from e6data_adbc.lazy import partitions, scan_query
from e6data_adbc.lazy.letting_go import noticed
from e6data_adbc.lazy.nodes import Clause, clauses_of, unread
from e6data_adbc.lazy.scan_query import Kept, Plan, Run, Text

if TYPE_CHECKING:
    import pyarrow as pa
    from adbc_driver_manager.dbapi import Connection

    from e6data_adbc.lazy.partitions import Begun, Partitions

__all__ = ["Opening", "Source"]

_log: Final = logging.getLogger("e6data_adbc.scan")
#: What a server may answer to a text that it does not understand, rather than to a query that fails.
_REFUSALS: Final = frozenset(
    {
        errors.Status.INVALID_ARGUMENT,
        errors.Status.NOT_IMPLEMENTED,
        errors.Status.NOT_FOUND,
        errors.Status.INVALID_DATA,
        errors.Status.INTERNAL,
        errors.Status.UNKNOWN,
    }
)


@dataclasses.dataclass(frozen=True)
class Opening:
    """How a run connects: the user's connection, or what opens one."""

    uri: str | None = None
    connection: Connection | None = None
    db_kwargs: Mapping[str, Any] | None = None
    conn_kwargs: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Raises ProgrammingError if there are two ways to connect."""
        if self.connection is not None and (self.uri or self.db_kwargs or self.conn_kwargs):
            raise errors.make(
                errors.Status.INVALID_ARGUMENT,
                "could not scan: both a connection and a way to open one were given",
            )

    def __getstate__(self) -> dict[str, Any]:
        """Raises ProgrammingError if there is a connection, which belongs to its process."""
        if self.connection is not None:
            raise errors.make(
                errors.Status.INVALID_STATE,
                "could not pickle a scan of an open connection: a connection belongs to its process; scan with a URI",
            )
        return dict(self.__dict__)

    def arguments(self) -> dict[str, Any]:
        """Returns them as the arguments of `query`."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


class Source:
    """What `register_io_source` takes. Threads may run it at once; each run is a query of its own."""

    def __init__(
        self,
        text: Text,
        schema: pl.Schema,
        comparable: Sequence[str],
        opening: Opening,
        *,
        push: bool,
        split: Partitions | None,
    ) -> None:
        """Takes what is scanned and how; sends nothing."""
        self._text = text
        self.schema = schema
        self._comparable = tuple(comparable)
        self._opening = opening
        self._push = push
        self._split = split

    def __call__(
        self,
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        """Gives the frames of one run, as Polars wants them: see `polars.io.plugins.register_io_source`."""
        del batch_size  # batches come as large as the server makes them
        clauses = [] if predicate is None else _clauses(predicate)
        batches, plan = self._start(Run(with_columns, clauses, n_rows))
        # A generator that is closed, or that nothing refers to any more, ends the query on the server.
        with batches, noticed():
            yield from self._frames(batches, plan, with_columns)

    def plan(self, run: Run, *, push: bool = True) -> Plan:
        """Returns what a run sends; nothing is sent."""
        return scan_query.plan(
            self._text,
            self.schema,
            self._comparable,
            run,
            push=push and self._push,
            always=() if self._split is None or run.n_rows is not None else (self._split.column,),
        )

    def _start(self, run: Run) -> tuple[Begun, Plan]:
        """Returns the batches of the plan of *run*, or those of the user's own text where the server refuses it."""
        plan = self.plan(run)
        _report(plan)
        try:
            return self._opened(plan), plan
        except errors.Error as error:
            if plan.sql == self._text.whole or error.status_code not in _REFUSALS:
                raise
            _log.warning(
                "the server refused what was pushed down, and is sent the text alone: %s", error
            )
        plan = self.plan(run, push=False)
        _report(plan)
        return self._opened(plan), plan

    def _opened(self, plan: Plan) -> Begun:
        """Returns the batches of a query of which the first has come, so that the server has understood it."""
        split = None if self._split is None or plan.is_cut else self._split
        if split is not None:
            return partitions.read(split, plan.sql, plan.params, **self._opening.arguments())
        batches = query(plan.sql, params=plan.params, **self._opening.arguments())
        return partitions.Begun(batches)

    def _frames(
        self, batches: Iterator[pa.RecordBatch], plan: Plan, columns: Sequence[str] | None
    ) -> Iterator[pl.DataFrame]:
        wanted = list(self.schema) if columns is None else list(columns)
        needed = list(dict.fromkeys([*wanted, *_columns_of(plan.kept)]))
        rows = plan.n_rows
        residual = [one.clause.expression for one in plan.kept if one.clause.expression is not None]
        # Also of no rows, Polars wants to be told the columns.
        yield pl.DataFrame(schema={name: self.schema[name] for name in wanted})
        fitting: pa.Schema | None = None  # that of batches which need no more than to be a frame
        for batch in batches:
            frame: Any = pl.from_arrow(batch, rechunk=False)
            if batch.schema is not fitting and batch.schema != fitting:
                if frame.schema == {name: self.schema[name] for name in needed}:
                    fitting = batch.schema
                else:
                    frame = self._fitted(frame, needed)
            if rows is not None:
                frame = frame.head(rows)
                rows -= frame.height
            if residual:
                frame = frame.filter(*residual)
            yield frame if frame.columns == wanted else frame.select(wanted)
            if rows == 0:
                return

    def _fitted(self, frame: pl.DataFrame, needed: Sequence[str]) -> pl.DataFrame:
        """Returns the columns of *frame* that are needed, in the types of the schema.

        Raises:
            DataError: One is missing, or of another type. A decimal may have another scale: without rows, or where the
                server does not tell it, a result has that of its own values.
        """
        other = [name for name in needed if frame.schema.get(name) != self.schema[name]]
        try:
            rescaled = [_rescaled(frame, name, self.schema[name]) for name in other]
        except (pl.exceptions.PolarsError, ValueError) as error:
            found = ", ".join(
                f"{name!r} is {frame.schema.get(name, 'missing')}, not {self.schema[name]}"
                for name in other
            )
            raise errors.make(
                errors.Status.INVALID_DATA,
                f"could not scan: the result has other columns than its schema: {found}",
                hint="make the scan anew, or give it the right schema=",
            ) from error
        return frame.with_columns(rescaled).select(needed)


def _columns_of(kept: Sequence[Kept]) -> Iterator[str]:
    return (name for one in kept for name in one.clause.columns)


def _rescaled(frame: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Series:
    """Returns a column of decimals in the scale of *dtype*.

    Raises:
        PolarsError: There is no such column, or a value does not fit.
        ValueError: One of the types is no decimal, or a value has more digits.
    """
    column = frame.get_column(name)
    if not isinstance(dtype, pl.Decimal) or not isinstance(column.dtype, pl.Decimal):
        raise ValueError(name)
    rescaled = column.cast(dtype, strict=True)
    if dtype.scale < column.dtype.scale and not (rescaled == column).all():
        raise ValueError(name)  # digits were lost
    return rescaled


def _clauses(predicate: pl.Expr) -> list[Clause]:
    try:
        return list(clauses_of(predicate))
    except Exception as error:  # noqa: BLE001 - how Polars writes an expression is no stable interface
        _log.debug("the predicate could not be read: %s", type(error).__name__)
        return [unread(predicate)]


def _report(plan: Plan) -> None:
    _log.info("sends %s", plan.sql)
    if plan.obstacle is not None:
        _log.info("sends no more than the text: %s", plan.obstacle)
    for kept in plan.kept:
        _log.info("filters %s: %s", "again" if kept.is_sent else "here", kept)
