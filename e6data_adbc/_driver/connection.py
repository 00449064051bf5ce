"""The connection: the names that unqualified ones belong to, what the server has, and what runs at the moment."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

import pyarrow as pa

from e6data_adbc import errors, types
from e6data_adbc._driver.catalog import info, objects
from e6data_adbc._driver.catalog.listing import Column, Listing
from e6data_adbc._options.option_level import OptionLevel, parse_flag, parse_name
from e6data_adbc._options.option_values import Settings, not_found
from e6data_adbc._session.manager import SessionManager
from e6data_adbc._transport.scope import Scope
from e6data_adbc.options import ConnectionOptions, OptionValue

if TYPE_CHECKING:
    from e6data_adbc._driver.ingestion.ingest import Place
    from e6data_adbc._driver.partitions.issuer import Tickets
    from e6data_adbc._driver.partitions.shared_query import UnreadQuery
    from e6data_adbc._driver.partitions.ticket import RunningResult
    from e6data_adbc._driver.query.query import Query
    from e6data_adbc._driver.results.rerun_query import RereadQuery
    from e6data_adbc._driver.statement import Statement

__all__ = ["Connection"]

_CATALOG: Final = ConnectionOptions.CURRENT_CATALOG.value
_DB_SCHEMA: Final = ConnectionOptions.CURRENT_DB_SCHEMA.value
_AUTOCOMMIT: Final = ConnectionOptions.AUTOCOMMIT.value
#: A connection that is read-only refuses statements that are not queries, before the server sees them.
_READ_ONLY: Final = ConnectionOptions.READONLY.value

_ISOLATION: Final = ConnectionOptions.ISOLATION_LEVEL.value
#: What the engine does by itself.
_DEFAULT_ISOLATION: Final = "adbc.connection.transaction.isolation.default"

#: Even when the time is up each query is given this to be cleared: the server may be well and our other queries slow.
_LEAST_PATIENCE_SECONDS: Final = 0.1

#: What the server's answer may be when a table, its schema or its catalog does not exist.
_PERHAPS_MISSING: Final = frozenset(
    {
        errors.Status.INTERNAL,
        errors.Status.INVALID_ARGUMENT,
        errors.Status.NOT_FOUND,
        errors.Status.UNKNOWN,
    }
)


class _Unread(NamedTuple):
    """A result that belongs to its ticket, unless nobody has claimed it when the connection closes."""

    query: UnreadQuery
    work: RunningResult


class Connection:
    """An open connection. Threads may share it; its statements run beside each other."""

    def __init__(
        self,
        sessions: SessionManager,
        parent: OptionLevel,
        *,
        tickets: Tickets,
        catalog: str | None,
        db_schema: str | None,
    ) -> None:
        self.sessions = sessions
        self.tickets = tickets
        self.level = OptionLevel("connection", Settings(), parent)
        self.catalog = catalog
        self.db_schema = db_schema
        self.is_read_only = bool(parent.settings.get(ConnectionOptions.READONLY))
        self._pid = os.getpid()
        # Guards the five below, and tells when something has ended; never held over a call.
        self._changed = threading.Condition()
        self._is_closed = False
        #: Everything under way on behalf of this connection, and the part of it that `cancel` is about.
        self._scopes: set[Scope] = set()
        self._own_scopes: set[Scope] = set()
        #: What the server holds for us.
        self._queries: set[Query] = set()
        #: What it holds for readers elsewhere, as far as `close` may clear it.
        self._unread: list[_Unread] = []

    # ---- statements

    def statement(self) -> Statement:
        """Returns a new statement.

        Raises:
            ProgrammingError: The connection is closed, or belongs to the parent process.
        """
        from e6data_adbc._driver.statement import Statement

        self._check_usable("make a statement")
        return Statement(self)

    @contextlib.contextmanager
    def running(self, verb: str, settings: Settings) -> Iterator[Scope]:
        """Gives a statement the scope for one call; `close` cancels it and waits for its end.

        Raises:
            ProgrammingError: The connection is closed, or belongs to the parent process.
        """
        scope = Scope(settings, self.sessions.transport.observer.parent(settings))
        self.sessions.transport.check_process(verb)
        with self._changed:
            if self._is_closed:
                raise self._closed(verb)
            self._scopes.add(scope)
        try:
            yield scope
        finally:
            with self._changed:
                self._scopes.discard(scope)
                self._own_scopes.discard(scope)
                self._changed.notify_all()

    def add_query(self, query: Query) -> None:
        """Takes note of a query on the server; `close` clears it.

        Raises:
            ProgrammingError: The connection was closed meanwhile.
        """
        with self._changed:
            self._queries.add(query)
            if self._is_closed:
                raise self._closed("start the query")

    def remove_query(self, query: Query) -> None:
        """Forgets a query that was cleared."""
        with self._changed:
            self._queries.discard(query)

    def hand_over(self, query: UnreadQuery, work: RunningResult, *, clears: bool) -> None:
        """Leaves a query to whoever reads its ticket.

        Args:
            query: It runs.
            work: What its ticket says.
            clears: Whether `close` clears it if nobody on this machine has begun to read it by then.

        Raises:
            ProgrammingError: The connection was closed meanwhile.
        """
        unread = _Unread(query, work)
        if clears:  # before it is left, so that there is no moment in which `close` would miss it
            with self._changed:
                self._unread.append(unread)
        if not query.leave():
            raise self._closed("hand the result over")

    # ---- options

    def configure(self, key: str, value: OptionValue) -> None:
        """Sets an option before the connection is open; calls no server. See `set_option`."""
        if key == _CATALOG:
            self.catalog = parse_name(value)
        elif key == _DB_SCHEMA:
            self.db_schema = parse_name(value)
        elif key == _AUTOCOMMIT:
            if value is not None and not parse_flag(key, value):
                raise errors.make(
                    errors.Status.NOT_IMPLEMENTED,
                    "could not switch autocommit off: the engine has no transactions",
                    hint="connect with autocommit=True",
                )
        elif key == _ISOLATION:
            if value is not None and parse_name(value) != _DEFAULT_ISOLATION:
                raise errors.make(
                    errors.Status.NOT_IMPLEMENTED,
                    "could not set the isolation level: the engine has no transactions",
                    hint=f"the only level is {_DEFAULT_ISOLATION!r}",
                )
        elif key == _READ_ONLY:
            of_database = self.level.settings.get(ConnectionOptions.READONLY)
            self.is_read_only = bool(of_database) if value is None else parse_flag(key, value)
        else:
            self.level.set(key, value)

    def set_option(self, key: str, value: OptionValue) -> None:
        """Sets an option; None resets it. A current catalog or schema must exist, which the server is asked.

        Raises:
            ProgrammingError: *value* does not parse (INVALID_ARGUMENT), or there is no such catalog or schema
                (NOT_FOUND).
            NotSupportedError: There is no such option, or it cannot be set here.
        """
        self._check_usable(f"set option {key!r}")
        name = parse_name(value) if key in {_CATALOG, _DB_SCHEMA} else None
        if name is not None:
            with self._listing(f"set option {key!r}") as listing:
                self._check_exists(key, name, listing)
        self.configure(key, value)

    def get_option(self, key: str) -> OptionValue:
        """Returns an option's value.

        Raises:
            ProgrammingError: There is no such option, or it has no value (NOT_FOUND).
        """
        if key in {_CATALOG, _DB_SCHEMA}:
            name = self.catalog if key == _CATALOG else self.db_schema
            if name is None:
                raise not_found(key)
            return name
        if key == _AUTOCOMMIT:
            return "true"
        if key == _ISOLATION:
            return _DEFAULT_ISOLATION
        if key == _READ_ONLY:
            return "true" if self.is_read_only else "false"
        if key == ConnectionOptions.HEALTH.value:
            from e6data_adbc._driver.inspect.health import read_health

            return read_health(self)
        if key == ConnectionOptions.STATS.value:
            return json.dumps(self.sessions.state.stats())
        return self.level.read(key)

    def _check_exists(self, key: str, name: str, listing: Listing) -> None:
        if key == _CATALOG:
            missing, known = f"catalog {name!r}", [item.name for item in listing.catalogs()]
        else:
            catalog = self._catalog_or_default(listing)
            missing, known = f"schema {name!r} in catalog {catalog!r}", listing.schemas(catalog)
        if name not in known:
            raise errors.make(
                errors.Status.NOT_FOUND,
                f"could not set option {key!r}: there is no {missing}",
            )

    # ---- what the server has

    def get_info(self, codes: Sequence[int] | None) -> pa.RecordBatchReader:
        """Returns facts about vendor and driver; None means all. Calls no server."""
        return info.read_info(codes)

    def get_objects(
        self,
        depth: int,
        catalog: str | None,
        db_schema: str | None,
        table_name: str | None,
        table_type: Sequence[str] | None,
        column_name: str | None,
    ) -> pa.RecordBatchReader:
        """Returns what exists, in ADBC's nested shape; see `objects.read_objects`."""
        with self._listing("list objects") as listing:
            return objects.read_objects(
                listing,
                depth=depth,
                catalog=catalog,
                db_schema=db_schema,
                table_name=table_name,
                table_type=table_type,
                column_name=column_name,
            )

    def get_table_types(self) -> pa.RecordBatchReader:
        """Returns `TABLE`: the server does not tell views apart. Calls no server."""
        return objects.read_table_types()

    def get_table_schema(
        self, catalog: str | None, db_schema: str | None, table_name: str
    ) -> pa.Schema:
        """Returns the Arrow schema of a table, with the types that a query of it gives.

        One exception: a table says the digits and small integers that results do not keep, so a DECIMAL has the
        table's scale and a SMALLINT is int16.

        Args:
            catalog: Exact name; None means the current catalog, or else the server's default one.
            db_schema: Exact name; None means the current schema.
            table_name: Exact name.

        Raises:
            ProgrammingError: There is no such table (NOT_FOUND), or no schema to look in (INVALID_STATE).
            DataError: A column has an unknown type.
        """
        with self._listing(f"read the schema of table {table_name!r}") as listing:
            place = self.place_of(listing, catalog, db_schema, table_name)
            columns = self._table_columns(listing, *place)
            layout = self.level.settings.result.layout
            return pa.schema(
                [types.table_field(item.name, item.type_name, layout=layout) for item in columns]
            )

    def place_of(
        self, listing: Listing, catalog: str | None, db_schema: str | None, table: str
    ) -> tuple[str, str, str]:
        """Returns catalog, schema and name of a table of which only the name must be given.

        Raises:
            ProgrammingError: Neither the call nor the connection names a schema (INVALID_STATE).
        """
        schema = db_schema or self.db_schema
        if schema is None:
            raise errors.make(
                errors.Status.INVALID_STATE,
                f"could not find table {table!r}: neither the call nor the connection names a schema",
                hint=f"set option {_DB_SCHEMA!r}",
            )
        return catalog or self._catalog_or_default(listing), schema, table

    def listing_in(self, scope: Scope) -> Listing:
        """Returns the lists of what the server has, for a call that has its own scope."""
        return Listing(self.sessions, scope)

    def _table_columns(
        self, listing: Listing, catalog: str, schema: str, table: str
    ) -> list[Column]:
        failure: errors.Error | None = None
        try:
            columns = listing.columns(catalog, schema, table)
            if columns:
                return columns
        except errors.Error as error:
            if error.status_code not in _PERHAPS_MISSING:
                raise
            failure = error
        # What the server says about a missing table differs from nothing to anything: only its lists are certain.
        if not listing.has_table(catalog, schema, table):
            raise errors.make(
                errors.Status.NOT_FOUND,
                f"could not find table {table!r} in schema {schema!r}, catalog {catalog!r}:"
                " there is no such table",
                sqlstate="42S02",
            ) from failure
        if failure is not None:
            raise failure
        return []

    def _catalog_or_default(self, listing: Listing) -> str:
        if self.catalog is not None:
            return self.catalog
        found = listing.catalogs()
        for item in found:
            if item.is_default or len(found) == 1:
                return item.name
        raise errors.make(
            errors.Status.INVALID_STATE,
            "could not choose a catalog: none is current and the server has no default one",
            hint=f"set option {_CATALOG!r}",
        )

    def get_statistics(
        self,
        catalog: str | None,
        db_schema: str | None,
        table_name: str | None,
        approximate: bool,  # noqa: FBT001 - ADBC's signature
    ) -> pa.RecordBatchReader:
        """Returns the number of rows of tables, counted; see `statistics.read_statistics`."""
        from e6data_adbc._driver.catalog import statistics
        from e6data_adbc._driver.query.open_query import open_query

        with self.running("read statistics", self.level.settings) as scope:
            with self._changed:
                self._own_scopes.add(scope)

            def count(place: Place) -> int:
                def open_one(sql: str) -> Query:
                    return open_query(
                        self.sessions,
                        sql,
                        scope,
                        catalog=place.catalog,
                        db_schema=place.db_schema,
                        on_prepared=self.add_query,
                        on_close=self.remove_query,
                    )

                return statistics.count_rows(place, open_one)

            return statistics.read_statistics(
                self.listing_in(scope),
                count,
                catalog=catalog,
                db_schema=db_schema,
                table_name=table_name,
                approximate=approximate,
            )

    def get_statistic_names(self) -> pa.RecordBatchReader:
        """Returns the statistics that ADBC does not name: none. Calls no server."""
        from e6data_adbc._driver.catalog import statistics

        return statistics.read_names()

    def read_partition(self, descriptor: bytes) -> Query | RereadQuery:
        """Returns the result that a ticket of `Statement.execute_partitions` stands for; see `partitions.read`."""
        from e6data_adbc._driver.partitions import partitioning

        return partitioning.read(self, descriptor)

    # ---- what the engine does not have

    def commit(self) -> NoReturn:
        """Raises INVALID_STATE: every statement is committed when it ends."""
        raise errors.make(
            errors.Status.INVALID_STATE, "could not commit: autocommit is on, as it always is"
        )

    def rollback(self) -> NoReturn:
        """Raises INVALID_STATE: every statement is committed when it ends."""
        raise errors.make(
            errors.Status.INVALID_STATE, "could not roll back: autocommit is on, as it always is"
        )

    # ---- ending

    def cancel(self) -> None:
        """Ends the connection's own calls under way: listings, not statements. Any thread; returns at once.

        Raises:
            ProgrammingError: Nothing is under way (INVALID_STATE).
        """
        scopes = list(self._own_scopes)
        if not scopes:
            raise errors.make(
                errors.Status.INVALID_STATE, "could not cancel: the connection runs nothing"
            )
        for scope in scopes:
            scope.cancel()

    def close(self) -> None:
        """Ends everything under way and clears every query; takes no longer than clearing may take.

        May be called again, never raises. In a forked child it leaves the parent's queries alone.
        """
        if os.getpid() != self._pid:
            return
        limit = self.level.settings.rpc.clear_timeout
        deadline = time.monotonic() + limit
        with self._changed:
            self._is_closed = True
            scopes, queries = list(self._scopes), list(self._queries)
            unread, self._unread = self._unread, []
        for scope in scopes:
            scope.cancel()
        for query in queries:
            query.cancel()
        for query in queries:
            query.close(max(deadline - time.monotonic(), _LEAST_PATIENCE_SECONDS))
        for left in unread:
            # Where claims cannot be seen, somebody may be reading it.
            with contextlib.suppress(errors.Error):
                if self.tickets.claim(left.work, time.time()):
                    left.query.clear(max(deadline - time.monotonic(), _LEAST_PATIENCE_SECONDS))
        with self._changed:
            self._changed.wait_for(lambda: not self._scopes, max(deadline - time.monotonic(), 0.0))

    @contextlib.contextmanager
    def _listing(self, verb: str) -> Iterator[Listing]:
        with self.running(verb, self.level.settings) as scope, self.cancellable(scope):
            yield Listing(self.sessions, scope)

    @contextlib.contextmanager
    def cancellable(self, scope: Scope) -> Iterator[None]:
        """Makes *scope*, which `running` gave, one that `cancel` is about."""
        with self._changed:
            self._own_scopes.add(scope)
        yield

    def _check_usable(self, verb: str) -> None:
        self.sessions.transport.check_process(verb)
        if self._is_closed:
            raise self._closed(verb)

    def _closed(self, verb: str) -> errors.Error:
        return errors.make(
            errors.Status.INVALID_STATE, f"could not {verb}: the connection is closed"
        )
