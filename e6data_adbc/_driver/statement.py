"""The statement: SQL text, its parameters and options, and the result that they give."""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Final, NoReturn

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._driver.binding.bound_parameters import BoundParameters
from e6data_adbc._driver.binding.server_binding import TURN_OFF
from e6data_adbc._driver.catalog.listing import Listing
from e6data_adbc._driver.catalog.place import find_place
from e6data_adbc._driver.ingestion import ingest
from e6data_adbc._driver.inspect import explain
from e6data_adbc._driver.inspect.execute_schema import read_schema
from e6data_adbc._driver.partitions import partitioning
from e6data_adbc._driver.results.change_result import UNKNOWN_ROWS, ChangeResult, run_to_end
from e6data_adbc._driver.results.delegating_result import QueryResult
from e6data_adbc._driver.results.local_result import LocalResult
from e6data_adbc._driver.results.repeated_query import RepeatedQuery
from e6data_adbc._driver.results.rerun_query import open_rerunnable
from e6data_adbc._driver.workspace import Names, Running, ServerQuery, Workspace
from e6data_adbc._options.option_level import OptionLevel, parse_flag
from e6data_adbc._options.option_values import IngestSettings, Settings, not_found
from e6data_adbc._sql.command import Command
from e6data_adbc._sql.effect import Effect, effect_of, is_surely_query
from e6data_adbc._sql.placeholders import count_parameters, split_statements, unbound_hint
from e6data_adbc._transport.scope import Scope
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.options import (
    ConnectionOptions,
    DatabaseOptions,
    OptionValue,
    StatementOptions,
)

__all__ = ["Statement"]

_BY_NAME: Final = StatementOptions.BIND_BY_NAME.value
_INCREMENTAL: Final = StatementOptions.INCREMENTAL.value
_PROGRESS: Final = StatementOptions.PROGRESS.value
_MAX_PROGRESS: Final = StatementOptions.MAX_PROGRESS.value
_ASKS: Final = {what.value: what for what in explain.Ask}
#: What is known of a query as long as it is the last one.
_ABOUT_QUERY: Final[dict[str, Callable[[ServerQuery], OptionValue]]] = {
    StatementOptions.QUERY_ID.value: lambda query: query.query_id,
    StatementOptions.ENGINE_ADDRESS.value: lambda query: query.engine_address,
}
#: What the server says about how it ran a query.
_TIMINGS: Final[dict[str, Callable[[wire.ExplainAnalyzeResponse], OptionValue]]] = {
    StatementOptions.IS_CACHED.value: lambda told: "true" if told.isCached else "false",
    StatementOptions.PARSING_MILLISECONDS.value: lambda told: told.parsingTime,
    StatementOptions.QUEUEING_MILLISECONDS.value: lambda told: told.queueingTime,
}
_READ_ONLY: Final = frozenset({*_ABOUT_QUERY, *_TIMINGS, _PROGRESS, _MAX_PROGRESS})

#: What a statement begins with.
_NOTHING_SET: Final = Settings()
_NO_TARGET: Final = ingest.Target()
_NOT_SPLIT: Final = partitioning.Partitioning()

#: By these an engine says that a text is wrong.
_REFUSED: Final = frozenset({errors.Status.INVALID_ARGUMENT, errors.Status.INTERNAL})

#: What a statement gives native code to read.
Result = QueryResult | LocalResult


# One for each statement that runs: slots and a plain class, not `contextlib`.
class _Call:
    """A stretch between what begins a call and what ends it, which is told how it failed."""

    __slots__ = ("_begin", "_end")

    def __init__(
        self,
        begin: Callable[[], tuple[str, Scope, Workspace]],
        end: Callable[[BaseException | None], None],
    ) -> None:
        self._begin = begin
        self._end = end

    def __enter__(self) -> tuple[str, Scope, Workspace]:
        return self._begin()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._end(error)


class Statement:
    """One statement. One thread at a time uses it, any thread may `cancel` it and read its options."""

    def __init__(self, workspace: Workspace) -> None:
        #: The connection's; each call has a view of it that tells us of its queries.
        self._connection = workspace
        self._level = OptionLevel("statement", _NOTHING_SET, workspace.level)
        self._sql: str | None = None
        self._target = _NO_TARGET
        self._partitioning = _NOT_SPLIT
        self._bound: BoundParameters | None = None
        self._is_by_name = False
        self._busy = threading.Lock()
        self._under_way: Running | None = None
        #: What `cancel` acts on, read without a lock: the call under way, and the result being read.
        self._scope: Scope | None = None
        self._result: Result | None = None
        #: The last query that got an id.
        self._query: ServerQuery | None = None
        #: The ingestion that runs or ran last, while no result is newer.
        self._ingestion: ingest.Ingestion | None = None
        #: What to ask for in place of rows.
        self._asks: frozenset[explain.Ask] = frozenset()

    # ---- what to run

    def set_sql_query(self, sql: str) -> None:
        """Takes the text to run; parameters bound to an earlier text, and a target of ingestion, are dropped."""
        self._sql = sql
        self._target = _NO_TARGET
        self._bound = None

    def set_substrait_plan(self, plan: bytes) -> NoReturn:
        """Raises NOT_IMPLEMENTED: the engine takes SQL only."""
        del plan
        raise errors.make(
            errors.Status.NOT_IMPLEMENTED,
            "could not take a Substrait plan: the engine takes SQL only",
        )

    def prepare(self) -> None:
        """Does nothing but check that there is a text: the server plans it when it is executed.

        Raises:
            ProgrammingError: There is no text (INVALID_STATE).
        """
        if self._sql is None:
            raise self._no_text("prepare the statement")

    def bind(self, reader: pa.RecordBatchReader) -> None:
        """Takes parameters, one row for each execution, for the next call that executes."""
        self._bound = BoundParameters(reader)

    def get_parameter_schema(self) -> pa.Schema:
        """Returns one field of type null for each parameter; positional ones are named by their index from 0.

        Raises:
            ProgrammingError: There is no text, or its parameters are ambiguous.
        """
        found = count_parameters(self._require_sql("read the parameters"))
        names = found.names or tuple(map(str, range(found.count)))
        return pa.schema([pa.field(name, pa.null()) for name in names])

    # ---- running

    def execute(self) -> Result:
        """Returns the result of the statement, running, its schema known; the result before it is cancelled.

        With several rows of parameters the statement runs once for each, and the results follow each other. What
        changes something has run to its end when this returns, and its result knows the rows that it changed.

        Under an option that asks for the plan, the result is that instead; see `explain`.

        Raises:
            ProgrammingError: There is no text, parameters do not fit, or the server refuses the text.
            Error: A call failed.
        """
        if self._asks and (what := self._asked()) is not None:
            return self._ask(what)
        with self._running("execute the statement") as (sql, scope, workspace):
            result: QueryResult
            if self._bound is None:
                result = open_rerunnable(workspace, Command(sql), scope)
            else:
                result = self._execute_bound(sql, scope, workspace)
            if effect_of(sql) is Effect.CHANGE:
                with scope.waking(result.cancel):
                    result = ChangeResult(result, sql)
            self._result = result
            return result

    def _execute_bound(self, sql: str, scope: Scope, workspace: Workspace) -> QueryResult:
        commands = self._commands(sql, joined=scope.settings.ingest)
        first = list(itertools.islice(commands, 2))
        if not first:
            raise errors.make(
                errors.Status.INVALID_STATE,
                "could not execute the statement: the bound parameters have no rows",
            )
        if len(first) == 1:
            return open_rerunnable(workspace, first[0], scope)
        return RepeatedQuery(workspace, itertools.chain(first, commands), scope)

    def execute_update(self) -> int:
        """Runs the statement to its end, once for each row of parameters, and drops its rows; or ingests bound rows.

        A plain `INSERT … VALUES` is sent with as many rows of parameters as a statement of an ingestion has. A text of
        several statements without parameters runs statement by statement.

        Returns:
            The rows that were changed, where the server tells it for every execution, else -1; 0 if there were no
            parameters to run with.

        Raises:
            Error: As `execute`, or the statement failed while it ran. Of several statements it says which.
        """
        if self._target.table is not None:
            return self._ingest()
        if (what := self._asked()) is not None:
            self._ask(what)
            return UNKNOWN_ROWS
        with self._running("execute the statement") as (sql, scope, workspace):
            commands: Iterator[Command]
            if self._bound is None and ";" in sql:
                commands = map(Command, split_statements(sql) or [sql])
            else:
                commands = self._commands(sql, joined=scope.settings.ingest)
            affected = done = 0
            for command in commands:
                try:
                    rows = _run(workspace, command, scope)
                except errors.Error as error:
                    if done:
                        errors.amend(error, note=f"{done} executions before it were done")
                    raise
                done += command.rows
                affected = affected + rows if min(affected, rows) >= 0 else -1
            return affected

    def _asked(self) -> explain.Ask | None:
        """Returns what is asked for in place of rows.

        Raises:
            ProgrammingError: Options ask for two things.
        """
        if len(self._asks) > 1:
            keys = " and ".join(sorted(repr(what.value) for what in self._asks))
            raise errors.make(
                errors.Status.INVALID_STATE, f"could not execute the statement: {keys} are both on"
            )
        return next(iter(self._asks), None)

    def _ask(self, what: explain.Ask) -> LocalResult:
        """Returns what the server says about the statement, with the first row of parameters, which are used up."""
        verb = f"execute the statement under {what.value!r}"
        with self._running(verb, may_change=what is explain.Ask.EXPLAIN) as (sql, scope, workspace):
            text = self._first_text(sql, verb)
            self._bound = None
            result = explain.ask(what, workspace, text, scope)
            self._result = result
            return result

    def _first_text(self, sql: str, verb: str) -> str:
        """Returns *sql* with the first row of the parameters, which stay."""
        if self._bound is None:
            return sql
        return _without_values(self._bound.first_command(sql, **self._binding()), verb)

    def _binding(self) -> dict[str, bool]:
        """Returns how the bound rows become commands."""
        on_server = bool(self._level.settings.get(DatabaseOptions.SERVER_BINDING))
        return {"by_name": self._is_by_name, "on_server": on_server}

    def _ingest(self) -> int:
        """Writes the bound rows to the target; returns how many they are."""
        target = self._target
        assert target.table is not None  # noqa: S101 - the caller has looked
        verb = f"ingest into table {target.table!r}"
        if (what := self._asked()) is not None:
            raise errors.make(
                errors.Status.INVALID_STATE, f"could not {verb}: option {what.value!r} is on"
            )
        if self._connection.is_read_only:
            raise errors.make(
                errors.Status.INVALID_STATE, f"could not {verb}: the connection is read-only"
            )
        with self._running(verb, needs_text=False) as (_, scope, workspace):
            bound, self._bound = self._bound, None
            if bound is None:
                raise errors.make(
                    errors.Status.INVALID_STATE, f"could not {verb}: no rows were bound"
                )
            listing = Listing(workspace.sessions, scope)
            asked = Names(target.catalog, target.db_schema)
            place = find_place(listing, workspace.names, asked, target.table)
            there = workspace.view(Names(place.catalog, place.db_schema))
            self._ingestion = ingestion = ingest.Ingestion(
                place,
                target.mode,
                listing,
                lambda text: _run(there, Command(text), scope),
                scope.settings.ingest,
            )
            return ingestion.write(bound.schema, bound.batches)

    def execute_schema(self) -> pa.Schema:
        """Returns the schema of the result without running the statement.

        What changes something and has no RETURNING has no columns.

        Raises:
            NotSupportedError: The server tells a column's type only with its rows: a type that we do not know, or the
                scale of a DECIMAL where it cannot be asked for. A guess would contradict the result.
            Error: A call failed.
        """
        if (what := self._asked()) is not None:
            self._require_sql("read the schema of the statement")
            return explain.plan_schema(what, self._level.settings)
        verb = "read the schema of the statement"
        with self._running(verb) as (sql, scope, workspace):
            return read_schema(workspace, self._first_text(sql, verb), scope)

    def execute_partitions(self) -> tuple[pa.Schema, list[bytes], int]:
        """Returns the schema of the result, the tickets that `Connection.read_partition` takes, and the announced rows.

        Raises:
            ProgrammingError: There is no text, or it has no partitions; see `partitions.execute`.
            NotSupportedError: There are several rows of parameters.
            Error: A call failed.
        """
        verb = "execute in partitions"
        with self._running(verb) as (sql, scope, workspace):
            commands = list(itertools.islice(self._commands(sql), 2))
            if len(commands) != 1:
                raise errors.make(
                    errors.Status.NOT_IMPLEMENTED if commands else errors.Status.INVALID_STATE,
                    f"could not {verb}: the bound parameters have"
                    f" {'more than one row' if commands else 'no rows'}",
                )
            text = _without_values(commands[0], verb)
            from e6data_adbc._driver.partitions import execute as partitions

            made = partitions.execute(workspace, text, self._partitioning, scope)
            self._query = made.query  # what ran besides only told something
            return made.schema, made.tickets, made.announced_rows

    def cancel(self) -> None:
        """Ends the call under way, the result being read, or the wait for its timings. Any thread; returns at once.

        Raises:
            ProgrammingError: Nothing is under way (INVALID_STATE).
        """
        scope, result, query = self._scope, self._result, self._query
        if scope is not None:
            scope.cancel()
        elif result is not None and result.is_open:
            result.cancel()
        elif query is None or not query.cancel_timings():
            raise errors.make(
                errors.Status.INVALID_STATE, "could not cancel: the statement runs nothing"
            )

    def close(self) -> None:
        """Ends a call under way. A result that was handed out lives on: its reader may outlive the statement."""
        scope = self._scope
        if scope is not None:
            scope.cancel()
        # The query knows the statement that it tells of itself: a cycle would be left to the garbage collector.
        self._bound = self._result = self._ingestion = None
        self._drop_query()

    # ---- options

    def set_option(self, key: str, value: OptionValue) -> None:
        """Sets an option for the executions to come; None resets it.

        Raises:
            ProgrammingError: *value* does not parse, or the option is only read.
            NotSupportedError: There is no such option.
        """
        if key == _BY_NAME:
            self._is_by_name = value is not None and parse_flag(key, value)
        elif key in ingest.KEYS:
            self._target = self._target.with_option(key, value)
            if key == StatementOptions.INGEST_TARGET_TABLE.value and self._target.table is not None:
                self._sql = None
        elif key in _ASKS:
            ask = frozenset({_ASKS[key]})
            is_on = value is not None and parse_flag(key, value)
            self._asks = self._asks | ask if is_on else self._asks - ask
        elif key in partitioning.KEYS:
            self._partitioning = self._partitioning.with_option(key, value)
        elif key == _INCREMENTAL:
            if value is not None and parse_flag(key, value):
                raise errors.make(
                    errors.Status.NOT_IMPLEMENTED,
                    "could not execute incrementally: all partitions of a result are known at once, and none comes"
                    " later",
                    hint="rows of a partition can be read while the query runs",
                )
        elif key in _READ_ONLY:
            raise errors.make(
                errors.Status.INVALID_ARGUMENT, f"could not set option {key!r}: it can only be read"
            )
        else:
            self._level.set(key, value)

    def get_option(self, key: str) -> OptionValue:
        """Returns an option's value; can be read while the statement runs, since it waits for no call of that.

        Only for the timings of a result that has just been read it waits until the server has told them.

        Raises:
            ProgrammingError: There is no such option, or it has no value (NOT_FOUND).
        """
        if key == _BY_NAME:
            return "true" if self._is_by_name else "false"
        if key == _INCREMENTAL:
            return "false"
        if key in ingest.KEYS or key in partitioning.KEYS:
            value = (self._target if key in ingest.KEYS else self._partitioning).read(key)
            if value is None:
                raise not_found(key)
            return value
        if key in _ASKS:
            return "true" if _ASKS[key] in self._asks else "false"
        if key in _ABOUT_QUERY:
            found = _ABOUT_QUERY[key](self._query) if self._query is not None else None
            if not found:
                raise not_found(key)
            return found
        if key in _TIMINGS:
            return self._read_timing(key)
        if key == ConnectionOptions.READONLY.value:
            return "true" if self._connection.is_read_only else "false"
        result, ingestion = self._result, self._ingestion
        if key == _PROGRESS and ingestion is not None:
            return float(ingestion.rows_written)
        if key == _PROGRESS:
            return float(result.rows_delivered) if result is not None else 0.0
        if key == _MAX_PROGRESS:
            return float(max(result.announced_rows, 0)) if result is not None else 0.0
        return self._level.read(key)

    def _read_timing(self, key: str) -> OptionValue:
        told = self._query.timings() if self._query is not None else None
        if told is None:
            raise errors.make(
                errors.Status.NOT_FOUND,
                f"could not read option {key!r}: the server did not tell it",
                hint=f"set {DatabaseOptions.TIMINGS.value!r} to 'true' before executing, by db_kwargs or "
                "adbc_stmt_kwargs, and read the result to its end",
            )
        return _TIMINGS[key](told)

    # ---- parts of running

    def _running(self, verb: str, *, needs_text: bool = True, may_change: bool = False) -> _Call:
        """Returns a context that gives the text, the scope and the workspace of one call.

        Entering it refuses a second call at the same time.

        Args:
            verb: What is attempted.
            needs_text: Whether it runs the text, which has to be there then and to be permitted.
            may_change: Also a read-only connection lets any text through, because nothing runs.
        """
        if (
            needs_text
            and self._sql is not None
            and self._connection.is_read_only
            and not may_change
        ):
            _check_permitted(self._sql)
        is_named = needs_text and self._bound is None
        return _Call(
            functools.partial(self._begin, verb, needs_text=needs_text),
            functools.partial(self._end, self._sql if is_named else None),
        )

    def _begin(self, verb: str, *, needs_text: bool) -> tuple[str, Scope, Workspace]:
        if not self._busy.acquire(blocking=False):
            raise errors.make(
                errors.Status.INVALID_STATE,
                f"could not {verb}: it runs in another thread",
                hint="use one statement a thread",
            )
        try:
            sql = self._require_sql(verb) if needs_text else ""
            self._under_way = running = self._connection.running(verb, self._level.settings)
            self._scope = scope = running.__enter__()
            self._drop_query()
            self._ingestion = None
            # Its own reader closes it; waiting for that would delay the next execution.
            earlier, self._result = self._result, None
            if earlier is not None and earlier.is_open:
                earlier.cancel()
            return sql, scope, self._connection.view(on_query=self._note)
        except BaseException:
            self._end(None, None)
            raise

    def _end(self, sql: str | None, error: BaseException | None) -> None:
        """Ends the call; where *sql* failed with *error* as it stands, the error says what it may lack."""
        running, self._under_way = self._under_way, None
        try:  # also where an interrupt comes in one of these lines
            if (
                sql is not None
                and isinstance(error, errors.Error)
                and error.status_code in _REFUSED
            ):
                errors.amend(error, note=unbound_hint(sql) or "")
        finally:
            self._scope = None
            try:
                if running is not None:
                    running.__exit__()
            finally:
                self._busy.release()

    def _commands(self, sql: str, joined: IngestSettings | None = None) -> Iterator[Command]:
        """Returns what to run: one command for each row of the parameters, which are used up by it.

        Under *joined* rows of a plain INSERT may share a command of that size.
        """
        bound, self._bound = self._bound, None
        if bound is None:
            return iter([Command(sql)])
        if joined is not None:
            return bound.joined_commands(sql, **self._binding(), limits=joined)
        return bound.commands(sql, **self._binding())

    def _drop_query(self) -> None:
        """Lets go of the last query, whose timings nobody can ask for any more."""
        query, self._query = self._query, None
        if query is not None:
            query.cancel_timings()

    def _note(self, query: ServerQuery) -> None:
        self._query = query

    def _require_sql(self, verb: str) -> str:
        if self._sql is None:
            raise self._no_text(verb)
        return self._sql

    def _no_text(self, verb: str) -> errors.Error:
        hint = "rows are ingested by an update" if self._target.table is not None else None
        return errors.make(
            errors.Status.INVALID_STATE, f"could not {verb}: no SQL text was set", hint=hint
        )


def _check_permitted(sql: str) -> None:
    """Raises INVALID_STATE if *sql* may do more than read, which a read-only connection does not permit."""
    if not is_surely_query(sql):
        raise errors.make(
            errors.Status.INVALID_STATE,
            "could not execute the statement: the connection is read-only and the text is not surely one query",
        )


def _without_values(command: Command, verb: str) -> str:
    """Returns the text of *command*, which is all that is sent for what *verb* says."""
    if command.values:
        raise errors.make(
            errors.Status.NOT_IMPLEMENTED,
            f"could not {verb}: the server binds values only to a statement that it executes as it stands",
            hint=TURN_OFF,
        )
    return command.sql


def _run(workspace: Workspace, command: Command, scope: Scope) -> int:
    """Runs one statement to its end; returns the rows that it changed, -1 where that is not known."""
    query = open_rerunnable(workspace, command, scope)
    with scope.waking(query.cancel):  # closing may wait for the timings
        try:
            return run_to_end(query, command.sql)
        finally:
            query.close()
