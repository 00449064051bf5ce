"""Snowflake: rows are staged, and one transaction moves them and changes the row of the watermark."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final

import pyarrow as pa

from e6data_adbc import types
from e6data_adbc.errors import Status
from e6data_adbc.etl.columns import ZERO_BYTE, Check, Column, is_bytes, is_text
from e6data_adbc.etl.destinations import Address, missing
from e6data_adbc.etl.plain_types import NO_DAYS_BEYOND, NO_TIMES_BEYOND, microseconds
from e6data_adbc.etl.sink import Sink
from e6data_adbc.etl.sql.base import SqlSink
from e6data_adbc.etl.sql.session import Session, Table, interruptible, quoted
from e6data_adbc.etl.sql.sql_database import Database, Existing, all_equal, listed
from e6data_adbc.etl.sql.type_names import read_decimal
from e6data_adbc.etl.watermark import Watermark

__all__ = ["Snowflake", "SnowflakeSession", "SnowflakeSink", "fold", "literals", "open_sink"]

#: A quoted name that is a plain word in lower case, or a text, which stays as it is.
_NAME: Final = re.compile(r"""'(?:[^'\\]|''|\\.)*'|"([a-z_][a-z0-9_$]*)\"""", re.DOTALL)
#: What ends a transaction.
_DEFINES: Final = ("CREATE", "ALTER", "DROP")
#: Rows of one INSERT, where there is no bulk load.
_INSERTED_ROWS: Final = 1000
#: Numbers of errors: a table that is not there or not to be seen, and one that is there already.
_NO_SUCH_TABLE: Final = frozenset({2003, 2043})
_THERE_ALREADY: Final = frozenset({2002})
#: Lost connections, waits for locks that were given up, and statements that were cancelled because of another one.
_PASSING: Final = (
    frozenset({625, 604, 390_114, 390_195, 261_000, 261_004, 260_008}) | _THERE_ALREADY
)
_STATES: Final = ("08", "57", "40")
#: Numbers of errors: the account, the user, the password or the role is missing or wrong.
_NOT_SIGNED_IN: Final = frozenset({260_000, 260_001, 260_002, *range(390_100, 390_202)}) - _PASSING
_NO_RIGHT: Final = frozenset({3001, 3003, 3041})
#: No warehouse, database or schema was chosen, or none of that name is there.
_NOWHERE: Final = _NO_SUCH_TABLE | {606, 90_105, 90_106}
#: A quota of the account has passed.
_NO_CREDIT: Final = frozenset({90_064, 90_073})
_TIMEOUTS: Final = frozenset({630})
#: The service was not reached.
_AWAY: Final = frozenset({260_008, 261_000, 261_004})
_STATUSES: Final = {
    **dict.fromkeys(_NOT_SIGNED_IN, Status.UNAUTHENTICATED),
    **dict.fromkeys(_NO_RIGHT, Status.UNAUTHORIZED),
    **dict.fromkeys(_NOWHERE, Status.NOT_FOUND),
    **dict.fromkeys(_NO_CREDIT | _AWAY, Status.IO),
    **dict.fromkeys(_TIMEOUTS, Status.TIMEOUT),
}


def open_sink(address: Address, *, state_table: str | None = None) -> Sink:
    """Returns the sink of `snowflake://user@account/database/schema?warehouse=…#schema.table`."""
    return SnowflakeSink(Snowflake(address), state_table=state_table)


def fold(sql: str) -> str:
    """Returns *sql* with quoted names that are plain words in lower case as Snowflake folds them, in upper case."""
    return _NAME.sub(lambda m: f'"{m[1].upper()}"' if m[1] else m[0], sql)


def literals(array: Any) -> list[str]:
    """Returns the values of a column as Snowflake's SQL writes them."""
    kind = array.type
    test = pa.types
    if test.is_boolean(kind) or test.is_integer(kind) or test.is_decimal(kind):
        texts = [str(value).upper() for value in array.to_pylist()]
    elif test.is_binary(kind):
        texts = [f"TO_BINARY('{(value or b'').hex()}', 'HEX')" for value in array.to_pylist()]
    elif test.is_floating(kind):
        texts = [f"'{value!r}'::FLOAT" for value in array.to_pylist()]
    elif test.is_string(kind):
        texts = [_quoted_text(value or "") for value in array.to_pylist()]
    else:
        is_instant = test.is_timestamp(kind) and kind.tz is not None
        plain = array.cast(pa.timestamp(kind.unit)) if is_instant else array
        name = "TIMESTAMP_LTZ(9)" if is_instant else "TIMESTAMP_NTZ(9)"
        name = "DATE" if test.is_date(kind) else "TIME(9)" if test.is_time(kind) else name
        ending = " +00:00" if is_instant else ""
        texts = [f"'{value}{ending}'::{name}" for value in plain.cast(pa.string()).to_pylist()]
    return [
        text if valid else "NULL"
        for text, valid in zip(texts, array.is_valid().to_pylist(), strict=True)
    ]


def _quoted_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


class SnowflakeSession:
    """A connection of the ADBC driver for Snowflake, with transactions of its own.

    A statement that makes or drops a table ends the transaction, and Snowflake begins none by itself afterwards.
    """

    def __init__(self, connection: Any, *, has_bulk: bool) -> None:
        """Takes over *connection*, which commits by itself; *has_bulk* says whether it may use stages of files."""
        self._connection, self._has_bulk = connection, has_bulk
        self._in_transaction = False

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        self._begin(sql)
        return [tuple(map(_plain, row)) for row in self._statement(fold(sql), values)]

    def run(self, sql: str, values: Sequence[Any] = ()) -> None:
        """Runs a statement."""
        self._begin(sql)
        self._statement(fold(sql), values)

    def write(self, table: Table, reader: pa.RecordBatchReader) -> None:
        """Appends rows: into a temporary table first, as a bulk load ends the transaction."""
        names = ", ".join(map(quoted, reader.schema.names))
        work = f"E6_ROWS_{uuid.uuid4().hex[:16].upper()}"
        rows = f'SELECT {names} FROM "{work}"'
        self.run(f'CREATE TEMPORARY TABLE "{work}" AS SELECT {names} FROM {table.sql} LIMIT 0')
        try:
            if self._has_bulk:
                schema = pa.schema(
                    [pa.field(_folded(each.name), each.type) for each in reader.schema]
                )
                batches = (
                    pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in reader
                )
                with contextlib.closing(self._connection.cursor()) as cursor:
                    folded = pa.RecordBatchReader.from_batches(schema, batches)
                    interruptible(cursor, lambda: cursor.adbc_ingest(work, folded, mode="append"))
            else:
                self._insert(work, names, reader)
            self.run(f"INSERT INTO {table.sql} ({names}) {rows}")
        except BaseException:
            with contextlib.suppress(Exception):  # it goes with the session, too
                self.rollback()
                self.run(f'DROP TABLE IF EXISTS "{work}"')
            raise

    def commit(self) -> None:
        """Makes the transaction last."""
        self._end("COMMIT")

    def rollback(self) -> None:
        """Undoes the transaction."""
        self._end("ROLLBACK")

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def _insert(self, work: str, names: str, reader: pa.RecordBatchReader) -> None:
        for batch in reader:
            for first in range(0, batch.num_rows, _INSERTED_ROWS):
                part = batch.slice(first, _INSERTED_ROWS)
                columns = [literals(column) for column in part.columns]
                rows = " UNION ALL ".join(
                    f"SELECT {', '.join(row)}" for row in zip(*columns, strict=True)
                )
                self.run(f'INSERT INTO "{work}" ({names}) {rows}')

    def _begin(self, sql: str) -> None:
        if sql.startswith(_DEFINES):
            self.commit()  # which Snowflake would do by itself
        elif not self._in_transaction:
            self._statement("BEGIN")
            self._in_transaction = True

    def _end(self, how: str) -> None:
        if self._in_transaction:
            self._in_transaction = False
            self._statement(how)

    def _statement(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with contextlib.closing(self._connection.cursor()) as cursor:

            def fetch() -> list[tuple[Any, ...]]:
                cursor.execute(sql, list(values) or None)
                return cursor.fetchall()  # type: ignore[no-any-return]

            return interruptible(cursor, fetch)


class SnowflakeSink(SqlSink):
    """A sink that begins a run in its own way: Snowflake enforces no unique key, and locks no row that it reads.

    So the table of watermarks has a spare row. A run changes it first, and other runs wait until that one has begun.
    """

    def begin(
        self, draft: Callable[[Sequence[Watermark]], Watermark], *, supersede: bool
    ) -> Watermark:
        """Stores the first watermark of a run, in a commit of its own."""
        job, run = self._request.job or "", self._request.run
        table = self._state.table.sql
        with self._transaction("begin the load") as session:
            if self._database.existing(session, self._state.table) is None:
                texts = ("job", "target", "run", "source", "plan", "position")
                numbers, more = (
                    ("sequence", "row_count", "byte_count"),
                    ("state", "begun_at", "changed_at"),
                )
                columns = [
                    *(f"CAST('' AS VARCHAR) AS {name}" for name in texts),
                    *(f"CAST(0 AS BIGINT) AS {name}" for name in numbers),
                    *(f"CAST('' AS VARCHAR) AS {name}" for name in more),
                ]
                session.run(f"CREATE TABLE IF NOT EXISTS {table} AS SELECT {', '.join(columns)}")
            self._drop_old_stages(session, self._state.history(session, job))
            session.run(f"UPDATE {table} SET changed_at = changed_at WHERE job = ''")
            history = self._state.history(session, job)
            found = next((mark for mark in history if mark.run == run), None)
            if found is not None:
                return found
            mark = draft(history)
            if supersede:
                self._state.supersede(session, job, run)
            self._state.insert(session, mark)
            return mark


class Snowflake(Database):
    """Snowflake through the ADBC driver for it."""

    capabilities = dataclasses.replace(
        Database.capabilities,
        fence="the row of the watermark is changed first, for which Snowflake lets others wait",
        can_widen=False,  # it changes neither the scale of a number nor its kind
    )
    folds_case: ClassVar[bool] = True
    keeps_tables: ClassVar[bool] = True
    text: str = "VARCHAR"
    key_text: str = "VARCHAR"

    def connect(self) -> Session:
        """Connects; the address is the driver's own, and `bulk=off` has rows inserted without a stage of files."""
        try:
            from adbc_driver_snowflake import dbapi
        except ImportError as cause:
            raise missing("adbc-driver-snowflake", "etl-snowflake", cause) from cause
        dsn = self.address.url.partition("://")[2]
        found = re.search(r"[?&]bulk=(\w+)", dsn)
        has_bulk = found is None or found[1] not in {"off", "false", "0"}
        if found is not None:
            dsn = dsn.replace(found[0], "?" if found[0][0] == "?" else "").replace("?&", "?")
        connection = dbapi.connect(dsn, autocommit=True)
        return SnowflakeSession(connection, has_bulk=has_bulk)

    def may_pass(self, error: BaseException) -> bool:
        """Tells by the number of the error, or its SQLSTATE."""
        code = _code(error)
        if code in _STATUSES:
            return code in _PASSING
        return code in _PASSING or self.sqlstate(error).startswith(_STATES)

    def status(self, error: BaseException) -> Status:
        """Returns the status that the number of the error stands for."""
        return _STATUSES.get(_code(error), super().status(error))

    def lacks_right(self, error: BaseException) -> bool:
        """Tells whether Snowflake refused, because the role may not."""
        return _code(error) in _NO_RIGHT or super().lacks_right(error)

    def cannot_write(self, error: BaseException) -> bool:
        """Tells by the number of the error."""
        return _code(error) in _NOWHERE | _NO_CREDIT or super().cannot_write(error)

    def is_about_connecting(self, error: BaseException) -> bool:
        """Tells by the number of the error: the driver may sign in as late as with the first statement."""
        return _code(error) in _NOT_SIGNED_IN | _AWAY

    # ---- tables

    def existing(self, session: Session, table: Table) -> list[Existing] | None:
        """Returns the columns of *table*."""
        # The driver binds no NULL.
        place = "CURRENT_SCHEMA()" if table.schema is None else "?"
        there = session.rows(
            f"SELECT COUNT(*) FROM information_schema.tables WHERE table_name = ? AND table_schema = {place}",
            [_folded(part) for part in (table.name, table.schema) if part],
        )
        if not there[0][0]:
            return None
        found = session.rows(f"DESCRIBE TABLE {table.sql}")
        columns = [row for row in found if row[2] == "COLUMN"]
        return [
            Existing(row[0], row[1], row[3] == "N" and row[4] is None) for row in columns
        ] or None

    def stages(self, session: Session, schema: str | None) -> set[str]:
        """Returns the names of the tables of stages that are there."""
        place = f" IN SCHEMA {quoted(schema)}" if schema else ""
        found = session.rows(f"SHOW TABLES LIKE 'E6\\\\_STAGE\\\\_%'{place}")
        return {row[1].lower() for row in found}

    def lock_watermark(self, session: Session, table: Table, job: str, run: str) -> None:
        """Changes the spare row of the table of watermarks: other runs wait until this transaction ends."""
        session.run(
            f"UPDATE {table.sql} SET changed_at = changed_at WHERE job = ? AND run = ?", [job, run]
        )

    def make_table(
        self, session: Session, table: Table, columns: Sequence[Column], key: Sequence[str] = ()
    ) -> None:
        """Makes a table, unless another worker was first; a stage of one load alone goes with the session."""
        del key
        kind = "TEMPORARY TABLE" if table.is_passing else "TABLE"
        text = self.create(table, columns).replace("TABLE", f"{kind} IF NOT EXISTS", 1)
        session.run(text)

    def merge(self, rows: str, columns: Sequence[str], key: Sequence[str]) -> list[str]:
        """Returns an UPDATE and an INSERT, which take a query in brackets as well as a table."""
        sets = ", ".join(f"{quoted(n)} = stage.{quoted(n)}" for n in columns if n not in key)
        same = all_equal("target", "stage", key)
        update = f"UPDATE {self.table.sql} AS target SET {sets} FROM {rows} AS stage WHERE {same}"
        chosen = ", ".join(f"stage.{quoted(name)}" for name in columns)
        insert = (
            f"INSERT INTO {self.table.sql} ({listed(columns)}) SELECT {chosen} FROM {rows} AS stage "
            f"WHERE NOT EXISTS (SELECT 1 FROM {self.table.sql} AS target WHERE {same})"
        )
        return [update, insert] if sets else [insert]

    def drop_stage(self, session: Session, stage: Table, *, is_used_again: bool) -> None:
        """Empties a stage, in the transaction; it is dropped after that."""
        del is_used_again
        session.run(f"DELETE FROM {stage.sql}")

    # ---- columns

    def stored(self, field: pa.Field[Any]) -> Column | str:
        """Returns how a column is stored."""
        kind: Any = types.storage(field.type) or field.type
        if pa.types.is_duration(kind):
            loss = "an interval becomes its number of microseconds"
            definition = "NUMBER(38,0)"
            return Column(field.name, field.type, pa.int64(), definition, (), microseconds, loss)
        found = _stored(kind)
        if found is None:
            return "Snowflake has nothing that it could be"
        definition, stored, checks = found
        if not field.nullable:
            definition += " NOT NULL"
        return Column(field.name, field.type, stored, definition, checks)

    def read_type(self, definition: str) -> pa.DataType | None:
        """Returns the Arrow type of a column."""
        plain = re.sub(r"\(\d+\)", "", definition)
        return _TYPES.get(plain) or read_decimal(definition, "NUMBER")

    def fitted(self, column: Column, there: Existing) -> Column | None:
        """Returns *column* as the column that is there takes it; texts and bytes have a length there."""
        plain = dataclasses.replace(there, definition=_without_length(there.definition))
        required = dataclasses.replace(
            column, definition=column.definition.removesuffix(" NOT NULL")
        )
        return super().fitted(required, plain)


def _without_length(definition: str) -> str:
    """Returns the type of texts and bytes without their length, of which Snowflake refuses what is longer."""
    return re.sub(r"^(VARCHAR|BINARY|TEXT|STRING)\(\d+\)$", r"\1", definition)


_TYPES: Final[dict[str, pa.DataType]] = {
    "BOOLEAN": pa.bool_(),
    "FLOAT": pa.float64(),
    "VARCHAR": pa.string(),
    "TEXT": pa.string(),
    "BINARY": pa.binary(),
    "DATE": pa.date32(),
}


def _stored(kind: Any) -> tuple[str, pa.DataType, tuple[Check, ...]] | None:
    test = pa.types
    if test.is_integer(kind):
        return "NUMBER(38,0)", kind, ()
    if test.is_decimal(kind):
        scale = max(kind.scale, 0)
        digits = max(kind.precision - min(kind.scale, 0), scale)
        if digits > 38 or scale > 37:
            return None
        return f"NUMBER({digits},{scale})", pa.decimal128(digits, scale), ()
    if test.is_timestamp(kind):
        name = "TIMESTAMP_NTZ(9)" if kind.tz is None else "TIMESTAMP_LTZ(9)"
        stored = pa.timestamp(kind.unit, None if kind.tz is None else "UTC")
        return name, stored, (NO_TIMES_BEYOND,)
    if test.is_time(kind):
        return "TIME(9)", kind, ()
    if test.is_date(kind):
        return "DATE", pa.date32(), (NO_DAYS_BEYOND,)
    if test.is_floating(kind):
        return "FLOAT", pa.float64(), ()
    if test.is_boolean(kind):
        return "BOOLEAN", kind, ()
    if test.is_null(kind):
        return "VARCHAR", pa.string(), ()
    if is_text(kind):
        return "VARCHAR", pa.string(), (ZERO_BYTE,)  # which no statement can have
    return ("BINARY", pa.binary(), ()) if is_bytes(kind) else None


def _folded(name: str) -> str:
    return fold(quoted(name))[1:-1].replace('""', '"')


def _plain(value: Any) -> Any:
    """Returns a whole NUMBER as int, as the driver gives each as a decimal."""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return value


def _code(error: BaseException) -> int:
    return int(getattr(error, "vendor_code", None) or 0)
