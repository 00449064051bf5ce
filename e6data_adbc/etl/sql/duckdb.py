"""DuckDB: a file of one process at a time, whose transactions notice each other's changes."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import pyarrow as pa

from e6data_adbc import types
from e6data_adbc.errors import Status
from e6data_adbc.etl.columns import Check, Column, between, is_bytes, is_text
from e6data_adbc.etl.destinations import Address, missing
from e6data_adbc.etl.retry import Budget
from e6data_adbc.etl.sink import Sink
from e6data_adbc.etl.sql.base import SqlSink
from e6data_adbc.etl.sql.database_file import file_is_there
from e6data_adbc.etl.sql.file_locks import another_has_lock
from e6data_adbc.etl.sql.session import Session, Table, quoted
from e6data_adbc.etl.sql.sql_database import Database, Existing
from e6data_adbc.etl.sql.type_names import read_decimal

__all__ = ["DuckDB", "open_sink"]

#: Seconds for which another process may have the file.
_PATIENCE: Final = 120.0
#: How often it can be free when one looks, and taken when one opens it, before it is the file that is at fault.
_LOOKS: Final = 5
#: DuckDB keeps the outermost numbers for the infinities.
_DAYS: Final = between(-(2**31) + 2, 2**31 - 2, "date")
_MICROSECONDS: Final = between(-9_223_372_022_400_000_000, 2**63 - 2, "time")

_TYPES: Final[dict[str, pa.DataType]] = {
    "BOOLEAN": pa.bool_(),
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "UTINYINT": pa.uint8(),
    "USMALLINT": pa.uint16(),
    "UINTEGER": pa.uint32(),
    "UBIGINT": pa.uint64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BLOB": pa.binary(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP_NS": pa.timestamp("ns"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
    "INTERVAL": pa.duration("us"),
}


def open_sink(address: Address, *, state_table: str | None = None) -> Sink:
    """Returns the sink of `duckdb:///path/to/file.duckdb#table`."""
    return SqlSink(DuckDB(address), state_table=state_table)


class CommitError(Exception):
    """The disk did not take a commit: DuckDB says that with the type of a conflict, but nobody is there to have one."""


class DuckSession:
    """A session over a connection of the `duckdb` package."""

    def __init__(self, connection: Any) -> None:
        """Takes over *connection*."""
        self._connection = connection
        self._in_transaction = False

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        self._begin()
        return self._execute(sql, values)

    def run(self, sql: str, values: Sequence[Any] = ()) -> None:
        """Runs a statement."""
        self._begin()
        self._execute(sql, values)

    def write(self, table: Table, reader: pa.RecordBatchReader) -> None:
        """Appends rows by INSERT from the stream."""
        self._begin()
        names = ", ".join(map(quoted, reader.schema.names))
        self._connection.register("e6_rows", reader)
        try:
            self._execute(f"INSERT INTO {table.sql} ({names}) SELECT * FROM e6_rows")
        except BaseException:
            # In a transaction that has failed DuckDB refuses this, too, and would hide the cause.
            with contextlib.suppress(_duckdb().Error):
                self._connection.unregister("e6_rows")
            raise
        self._connection.unregister("e6_rows")

    def commit(self) -> None:
        """Makes the transaction last.

        Raises:
            CommitError: The file does not take it.
        """
        if self._in_transaction:
            try:
                self._execute("COMMIT")
            except _duckdb().TransactionException as error:
                if self._is_alone():
                    raise CommitError(str(error)) from error
                raise
            self._in_transaction = False

    def rollback(self) -> None:
        """Undoes the transaction."""
        if self._in_transaction:
            self._in_transaction = False
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def _is_alone(self) -> bool:
        """Tells whether no other connection of this process has the file, of which another process has none."""
        try:
            ((count,),) = self._execute("FROM duckdb_connection_count()")
        except _duckdb().Error:
            return False
        return bool(count == 1)

    def _begin(self) -> None:
        if not self._in_transaction:
            self._execute("BEGIN")
            self._in_transaction = True

    def _execute(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(sql, list(values)).fetchall()  # type: ignore[no-any-return]
        except RuntimeError as error:
            # What DuckDB makes of a KeyboardInterrupt: none of its own errors, and without the signal handler's.
            if str(error) != "Query interrupted":
                raise
            raise KeyboardInterrupt from error


class DuckDB(Database):
    """A DuckDB file."""

    capabilities = dataclasses.replace(
        Database.capabilities,
        fence="the file has one process, for which another one waits 2 minutes",
    )

    folds_case: ClassVar[bool] = True
    is_file: ClassVar[bool] = True

    def is_there(self) -> bool:
        """Tells whether the file is there."""
        return file_is_there(self.address)

    def connect(
        self,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> Session:
        """Opens the file, which another process may have for a while, and makes it where there is none."""
        duckdb = _duckdb()
        budget = Budget(_PATIENCE, most=0.5, clock=clock, wait=wait)
        looks = _LOOKS
        while True:
            try:
                return DuckSession(duckdb.connect(self.address.path))
            except duckdb.IOException:  # noqa: PERF203 - a try each time is what it is about
                # The type is also that of a file which is none of DuckDB's, or which ends too early.
                looks = _LOOKS if another_has_lock(Path(self.address.path)) else looks - 1
                if not (looks and budget.pause()):
                    raise

    def existing(self, session: Session, table: Table) -> list[Existing] | None:
        """Returns the columns of *table*."""
        found = session.rows(
            "SELECT column_name, data_type, NOT is_nullable AND column_default IS NULL FROM duckdb_columns() "
            "WHERE database_name = current_database() AND lower(table_name) = lower(?) "
            "AND lower(schema_name) = lower(coalesce(?, current_schema())) ORDER BY column_index",
            [table.name, table.schema],
        )
        return [Existing(*row) for row in found] or None

    def may_pass(self, error: BaseException) -> bool:
        """Tells by the type: two transactions changed the same, or made the same table."""
        return isinstance(error, _duckdb().TransactionException)

    def status(self, error: BaseException) -> Status:
        """Tells by the type, which is one of the DB-API's."""
        duckdb = _duckdb()
        for kind, status in (
            (CommitError, Status.IO),
            (duckdb.CatalogException, Status.NOT_FOUND),
            (duckdb.ProgrammingError, Status.INVALID_ARGUMENT),
            (duckdb.IntegrityError, Status.INTEGRITY),
            (duckdb.DataError, Status.INVALID_DATA),
            (duckdb.NotSupportedError, Status.NOT_IMPLEMENTED),
            (duckdb.IOException, Status.IO),
        ):
            if isinstance(error, kind):
                return status
        return super().status(error)

    def cannot_write(self, error: BaseException) -> bool:
        """Tells by the type."""
        duckdb = _duckdb()
        return self.status(error) in {Status.IO, Status.UNKNOWN} or (
            isinstance(error, duckdb.CatalogException)
        )

    def stored(self, field: pa.Field[Any]) -> Column | str:
        """Returns how a column is stored."""
        found = self._stored(field.type)
        if found is None:
            return "DuckDB has nothing that it could be"
        definition, stored, checks = found
        if not field.nullable:
            definition += " NOT NULL"
        return Column(field.name, field.type, stored, definition, checks)

    def _stored(self, kind: Any) -> tuple[str, pa.DataType, tuple[Check, ...]] | None:
        kind = types.storage(kind) or kind
        test = pa.types
        if types.is_list(kind):
            return self._list(kind)
        if test.is_struct(kind):
            return self._struct(kind)
        if test.is_decimal(kind):
            scale = max(kind.scale, 0)
            digits = min(max(kind.precision - min(kind.scale, 0), scale), 38)
            if scale > 38:
                return None
            return f"DECIMAL({digits},{scale})", pa.decimal128(digits, scale), ()
        if test.is_timestamp(kind):
            return _timestamp(kind)
        for accepts, name, checks in _SIMPLE:
            if accepts(kind):
                return name, _TYPES[name], checks
        name = next((name for name, known in _TYPES.items() if known == kind), "")
        return (name, kind, ()) if name else None

    def _list(self, kind: Any) -> tuple[str, pa.DataType, tuple[Check, ...]] | None:
        element = self._stored(kind.value_type)
        return None if element is None else (f"{element[0]}[]", pa.list_(element[1]), ())

    def _struct(self, kind: Any) -> tuple[str, pa.DataType, tuple[Check, ...]] | None:
        fields, stored = [], []
        for field in kind:
            found = self._stored(field.type)
            if found is None:
                return None
            fields.append(f"{quoted(field.name)} {found[0]}")
            stored.append(pa.field(field.name, found[1]))
        return (f"STRUCT({', '.join(fields)})", pa.struct(stored), ()) if fields else None

    def read_type(self, definition: str) -> pa.DataType | None:
        """Returns the Arrow type of a column."""
        return _TYPES.get(definition) or read_decimal(definition, "DECIMAL")

    def alter_type(self, column: Column) -> str:
        """Returns the statement that widens a column of the target."""
        return f"ALTER TABLE {self.table.sql} ALTER {quoted(column.name)} SET DATA TYPE {column.definition}"


def _timestamp(kind: Any) -> tuple[str, pa.DataType, tuple[Check, ...]]:
    if kind.tz is not None:
        return "TIMESTAMP WITH TIME ZONE", pa.timestamp("us", "UTC"), (_MICROSECONDS,)
    if kind.unit == "ns":
        return "TIMESTAMP_NS", kind, ()
    return "TIMESTAMP", pa.timestamp("us"), (_MICROSECONDS,)


_SIMPLE: Final = (
    (pa.types.is_float16, "FLOAT", ()),
    (pa.types.is_null, "VARCHAR", ()),
    (is_text, "VARCHAR", ()),
    (is_bytes, "BLOB", ()),
    (pa.types.is_date, "DATE", (_DAYS,)),
    (pa.types.is_time, "TIME", ()),
    (pa.types.is_duration, "INTERVAL", ()),
)


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError as cause:
        raise missing("duckdb", "etl-duckdb", cause) from cause
    return duckdb
