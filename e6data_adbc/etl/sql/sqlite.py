"""SQLite: a file with one writer at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Final

import pyarrow as pa

from e6data_adbc import types
from e6data_adbc.errors import Status
from e6data_adbc.etl.columns import (
    NEGATIVE_ZERO,
    NOT_A_NUMBER,
    Check,
    Column,
    is_bytes,
    is_text,
)
from e6data_adbc.etl.destinations import Address, missing
from e6data_adbc.etl.plain_types import NO_DAYS_BEYOND, NO_TIMES_BEYOND, digits
from e6data_adbc.etl.sink import Sink
from e6data_adbc.etl.sql.base import SqlSink
from e6data_adbc.etl.sql.database_file import file_is_there
from e6data_adbc.etl.sql.session import AdbcSession, Session, Table, quoted
from e6data_adbc.etl.sql.sql_database import Database, Existing, all_equal, listed

__all__ = ["Sqlite", "open_sink"]

#: Milliseconds that a statement waits for another writer.
_BUSY: Final = 60_000

#: Which affinities keep a value as it is; https://www.sqlite.org/datatype3.html says how a name has one.
_KEEPS: Final = {
    "INTEGER": {"INTEGER", "NUMERIC", "BLOB"},
    "REAL": {"REAL", "BLOB"},
    "TEXT": {"TEXT", "BLOB"},
    "BLOB": {"INTEGER", "NUMERIC", "REAL", "TEXT", "BLOB"},
}


def open_sink(address: Address, *, state_table: str | None = None) -> Sink:
    """Returns the sink of `sqlite:///path/to/file.db#table`."""
    return SqlSink(Sqlite(address), state_table=state_table)


class Sqlite(Database):
    """A SQLite file through the ADBC driver for SQLite."""

    capabilities = dataclasses.replace(
        Database.capabilities,
        can_widen=False,  # its types are as wide as can be
        fence="the lock of the one writer, for which another one waits 1 minute",
    )

    folds_case: ClassVar[bool] = True
    is_file: ClassVar[bool] = True
    #: So that a later writer cannot store what a reader of these types does not expect.
    table_ending: ClassVar[str] = " STRICT"

    def is_there(self) -> bool:
        """Tells whether the file is there."""
        return file_is_there(self.address)

    def connect(self) -> Session:
        """Opens the file, and makes it where there is none."""
        try:
            from adbc_driver_sqlite import dbapi
        except ImportError as cause:
            raise missing("adbc-driver-sqlite", "etl-sqlite", cause) from cause
        session = AdbcSession(dbapi.connect(self.address.path, autocommit=False))
        try:
            session.rows(f"PRAGMA busy_timeout = {_BUSY}")
            # Opening does not read: whether it is a database shows here.
            session.rows("PRAGMA schema_version")
        except BaseException:
            session.close()
            raise
        session.rollback()
        return session

    def cannot_write(self, error: BaseException) -> bool:
        """Tells whether SQLite could not write its file; a mistake in rows or statements has another status."""
        return self.status(error) in {Status.IO, Status.INTERNAL, Status.UNKNOWN}

    def begin_writing(self, session: Session) -> None:
        """Takes the lock of the one writer before anything is read: what is read stays true to the commit."""
        session.run("ROLLBACK")
        session.run("BEGIN IMMEDIATE")

    def existing(self, session: Session, table: Table) -> list[Existing] | None:
        """Returns the columns of *table*."""
        found = session.rows(
            'SELECT name, type, "notnull" AND dflt_value IS NULL, pk FROM pragma_table_info(?, ?)',
            [table.name, table.schema or "main"],
        )
        keys = [name for name, _, _, place in found if place]
        return [
            # The key of type INTEGER is the number of the row, and the next one where it is NULL.
            Existing(
                name, kind, bool(needed), fills_null=[name] == keys and kind.upper() == "INTEGER"
            )
            for name, kind, needed, _ in found
        ] or None

    def may_pass(self, error: BaseException) -> bool:
        """Nothing does: a lock was waited for, for a minute."""
        del error
        return False

    def stored(self, field: pa.Field[Any]) -> Column | str:
        """Returns how a column is stored."""
        kind: Any = types.storage(field.type) or field.type
        test = pa.types

        def column(
            definition: str,
            stored: pa.DataType,
            *checks: Check,
            through: Any = None,
            loss: str = "",
        ) -> Column:
            def convert(array: Any) -> Any:
                return array.cast(through).cast(stored)

            plain = None if through is None else convert
            return Column(field.name, field.type, stored, definition, checks, plain, loss)

        if test.is_boolean(kind) or test.is_integer(kind):
            return column("INTEGER", pa.int64())
        if test.is_floating(kind):
            return column("REAL", pa.float64(), *_FLOATS)
        if test.is_decimal(kind):
            return Column(field.name, field.type, pa.string(), "TEXT", convert=digits)
        if is_text(kind) or test.is_null(kind):
            return column("TEXT", pa.string())
        if is_bytes(kind):
            return column("BLOB", pa.binary())
        if test.is_date(kind):
            return column("TEXT", pa.string(), NO_DAYS_BEYOND)
        if test.is_timestamp(kind):
            zone = None if kind.tz is None else "UTC"
            return column("TEXT", pa.string(), NO_TIMES_BEYOND, through=pa.timestamp("us", zone))
        if test.is_duration(kind):
            loss = "an interval becomes its number of microseconds"
            return column("INTEGER", pa.int64(), through=pa.duration("us"), loss=loss)
        return "SQLite has nothing that it could be"

    def fitted(self, column: Column, there: Existing) -> Column | None:
        """Returns *column* where the affinity of the column that is there keeps its values."""
        return column if _affinity(there.definition) in _KEEPS[column.definition] else None

    def merge(self, rows: str, columns: Sequence[str], key: Sequence[str]) -> list[str]:
        """Returns the statements of an upsert: there is no MERGE."""
        target, names = self.table.sql, listed(columns)
        same = all_equal(target, "stage", key)
        sets = ", ".join(f"{quoted(n)} = stage.{quoted(n)}" for n in columns if n not in key)
        change = f"UPDATE {target} SET {sets} FROM {rows} AS stage WHERE {same}"
        add = (
            f"INSERT INTO {target} ({names}) SELECT {names} FROM {rows} AS stage WHERE NOT EXISTS "
            f"(SELECT 1 FROM {target} WHERE {same})"
        )
        return [change, add] if sets else [add]


_FLOATS: Final = (NOT_A_NUMBER, NEGATIVE_ZERO)


def _affinity(definition: str) -> str:
    name = definition.upper()
    for words, affinity in (
        (("INT",), "INTEGER"),
        (("CHAR", "CLOB", "TEXT"), "TEXT"),
        (("BLOB", "ANY"), "BLOB"),
        (("REAL", "FLOA", "DOUB"), "REAL"),
    ):
        if any(word in name for word in words):
            return affinity
    return "BLOB" if not name else "NUMERIC"
