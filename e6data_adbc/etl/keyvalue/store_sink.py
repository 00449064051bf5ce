"""A load into a key-value store."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.conditions import Condition
from e6data_adbc.etl.destinations import Address
from e6data_adbc.etl.keyvalue.row_names import check_key, names_of
from e6data_adbc.etl.keyvalue.store import Layout, Store, TableState, Transaction
from e6data_adbc.etl.lake import keys
from e6data_adbc.etl.matching import Arranger, Match, match, store_all
from e6data_adbc.etl.retry import may_pass
from e6data_adbc.etl.sink import (
    Capabilities,
    ConflictError,
    Mode,
    Prepared,
    RacedError,
    Request,
    Step,
)
from e6data_adbc.etl.watermark import PlanKind, State, Watermark

__all__ = ["KeyValueSink"]

#: A column beside those of rows, with the place of each.
_PLACE: Final = "place of the row"


class KeyValueSink:
    """Rows under a name of a key-value store, in one transaction with the watermark."""

    def __init__(self, address: Address, store: Store) -> None:
        """Takes the store; connects to nothing."""
        self.target = address.shown
        self._address, self._store = address, store
        self._request = Request()
        self._schema = pa.schema([])
        self._condition: Condition | None = None
        self._lock = threading.Lock()
        #: What casts changed, and how often, for the report.
        self.losses: Counter[str] = Counter()

    # ---- the contract

    @property
    def capabilities(self) -> Capabilities:
        """What the store can do with the layout."""
        return self._store.capabilities

    def history(self, job: str) -> list[Watermark]:
        """Returns the watermarks of all runs of *job*."""
        with self._telling("read the watermark"):
            return self._store.history(job)

    def prepare(self, request: Request, schema: pa.Schema) -> Prepared:
        """Compares the columns with those that are there."""
        self._request, self._schema = request, schema
        with self._telling("read the columns"):
            there = self._store.table()
        found = self._match(there)
        self._condition = None if request.where is None else Condition(request.where, found.schema)
        losses = tuple(f"{each.name}: {each.loss}" for each in found.columns if each.loss)
        changes = tuple(f"add the column {name}" for name in found.added)
        if there is None:
            listed = ", ".join(f"{field.name} {field.type}" for field in found.schema)
            changes = (f"make {self.target} with {listed}",)
        elif request.mode is Mode.UPSERT and not there.key:
            changes = (*changes, f"name the rows that are there by {list(request.key)}")
        return Prepared(changes, losses)

    def begin(
        self, draft: Callable[[Sequence[Watermark]], Watermark], *, supersede: bool
    ) -> Watermark:
        """Stores the first watermark of a run, in a transaction without rows."""
        while True:
            with contextlib.suppress(ConflictError), self._transaction("begin the load") as change:
                marks = change.marks()
                found = marks.get(self._request.run)
                if found is not None:
                    return found
                mark = draft(list(marks.values()))
                for each in marks.values() if supersede else ():
                    if each.state is State.LOADING:
                        change.put_mark(each.superseded())
                change.unstage(mark.run)
                change.put_mark(mark)
                change.commit()
                return mark

    def commit(self, step: Step) -> Watermark | None:
        """Writes the rows and the watermark in one transaction."""
        try:
            is_exclusive = self._request.mode is not Mode.APPEND
            with self._transaction("commit rows", is_exclusive=is_exclusive) as change:
                after, arranger = self._commit(step, change)
        except ConflictError as cause:
            if self._request.job is not None:
                raise RacedError from cause  # the load looks at the watermark, and goes on from there
            raise self._conflict(cause) from cause
        with self._lock:
            self.losses.update(arranger.losses)
        return after

    def forget(self, job: str) -> int:
        """Removes the watermarks of *job*, and what its unfinished runs have staged."""
        if not self.history(job):
            return 0
        while True:
            with (
                contextlib.suppress(ConflictError),
                self._telling("forget the job"),
                self._store.transaction(job, is_exclusive=False) as change,
            ):
                marks = change.marks()
                for run in marks:
                    change.unstage(run)
                change.forget()
                change.commit()
                return len(marks)

    def is_transient(self, error: BaseException) -> bool:
        """Tells whether the same commit may succeed later."""
        return may_pass(error)

    def close(self) -> None:
        """Lets go of the store."""
        self._store.close()

    # ---- the commit

    def _commit(self, step: Step, change: Transaction) -> tuple[Watermark | None, Arranger]:
        request = self._request
        mark = change.marks().get(request.run) if request.job is not None else None
        step.check(mark)
        there = change.table()
        if there is None and change.has_foreign():
            raise errors.make(
                Status.INVALID_STATE,
                f"could not load into {self.target!r}: there is something under this name that no load has made",
                hint="name another place",
            )
        found = self._match(there)
        arranger = Arranger(found, request.on_type)
        batches = self._arranged(step, arranger)
        is_whole = mark is None or mark.plan.kind is PlanKind.WHOLE
        if request.mode is Mode.APPEND or is_whole:
            self._publish(change, there, found, batches)
            after = step.after(mark)
        else:
            with _spool(arranger.schema, batches) as rows:
                after = step.after(mark)
                if after is not None and after.is_complete:
                    staged = change.staged(after.run)
                    self._publish(change, there, found, self._all(staged, rows, arranger.schema))
                    change.unstage(after.run)
                else:
                    for batch in rows:
                        change.stage(request.run, batch)
        if after is not None:
            change.put_mark(after)
        change.commit()
        return after, arranger

    def _publish(
        self,
        change: Transaction,
        there: TableState | None,
        found: Match,
        batches: Iterator[pa.RecordBatch],
    ) -> None:
        """Lets rows become those of the store, as the mode says."""
        mode, layout = self._request.mode, self._store.layout
        schema = found.schema if there is None else _joined(there.schema, found.schema)
        table = (
            TableState(layout, schema)
            if there is None
            else dataclasses.replace(there, schema=schema)
        )
        kept: set[bytes] = set()
        if mode is Mode.REPLACE:
            if there is not None:
                change.clear(there)
            table = dataclasses.replace(table, key=(), first=change.next_number())
        elif mode is Mode.UPSERT and not table.key:
            table = self._named(change, there, table)
        elif mode is Mode.REPLACE_WHERE and there is not None:
            kept = self._take_out(change, there)
        if table != there:
            change.put_table(table)
        if mode is Mode.UPSERT or table.key:
            self._put(change, table, batches, kept)
        else:
            for batch in batches:
                change.add(table, batch)

    def _put(
        self,
        change: Transaction,
        table: TableState,
        batches: Iterator[pa.RecordBatch],
        kept: set[bytes],
    ) -> None:
        """Writes rows by their names; a later one with the same is the last of them, if there may be two."""
        request = self._request
        if request.mode is Mode.REPLACE_WHERE:  # which has no key of its own
            request = dataclasses.replace(request, key=table.key)
        needed, seen = keys.columns_of(request), []
        for batch in batches:
            names = names_of(batch, table.key)
            if kept and not kept.isdisjoint(names.to_pylist()):
                raise errors.make(
                    Status.INTEGRITY,
                    f"could not replace rows of {self.target!r}: the load has the {list(table.key)} of a row that the "
                    "condition leaves",
                )
            seen.append(batch.select(needed))
            change.put(table, names, batch)
        if seen:
            keys.winners(request, seen)

    def _named(
        self, change: Transaction, there: TableState | None, table: TableState
    ) -> TableState:
        """Names the rows by their key that were numbered."""
        named = dataclasses.replace(table, key=self._request.key)
        if there is None:
            return named
        seen: set[bytes] = set()
        missing = [name for name in named.key if name not in there.schema.names]
        columns = [] if missing else there.schema.names
        change.clear(there)  # first of all: a number may be another row's name
        for found in change.contents(there, columns):
            names = [] if missing else names_of(found.rows, named.key).to_pylist()
            twice = len(seen) + len(names) > len(seen.union(names))
            seen.update(names)
            if missing or twice:
                raise errors.make(
                    Status.INTEGRITY,
                    f"could not upsert by {list(named.key)}: the rows that are there "
                    + ("have no such column" if missing else "have a key more than once"),
                )
            change.put(named, pa.array(names, pa.binary()), found.rows)
        return named

    def _take_out(self, change: Transaction, there: TableState) -> set[bytes]:
        """Removes the rows that fulfil the condition; returns the names of the others, if they have some."""
        condition, kept = self._condition, set()
        assert condition is not None  # noqa: S101 - `replace_where` has one
        is_stream = there.layout is Layout.STREAM
        columns = there.schema.names if is_stream else condition.columns
        for found in change.contents(there, columns):
            if is_stream:
                outside = condition.outside(_padded(found.rows, there.schema))
                if outside.num_rows < found.rows.num_rows:
                    change.remove(there, found.names)
                    if outside.num_rows:
                        change.add(there, outside)
                continue
            places = pa.array(range(len(found.names)), pa.int64())
            inside = condition.inside(found.rows.append_column(_PLACE, places))
            taken: set[Any] = set(inside.column(_PLACE).to_pylist())
            change.remove(there, [found.names[place] for place in sorted(taken)])
            if there.key:
                kept |= {name for place, name in enumerate(found.names) if place not in taken}
        return kept

    def _arranged(self, step: Step, arranger: Arranger) -> Iterator[pa.RecordBatch]:
        row = 0
        for batch in step.batches():
            arranged = arranger.arrange(batch, row)
            if self._condition is not None:
                self._condition.check(arranged)
            if self._store.layout is Layout.ROW and self._store.keeps_columns:
                _check_has_values(arranged, row)
            if arranged.num_rows:
                yield arranged
            row += batch.num_rows

    @staticmethod
    def _all(
        staged: Iterator[pa.RecordBatch], rows: Iterator[pa.RecordBatch], schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        """Gives what earlier commits staged, then *rows*; columns that came since are NULL."""
        for batch in staged:
            yield _padded(batch, schema)
        yield from rows

    # ---- columns

    def _match(self, there: TableState | None) -> Match:
        request, store = self._request, self._store
        columns = store_all(self.target, request, self._schema, store.stored)
        found = match(self.target, request, columns, None if there is None else there.schema)
        if there is not None:
            self._check_place(there, found)
        if request.mode is Mode.UPSERT:
            check_key(self.target, found.schema, request.key)
            # A row that is changed keeps what it has in columns that the result has not.
            names = [column.name for column in found.columns]
            schema = pa.schema([found.schema.field(name) for name in names])
            return dataclasses.replace(found, schema=schema)
        return found

    def _check_place(self, there: TableState, found: Match) -> None:
        request = self._request
        cause = ""
        if there.layout is not self._store.layout:
            cause = f"its layout is {there.layout.value!r}"
        elif request.mode is Mode.APPEND and there.key:
            cause = f'its rows are named by {list(there.key)}; load with mode="upsert"'
        elif request.mode is Mode.UPSERT and there.key and there.key != request.key:
            cause = f"its rows are named by {list(there.key)}"
        elif request.mode is Mode.UPSERT and not self._store.keeps_columns:
            lacking = set(there.schema.names) - {column.name for column in found.columns}
            if lacking:
                cause = f"a row is written as a whole, and the result lacks {sorted(lacking)}"
        if cause:
            raise errors.make(
                Status.INVALID_ARGUMENT, f"could not load into {self.target!r}: {cause}"
            )

    # ---- errors

    @contextlib.contextmanager
    def _transaction(self, verb: str, *, is_exclusive: bool = False) -> Iterator[Transaction]:
        with (
            self._telling(verb),
            self._store.transaction(self._request.job, is_exclusive=is_exclusive) as change,
        ):
            yield change

    @contextlib.contextmanager
    def _telling(self, verb: str) -> Iterator[None]:
        """Tells a failure of the library as ours; those of the source go through."""
        try:
            yield
        except Exception as error:
            known = None if isinstance(error, errors.Error) else self._store.failure(error)
            if known is None:
                raise
            failure = errors.make(
                known.status,
                f"could not {verb} in {self.target!r}: {self._address.hide(' '.join(str(error).split()))}",
                hint=known.hint,
                details=known.details,
            )
            if not self._address.secrets:
                raise failure from error
            # The frames of the library's own error have the password in their variables.
            hidden: BaseException | None = error
            while hidden is not None:
                hidden = hidden.with_traceback(None).__context__
            raise failure from None

    def _conflict(self, cause: ConflictError) -> errors.Error:
        del cause
        return errors.make(
            Status.INVALID_STATE,
            f"could not commit rows in {self.target!r}: another commit has come between",
            hint="run the load again",
        )


def _joined(there: pa.Schema, more: pa.Schema) -> pa.Schema:
    """Returns the columns of both."""
    known = set(there.names)
    return pa.schema([*there, *(field for field in more if field.name not in known)])


def _padded(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Returns the columns *schema* of a batch, with NULL for those that came later."""
    arrays = [
        batch.column(place) if place >= 0 else pa.nulls(batch.num_rows, field.type)
        for field in schema
        for place in (batch.schema.get_field_index(field.name),)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _check_has_values(batch: pa.RecordBatch, first_row: int) -> None:
    """Refuses a row of nothing but NULL, which would leave no trace."""
    mask: Any = batch.column(0).is_null()
    for array in batch.columns[1:]:
        if not pc.any(mask).as_py():
            return
        mask = pc.and_(mask, array.is_null())
    if pc.any(mask).as_py():
        row = first_row + pc.index(mask, value=True).as_py()
        raise errors.make(
            Status.INVALID_DATA,
            f"could not load column {batch.schema.names[0]!r} of type {str(batch.schema.types[0])!r}: row {row}: it is "
            "NULL, and so are all others of the row, which the destination cannot have",
        )


@contextlib.contextmanager
def _spool(
    schema: pa.Schema, batches: Iterator[pa.RecordBatch]
) -> Iterator[Iterator[pa.RecordBatch]]:
    """Keeps the rows of a commit in a file of its own until it is known whether they are the last; gives them again."""
    with tempfile.TemporaryFile(prefix="e6data-load-") as file:
        with pa.ipc.new_stream(file, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        file.seek(0)
        with pa.ipc.open_stream(file) as reader:
            yield iter(reader)
