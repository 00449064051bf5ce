"""Loads into a Delta Lake table: on the local disk, or in a bucket."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from e6data_adbc.etl.conditions import Condition
from e6data_adbc.etl.destinations import Address
from e6data_adbc.etl.faults import telling_of_disk
from e6data_adbc.etl.files import parts
from e6data_adbc.etl.files.file_sink import conflict, local_folder, refuse_state_table
from e6data_adbc.etl.files.formats import Parquet
from e6data_adbc.etl.files.s3_prefix import Prefix
from e6data_adbc.etl.lake import delta_types, keys
from e6data_adbc.etl.lake.delta_table import DeltaTable, Place, Tag
from e6data_adbc.etl.lake.records import Record, Records, S3Records
from e6data_adbc.etl.matching import Arranger, Match, match, store_all
from e6data_adbc.etl.retry import may_pass
from e6data_adbc.etl.sink import (
    Capabilities,
    ConflictError,
    Mode,
    Prepared,
    Request,
    Sink,
    Step,
)
from e6data_adbc.etl.stream import Rows
from e6data_adbc.etl.watermark import PlanKind, Watermark

__all__ = ["DeltaSink", "open_s3_sink", "open_sink"]


def open_sink(address: Address, *, state_table: str | None = None) -> Sink:
    """Returns the sink of `delta+file:///folder`."""
    root = local_folder(address, state_table)
    return DeltaSink(address, lambda: Place(address, str(root)), lambda job: Records(root, job))


def open_s3_sink(address: Address, *, state_table: str | None = None) -> Sink:
    """Returns the sink of `delta+s3://bucket/prefix`."""
    refuse_state_table(address, state_table)
    prefix = Prefix(address)

    sink = DeltaSink(
        address, lambda: Place.in_bucket(address, prefix), lambda job: S3Records(prefix, job)
    )
    sink.capabilities = dataclasses.replace(
        DeltaSink.capabilities,
        fence="the table's log, in which a snapshot has one commit of a job",
    )
    return sink


class DeltaSink:
    """Rows into a Delta table. Each commit carries the version of a record that has the watermarks of its job.

    Workers of one job on one machine take turns by a lock. Others are fenced by the table's log, in which two commits
    on one snapshot cannot carry the same job.
    """

    capabilities = Capabilities(
        modes=frozenset(Mode),
        is_fenced=True,
        has_parallel_commits=False,
        can_evolve=True,
        can_keep_last=True,
        fence="a lock of the job, and the table's log, in which a snapshot has one commit of a job",
    )

    def __init__(
        self,
        address: Address,
        place: Callable[[], Place],
        records: Callable[[str], Records],
    ) -> None:
        """Takes where the table is, and the records of a job beside it; touches nothing."""
        self.target = address.shown
        self._address, self._place, self._make_records = address, place, records
        self._request = Request()
        self._schema = pa.schema([])
        self._condition: Condition | None = None
        self._records: Records | None = None
        self._stage = Parquet()
        self._lock = threading.Lock()
        #: What casts changed, and how often, for the report.
        self.losses: Counter[str] = Counter()

    def history(self, job: str) -> list[Watermark]:
        """Returns the watermarks of all runs of *job*; what killed processes have left goes, unless one is at work."""
        records = self._of(job)
        if not records.is_there:
            return list(self._record(DeltaTable(self._place()), records).loads)
        with (
            telling_of_disk(self._address, "read the watermark"),
            records.locked(waits=False) as is_alone,
        ):
            record = self._record(DeltaTable(self._place()), records)
            if is_alone:
                records.tidy(record)
            return list(record.loads)

    def prepare(self, request: Request, schema: pa.Schema) -> Prepared:
        """Compares the columns with those of the table."""
        self._request, self._schema = request, schema
        table = DeltaTable(self._place())
        found = self._match(table)
        self._condition = None if request.where is None else Condition(request.where, found.schema)
        losses = tuple(f"{each.name}: {each.loss}" for each in found.columns if each.loss)
        fields = [field for field in found.schema if field.name in found.added]
        changes = tuple(f"add the column {field.name} {field.type}" for field in fields)
        if not table.is_there:
            listed = ", ".join(f"{field.name} {field.type}" for field in found.schema)
            changes = (f"make a Delta table with {listed}",)
        return Prepared(changes, losses)

    def begin(
        self, draft: Callable[[Sequence[Watermark]], Watermark], *, supersede: bool
    ) -> Watermark:
        """Stores the first watermark of a run, in a commit without rows."""
        records = self._of(self._request.job or "")
        while True:
            with self._alone(records):
                table = DeltaTable(self._place())
                if not table.is_there:
                    table.create(self._match(table).schema)
                    table = DeltaTable(self._place())
                before = self._settled(table, records)
                found = before.find(self._request.run)
                if found is not None:
                    return found
                mark = draft(before.loads)
                loads = [each.superseded() if supersede else each for each in before.loads]
                after = before.next(loads=(*loads, mark))
                try:
                    self._note(table, records, after)
                except ConflictError:
                    continue
                return mark

    def commit(self, step: Step) -> Watermark | None:
        """Writes rows and the version of their watermark in one commit of the table."""
        records, rows = self._of(self._request.job or ""), Rows(step.batches())
        with telling_of_disk(self._address, "commit rows", rows):
            if self._request.job is not None:
                with self._alone(records, rows):
                    return self._commit(step, records, rows)
            if self._request.mode is Mode.UPSERT:
                with self._alone(records):
                    records.tidy(Record())
            return self._commit(step, records, rows)

    def forget(self, job: str) -> int:
        """Removes the watermarks of *job*, and the files that its unfinished runs have waiting."""
        records = self._of(job)
        while True:
            table = DeltaTable(self._place())
            if table.version_of(records.application) is None:
                return 0
            with self._alone(records):
                table = DeltaTable(self._place())
                before = self._settled(table, records)
                after = before.next(loads=(), stages={})
                try:
                    if before.loads:
                        self._note(table, records, after)
                        records.tidy(after)
                except ConflictError:
                    continue
                return len(before.loads)

    def is_transient(self, error: BaseException) -> bool:
        """Tells whether another commit came between, or a bucket was away; a disk that fails goes on failing."""
        return isinstance(error.__cause__, ConflictError) or may_pass(error)

    def close(self) -> None:
        """Removes what is half-written."""
        if self._records is not None:
            self._records.close()

    # ---- the commit

    def _commit(self, step: Step, records: Records, rows: Rows) -> Watermark | None:
        table = DeltaTable(self._place())
        before, mark = Record(), None
        if self._request.job is not None:
            before = self._settled(table, records)
            mark = before.find(self._request.run)
        step.check(mark)
        found = self._match(table)
        arranger = Arranger(found, self._request.on_type)
        is_whole = mark is None or mark.plan.kind is PlanKind.WHOLE
        can_stream = is_whole and self._request.mode is not Mode.UPSERT
        is_streamed = can_stream or self._request.mode is Mode.APPEND
        writes = self._stream if is_streamed else self._collect
        try:
            record = writes(_Commit(step, rows, records, table, before, mark, found, arranger))
        except ConflictError as cause:
            raise conflict(self.target) from cause
        with self._lock:
            self.losses.update(arranger.losses)
        if mark is None:
            return None
        records.tidy(record)
        return record.find(mark.run)

    def _stream(self, commit: _Commit) -> Record:
        """Lets the library write the rows as they come; the record is written when the last has passed."""
        record = commit.before.next()
        tag = None if commit.mark is None else (commit.records.application, record.version)

        def batches() -> Iterator[pa.RecordBatch]:
            nonlocal record
            yield from self._arranged(commit)
            record = _with(record, commit.step.after(commit.mark))
            if tag is not None:
                commit.records.write(record)

        self._write(commit, Rows(batches()), tag)
        return record

    def _collect(self, commit: _Commit) -> Record:
        """Keeps the rows in files beside the table, and moves those of all commits into it with the last."""
        records, schema = commit.records, commit.match.schema
        drafts = parts.write(self._stage, records.desk(), schema, self._arranged(commit))
        try:
            after = commit.step.after(commit.mark)
            paths = [draft.path for draft in drafts]
            if after is None:
                self._publish(commit, paths, None)
                return commit.before
            stages = dict(commit.before.stages)
            waiting = stages.pop(after.run, ())
            if after.is_complete:
                record = _with(commit.before.next(stages=stages), after)
                records.write(record)
                paths = [*(records.waiting(part) for part in waiting), *paths]
                self._publish(commit, paths, (records.application, record.version))
            else:
                stages[after.run] = (*waiting, *records.take(drafts, commit.before))
                record = _with(commit.before.next(stages=stages), after)
                self._note(commit.table, records, record)
            return record
        finally:
            parts.drop(drafts)

    def _publish(self, commit: _Commit, paths: Sequence[Path], tag: Tag) -> None:
        def batches(columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
            for path in paths:
                yield from self._stage.read(path, columns)

        if self._request.mode is not Mode.UPSERT:
            self._write(commit, Rows(batches()), tag)
            return
        schema, adds = commit.match.schema, bool(commit.match.added)
        request = _as_named(self._request, schema)
        names = keys.columns_of(request)
        places = keys.winners(request, batches(names)) if paths else None
        pa.default_memory_pool().release_unused()  # the merge needs it
        rows = Rows(keys.picked(batches(), places))
        if commit.table.is_there:
            commit.table.merge(rows, schema, tag, key=request.key, adds=adds)
        else:
            commit.table.append(rows, schema, tag)

    def _write(self, commit: _Commit, rows: Rows, tag: Tag) -> None:
        schema, adds = commit.match.schema, bool(commit.match.added)
        if self._request.mode is Mode.APPEND:
            commit.table.append(rows, schema, tag, adds=adds)
        else:
            where = None if self._condition is None else self._condition.sql
            commit.table.overwrite(rows, schema, tag, where=where, adds=adds)

    def _arranged(self, commit: _Commit) -> Iterator[pa.RecordBatch]:
        row = 0
        for batch in commit.rows:
            arranged = commit.arranger.arrange(batch, row)
            if self._condition is not None:
                self._condition.check(arranged)
            yield arranged
            row += batch.num_rows

    # ---- the table and its records

    def _match(self, table: DeltaTable) -> Match:
        request = self._request
        columns = store_all(self.target, request, self._schema, delta_types.stored, folds_case=True)
        found = match(self.target, request, columns, table.schema, folds_case=True)
        if request.mode is not Mode.UPSERT:
            return found
        # A row that is changed keeps what it has in columns that the result has not.
        names = {column.name for column in found.columns}
        fields = [field for field in found.schema if field.name in names]
        return dataclasses.replace(found, schema=pa.schema(fields))

    @contextlib.contextmanager
    def _alone(self, records: Records, rows: Rows | None = None) -> Iterator[None]:
        """Makes what is missing, and has the lock of the job's workers in the block."""
        verb = "begin the load" if rows is None else "commit rows"
        with telling_of_disk(self._address, verb, rows):
            records.make()
            with records.locked():
                yield

    def _settled(self, table: DeltaTable, records: Records) -> Record:
        """Returns the record in force, and removes what killed processes have left; under the lock."""
        record = self._record(table, records)
        records.tidy(record)
        return record

    def _record(self, table: DeltaTable, records: Records) -> Record:
        return records.read(table.version_of(records.application))

    def _note(self, table: DeltaTable, records: Records, record: Record) -> None:
        records.write(record)
        table.note((records.application, record.version))

    def _of(self, job: str) -> Records:
        if self._records is None or self._records.job != job:
            self._records = self._make_records(job)
        return self._records


@dataclasses.dataclass(frozen=True)
class _Commit:
    """What one commit is made of: the step, and the table as it was when it began."""

    step: Step
    rows: Rows
    records: Records
    table: DeltaTable
    before: Record
    mark: Watermark | None
    match: Match
    arranger: Arranger


def _as_named(request: Request, schema: pa.Schema) -> Request:
    """Returns *request* with the names of columns as the table has them, for which case does not count."""
    names = {name.lower(): name for name in schema.names}
    key = tuple(names[name.lower()] for name in request.key)
    order = None if request.order is None else names[request.order.lower()]
    return dataclasses.replace(request, key=key, order=order)


def _with(record: Record, mark: Watermark | None) -> Record:
    return record if mark is None else dataclasses.replace(record, loads=record.with_load(mark))
