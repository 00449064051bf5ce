"""Loads into an Iceberg table of any catalog that the package `pyiceberg` knows."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.conditions import Condition
from e6data_adbc.etl.destinations import Address
from e6data_adbc.etl.files.file_sink import conflict, refuse_state_table
from e6data_adbc.etl.lake import iceberg_files, iceberg_filters, iceberg_types, keys
from e6data_adbc.etl.lake.iceberg_catalog import Catalog, Change, Snapshot, note
from e6data_adbc.etl.lake.iceberg_record import Record, Staged
from e6data_adbc.etl.matching import Arranger, Match, match, store_all
from e6data_adbc.etl.retry import Budget, may_pass
from e6data_adbc.etl.sink import (
    Capabilities,
    ConflictError,
    Mode,
    Prepared,
    Request,
    Sink,
    Step,
)
from e6data_adbc.etl.watermark import Watermark

__all__ = ["IcebergSink", "open_sink"]

#: Seconds for which other commits may come between before this one is given up.
_PATIENCE: Final = 60.0
_T = TypeVar("_T")


def open_sink(address: Address, *, state_table: str | None = None) -> Sink:
    """Returns the sink of `iceberg://CATALOG/namespace.table`."""
    refuse_state_table(address, state_table)
    return IcebergSink(address)


class IcebergSink:
    """Rows into an Iceberg table. A commit writes files, and then adds them to a snapshot together with the watermark.

    Where another commit comes between, the files stay, and the watermark is read anew: whether they are still missing
    is asked of the table, never assumed.
    """

    capabilities = Capabilities(
        modes=frozenset(Mode),
        is_fenced=True,
        has_parallel_commits=True,
        can_evolve=True,
        can_widen=True,
        can_keep_last=True,
        fence="the snapshot of the main branch, on which only one commit can follow",
    )

    def __init__(self, address: Address) -> None:
        """Takes where; connects to nothing."""
        self.target = address.shown
        self._catalog = Catalog(address)
        self._request = Request()
        self._schema = pa.schema([])
        self._condition: Condition | None = None
        self._lock = threading.Lock()
        #: What casts changed, and how often, for the report.
        self.losses: Counter[str] = Counter()

    def history(self, job: str) -> list[Watermark]:
        """Returns the watermarks of all runs of *job*."""
        table = self._catalog.load()
        return [] if table is None else list(self._record(table, job).loads)

    def prepare(self, request: Request, schema: pa.Schema) -> Prepared:
        """Compares the columns with those of the table, and the table's partitions with what files can tell."""
        self._request, self._schema = request, schema
        table = self._catalog.load()
        found = self._match(table)
        if request.where is not None:
            self._condition = Condition(request.where, found.schema)
            iceberg_filters.of_condition(self._condition)
        losses = tuple(f"{each.name}: {each.loss}" for each in found.columns if each.loss)
        if table is None:
            listed = ", ".join(f"{field.name} {field.type}" for field in found.schema)
            return Prepared((f"make an Iceberg table with {listed}",), losses)
        changes = [
            f"{verb} the column {name} {word}{found.schema.field(name).type}"
            for verb, word, names in (("add", "", found.added), ("widen", "to ", found.widened))
            for name in names
        ]
        return Prepared(tuple(changes), losses)

    def begin(
        self, draft: Callable[[Sequence[Watermark]], Watermark], *, supersede: bool
    ) -> Watermark:
        """Stores the first watermark of a run, in a snapshot without rows."""
        job, run = self._request.job or "", self._request.run

        def begin(table: Snapshot) -> Watermark:
            before = self._record(table, job)
            found = before.find(run)
            if found is not None:
                return found
            mark = draft(before.loads)
            loads = [each.superseded() if supersede else each for each in before.loads]
            _save(table, before, before.next(loads=(*loads, mark)), mark)
            return mark

        return self._on_newest(begin)

    def commit(self, step: Step) -> Watermark | None:
        """Writes rows into files, and adds them to the table together with their watermark."""
        table = self._there()
        step.check(self._mark(table))
        found = self._match(table)
        arranger = Arranger(found, self._request.on_type)
        files = table.write(found.schema, self._arranged(step, arranger))
        tried: list[Snapshot] = []

        def commit(newest: Snapshot) -> Watermark | None:
            tried.append(newest)
            return self._commit(newest, step, found, files)

        try:
            after = self._on_newest(commit)
        except BaseException:
            if not any(each.is_uncertain for each in tried):
                table.drop(files)
            raise
        with self._lock:
            self.losses.update(arranger.losses)
        return after

    def forget(self, job: str) -> int:
        """Removes the watermarks of *job*, and the files that its unfinished runs have waiting."""
        if self._catalog.load() is None:
            return 0

        def forget(table: Snapshot) -> int:
            before = Record.noted(job, table.metadata.properties)
            if before.loads:
                _save(table, before, before.next(loads=(), stages={}), None)
                table.drop(file for files in before.stages.values() for file in files)
            return len(before.loads)

        return self._on_newest(forget)

    def is_transient(self, error: BaseException) -> bool:
        """Tells, by the types of pyiceberg's errors, whether the same commit may succeed later."""
        return isinstance(error.__cause__, ConflictError) or may_pass(error)

    def close(self) -> None:
        """Lets go of the catalog."""
        self._catalog.close()

    # ---- the commit

    def _commit(
        self, table: Snapshot, step: Step, found: Match, files: Sequence[Staged]
    ) -> Watermark | None:
        request = self._request
        if request.job is None:
            step.after(None)
            self._publish(table, found, files, table.commit)
            return None
        before = self._record(table, request.job)
        after = step.after(before.find(request.run))
        if after is None:
            raise errors.make(Status.INTERNAL, "could not commit rows: they have no watermark")
        stages = dict(before.stages)
        waiting = (*stages.pop(request.run, ()), *files)
        is_staged = request.mode is not Mode.APPEND and not after.is_complete
        if is_staged:
            stages[request.run] = waiting
        record = before.next(loads=before.with_load(after), stages=stages)
        if is_staged:
            _save(table, before, record, after)
        else:
            self._publish(
                table, found, waiting, lambda change: _save(table, before, record, after, change)
            )
        return after

    def _publish(
        self,
        table: Snapshot,
        found: Match,
        files: Sequence[Staged],
        commit: Callable[[Change], None],
    ) -> None:
        """Makes *files* visible by *commit*, in place of what the mode says."""
        mode = self._request.mode
        where: Any = None
        shown = files
        if mode is Mode.UPSERT and files:
            shown, where = self._winning(table, found, files)
        elif mode is Mode.REPLACE:
            from pyiceberg.expressions import AlwaysTrue

            where = AlwaysTrue()
        elif self._condition is not None:
            where = iceberg_filters.of_condition(self._condition)
        deletes = where is not None and table.has_rows(where)

        def change(transaction: Any, summary: dict[str, str]) -> None:
            changed = [found.schema.field(name) for name in (*found.added, *found.widened)]
            if changed:
                with transaction.update_schema() as update:
                    update.union_by_name(pa.schema(changed))
            if deletes:
                transaction.delete(where, snapshot_properties=summary)
            if shown:
                paths = [file.path for file in shown]
                transaction.add_files(
                    paths, snapshot_properties=summary, check_duplicate_files=False
                )
            else:
                note(transaction, summary)

        others = set(shown) - set(files)
        try:
            commit(change)
        except BaseException:
            if not table.is_uncertain:
                table.drop(others)
            raise
        table.drop(set(files) - set(shown))

    def _winning(
        self, table: Snapshot, found: Match, files: Sequence[Staged]
    ) -> tuple[Sequence[Staged], Any]:
        """Returns the files of the rows of an upsert that win, and the filter of the rows that they replace."""
        request = _as_named(self._request, found.schema)
        seen = table.read(files, keys.columns_of(request))
        places = keys.winners(request, seen.to_batches())
        by = seen.select(list(request.key))
        for name in by.column_names:
            is_float = pa.types.is_floating(by.schema.field(name).type)
            if is_float and pc.any(pc.is_nan(by.column(name))).as_py():
                raise errors.make(
                    Status.INTEGRITY,
                    f"could not upsert by {list(request.key)}: a row has NaN there, which is no row's key",
                )
        if places is None or len(places) == seen.num_rows:
            return files, iceberg_filters.of_keys(by)
        rows = table.read(files, found.schema.names).cast(found.schema).take(places)
        written = table.write(found.schema, rows.to_batches())
        return written, iceberg_filters.of_keys(rows.select(list(request.key)))

    def _arranged(self, step: Step, arranger: Arranger) -> Iterator[pa.RecordBatch]:
        row = 0
        for batch in step.batches():
            arranged = arranger.arrange(batch, row)
            if self._condition is not None:
                self._condition.check(arranged)
            yield arranged
            row += batch.num_rows

    def _on_newest(self, act: Callable[[Snapshot], _T]) -> _T:
        """Does *act* on the newest snapshot, and again where another commit came between."""
        budget = Budget(_PATIENCE, most=1.0)
        while True:
            with self._lock:  # threads of one load need not be in each other's way
                try:
                    return act(self._there())
                except ConflictError as error:
                    cause = error
            if not budget.pause():
                raise conflict(self.target) from cause

    # ---- the table

    def _there(self) -> Snapshot:
        """Returns the table, which is made where there is none."""
        table = self._catalog.load()
        return self._catalog.create(self._match(None).schema) if table is None else table

    def _record(self, table: Snapshot, job: str) -> Record:
        return Record.of(job, table.metadata, self.target)

    def _mark(self, table: Snapshot) -> Watermark | None:
        job = self._request.job
        return None if job is None else self._record(table, job).find(self._request.run)

    def _match(self, table: Snapshot | None) -> Match:
        request = self._request
        columns = store_all(
            self.target, request, self._schema, iceberg_types.stored, folds_case=True
        )
        there = None if table is None else table.schema
        found = match(
            self.target, request, columns, there, folds_case=True, widens=iceberg_types.widens
        )
        partitions = [] if table is None else table.partitions
        reasons = iceberg_files.untold(partitions)
        kept = {column.name for column in found.columns}
        if request.mode is Mode.UPSERT:
            reasons += [
                f"a row that is changed would lose its column {name!r}, which the result has not"
                for name in found.schema.names
                if name not in kept
            ]
        if reasons:
            raise errors.make(
                Status.NOT_IMPLEMENTED, f"could not load into {self.target!r}: {'; '.join(reasons)}"
            )
        columns = iceberg_files.checked(found.columns, partitions)
        return dataclasses.replace(found, columns=columns)


def _save(
    table: Snapshot,
    before: Record,
    record: Record,
    mark: Watermark | None,
    change: Change = note,
) -> None:
    """Commits a record, and with it rows or a snapshot without any: a snapshot is what fences."""
    sets, removes = record.properties(before)
    table.commit(change, record.summary(mark), sets=sets, removes=removes)


def _as_named(request: Request, schema: pa.Schema) -> Request:
    """Returns *request* with the names of columns as the table has them, for which case does not count."""
    names = {name.lower(): name for name in schema.names}
    key = tuple(names[name.lower()] for name in request.key)
    order = None if request.order is None else names[request.order.lower()]
    return dataclasses.replace(request, key=key, order=order)
