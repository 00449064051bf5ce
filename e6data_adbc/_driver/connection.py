"""The connection: its options and names, what the server has, and the statements made from it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Final, NoReturn

import pyarrow as pa

from e6data_adbc import _schemas, errors
from e6data_adbc._driver.catalog.listing import Column, Listing
from e6data_adbc._driver.catalog.place import Place, catalog_or_default, find_place
from e6data_adbc._driver.inspect.health import read_health
from e6data_adbc._driver.partitions import narrowing
from e6data_adbc._driver.results.delegating_result import QueryResult
from e6data_adbc._driver.statement import Statement
from e6data_adbc._driver.workspace import Names, Workspace
from e6data_adbc._options.option_level import parse_flag, parse_name
from e6data_adbc._options.option_values import not_found
from e6data_adbc._transport.scope import Scope
from e6data_adbc.options import ConnectionOptions, OptionValue

__all__ = ["Connection"]

_CATALOG: Final = ConnectionOptions.CURRENT_CATALOG.value
_DB_SCHEMA: Final = ConnectionOptions.CURRENT_DB_SCHEMA.value
_AUTOCOMMIT: Final = ConnectionOptions.AUTOCOMMIT.value
#: A connection that is read-only refuses statements that are not queries, before the server sees them.
_READ_ONLY: Final = ConnectionOptions.READONLY.value

_ISOLATION: Final = ConnectionOptions.ISOLATION_LEVEL.value
#: What the engine does by itself.
_DEFAULT_ISOLATION: Final = "adbc.connection.transaction.isolation.default"

#: What the server's answer may be when a table, its schema or its catalog does not exist.
_PERHAPS_MISSING: Final = frozenset(
    {
        errors.Status.INTERNAL,
        errors.Status.INVALID_ARGUMENT,
        errors.Status.NOT_FOUND,
        errors.Status.UNKNOWN,
    }
)


class Connection:
    """An open connection. Threads may share it; its statements run beside each other."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._narrowing = narrowing.Narrowing()

    # ---- statements

    def statement(self) -> Statement:
        """Returns a new statement.

        Raises:
            ProgrammingError: The connection is closed, or belongs to the parent process.
        """
        self.workspace.check_usable("make a statement")
        return Statement(self.workspace)

    # ---- options

    def configure(self, key: str, value: OptionValue) -> None:
        """Sets an option before the connection is open; calls no server. See `set_option`."""
        if key == _CATALOG:
            self._set_names(catalog=parse_name(value))
        elif key == _DB_SCHEMA:
            self._set_names(db_schema=parse_name(value))
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
            of_database = self.workspace.level.settings.get(ConnectionOptions.READONLY)
            self.workspace.is_read_only = (
                bool(of_database) if value is None else parse_flag(key, value)
            )
        elif key in narrowing.KEYS:
            self._narrowing = self._narrowing.with_option(key, value)
        else:
            self.workspace.level.set(key, value)

    def set_option(self, key: str, value: OptionValue) -> None:
        """Sets an option; None resets it. A current catalog or schema must exist, which the server is asked.

        Raises:
            ProgrammingError: *value* does not parse (INVALID_ARGUMENT), or there is no such catalog or schema
                (NOT_FOUND).
            NotSupportedError: There is no such option, or it cannot be set here.
        """
        self.workspace.check_usable(f"set option {key!r}")
        name = parse_name(value) if key in {_CATALOG, _DB_SCHEMA} else None
        if name is not None:
            with self._listing(f"set option {key!r}") as (listing, _):
                self._check_exists(key, name, listing)
        self.configure(key, value)

    def get_option(self, key: str) -> OptionValue:
        """Returns an option's value.

        Raises:
            ProgrammingError: There is no such option, or it has no value (NOT_FOUND).
        """
        if key in {_CATALOG, _DB_SCHEMA}:
            names = self.workspace.names
            name = names.catalog if key == _CATALOG else names.db_schema
            if name is None:
                raise not_found(key)
            return name
        if key == _AUTOCOMMIT:
            return "true"
        if key == _ISOLATION:
            return _DEFAULT_ISOLATION
        if key == _READ_ONLY:
            return "true" if self.workspace.is_read_only else "false"
        if key in narrowing.KEYS:
            if (found := self._narrowing.read(key)) is None:
                raise not_found(key)
            return found
        if key == ConnectionOptions.HEALTH.value:
            return read_health(self.workspace)
        if key == ConnectionOptions.STATS.value:
            return json.dumps(self.workspace.sessions.state.stats())
        return self.workspace.level.read(key)

    def _check_exists(self, key: str, name: str, listing: Listing) -> None:
        if key == _CATALOG:
            missing, known = f"catalog {name!r}", [item.name for item in listing.catalogs()]
        else:
            catalog = catalog_or_default(listing, self.workspace.names)
            missing, known = f"schema {name!r} in catalog {catalog!r}", listing.schemas(catalog)
        if name not in known:
            raise errors.make(
                errors.Status.NOT_FOUND,
                f"could not set option {key!r}: there is no {missing}",
            )

    # ---- what the server has

    def get_info(self, codes: Sequence[int] | None) -> pa.RecordBatchReader:
        """Returns facts about vendor and driver; None means all. Calls no server."""
        from e6data_adbc._driver.catalog import info

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
        from e6data_adbc._driver.catalog import objects

        with self._listing("list objects") as (listing, _):
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
        from e6data_adbc._driver.catalog import objects

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
        with self._listing(f"read the schema of table {table_name!r}") as (listing, _):
            asked = Names(catalog, db_schema)
            place = find_place(listing, self.workspace.names, asked, table_name)
            columns = _table_columns(listing, place)
            layout = self.workspace.level.settings.result.layout
            return pa.schema(
                [_schemas.table_field(item.name, item.type_name, layout=layout) for item in columns]
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

        with self._listing("read statistics") as (listing, scope):
            workspace = self.workspace

            def count(place: Place) -> int:
                names = Names(place.catalog, place.db_schema)
                return statistics.count_rows(workspace.view(names), place, scope)

            return statistics.read_statistics(
                listing,
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

    def read_partition(self, descriptor: bytes) -> QueryResult:
        """Returns the result that a ticket of `Statement.execute_partitions` stands for; see `partitions.read`.

        Of it the columns and rows come that the connection's options say.
        """
        from e6data_adbc._driver.partitions.read import read as read_ticket

        return read_ticket(self.workspace, descriptor, self._narrowing)

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
        self.workspace.cancel()

    def close(self) -> None:
        """Ends everything under way and clears every query; takes no longer than clearing may take.

        May be called again, never raises. In a forked child it leaves the parent's queries alone.
        """
        self.workspace.close()

    def _set_names(self, **names: str | None) -> None:
        self.workspace.names = self.workspace.names._replace(**names)

    @contextlib.contextmanager
    def _listing(self, verb: str) -> Iterator[tuple[Listing, Scope]]:
        workspace = self.workspace
        with (
            workspace.running(verb, workspace.level.settings) as scope,
            workspace.cancellable(scope),
        ):
            yield Listing(workspace.sessions, scope), scope


def _table_columns(listing: Listing, place: Place) -> list[Column]:
    names = (place.catalog, place.db_schema, place.table)
    # What the server says about a missing table differs from nothing to anything: only its lists are certain.
    try:
        columns = listing.columns(*names)
    except errors.Error as failure:
        if failure.status_code in _PERHAPS_MISSING and not listing.has_table(*names):
            raise _no_table(place) from failure
        raise
    if not columns and not listing.has_table(*names):
        raise _no_table(place)
    return columns


def _no_table(place: Place) -> errors.Error:
    return errors.make(
        errors.Status.NOT_FOUND,
        f"could not find {place}: there is no such table",
        sqlstate="42S02",
    )
