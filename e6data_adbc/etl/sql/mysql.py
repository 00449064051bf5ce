"""MariaDB and MySQL: rows in one transaction with the watermark; only tables are made outside of it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import urllib.parse
from collections.abc import Sequence
from typing import Any, ClassVar, Final

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.columns import Column
from e6data_adbc.etl.destinations import Address, missing
from e6data_adbc.etl.sink import Sink
from e6data_adbc.etl.sql import mysql_types
from e6data_adbc.etl.sql.base import SqlSink
from e6data_adbc.etl.sql.mysql_session import MySqlSession, RefusedRowsError
from e6data_adbc.etl.sql.session import Session, Table, quoted
from e6data_adbc.etl.sql.sql_database import Database, Existing, all_equal, listed

__all__ = ["MySql", "open_sink"]

#: Seconds that a worker waits for another one that makes tables, and that connecting may take.
_LOCK_SECONDS: Final = 60
_CONNECT_SECONDS: Final = 15
#: Characters of a name.
_NAME_LENGTH: Final = 64
#: What makes a server say an error instead of storing something near.
_MODE: Final = "ANSI_QUOTES,STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"

#: Numbers of errors whose cause passes: too many connections, shutdown, lost connections; locks that were waited for,
#: deadlocks; and what two workers that make or drop one table may see.
_PASSING: Final = frozenset(
    {
        *(1040, 1053, 1077, 1079, 1080, 1158, 1159, 1160, 1161, 1203, 1927, 2002, 2003, 2006, 2013),
        *(1205, 1213, 1412),
        *(1050, 1060, 1062, 1146, 1684),
    }
)
_NO_SUCH_TABLE: Final = 1146
#: Numbers of errors of a disk that is full or fails, a server that is read-only, and a database that is not there.
_NO_PLACE: Final = frozenset({3, 1005, 1021, 1026, 1030, 1049, 1114, 1290, 1836, 1878})
_STATUSES: Final = {
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370), Status.UNAUTHORIZED),
    **dict.fromkeys((1045, 1698), Status.UNAUTHENTICATED),
    **dict.fromkeys((1048, 1062, 1216, 1217, 1451, 1452, 3819, 4025), Status.INTEGRITY),
    **dict.fromkeys((1264, 1265, 1292, 1366, 1406), Status.INVALID_DATA),
    **dict.fromkeys((1049, 1146), Status.NOT_FOUND),
    **dict.fromkeys((2002, 2003, 2006, 2013), Status.IO),
}


def open_sink(address: Address, *, state_table: str | None = None) -> Sink:
    """Returns the sink of `mysql://user@host/database#schema.table`."""
    return SqlSink(MySql(address), state_table=state_table)


class MySql(Database):
    """MariaDB or MySQL through PyMySQL."""

    capabilities = dataclasses.replace(
        Database.capabilities,
        has_parallel_commits=True,
        fence="the row of the watermark is locked, and its position compared",
    )
    row_lock: ClassVar[str] = " FOR UPDATE"
    folds_case: ClassVar[bool] = True
    keeps_tables: ClassVar[bool] = True

    def __init__(self, address: Address) -> None:
        """Takes the address; connects to nothing."""
        super().__init__(address)
        for name in address.options - set(_OPTIONS):
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not open the destination {address.shown!r}: it has no option {name!r}",
                hint=f"there are {', '.join(_OPTIONS)}",
            )
        self._is_mariadb = True
        #: What widening a column of the target must not lose, by name; None where it would.
        self._attributes: dict[str, str | None] = {}

    # ---- connecting

    def connect(self) -> Session:
        """Connects; the password may come from MYSQL_PWD or an option file, as the server's own client reads them."""
        try:
            import pymysql  # noqa: F401 - so that one text says what is missing
        except ImportError as cause:
            raise missing("pymysql", "etl-mysql", cause) from cause
        from e6data_adbc.etl.sql.mysql_connection import Connection

        connection = Connection(**self._arguments())
        self._is_mariadb = "mariadb" in connection.get_server_info().lower()
        session = MySqlSession(connection, takes_files=True)
        for setting in (f"sql_mode = '{_MODE}'", "time_zone = '+00:00'"):
            session.run(f"SET SESSION {setting}")
        session.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        ((takes_files,),) = session.rows("SELECT @@local_infile")
        session.commit()
        return session if takes_files else MySqlSession(connection, takes_files=False)

    def _arguments(self) -> dict[str, Any]:
        split = urllib.parse.urlsplit(self.address.url)
        password = urllib.parse.unquote(split.password or "") or os.environ.get("MYSQL_PWD", "")
        given = {
            "host": split.hostname or "localhost",
            "port": split.port or 3306,
            "user": urllib.parse.unquote(split.username or "") or None,
            # The bytes that the server's own client sends, where PyMySQL would take Latin-1.
            "password": password.encode(),
            "database": urllib.parse.unquote(split.path.lstrip("/")) or self.table.schema,
        }
        found: dict[str, Any] = {name: value for name, value in given.items() if value}
        for name, value in urllib.parse.parse_qsl(split.query):
            if name == "ssl":
                found["ssl_verify_cert"] = found["ssl_verify_identity"] = value in {"true", "1"}
            else:
                found[name] = value
        return found | {"charset": "utf8mb4", "local_infile": True, "autocommit": False} | _LIMITS

    def may_pass(self, error: BaseException) -> bool:
        """Tells by the number of the error."""
        return _code(error) in _PASSING and not isinstance(error, RefusedRowsError)

    def status(self, error: BaseException) -> Status:
        """Returns the status that the number of the error stands for."""
        return _STATUSES.get(_code(error), super().status(error))

    def lacks_right(self, error: BaseException) -> bool:
        """Tells whether the server refused, because the user may not."""
        return self.status(error) is Status.UNAUTHORIZED

    def cannot_write(self, error: BaseException) -> bool:
        """Tells by the number of the error."""
        return _code(error) in _NO_PLACE

    # ---- tables

    def existing(self, session: Session, table: Table) -> list[Existing] | None:
        """Returns the columns of *table*."""
        import pymysql

        try:
            found = session.rows(f"SHOW FULL COLUMNS FROM {table.sql}")
        except pymysql.err.ProgrammingError as error:
            if _code(error) == _NO_SUCH_TABLE:
                return None
            raise
        columns = []
        for name, kind, collation, null, _, default, extra, _, comment in found:
            definition = mysql_types.plain_name(kind)
            if collation:
                definition += f" collate {collation}"
            if "GENERATED" in extra.upper() and "DEFAULT_GENERATED" not in extra.upper():
                definition = (
                    f"generated {definition}"  # whose values LOAD DATA passes over without a word
                )
            is_required = null == "NO" and default is None and not extra
            # LOAD DATA puts the next number or the present time there.
            columns.append(Existing(name, definition, is_required, fills_null=null == "NO"))
            if table == self.table:
                plain = not extra and default is None and not comment
                self._attributes[name.lower()] = (
                    (" NOT NULL" if null == "NO" else "") if plain else None
                )
        return columns

    def stages(self, session: Session, schema: str | None) -> set[str]:
        """Returns the names of the tables of stages that are there."""
        place = f" FROM {quoted(schema)}" if schema else ""
        return {name for (name,) in session.rows(rf"SHOW TABLES{place} LIKE 'e6\\_stage\\_%'")}

    def prove(self, session: Session, schema: pa.Schema) -> None:
        """Looks whether the table that is there has transactions.

        Raises:
            NotSupportedError: It has none.
        """
        del schema
        found = session.rows(
            "SELECT engine FROM information_schema.tables WHERE table_name = ? AND table_schema = "
            "COALESCE(?, DATABASE()) AND engine IN (SELECT engine FROM information_schema.engines "
            "WHERE COALESCE(transactions, 'NO') <> 'YES')",
            [self.table.name, self.table.schema],
        )
        for (engine,) in found:
            raise errors.make(
                Status.NOT_IMPLEMENTED,
                f"could not load into {self.address.shown!r}: tables of its engine {engine} have no transactions",
                hint="ALTER TABLE … ENGINE = InnoDB",
            )

    def name_fault(self, name: str) -> str:
        """Returns why a name is none."""
        if len(name) > _NAME_LENGTH:
            return f"is longer than {_NAME_LENGTH} characters"
        if name.endswith(" "):
            return "ends with a space"
        if name and max(name) > "\uffff":
            return "has characters beyond the first 65,536"
        return super().name_fault(name)

    def lock_job(self, session: Session, name: str) -> None:
        """Takes the server's lock of the name, to `unlock_job` or the end of the transaction."""
        digest = hashlib.sha256(f"{self.address.table} {name}".encode()).hexdigest()[:32]
        if not _mine(session).lock(f"e6data_adbc {digest}", _LOCK_SECONDS):
            raise errors.make(
                Status.TIMEOUT,
                f"could not make tables in {self.address.shown!r}: another worker has been at it for {_LOCK_SECONDS} s",
            )

    def unlock_job(self, session: Session) -> None:
        """Gives the lock back: what it is for does not wait for the transaction's end here."""
        _mine(session).unlock()

    def create(self, table: Table, columns: Sequence[Column], key: Sequence[str] = ()) -> str:
        """Returns the statement that makes a table; texts that are keys have a length, without which is no index."""
        texts = []
        for column in columns:
            definition = column.definition
            if column.name in key:
                definition = definition.replace("longtext", f"varchar({mysql_types.KEY_LENGTH})")
                definition = definition.replace("longblob", f"varbinary({mysql_types.KEY_LENGTH})")
                if definition.startswith("timestamp"):
                    definition = "timestamp(6) NOT NULL DEFAULT '1970-01-01 00:00:01'"
            texts.append(f"{quoted(column.name)} {definition}")
        if key:
            texts.append(f"PRIMARY KEY ({listed(key)})")
        kind = "TEMPORARY TABLE" if table.is_passing else "TABLE"
        return f"CREATE {kind} {table.sql} ({', '.join(texts)}) ENGINE = InnoDB"

    def drop_stage(self, session: Session, stage: Table, *, is_used_again: bool) -> None:
        """Empties a stage whose run may go on, and leaves others for after the commit, which DROP would be itself."""
        if stage.is_passing:
            session.run(f"DROP TEMPORARY TABLE {stage.sql}")
        elif is_used_again:
            session.run(f"DELETE FROM {stage.sql}")

    def alter_type(self, column: Column) -> str:
        """Returns the statement that widens a column of the target."""
        kept = self._attributes.get(column.name.lower()) or ""
        definition = column.definition.removesuffix(" NOT NULL")
        return (
            f"ALTER TABLE {self.table.sql} MODIFY COLUMN {quoted(column.name)} {definition}{kept}"
        )

    def merge(self, rows: str, columns: Sequence[str], key: Sequence[str]) -> list[str]:
        """Returns the statements of an upsert: there is no MERGE."""
        target, names = self.table.sql, listed(columns)
        same = all_equal("target", "stage", key)
        sets = ", ".join(f"target.{quoted(n)} = stage.{quoted(n)}" for n in columns if n not in key)
        change = f"UPDATE {target} AS target JOIN {rows} AS stage ON {same} SET {sets}"
        add = (
            f"INSERT INTO {target} ({names}) SELECT {names} FROM {rows} AS stage WHERE NOT EXISTS "
            f"(SELECT 1 FROM {target} AS target WHERE {same})"
        )
        return [change, add] if sets else [add]

    # ---- columns

    @property
    def text(self) -> str:  # type: ignore[override]
        """The type of texts that are equal if their bytes are."""
        return f"longtext collate {mysql_types.collation(is_mariadb=self._is_mariadb)}"

    @property
    def key_text(self) -> str:  # type: ignore[override]
        """The type of such texts in a key."""
        return self.text.replace("longtext", f"varchar({mysql_types.KEY_LENGTH})")

    def stored(self, field: pa.Field[Any]) -> Column | str:
        """Returns how a column is stored."""
        return mysql_types.stored(field, is_mariadb=self._is_mariadb)

    def read_type(self, definition: str) -> pa.DataType | None:
        """Returns the Arrow type that a column takes."""
        return mysql_types.read_type(definition)

    def widens(self, there: Existing, column: Column) -> bool:
        """Tells whether each value there is one of *column*, and nothing else that the column has would be lost."""
        has_more = self._attributes.get(there.name.lower()) is None
        return not has_more and super().widens(there, column)

    def fitted(self, column: Column, there: Existing) -> Column | None:
        """Returns *column* as the column that is there takes it: texts by their length, times by their digits."""
        found = mysql_types.fitted(column, there.definition)
        return super().fitted(column, there) if found is None else found


def _code(error: BaseException) -> int:
    if isinstance(error, RefusedRowsError):
        return error.code
    first = error.args[0] if error.args else None
    is_own = type(error).__module__.startswith("pymysql")
    if not is_own:
        return -1
    # What is asked of a connection that is lost has the number 0, or none.
    return first if isinstance(first, int) and first else 2006


def _mine(session: Session) -> MySqlSession:
    assert isinstance(session, MySqlSession)  # noqa: S101 - made by `connect`
    return session


_OPTIONS: Final = ("unix_socket", "ssl", "ssl_ca", "ssl_cert", "ssl_key", "read_default_file")
_LIMITS: Final = {"connect_timeout": _CONNECT_SECONDS}
