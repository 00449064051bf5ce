"""A load into a SQL database: one transaction has the rows, the tables they need, and the watermark."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.columns import Column, Converter, fits_without_loss
from e6data_adbc.etl.destinations import Address
from e6data_adbc.etl.sink import (
    Capabilities,
    Mode,
    OnType,
    Prepared,
    RacedError,
    Request,
    Schema,
    Step,
)
from e6data_adbc.etl.sql.session import Session, Table, quoted
from e6data_adbc.etl.sql.state import StateTable
from e6data_adbc.etl.stream import Rows
from e6data_adbc.etl.watermark import Watermark

__all__ = ["Existing", "SqlSink"]

_STATE = "e6_loads"
#: Under which key an error says whether its cause may pass.
_PASSES = "e6data.load.is_transient"


@dataclasses.dataclass(frozen=True)
class Existing:
    """A column that the destination's table has."""

    name: str
    definition: str
    is_required: bool


class SqlSink:
    """What the SQL databases share; subclasses say how each differs. Each thread has a connection of its own."""

    capabilities = Capabilities(
        modes=frozenset(Mode), is_fenced=True, has_parallel_commits=False, can_evolve=True
    )
    #: What a SELECT ends with to lock its rows.
    row_lock = ""
    #: Whether names that differ in case only are the same.
    folds_case = False

    def __init__(self, address: Address, *, state_table: str | None = None) -> None:
        """Takes the address; connects to nothing.

        Args:
            address: With the table.
            state_table: The table of watermarks, as `schema.table`; by default `e6_loads` beside the target.
        """
        if not address.table:
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not open the destination {address.shown!r}: it names no table",
                hint="write it at the end, as #table or #schema.table",
            )
        *schema, name = address.table
        self.address = address
        self.table = Table(schema[0] if schema else None, name)
        *place, state = (state_table or _STATE).split(".")
        self.state = StateTable(Table(place[0] if place else self.table.schema, state), self.table)
        self._local = threading.local()
        self._sessions: list[Session] = []
        self._request = Request()
        self._columns: tuple[Column, ...] = ()
        self._single_stage = f"e6_stage_{uuid.uuid4().hex[:16]}"
        self._lock = threading.Lock()
        #: What casts changed, and how often, for the report.
        self.losses: Counter[str] = Counter()

    # ---- what each database says for itself

    def connect(self) -> Session:
        """Returns a new connection."""
        raise NotImplementedError

    def existing(self, session: Session, table: Table) -> list[Existing] | None:
        """Returns the columns of *table*, or None where there is none."""
        raise NotImplementedError

    def stored(self, field: pa.Field[Any]) -> Column | str:
        """Returns how a column is stored, or why it cannot be."""
        raise NotImplementedError

    def read_type(self, definition: str) -> pa.DataType | None:
        """Returns the Arrow type that a column of the database takes; None where it is not known."""
        raise NotImplementedError

    def lock_job(self, session: Session, name: str) -> None:
        """Keeps other workers from making the same tables, to the end of the transaction."""

    def begin_writing(self, session: Session) -> None:
        """Does what has to come first in a transaction that writes."""

    def sqlstate(self, error: BaseException) -> str:
        """Returns the SQLSTATE of a failure of the library; empty where it has none."""
        return getattr(error, "sqlstate", None) or ""

    def may_pass(self, error: BaseException) -> bool:
        """Tells, by type and SQLSTATE, whether what the library failed with may be gone later."""
        raise NotImplementedError

    def merge(self, stage: Table, columns: Sequence[str], key: Sequence[str]) -> list[str]:
        """Returns the statements that change the rows with a known key and add the others."""
        target, same = self.table.sql, _all_equal("target", "stage", key)
        sets = ", ".join(f"{quoted(n)} = stage.{quoted(n)}" for n in columns if n not in key)
        listed = _list(columns)
        change = f"UPDATE {target} AS target SET {sets} FROM {stage.sql} AS stage WHERE {same}"
        add = (
            f"INSERT INTO {target} ({listed}) SELECT {listed} FROM {stage.sql} AS stage WHERE NOT EXISTS "
            f"(SELECT 1 FROM {target} AS target WHERE {same})"
        )
        return [change, add] if sets else [add]

    def alter_type(self, column: Column) -> str:
        """Returns the statement that widens a column of the target."""
        return f"ALTER TABLE {self.table.sql} ALTER COLUMN {quoted(column.name)} TYPE {column.definition}"

    # ---- the contract

    @property
    def target(self) -> str:
        """The address without secrets."""
        return self.address.shown

    def history(self, job: str) -> list[Watermark]:
        """Returns the watermarks of all runs of *job*."""
        with self._transaction("read the watermark") as session:
            if self.existing(session, self.state.table) is None:
                return []
            return self.state.history(session, job)

    def prepare(self, request: Request, schema: pa.Schema) -> Prepared:
        """Compares the columns with those of the table."""
        self._request = request
        self._columns = self._store_all(schema)
        with self._transaction("read the columns") as session:
            columns, changes = self._compare(self.existing(session, self.table))
        return Prepared(
            tuple(changes), tuple(f"{each.name}: {each.loss}" for each in columns if each.loss)
        )

    def begin(
        self, draft: Callable[[Sequence[Watermark]], Watermark], *, supersede: bool
    ) -> Watermark:
        """Stores the first watermark of a run, in a commit of its own."""
        job, run = self._request.job or "", self._request.run
        with self._transaction("begin the load") as session:
            self.begin_writing(session)
            self.lock_job(session, self.state.table.shown)
            if self.existing(session, self.state.table) is None:
                self.state.create(session)
            history = self.state.history(session, job, lock=self.row_lock)
            found = next((mark for mark in history if mark.run == run), None)
            if found is not None:
                return found
            mark = draft(history)
            if supersede:
                self.state.supersede(session, job, run)
            self.state.insert(session, mark)
            return mark

    def commit(self, step: Step) -> Watermark | None:
        """Writes the rows and the watermark in one transaction."""
        request = self._request
        rows = Rows(step.batches())
        with self._transaction("commit rows", rows) as session:
            self.begin_writing(session)
            step.check(self._kept(session))
            converter = Converter(self._ready(session), request.on_type)
            where = self.table if request.mode is Mode.APPEND else self._stage
            session.write(where, rows.reader(converter.schema, converter.convert))
            if not rows.is_drained:
                raise rows.failure or errors.make(
                    Status.INTERNAL,
                    "could not commit rows: the destination did not take all of them",
                )
            before = self._kept(session, self.row_lock)
            after = step.after(before)
            if request.mode is not Mode.APPEND and (after is None or after.is_complete):
                self._publish(session)
            if before is not None and after is not None:
                self.state.update(session, before, after)
        with self._lock:
            self.losses.update(converter.losses)
        return after

    def forget(self, job: str) -> int:
        """Removes the watermarks of *job*, and the stages of its runs."""
        with self._transaction("forget the job") as session:
            self.begin_writing(session)
            if self.existing(session, self.state.table) is None:
                return 0
            runs = self.state.runs(session, job, lock=self.row_lock)
            for run in runs:
                stage = self._stage_of(job, run)
                if self.existing(session, stage) is not None:
                    session.run(f"DROP TABLE {stage.sql}")
            self.state.forget(session, job)
            return len(runs)

    def is_transient(self, error: BaseException) -> bool:
        """Tells whether the same commit may succeed later."""
        return isinstance(error, errors.Error) and errors.detail(error, _PASSES) == "True"

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
            self._raise(verb, error)

    def _raise(self, verb: str, error: Exception) -> NoReturn:
        if isinstance(error, errors.Error) and str(error).startswith("[e6data] "):
            raise error
        state = self.sqlstate(error)
        status = error.status_code if isinstance(error, errors.Error) else Status.UNKNOWN
        hint = None
        if state == "42501":
            status = Status.UNAUTHORIZED
            hint = (
                f"grant the right, or name another place for {self.state.table.name!r} with state_table; it takes "
                "CREATE on the schema the first time, then SELECT, INSERT and UPDATE on the table"
            )
        text = self.address.hide(" ".join(str(error).split()))
        failure = errors.make(
            status,
            f"could not {verb} in {self.target!r}: {text}",
            hint=hint,
            sqlstate=state or None,
            details=[(_PASSES, str(self.may_pass(error)).encode())],
        )
        # The library's own error may quote the address with its password.
        raise failure from (None if self.address.secrets else error)

    def _session(self) -> Session:
        session: Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self.connect()
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
        return self.state.find(session, request.job, request.run, lock=lock)

    # ---- tables

    @property
    def _stage(self) -> Table:
        job = self._request.job
        if job is None:
            return Table(self.table.schema, self._single_stage)
        return self._stage_of(job, self._request.run)

    def _stage_of(self, job: str, run: str) -> Table:
        name = hashlib.sha256(repr((job, run, self.table.shown)).encode()).hexdigest()[:16]
        return Table(self.table.schema, f"e6_stage_{name}")

    def _ready(self, session: Session) -> Sequence[Column]:
        """Makes the tables that the commit needs, and returns the columns as they are stored."""
        columns, changes = self._compare(self.existing(session, self.table))
        stage = None if self._request.mode is Mode.APPEND else self._stage
        lacks_stage = stage is not None and self.existing(session, stage) is None
        if changes or lacks_stage:
            self.lock_job(session, self.table.shown)
            columns, changes = self._compare(self.existing(session, self.table))
            for statement in changes:
                session.run(statement)
            if stage is not None and self.existing(session, stage) is None:
                session.run(f"CREATE TABLE {stage.sql} ({_definitions(columns)})")
        return columns

    def _publish(self, session: Session) -> None:
        """Moves what is staged into the target."""
        stage, names = self._stage, [column.name for column in self._columns]
        listed = _list(names)
        insert = f"INSERT INTO {self.table.sql} ({listed}) SELECT {listed} FROM {stage.sql}"
        match self._request.mode:
            case Mode.UPSERT:
                self._check_keys(session, stage)
                statements = self.merge(stage, names, self._request.key)
            case Mode.REPLACE_WHERE:
                where = self._request.where or ""
                self._check_condition(session, stage, where)
                statements = [f"DELETE FROM {self.table.sql} WHERE {where}", insert]
            case _:
                statements = [f"DELETE FROM {self.table.sql}", insert]
        for statement in (*statements, f"DROP TABLE {stage.sql}"):
            session.run(statement)

    def _check_keys(self, session: Session, stage: Table) -> None:
        key = self._request.key
        listed = _list(key)
        nulls = " OR ".join(f"{quoted(name)} IS NULL" for name in key)
        if session.rows(f"SELECT 1 FROM {stage.sql} WHERE {nulls} LIMIT 1"):
            raise errors.make(
                Status.INTEGRITY,
                f"could not upsert by {list(key)}: a row has NULL there, which is no row's key",
            )
        if session.rows(f"SELECT 1 FROM {stage.sql} GROUP BY {listed} HAVING COUNT(*) > 1 LIMIT 1"):
            raise errors.make(
                Status.INTEGRITY,
                f"could not upsert by {list(key)}: the load has two rows with the same key",
                hint="choose one of them in the query, with ROW_NUMBER() for instance",
            )

    def _check_condition(self, session: Session, stage: Table, where: str) -> None:
        if session.rows(f"SELECT 1 FROM {stage.sql} WHERE NOT COALESCE(({where}), FALSE) LIMIT 1"):
            raise errors.make(
                Status.INTEGRITY,
                f"could not replace the rows where {where}: the load has rows that are not among them",
                hint="give the query the same condition",
            )

    # ---- columns

    def _store_all(self, schema: pa.Schema) -> tuple[Column, ...]:
        columns, reasons = [], []
        for field in schema:
            found = self.stored(field)
            if isinstance(found, str):
                reasons.append(f"column {field.name!r} of type {str(field.type)!r}: {found}")
            elif found.loss and self._request.on_type is OnType.ERROR:
                cause = f'{found.loss}, which on_type="cast" allows'
                reasons.append(f"column {field.name!r} of type {str(field.type)!r}: {cause}")
            else:
                columns.append(found)
        names = [self._folded(field.name) for field in schema]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            reasons.append(f"two columns have the name {twice[0]!r}")
        if not len(schema):
            reasons.append("the result has no columns")
        reasons += [
            f"the key {name!r} is none of its columns"
            for name in self._request.key
            if name not in schema.names
        ]
        if reasons:
            raise errors.make(
                Status.NOT_IMPLEMENTED,
                f"could not load into {self.target!r}: {'; '.join(reasons)}",
                hint="cast or rename the columns in the query",
            )
        return tuple(columns)

    def _compare(self, existing: list[Existing] | None) -> tuple[list[Column], list[str]]:
        """Returns how the columns are stored in the table that is there, and what it needs first."""
        if existing is None:
            if self._request.schema is Schema.MATCH:
                raise errors.make(
                    Status.NOT_FOUND,
                    f"could not load into {self.target!r}: there is no such table",
                    hint='make it, or let the load make it with schema="create"',
                )
            return list(self._columns), [self._create()]
        known = {self._folded(each.name): each for each in existing}
        columns, changes, reasons = [], [], []
        for column in self._columns:
            there = known.pop(self._folded(column.name), None)
            evolves = self._request.schema is Schema.EVOLVE
            fitted = None if there is None else self._fitted(column, there)
            if fitted is not None:
                columns.append(fitted)
            elif there is None and evolves:
                columns.append(column)
                name = quoted(column.name)
                changes.append(
                    f"ALTER TABLE {self.table.sql} ADD COLUMN {name} {column.definition}"
                )
            elif there is not None and evolves and self._widens(there, column):
                columns.append(column)
                changes.append(self.alter_type(column))
            else:
                has = (
                    "it has no such column" if there is None else f"there it is {there.definition}"
                )
                reasons.append(f"column {column.name!r} of type {str(column.source)!r}: {has}")
        reasons += [
            f"its column {each.name!r} has to have a value, and the result has no such column"
            for each in known.values()
            if each.is_required
        ]
        if reasons:
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not load into {self.target!r}: {'; '.join(reasons)}",
                hint='cast the columns in the query, or change the table; schema="evolve" adds and widens columns',
            )
        return columns, changes

    def _create(self) -> str:
        text = _definitions(self._columns)
        if self._request.mode is Mode.UPSERT:
            text += f", PRIMARY KEY ({_list(self._request.key)})"
        return f"CREATE TABLE {self.table.sql} ({text})"

    def _fitted(self, column: Column, there: Existing) -> Column | None:
        """Returns *column* as the table's column takes it without a loss, or None."""
        if there.definition.upper() == column.definition.upper():
            return column
        kind: Any = self.read_type(there.definition)
        if kind is None:
            return None
        if kind == column.stored:
            return dataclasses.replace(column, definition=there.definition)
        # The engine gives all decimals 38 digits: whether fewer do is a question of the values.
        is_decimal = pa.types.is_decimal(kind) and pa.types.is_decimal(column.stored)
        if is_decimal and kind.scale >= column.stored.scale:  # type: ignore[attr-defined]
            return dataclasses.replace(column, stored=kind, definition=there.definition)
        if fits_without_loss(column.stored, kind):
            return dataclasses.replace(column, stored=kind, definition=there.definition)
        return None

    def _widens(self, there: Existing, column: Column) -> bool:
        kind = self.read_type(there.definition)
        return kind is not None and fits_without_loss(kind, column.stored)

    def _folded(self, name: str) -> str:
        return name.lower() if self.folds_case else name


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(quoted, names))


def _definitions(columns: Sequence[Column]) -> str:
    return ", ".join(f"{quoted(column.name)} {column.definition}" for column in columns)


def _all_equal(left: str, right: str, names: Sequence[str]) -> str:
    return " AND ".join(f"{left}.{quoted(name)} = {right}.{quoted(name)}" for name in names)
