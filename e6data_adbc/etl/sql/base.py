"""A load into a SQL database: one transaction has the rows, the tables they need, and the watermark."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.columns import Converter
from e6data_adbc.etl.faults import Failure, Fault
from e6data_adbc.etl.retry import may_pass
from e6data_adbc.etl.sink import (
    Capabilities,
    Mode,
    Prepared,
    RacedError,
    Request,
    Step,
)
from e6data_adbc.etl.sql.session import Session, Table
from e6data_adbc.etl.sql.sql_database import Database
from e6data_adbc.etl.sql.state import StateTable
from e6data_adbc.etl.sql.tables import ORDER, Tables
from e6data_adbc.etl.stream import Rows
from e6data_adbc.etl.watermark import Watermark

__all__ = ["SqlSink"]

_STATE = "e6_loads"
#: What names of stages begin with.
_STAGE = "e6_stage_"
#: Rows that one commit may have, for the place of each in the load.
_MOST_ROWS = 2**32


class SqlSink:
    """A sink over any SQL database with transactions. Each thread has a connection of its own."""

    def __init__(self, database: Database, *, state_table: str | None = None) -> None:
        """Takes the database; connects to nothing.

        Args:
            database: With the target's table.
            state_table: The table of watermarks, as `schema.table`; by default `e6_loads` beside the target.
        """
        self._database = database
        self._address, self._table = database.address, database.table
        *place, state = (state_table or _STATE).split(".")
        self._state = StateTable(
            Table(place[0] if place else self._table.schema, state), self._table
        )
        self._local = threading.local()
        self._sessions: list[Session] = []
        self._request = Request()
        self._tables: Tables | None = None
        self._single_stage = f"{_STAGE}{uuid.uuid4().hex[:16]}"
        self._lock = threading.Lock()
        #: What casts changed, and how often, for the report.
        self.losses: Counter[str] = Counter()

    # ---- the contract

    @property
    def capabilities(self) -> Capabilities:
        """What the database can do."""
        return self._database.capabilities

    @property
    def target(self) -> str:
        """The address without secrets."""
        return self._address.shown

    def history(self, job: str) -> list[Watermark]:
        """Returns the watermarks of all runs of *job*."""
        if not self._database.is_there():
            return []
        with self._transaction("read the watermark") as session:
            if self._database.existing(session, self._state.table) is None:
                return []
            return self._state.history(session, job)

    def prepare(self, request: Request, schema: pa.Schema) -> Prepared:
        """Compares the columns with those of the table."""
        self._request = request
        there = None
        if self._database.is_there():
            with self._transaction("read the columns") as session:
                self._database.prove(session, schema)
                there = self._database.existing(session, self._table)
        self._tables = Tables(self._database, request, schema)
        columns, changes = self._tables.compare(there)
        return Prepared(
            tuple(change.words for change in changes),
            tuple(f"{each.name}: {each.loss}" for each in columns if each.loss),
        )

    def begin(
        self, draft: Callable[[Sequence[Watermark]], Watermark], *, supersede: bool
    ) -> Watermark:
        """Stores the first watermark of a run, in a commit of its own."""
        job, run = self._request.job or "", self._request.run
        with self._transaction("begin the load") as session:
            self._database.begin_writing(session)
            self._database.lock_job(session, self._state.table.shown)
            if self._database.existing(session, self._state.table) is None:
                database = self._database
                self._state.create(session, text=database.text, key=database.key_text)
            if self._database.keeps_tables:
                self._drop_old_stages(session, self._state.history(session, job))
            history = self._state.history(session, job, lock=self._database.row_lock)
            found = next((mark for mark in history if mark.run == run), None)
            if found is not None:
                return found
            mark = draft(history)
            if supersede:
                self._state.supersede(session, job, run)
            self._state.insert(session, mark)
            return mark

    def commit(self, step: Step) -> Watermark | None:
        """Writes the rows and the watermark in one transaction.

        Raises:
            RacedError: Another worker has committed these rows.
            Error: They cannot be committed.
        """
        rows = Rows(step.batches())
        try:
            return self._commit(step, rows)
        except errors.Error:
            if rows.failure is None:
                self._check_race(step)
            raise

    def _check_race(self, step: Step) -> None:
        """Raises RacedError where a commit failed because another worker's was the last, with which the stage went."""
        request = self._request
        if request.job is None or request.mode is Mode.APPEND:
            return
        with contextlib.suppress(errors.Error), self._transaction("read the watermark") as session:
            step.check(self._state.find(session, request.job, request.run))

    def _commit(self, step: Step, rows: Rows) -> Watermark | None:
        request, tables = self._request, self._prepared
        stage = None if request.mode is Mode.APPEND else self._stage
        with self._transaction("commit rows", rows) as session:
            self._database.begin_writing(session)
            begun = self._kept(session)
            step.check(begun)
            if stage is not None and begun is not None:
                self._check_stage(session, stage, begun)
            converter = Converter(tables.ready(session, stage), request.on_type)
            if tables.has_order:
                first = 0 if begun is None else begun.sequence * _MOST_ROWS
                numbered = _numbered(converter.convert, first)
                reader = rows.reader(converter.schema.append(ORDER), numbered)
            else:
                reader = rows.reader(converter.schema, converter.convert)
            session.write(stage or self._table, reader)
            if not rows.is_drained:
                raise rows.failure or errors.make(
                    Status.INTERNAL,
                    "could not commit rows: the destination did not take all of them",
                )
            before = self._kept(session, self._database.row_lock)
            after = step.after(before)
            if stage is not None and (after is None or after.is_complete):
                tables.publish(session, stage)
                is_used_again = after is not None and after.can_grow
                self._database.drop_stage(session, stage, is_used_again=is_used_again)
            if before is not None and after is not None:
                self._state.update(session, before, after)
        with self._lock:
            self.losses.update(converter.losses)
        if self._database.keeps_tables and stage is not None and after is not None:
            self._drop_after(stage, after)
        return after

    def forget(self, job: str) -> int:
        """Removes the watermarks of *job*, and the stages of its runs."""
        if not self._database.is_there():
            return 0
        with self._transaction("forget the job") as session:
            self._database.begin_writing(session)
            if self._database.existing(session, self._state.table) is None:
                return 0
            runs = self._state.runs(session, job, lock=self._database.row_lock)
            # In this order: what ends the transaction, where dropping a table does, is without the watermark.
            self._state.forget(session, job)
            for run in runs:
                stage = self._stage_of(job, run)
                if self._database.existing(session, stage) is not None:
                    session.run(f"DROP TABLE {stage.sql}")
            return len(runs)

    def is_transient(self, error: BaseException) -> bool:
        """Tells whether the same commit may succeed later."""
        return may_pass(error)

    def close(self) -> None:
        """Ends the connections of all threads."""
        with self._lock:
            sessions, self._sessions = self._sessions, []
        for session in sessions:
            with contextlib.suppress(
                Exception
            ):  # it may be broken; nothing uncommitted was promised
                session.close()

    # ---- transactions

    @contextlib.contextmanager
    def _transaction(self, verb: str, rows: Rows | None = None) -> Iterator[Session]:
        """Commits at the end, undoes everything on a failure, and raises that of the source where it was one."""
        session: Session | None = None
        try:
            session = self._session()
            yield session
            session.commit()
        except BaseException as error:
            self._undo(session)
            if rows is not None and rows.failure is not None:
                if rows.failure is error:
                    raise
                raise rows.failure from None  # what the library made of it says less
            if isinstance(error, RacedError) or not isinstance(error, Exception):
                raise
            self._raise(verb, error, is_connected=session is not None)

    def _raise(self, verb: str, error: Exception, *, is_connected: bool) -> NoReturn:
        if isinstance(error, errors.Error) and str(error).startswith("[e6data] "):
            raise error
        state, status = self._database.sqlstate(error), self._database.status(error)
        text = self._address.hide(" ".join(str(error).split()))
        hint = None
        if self._database.lacks_right(error):
            status = Status.UNAUTHORIZED
            hint = self._right(text)
        fault = self._fault(error, is_connected=is_connected)
        if fault is Fault.OUTPUT and status in {Status.UNKNOWN, Status.INTERNAL}:
            status = Status.IO
        failure = errors.make(
            status,
            f"could not {verb} in {self.target!r}: {text}",
            hint=hint,
            sqlstate=state or None,
            details=Failure(status, self._database.may_pass(error), fault).details,
        )
        if not self._address.secrets:
            raise failure from error
        # The library's own error may quote the address with its password, and its frames have it in their variables.
        hidden: BaseException | None = error
        while hidden is not None:
            hidden = hidden.with_traceback(None).__context__
        raise failure from None

    def _fault(self, error: Exception, *, is_connected: bool) -> Fault | None:
        database = self._database
        if not is_connected:
            return Fault.OUTPUT if database.is_file else Fault.CONNECTION
        if database.is_about_connecting(error):
            return Fault.CONNECTION
        refuses = database.lacks_right(error) or database.cannot_write(error)
        return Fault.OUTPUT if refuses else None

    def _right(self, text: str) -> str:
        """Returns what helps against a right that is missing, as far as the database's text names the table."""
        state = self._state.table.name
        if state in text:
            return (
                f"grant the right, or name another place for {state!r} with state_table; it takes CREATE on the "
                "schema the first time, then SELECT, INSERT and UPDATE on the table"
            )
        if _STAGE in text:
            return (
                "grant the rights to make, fill and drop tables beside the target: all modes but append collect their "
                "rows in one"
            )
        return f"grant the right on {self._table.name!r}, or on its schema where the load makes it"

    def _session(self) -> Session:
        session: Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._database.connect()
            self._local.session = session
            with self._lock:
                self._sessions.append(session)
        return session

    def _undo(self, session: Session | None) -> None:
        """Rolls back, or drops a connection that cannot."""
        if session is None:
            return
        try:
            session.rollback()
        except Exception:  # noqa: BLE001 - whatever it is, the connection is of no use; the first failure is raised
            self._local.session = None
            with self._lock:
                self._sessions.remove(session)
            with contextlib.suppress(Exception):
                session.close()

    def _kept(self, session: Session, lock: str = "") -> Watermark | None:
        request = self._request
        if request.job is None:
            return None
        self._database.lock_watermark(session, self._state.table, request.job, request.run)
        return self._state.find(session, request.job, request.run, lock=lock)

    # ---- tables

    @property
    def _stage(self) -> Table:
        job = self._request.job
        if job is None:
            return Table(self._table.schema, self._single_stage, is_passing=True)
        return self._stage_of(job, self._request.run)

    def _stage_of(self, job: str, run: str) -> Table:
        parts = json.dumps([job, run, self._table.shown])
        name = hashlib.sha256(parts.encode()).hexdigest()[:16]
        return Table(self._table.schema, f"{_STAGE}{name}")

    def _check_stage(self, session: Session, stage: Table, begun: Watermark) -> None:
        """Refuses to go on without the rows that earlier commits have collected."""
        has_rows = begun.sequence > 0 and not begun.is_complete
        if has_rows and self._database.existing(session, stage) is None:
            raise errors.make(
                Status.INVALID_STATE,
                f"could not resume run {begun.run!r} of job {begun.job!r}: the table {stage.shown!r}, in which its "
                "rows were collected, is no longer there",
                hint="forget the job, and load anew",
            )

    def _drop_old_stages(self, session: Session, history: Sequence[Watermark]) -> None:
        """Drops stages that killed workers have left: of complete runs, and of this one, if it was forgotten."""
        there = self._database.stages(session, self._table.schema)
        old = [mark.run for mark in history if not _is_at_work(mark)]
        if self._request.run not in [mark.run for mark in history]:
            old.append(self._request.run)
        for run in old:
            stage = self._stage_of(self._request.job or "", run)
            if stage.name in there:
                session.run(f"DROP TABLE IF EXISTS {stage.sql}")

    def _drop_after(self, stage: Table, after: Watermark) -> None:
        """Drops the stage of a run that is complete for ever; one that cannot be is left to the job's next run."""
        if not _is_at_work(after):
            with contextlib.suppress(errors.Error), self._transaction("drop the stage") as session:
                session.run(f"DROP TABLE IF EXISTS {stage.sql}")

    @property
    def _prepared(self) -> Tables:
        if self._tables is None:
            raise errors.make(
                Status.INVALID_STATE, "could not commit rows: the sink was not prepared for them"
            )
        return self._tables


def _is_at_work(mark: Watermark) -> bool:
    """Tells whether a run may still stage rows."""
    return not mark.is_complete or mark.can_grow


def _numbered(
    convert: Callable[[pa.RecordBatch, int], pa.RecordBatch], first: int
) -> Callable[[pa.RecordBatch, int], pa.RecordBatch]:
    """Returns *convert* with the place of each row in the load, from *first* on, as one more column."""

    def numbered(batch: pa.RecordBatch, row: int) -> pa.RecordBatch:
        places = pa.array(range(first + row, first + row + batch.num_rows), pa.int64())
        return convert(batch, row).append_column(ORDER, places)

    return numbered
