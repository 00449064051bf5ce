"""Loads into a ClickHouse table: rows wait in a stage, a row of `e6_loads` is the commit, tokens show them once."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.destinations import Address
from e6data_adbc.etl.files.parts import groups
from e6data_adbc.etl.matching import Arranger, Match, match, store_all
from e6data_adbc.etl.retry import may_pass
from e6data_adbc.etl.sink import Capabilities, Mode, Prepared, RacedError, Request, Sink, Step
from e6data_adbc.etl.sql import clickhouse_types
from e6data_adbc.etl.sql.clickhouse_server import Server, named
from e6data_adbc.etl.sql.clickhouse_state import Entry, States
from e6data_adbc.etl.sql.clickhouse_types import Existing
from e6data_adbc.etl.watermark import State, Watermark

__all__ = ["ClickHouseSink", "open_sink"]

_WINDOW: Final = re.compile(r"non_replicated_deduplication_window = (\d+)")
#: Columns of a stage: the commit, and the block in it.
_ATTEMPT, _BLOCK = "e6_attempt", "e6_block"


def open_sink(address: Address, *, state_table: str | None = None) -> Sink:
    """Returns the sink of `clickhouse://user@host:port/database#table`."""
    return ClickHouseSink(address, state_table)


class ClickHouseSink:
    """Rows into one table. A commit has three steps, of which the second is the one that counts.

    Rows are written into a stage; the next version of the watermark, which names them, is written; the blocks of the
    stage are inserted into the table, each with a token of its own, by which the table takes it once. Whoever finds a
    watermark whose blocks are still in the stage does the third step again.
    """

    capabilities = Capabilities(
        modes=frozenset({Mode.APPEND, Mode.REPLACE}),
        is_fenced=True,
        has_parallel_commits=False,
        can_evolve=True,
        can_widen=True,
        fence="the version of a watermark, of which `e6_loads` takes one, by its window of deduplication",
    )

    def __init__(self, address: Address, state_table: str | None) -> None:
        """Takes where; connects to nothing."""
        if not address.table:
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not open the destination {address.shown!r}: it names no table",
                hint="write it at the end, as #table or #database.table",
            )
        *place, self._name = address.table
        self._place = place[0] if place else None
        self.target = address.shown
        self._server = Server(address)
        *state, name = (state_table or "e6_loads").split(".")
        shown = ".".join(address.table)
        self._states = States(self._server, (state[0] if state else self._place, name), shown)
        self._shown = shown
        self._request = Request()
        self._schema = pa.schema([])
        self._lock = threading.Lock()
        #: What casts changed, and how often, for the report.
        self.losses: Counter[str] = Counter()

    def history(self, job: str) -> list[Watermark]:
        """Returns the watermarks of all runs of *job*; what a killed commit has left to be shown is shown first."""
        with self._lock:
            return [entry.mark for entry in self._settled(job) if entry.mark is not None]

    def prepare(self, request: Request, schema: pa.Schema) -> Prepared:
        """Compares the columns with those of the table, and looks whether it takes a block once."""
        self._request, self._schema = request, schema
        with self._lock:
            found = self._match()
            losses = [f"{each.name}: {each.loss}" for each in found.columns if each.loss]
            there = self._engine()
            if there is None:
                return Prepared((self._creation(found),), tuple(losses))
            engine, full, partitions = there
            self._check_replaces(engine, partitions)
            if not _takes_once(engine, full):
                text = (
                    f"{self._shown}: at least once: its window of deduplication is 0, so rows of a commit may be "
                    "there twice after a kill"
                )
                losses.append(text)
                self.losses[text] = 1
            existing = self._server.columns(self._place, self._name) or ()
            return Prepared(tuple(self._changes(found, existing)), tuple(losses))

    def begin(
        self, draft: Callable[[Sequence[Watermark]], Watermark], *, supersede: bool
    ) -> Watermark:
        """Stores the first watermark of a run."""
        job, run = self._request.job or "", self._request.run
        with self._lock:
            self._states.create()
            while True:
                entries = self._settled(job)
                there = next((each for each in entries if each.run == run), None)
                if there is not None and there.mark is not None:
                    return there.mark
                mark = draft([each.mark for each in entries if each.mark is not None])
                version = 0 if there is None else there.version + 1
                if not self._states.put(job, run, version, mark, with_plan=True):
                    continue
                for each in entries if supersede else ():
                    if each.mark is not None and each.mark.state is State.LOADING:
                        self._states.put(job, each.run, each.version + 1, each.mark.superseded())
                return mark

    def commit(self, step: Step) -> Watermark | None:
        """Writes rows into the stage, then the watermark, and shows the rows."""
        with self._lock:
            job = self._request.job
            if job is None:
                name = f"e6_stage_{uuid.uuid4().hex[:16]}"
                stage = named(self._place, name)
                try:
                    attempt, found = self._stage(step, name)
                    step.after(None)
                    self._publish(stage, [attempt], found.schema.names)
                finally:
                    self._server.run(f"DROP TABLE IF EXISTS {stage}")
                return None
            step.check(self._entry(job).mark)
            name = self._stage_name(job, self._request.run)
            stage = named(self._place, name)
            attempt, _ = self._stage(step, name)
            entry = self._entry(job)
            try:
                after = step.after(entry.mark)
                if after is None:
                    raise errors.make(
                        Status.INTERNAL, "could not commit rows: they have no watermark"
                    )
                shows = self._request.mode is Mode.APPEND or after.is_complete
                version = entry.version + 1
                if not self._states.put(
                    job, entry.run, version, after, attempt=attempt, is_shown=shows
                ):
                    raise RacedError
            except RacedError:
                self._drop(stage, attempt)
                raise
            if shows:
                self._show(job, self._entry(job))
            return after

    def forget(self, job: str) -> int:
        """Removes the watermarks of *job*, and the stages of its runs."""
        with self._lock:
            known = [entry for entry in self._settled(job) if entry.mark is not None]
            for entry in known:
                self._states.put(job, entry.run, entry.version + 1, None)
                stage = named(self._place, self._stage_name(job, entry.run))
                self._server.run(f"DROP TABLE IF EXISTS {stage}")
            return len(known)

    def is_transient(self, error: BaseException) -> bool:
        """Tells, by the server's code, whether the same commit may succeed later."""
        return may_pass(error)

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._server.close()

    # ---- rows in the stage

    def _stage(self, step: Step, name: str) -> tuple[str, Match]:
        """Writes the rows of *step* into the stage; returns their name there."""
        found = self._match()
        self._make(found, name)
        stage = named(self._place, name)
        arranger = Arranger(found, self._request.on_type)
        attempt = uuid.uuid4().hex
        try:
            for number, rows in enumerate(groups(found.schema, _arranged(step, arranger))):
                attempts = pa.array([attempt] * rows.num_rows)
                blocks = pa.array([number] * rows.num_rows, pa.uint32())
                self._server.insert(
                    stage, rows.append_column(_ATTEMPT, attempts).append_column(_BLOCK, blocks)
                )
        except BaseException:
            self._drop(stage, attempt)
            raise
        self.losses.update(arranger.losses)
        return attempt, found

    def _drop(self, stage: str, attempt: str) -> None:
        self._server.run(f"ALTER TABLE {stage} DROP PARTITION {{name:String}}", name=attempt)

    def _settled(self, job: str) -> list[Entry]:
        """Returns the newest watermarks, when all that they have is shown."""
        entries = self._states.entries(job)
        for entry in entries:
            if entry.mark is not None:
                self._show(job, entry)
        return entries

    def _show(self, job: str, entry: Entry) -> None:
        """Moves what is committed and still in the stage into the table; a run that is complete has no stage then."""
        name = self._stage_name(job, entry.run)
        columns = self._server.columns(self._place, name)
        if columns is None:
            return
        names = [each.name for each in columns if each.name not in {_ATTEMPT, _BLOCK}]
        stage = named(self._place, name)
        attempts = self._states.attempts(job, entry.run, entry.begun)
        is_over = entry.mark is not None and entry.mark.is_complete
        is_appended = all(is_shown for _, is_shown in attempts)
        if is_appended or not is_over:
            self._append(stage, [each for each, is_shown in attempts if is_shown], names)
        else:
            self._replace(stage, [each for each, _ in attempts], names)
        if is_over:
            self._server.run(f"DROP TABLE IF EXISTS {stage}")

    def _publish(self, stage: str, attempts: Sequence[str], names: Sequence[str]) -> None:
        if self._request.mode is Mode.REPLACE:
            self._replace(stage, attempts, names)
        else:
            self._append(stage, attempts, names)

    def _append(self, stage: str, attempts: Sequence[str], names: Sequence[str]) -> None:
        """Inserts blocks of the stage, each by a statement and a token of its own, and removes them there."""
        there = self._server.rows(
            f"SELECT DISTINCT {_ATTEMPT}, {_BLOCK} FROM {stage} ORDER BY {_ATTEMPT}, {_BLOCK}"
        )
        listed = ", ".join(map(named, names))
        shown = set(attempts)
        for attempt, block in there:
            if attempt in shown:
                self._server.run(
                    f"INSERT INTO {self._table} ({listed}) SELECT {listed} FROM {stage} WHERE {_ATTEMPT} = "
                    f"{{name:String}} AND {_BLOCK} = {{block:UInt32}}",
                    token=f"{attempt}/{block}",
                    name=attempt,
                    block=block,
                )
        for attempt in sorted({each for each, _ in there} & shown):
            self._drop(stage, attempt)

    def _replace(self, stage: str, attempts: Sequence[str], names: Sequence[str]) -> None:
        """Puts rows of the stage in place of all that the table has, in one step."""
        start = f"{stage[:-1]}_new_"
        plain = start.rpartition("`")[2]
        old = self._server.rows(
            "SELECT name FROM system.tables WHERE startsWith(name, {start:String}) AND "
            "database = if({place:String} = '', currentDatabase(), {place:String})",
            start=plain,
            place=self._place or "",
        )
        for (
            name,
        ) in old:  # of a killed worker, or of one that is to find that another has its work
            self._server.run(f"DROP TABLE IF EXISTS {named(self._place, name)}")
        new = named(self._place, f"{plain}{uuid.uuid4().hex[:8]}")
        self._server.run(f"CREATE TABLE {new} AS {self._table}")
        listed = ", ".join(map(named, names))
        self._server.run(
            f"INSERT INTO {new} ({listed}) SELECT {listed} FROM {stage} WHERE {_ATTEMPT} IN {{names:Array(String)}}",
            names=list(attempts),
        )
        ((rows,),) = self._server.rows(f"SELECT count() FROM {new}")
        if rows:
            self._server.run(f"ALTER TABLE {self._table} REPLACE PARTITION ID 'all' FROM {new}")
        else:
            self._server.run(f"TRUNCATE TABLE {self._table}")
        self._server.run(f"DROP TABLE IF EXISTS {new}")

    # ---- tables

    @property
    def _table(self) -> str:
        return named(self._place, self._name)

    def _stage_name(self, job: str, run: str) -> str:
        parts = json.dumps([job, run, self._shown])
        return f"e6_stage_{hashlib.sha256(parts.encode()).hexdigest()[:16]}"

    def _entry(self, job: str) -> Entry:
        found = [each for each in self._states.entries(job) if each.run == self._request.run]
        if not found or found[0].mark is None:
            raise RacedError  # it was forgotten meanwhile, which whoever looks again is told
        return found[0]

    def _match(self) -> Match:
        request = self._request
        columns = store_all(self.target, request, self._schema, clickhouse_types.stored)
        existing = self._server.columns(self._place, self._name)
        if existing is None:
            return match(self.target, request, columns, None)
        schema, optional = clickhouse_types.schema_of(existing, columns)
        names = {column.name for column in columns}
        fields = [each for each in schema if each.name in names or each.name not in optional]
        by = {each.name: each for each in existing}

        def widens(field: pa.Field[Any], given: Any) -> bool:
            return clickhouse_types.widens(by[field.name], field.type, given)

        return match(self.target, request, columns, pa.schema(fields), widens=widens)

    def _make(self, found: Match, stage_name: str) -> None:
        """Makes the tables and columns that a commit needs."""
        stage = named(self._place, stage_name)
        there = self._server.columns(self._place, self._name)
        if there is None:
            creation = self._creation(found)
            changes = [creation.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1)]
        else:
            changes = self._changes(found, there)
        for change in changes:
            self._server.run(change)
        if changes:
            there = self._server.columns(self._place, self._name)
        by = {each.name: each.definition for each in there or ()}
        listed = ", ".join(f"{named(name)} {by[name]}" for name in found.schema.names)
        self._server.run(
            f"CREATE TABLE IF NOT EXISTS {stage} ({listed}, {_ATTEMPT} String, {_BLOCK} UInt32) ENGINE = MergeTree "
            f"PARTITION BY {_ATTEMPT} ORDER BY {_BLOCK}"
        )
        # One that an earlier commit has made is behind, if the table was widened meanwhile.
        for each in self._server.columns(self._place, stage_name) or ():
            if by.get(each.name, each.definition) != each.definition:
                self._server.run(_modification(stage, each.name, by[each.name]))

    def _creation(self, found: Match) -> str:
        listed = ", ".join(f"{named(each.name)} {each.definition}" for each in found.columns)
        return (
            f"CREATE TABLE {self._table} ({listed}) ENGINE = MergeTree ORDER BY tuple() "
            "SETTINGS non_replicated_deduplication_window = 10000"
        )

    def _changes(self, found: Match, existing: Sequence[Existing]) -> list[str]:
        """Returns the statements by which the table that is there gets columns, and wider types."""
        there = {each.name: each for each in existing}
        changes = []
        for column in found.columns:
            if column.name in found.added:
                name = named(column.name)
                changes.append(
                    f"ALTER TABLE {self._table} ADD COLUMN IF NOT EXISTS {name} {column.definition}"
                )
            elif column.name in found.widened:
                kind = clickhouse_types.widened(there[column.name], column.stored)
                changes.append(_modification(self._table, column.name, kind))
        return changes

    def _engine(self) -> tuple[str, str, str] | None:
        found = self._server.rows(
            "SELECT engine, engine_full, partition_key FROM system.tables WHERE name = {name:String} AND "
            "database = if({place:String} = '', currentDatabase(), {place:String})",
            name=self._name,
            place=self._place or "",
        )
        return (found[0][0], found[0][1], found[0][2]) if found else None

    def _check_replaces(self, engine: str, partitions: str) -> None:
        if self._request.mode is not Mode.REPLACE:
            return
        cause = None
        if "MergeTree" not in engine:
            cause = f"its engine {engine} has no partitions"
        elif partitions:
            cause = f"it is partitioned by {partitions}, and partitions are replaced one after the other"
        if cause:
            raise errors.make(
                Status.NOT_IMPLEMENTED,
                f"could not replace the rows of {self.target!r} in one step: {cause}",
            )


def _modification(table: str, name: str, kind: str) -> str:
    return f"ALTER TABLE {table} MODIFY COLUMN {named(name)} {kind}"


def _takes_once(engine: str, full: str) -> bool:
    """Tells whether a table takes a block with a token once."""
    if "MergeTree" not in engine:
        return False
    if engine.startswith(("Replicated", "Shared")):
        return "replicated_deduplication_window = 0" not in full
    found = _WINDOW.search(full)
    return found is not None and int(found[1]) > 0


def _arranged(step: Step, arranger: Arranger) -> Iterator[pa.RecordBatch]:
    row = 0
    for batch in step.batches():
        yield arranger.arrange(batch, row)
        row += batch.num_rows
