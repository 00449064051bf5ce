"""One query on the engine, from prepare to clear: its states, its producer, its bounded stock of chunks."""

from __future__ import annotations

import collections
import enum
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from e6data_adbc.local.cluster.sessions import Session
from e6data_adbc.local.config import EngineConfig
from e6data_adbc.local.data import type_mapping
from e6data_adbc.local.data.statements import (
    UNBOUND,
    SqlError,
    Statement,
    Template,
    duckdb_module,
    one_line,
)
from e6data_adbc.local.ledger import Ledger, QueryRecord
from e6data_adbc.local.queries.workers import Workers
from e6data_adbc.local.sql.placeholders import Value
from e6data_adbc.local.wire import batch_pieces, refusal
from e6data_adbc.local.wire.codec import Codec
from e6data_adbc.local.wire.refusal import Overtaken, Refusal

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TRANSITIONS", "Event", "Query", "State"]

_logger = logging.getLogger("e6data_adbc.local")

_T = TypeVar("_T")

#: What a result ends with whose DuckDB broke while it was read.
BROKEN: Final = (
    "the database broke and was opened again while the rows were read; run the query again"
)
#: How often a waiting call looks whether its client is still there, in seconds.
POLL_SECONDS: Final = 0.25
#: How long an interrupted query may take to stop, in seconds, and how often the interrupt is repeated until then: one
#: that comes before DuckDB began is lost.
STOP_SECONDS: Final = 5.0
REPEAT_SECONDS: Final = 0.01


class State(enum.Enum):
    """Where a query stands."""

    PREPARED = "prepared"
    RUNNING = "running"
    FAILED = "failed"
    CANCELLED = "cancelled"
    CLEARED = "cleared"


class Event(enum.Enum):
    """What happens to a query."""

    EXECUTE = "execute"
    FETCH = "fetch"
    FAIL = "fail"
    CANCEL = "cancel"
    CLEAR = "clear"


TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (State.PREPARED, Event.EXECUTE): State.RUNNING,
    (State.PREPARED, Event.CANCEL): State.CANCELLED,
    (State.PREPARED, Event.CLEAR): State.CLEARED,
    (State.RUNNING, Event.FETCH): State.RUNNING,
    (State.RUNNING, Event.FAIL): State.FAILED,
    (State.RUNNING, Event.CANCEL): State.CANCELLED,
    (State.RUNNING, Event.CLEAR): State.CLEARED,
    (State.FAILED, Event.FETCH): State.FAILED,  # the chunks before the failure, then the failure
    (State.FAILED, Event.CANCEL): State.CANCELLED,
    (State.FAILED, Event.CLEAR): State.CLEARED,
    (State.CANCELLED, Event.CANCEL): State.CANCELLED,
    (State.CANCELLED, Event.CLEAR): State.CLEARED,
    (State.CLEARED, Event.CLEAR): State.CLEARED,
}

#: What a call hears that has no edge above.
_REFUSALS: Final[dict[State, str]] = {
    State.PREPARED: "Query {0} was not executed",
    State.RUNNING: "Query {0} was executed already",
    State.FAILED: "Query {0} failed",
    State.CANCELLED: refusal.CANCELLED,
    State.CLEARED: "Query {0} not found",
}


class Resources(NamedTuple):
    """What all queries of an engine are run with: settings, accounts, the encoder of chunks, and threads."""

    config: EngineConfig
    ledger: Ledger
    codec: Codec
    workers: Workers


class Query:
    """A prepared statement and what became of it.

    Any thread may call any method. A producer task makes chunks until `chunks_ahead` are in stock, then ends; a fetch
    starts it again. So a slow reader holds neither a thread nor more than that many chunks.
    """

    def __init__(
        self,
        query_id: str,
        engine_ip: str,
        session: Session,
        statement: Statement,
        record: QueryRecord,
        resources: Resources,
        *,
        parsing_seconds: float,
    ) -> None:
        config = resources.config
        self.query_id = query_id
        self.engine_ip = engine_ip
        self.session = session
        self.record = record
        self.expires = time.monotonic() + config.query_lifetime_seconds
        self.parsing_seconds = parsing_seconds
        self.empty_answers_left = config.v2_empty_first
        self.needs_planner_header = config.require_planner_header
        #: The types of the parameters as far as the text tells them.
        self.parameters = statement.parameters
        self._statement = statement
        self._config, self._ledger, self._codec, self._workers = resources
        self._changed = threading.Condition()
        self._state = State.PREPARED
        self._batches: Iterator[pa.RecordBatch] | None = None
        self._ahead: pa.RecordBatch | None = None
        self._schema: pa.Schema | None = None
        self._stock: collections.deque[tuple[bytes, int]] = collections.deque()
        #: A producer was asked for; it is working once a worker took it up.
        self._producing = self._working = False
        self._complete = False
        self._handed_out = False
        self._failure: str | None = None
        self._is_profiled = False
        self._rows = 0
        self._started = self._opened = self._ended = 0.0

    # What the engine's calls do.

    def execute(self, values: Sequence[Value] = ()) -> None:
        """Starts the query with *values* for its parameters; what changes something has run when this returns.

        Raises:
            Refusal: It was executed before, or the change failed, or was overtaken by its session's or colour's end.
            SqlError: The values do not fit, and the query is as it was.
        """
        with self._changed:
            if self._state is State.PREPARED:
                self._bind(values)
            self._move(Event.EXECUTE)
            self._started = time.monotonic()
            self._ledger.add(self.record, executes=1)
            self._produce_more()
            if self._statement.is_update:
                self._changed.wait_for(lambda: not self._producing)
                if self.record.dropped:  # nobody asked for that, and the change may be done
                    raise Overtaken(self.query_id)
                self._raise_end(State.FAILED, State.CANCELLED, State.CLEARED)

    def take(self, limit: int, is_wanted: Callable[[], bool]) -> tuple[list[bytes], bool]:
        """Returns the next chunks, at least one and at most *limit*, and whether they end the result.

        Waits for the first chunk while `is_wanted()`. After the end there are no chunks.

        Raises:
            Refusal: The query was not executed, failed, was cancelled or cleared, or nobody wants the chunks.
        """
        with self._changed:
            if self._state is State.PREPARED and self._config.early_fetch:
                return [], True
            self._move(Event.FETCH)
            while not (self._stock or self._complete or self._failure is not None):
                self._produce_more()
                self._changed.wait(POLL_SECONDS)
                self._raise_end(State.CANCELLED, State.CLEARED)
                if not is_wanted():
                    raise Refusal("CANCELLED", f"the client left query {self.query_id}")
            if not self._stock and self._failure is not None:
                raise refusal.sql_error(self._failure)
            taken = self._taken(limit)
            end = self._complete and not self._stock
            self._handed_out = end
            self._ledger.add(
                self.record, fetches=1, chunks=len(taken), rows=sum(rows for _, rows in taken)
            )
            self.record.ended |= end
            self._produce_more()
            return [chunk for chunk, _ in taken], end

    def metadata(self, is_wanted: Callable[[], bool]) -> bytes:
        """Returns the result metadata; with exact row counts it waits for the end of the query.

        Raises:
            Refusal: The query is over, or it was not executed and the engine wants that first.
        """
        with self._changed:
            self._raise_end(State.CANCELLED, State.CLEARED)
            if self._state is State.PREPARED and not self._config.early_metadata:
                self._refuse()
            if isinstance(self._statement, Template):
                raise refusal.sql_error(UNBOUND)
            if self._config.row_count == "exact" and self._state is State.RUNNING:
                while not self._complete and self._failure is None:
                    self._changed.wait(POLL_SECONDS)
                    self._raise_end(State.CANCELLED, State.CLEARED)
                    if not is_wanted():
                        raise Refusal("CANCELLED", f"the client left query {self.query_id}")
            if self._failure is not None and not self._stock:
                raise refusal.sql_error(self._failure)
            count = self._row_count()
        columns = [(column.name, column.type_name, "", "") for column in self._statement.columns]
        return self._codec.encode_metadata(count, columns)

    def cancel(self) -> None:
        """Stops the query; calls about it hear `Query cancelled` until it is cleared."""
        with self._changed:
            self._move(Event.CANCEL)
            self._ledger.add(self.record, cancels=1)
            self._stop()

    def clear(self) -> None:
        """Stops the query and frees everything that it held."""
        with self._changed:
            self._move(Event.CLEAR)
            self._ledger.add(self.record, clears=1)
            self._stop()

    def drop(self) -> None:
        """Clears the query without having been asked."""
        with self._changed:
            self._move(Event.CLEAR)
            self.record.dropped = True
            self._stop()

    def interrupt(self) -> None:
        """Stops the query without waiting for it."""
        with self._changed:
            if self._working:
                self._statement.cursor.interrupt()

    def abandon(self, root: object) -> None:
        """Ends a result that is read from *root*, a DuckDB that broke; never waits, so it may have to be called again.

        Rows that were made before are handed out, then the failure.
        """
        if not self._changed.acquire(blocking=False):
            return
        try:
            if self._batches is None or self._complete or self._statement.root is not root:
                return
            if self._working:
                self._statement.cursor.interrupt()
                return
            self._batches = self._ahead = None
            if self._state is State.RUNNING and self._failure is None:
                self._move(Event.FAIL)
                self._failure = self.record.error = BROKEN
                self._ended = time.monotonic()
            self._changed.notify_all()
        finally:
            self._changed.release()

    def status(self) -> tuple[bool, int]:
        """Returns whether the engine has nothing left to do before the next fetch, and the rows made so far.

        Raises:
            Refusal: The query failed or was cancelled.
        """
        with self._changed:
            self._raise_end(State.FAILED, State.CANCELLED, State.CLEARED)
            return self._state is State.RUNNING and not self._producing, self._rows

    def timings(self) -> dict[str, Any]:
        """Returns what `explainAnalyze` tells: times in milliseconds, rows made so far.

        If the query was explained before it ran and has ended, also `plan`, the tree of its operators.

        Raises:
            Refusal: The query was not executed, failed, or was cancelled.
        """
        with self._changed:
            self._raise_end(State.PREPARED, State.FAILED, State.CANCELLED, State.CLEARED)
            now = time.monotonic()
            opened, ended = self._opened or now, self._ended or now
            plan = self._statement.profiled() if self._is_profiled and self._complete else []
            return {
                "total_query_time": _milliseconds(self.parsing_seconds + ended - self._started),
                "executionQueueingTime": _milliseconds(opened - self._started),
                "parsingTime": _milliseconds(self.parsing_seconds),
                "row_count_out": self._rows,
                **({"plan": plan} if plan else {}),
            }

    def explain(self) -> str:
        """Returns the plan; a query that has not run yet is profiled when it does, for `timings`.

        Raises:
            Refusal: The query was cancelled or cleared.
            SqlError: What the statement names is gone since.
        """
        with self._changed:
            self._raise_end(State.CANCELLED, State.CLEARED)
            if isinstance(self._statement, Template):
                raise SqlError(UNBOUND)
            if self._state is State.PREPARED:
                self._profile()
        return self._statement.explain()

    # What holds them together; the lock is held.

    def _bind(self, values: Sequence[Value]) -> None:
        before, self._statement = self._statement, self._statement.bind(values)
        if before is not self._statement:
            before.cursor.close()

    def _profile(self) -> None:
        duckdb = duckdb_module()
        try:
            self._statement.profile()
        except duckdb.Error as error:
            fresh = self._statement.renewed(error)
            if fresh is None:
                raise SqlError(one_line(error)) from error
            self._statement = fresh
            self._statement.profile()
        self._is_profiled = True

    def _move(self, event: Event) -> None:
        target = TRANSITIONS.get((self._state, event))
        if target is None:
            self._refuse()
        else:
            self._state = target

    def _refuse(self) -> None:
        text = _REFUSALS[self._state].format(self.query_id)
        if self._state is State.FAILED and self._failure is not None:
            text = self._failure
        raise refusal.sql_error(text)

    def _raise_end(self, *ends: State) -> None:
        if self._state in ends:
            self._refuse()

    def _taken(self, limit: int) -> list[tuple[bytes, int]]:
        """Takes the next chunks out of the stock: at most *limit*, and of more than one no more bytes than allowed."""
        taken: list[tuple[bytes, int]] = []
        room = self._config.response_bytes
        while self._stock and len(taken) < limit:
            room -= len(self._stock[0][0])
            if taken and room < 0:
                break
            taken.append(self._stock.popleft())
        return taken

    def _row_count(self) -> int:
        if self._statement.is_update and not self._statement.is_returning:
            return 1
        match self._config.row_count:
            case "exact":
                return self._rows if self._complete else -1
            case "streaming":
                return self._rows if self._handed_out else -1
            case _:
                return -1

    def _stop(self) -> None:
        self._stock.clear()
        self._changed.notify_all()
        deadline = time.monotonic() + STOP_SECONDS
        while self._working and time.monotonic() < deadline:
            self._statement.cursor.interrupt()
            self._changed.wait(REPEAT_SECONDS)
        if not self._producing:
            self._free()

    def _free(self) -> None:
        self._batches = self._ahead = None
        self._statement.cursor.close()

    # The producer.

    def _produce_more(self) -> None:
        if self._producing or not self._is_short():
            return
        self._producing = True
        try:
            self._workers.submit(self._produce)
        except RuntimeError:
            self._producing = False
            raise Refusal("UNAVAILABLE", "the engine is stopping") from None

    def _is_short(self) -> bool:
        if self._state is not State.RUNNING or self._complete or self._failure is not None:
            return False
        return self._config.row_count == "exact" or len(self._stock) < self._config.chunks_ahead

    def _produce(self) -> None:
        with self._changed:
            self._working = True
        try:
            while self._keep(*self._make()):
                pass
        except Exception as error:  # noqa: BLE001 - whatever ends the work must reach the client
            self._fail(error)

    def _keep(self, chunk: bytes | None, rows: int, complete: bool) -> bool:  # noqa: FBT001
        """Puts a chunk in stock; returns whether the producer goes on."""
        with self._changed:
            if self._state is State.RUNNING:
                if chunk is not None:
                    self._stock.append((chunk, rows))
                    self._rows += rows
                if complete:
                    self._complete = True
                    self._ended = time.monotonic()
            if self._is_short():
                self._changed.notify_all()
                return True
            self._rest()
            return False

    def _fail(self, error: BaseException) -> None:
        text = str(error) if isinstance(error, SqlError) else one_line(error)
        _logger.debug("query %s failed", self.query_id, exc_info=error)
        with self._changed:
            if self._state is State.RUNNING:
                self._move(Event.FAIL)
                self._failure = self.record.error = text
                self._ended = time.monotonic()
            self._rest()

    def _rest(self) -> None:
        """Ends the producer; the lock is held."""
        self._producing = self._working = False
        if self._complete or self._failure is not None:
            self._batches = None
        if self._state in (State.CANCELLED, State.CLEARED):
            self._free()
        self._changed.notify_all()

    def _make(self) -> tuple[bytes | None, int, bool]:
        """Returns the next chunk, its rows, and whether it is the last; without a chunk there were no more rows."""
        import pyarrow as pa

        with self._changed:
            if self._state is not State.RUNNING:
                return None, 0, False
            first = self._batches is None
            if self._batches is None:
                self._opened = time.monotonic()
                self._batches = self._open()
        batch = self._ahead or next(self._batches, None)
        self._ahead = None
        if batch is None:
            if not first:
                return None, 0, True
            schema = self._schema or pa.schema([])
            nothing = [pa.nulls(0, field.type) for field in schema]
            batch = pa.RecordBatch.from_arrays(nothing, schema=schema)
        chunk = self._encode(batch)
        # A short batch is the last but in rare cases. Looking ahead lets the end go out with the rows.
        if batch.num_rows < self._config.chunk_rows:
            self._ahead = next(self._batches, None)
            return chunk, batch.num_rows, self._ahead is None
        return chunk, batch.num_rows, False

    def _open(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        if self._statement.is_returning:
            table = self._run(lambda statement: statement.returned())
            self._schema = table.schema
            for batch in table.to_batches():
                yield from self._cut(batch)
            return
        if self._statement.is_update:
            # From a buffer, because making an array from a Python list imports pandas where it is installed.
            changed = self._run(lambda statement: statement.update())
            count = pa.py_buffer(changed.to_bytes(8, sys.byteorder))
            column = pa.Array.from_buffers(pa.int64(), 1, [None, count])
            yield pa.RecordBatch.from_arrays([column], names=["count"])
            return
        limit = self._config.chunk_rows
        reader = self._run(lambda statement: statement.open(limit))
        self._schema = reader.schema
        for batch in reader:
            yield from self._cut(batch)

    def _cut(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        return batch_pieces.cut(batch, self._config.chunk_rows, self._config.chunk_bytes)

    def _run(self, run: Callable[[Statement], _T]) -> _T:
        """Returns what *run* does with the statement; a database that broke before it is no failure of this query."""
        try:
            return run(self._statement)
        except duckdb_module().Error as error:
            fresh = self._statement.renewed(error)
            if fresh is None:
                raise
        with self._changed:
            if self._state is not State.RUNNING:
                fresh.cursor.close()
                raise SqlError("the query was stopped")
            before, self._statement = self._statement, fresh
        before.cursor.close()
        return run(fresh)

    def _encode(self, batch: pa.RecordBatch) -> bytes:
        columns = self._statement.columns
        chunk = self._codec.encode_chunk(
            type_mapping.arrange(batch, columns),
            [column.vector.value for column in columns],
            constants=self._config.constants,
        )
        if len(chunk) > self._config.response_bytes:
            what = "one row has" if batch.num_rows == 1 else f"{batch.num_rows} rows have"
            raise SqlError(
                f"{what} {len(chunk)} bytes, and a response of the engine at most"
                f" {self._config.response_bytes}; select less of it, or set response_bytes"
            )
        return chunk


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))
