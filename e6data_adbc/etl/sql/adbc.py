"""Any database that has an ADBC driver: nothing is known of it, so what a load needs is tried before it writes."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import urllib.parse
import uuid
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, ClassVar, Final

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc.errors import Error, Status
from e6data_adbc.etl.columns import Column
from e6data_adbc.etl.destinations import Address
from e6data_adbc.etl.sink import Sink
from e6data_adbc.etl.sql.base import SqlSink
from e6data_adbc.etl.sql.proof import Sample, is_kept, sample_of
from e6data_adbc.etl.sql.session import AdbcSession, Session, Table, quoted
from e6data_adbc.etl.sql.sql_database import Database, Existing, listed

__all__ = ["AnyDatabase", "open_sink"]

#: Statuses of ADBC without a SQLSTATE that say that nothing was reached, or not in time.
_PASSING: Final = frozenset({Status.IO, Status.TIMEOUT})
_PASSING_CLASSES: Final = ("08", "40")
_NUMBER: Final = "e6_number"


def open_sink(address: Address, *, state_table: str | None = None) -> Sink:
    """Returns the sink of `adbc://driver?option=value#schema.table`."""
    return SqlSink(AnyDatabase(address), state_table=state_table)


class AnySession(AdbcSession):
    """A session whose transactions are those of the ADBC connection itself."""

    def __init__(self, connection: Any) -> None:
        """Takes over *connection*, and ends its autocommit.

        Raises:
            NotSupportedError: The driver has no transactions.
        """
        super().__init__(connection)
        self._low = connection.adbc_connection
        self._low.set_autocommit(False)

    @property
    def connection(self) -> Any:
        """The connection of the driver manager."""
        return self._connection

    def number_parameters(self) -> None:
        """Writes `$1` for `?` from now on."""
        self._numbers = True

    def make(self, table: Table, schema: pa.Schema) -> None:
        """Makes a table of the driver's own types."""
        with contextlib.closing(self._connection.cursor()) as cursor:
            cursor.adbc_ingest(
                table.name, schema.empty_table(), mode="create", db_schema_name=table.schema
            )

    def commit(self) -> None:
        """Makes the transaction last."""
        self._low.commit()

    def rollback(self) -> None:
        """Undoes the transaction."""
        self._low.rollback()


class AnyDatabase(Database):
    """A database of which nothing is known but that it has an ADBC driver."""

    capabilities = dataclasses.replace(
        Database.capabilities,
        is_fenced=False,
        can_evolve=False,
        fence="the row of the watermark is changed first, which stops a second worker where rows are locked or "
        "conflicts refused; nobody has tried it",
    )
    folds_case: ClassVar[bool] = False

    def __init__(self, address: Address) -> None:
        """Takes the address."""
        super().__init__(address)
        #: How each column is stored in the target, or why it cannot be.
        self._proved: dict[str, Column | str] = {}
        self._numbers_parameters: bool | None = None

    # ---- connecting

    def connect(self) -> Session:
        """Connects with the options of the address."""
        from adbc_driver_manager import dbapi

        split = urllib.parse.urlsplit(self.address.url)
        options = dict(urllib.parse.parse_qsl(split.query, keep_blank_values=True))
        driver, entry = _driver(urllib.parse.unquote(split.netloc + split.path))
        entry = options.pop("entrypoint", entry)
        connection = dbapi.connect(
            driver=driver, entrypoint=entry, db_kwargs=options, autocommit=True
        )
        try:
            session = AnySession(connection)
        except Error as cause:
            connection.close()
            raise self._lacks("it has no transactions") from cause
        if self._numbers_parameters is None:
            self._numbers_parameters = not self._takes_question_marks(session)
        if self._numbers_parameters:
            session.number_parameters()
        return session

    @staticmethod
    def _takes_question_marks(session: AnySession) -> bool:
        try:
            return session.rows("SELECT CAST(? AS INTEGER)", [1]) == [(1,)]
        except Error:
            return False
        finally:
            session.rollback()

    def may_pass(self, error: BaseException) -> bool:
        """Tells by SQLSTATE, or, where there is none, by ADBC's status."""
        state = self.sqlstate(error)
        if state:
            return state.startswith(_PASSING_CLASSES)
        return isinstance(error, Error) and Status(int(error.status_code)) in _PASSING

    # ---- tables

    def existing(self, session: Session, table: Table) -> list[Existing] | None:
        """Returns the columns of *table*, as the driver's catalog tells them."""
        connection = _any(session).connection
        schema = table.schema
        if schema is None:
            with contextlib.suppress(Error):  # not every driver has a current schema
                schema = connection.adbc_current_db_schema or None
        found = connection.adbc_get_objects(
            depth="all", db_schema_filter=schema, table_name_filter=table.name
        ).read_all()
        for catalog in found.to_pylist():
            for place in catalog["catalog_db_schemas"] or []:
                for each in place["db_schema_tables"] or []:
                    # A filter is a pattern, in which `_` stands for any character.
                    is_here = schema is None or place["db_schema_name"] == schema
                    if is_here and each["table_name"] == table.name:
                        return [_existing(column) for column in each["table_columns"] or []]
        return None

    def create(self, table: Table, columns: Sequence[Column], key: Sequence[str] = ()) -> str:
        """Returns what the driver does, in words."""
        del key
        shown = ", ".join(f"{quoted(each.name)} {each.stored}" for each in columns)
        return f"create {table.sql} with the driver's types for ({shown})"

    def make_table(
        self, session: Session, table: Table, columns: Sequence[Column], key: Sequence[str] = ()
    ) -> None:
        """Makes a table of the driver's types, in which every value of the columns was proved to be kept."""
        del key
        _any(session).make(table, pa.schema([(each.name, each.stored) for each in columns]))

    def lock_watermark(self, session: Session, table: Table, job: str, run: str) -> None:
        """Changes the row of the run to itself, which takes its lock wherever rows have some."""
        session.run(
            f"UPDATE {table.sql} SET state = state WHERE job = ? AND target = ? AND run = ?",
            [job, self.table.shown, run],
        )

    def merge(self, rows: str, columns: Sequence[str], key: Sequence[str]) -> list[str]:
        """Returns the statements of an upsert in the SQL of 1992."""
        target, names = self.table.sql, listed(columns)
        same = " AND ".join(f"stage.{quoted(name)} = {target}.{quoted(name)}" for name in key)
        match = f"FROM {rows} AS stage WHERE {same}"
        sets = ", ".join(
            f"{quoted(n)} = (SELECT stage.{quoted(n)} {match})" for n in columns if n not in key
        )
        change = f"UPDATE {target} SET {sets} WHERE EXISTS (SELECT 1 {match})"
        add = (
            f"INSERT INTO {target} ({names}) SELECT {names} FROM {rows} AS stage "
            f"WHERE NOT EXISTS (SELECT 1 FROM {target} WHERE {same})"
        )
        return [change, add] if sets else [add]

    # ---- what is tried

    def prove(self, session: Session, schema: pa.Schema) -> None:
        """Tries, in transactions that are undone, what the load relies on.

        Raises:
            NotSupportedError: A rollback does not undo the making of a table.
        """
        mine = _any(session)
        self._check_rollback(mine)
        there = {each.name for each in self.existing(session, self.table) or ()}
        session.rollback()
        by_type: dict[pa.DataType, Column | str] = {}
        for field in (*schema, _ORDER):
            sample = sample_of(field.type)
            if sample is None:
                self._proved[field.name] = "nested values and types like it are not tried"
            elif field.name in there:
                self._proved[field.name] = self._tried(mine, field, sample, field.name)
            else:
                if field.type not in by_type:
                    by_type[field.type] = self._tried(mine, field, sample, None)
                found = by_type[field.type]
                if isinstance(found, Column):
                    found = dataclasses.replace(found, name=field.name)
                self._proved[field.name] = found

    def stored(self, field: pa.Field[Any]) -> Column | str:
        """Returns how a column is stored, as `prove` found."""
        return self._proved.get(field.name, "it was not tried")

    def fitted(self, column: Column, there: Existing) -> Column | None:
        """Returns *column*: `prove` has written to a copy of what is there."""
        del there
        return column

    def _check_rollback(self, session: AnySession) -> None:
        table = self._probe()
        session.make(table, pa.schema([_ORDER]))
        session.rollback()
        if self.existing(session, table) is not None:
            session.run(f"DROP TABLE {table.sql}")
            session.commit()
            raise self._lacks("a rollback leaves the tables that its transaction made")

    def _tried(
        self, session: AnySession, field: pa.Field[Any], sample: Sample, there: str | None
    ) -> Column | str:
        """Returns how a column is stored, after its values were; *there* is the target's column, if it has it."""
        cause = self._fault(session, sample.values, there)
        if cause:
            return cause
        checks = [check for check, values in sample.special if self._fault(session, values, there)]
        stored = sample.stored
        return Column(field.name, field.type, stored, str(stored), (*sample.checks, *checks))

    def _fault(self, session: AnySession, values: Any, there: str | None) -> str:
        """Writes *values* and reads them back; returns what went wrong."""
        table = self._probe()
        numbers = pa.array(range(len(values)), pa.int32())
        rows = pa.table({_NUMBER: numbers, "c" if there is None else there: values})
        with self._undone(session):
            try:
                if there is None:
                    session.make(table, rows.schema)
                else:
                    session.run(
                        f"CREATE TABLE {table.sql} AS SELECT 0 AS {quoted(_NUMBER)}, {quoted(there)} "
                        f"FROM {self.table.sql} WHERE 1 = 0"
                    )
                session.write(table, rows.to_reader())
                with contextlib.closing(session.connection.cursor()) as cursor:
                    cursor.execute(f"SELECT * FROM {table.sql} ORDER BY {quoted(_NUMBER)}")
                    found = cursor.fetch_arrow_table().column(1).combine_chunks()
            except (Error, pa.ArrowException) as error:
                text = self.address.hide(" ".join(str(error).split()))
                return f"tried with values of this type, the driver failed with: {text}"
        if not is_kept(values, found):
            return f"values of this type come back as others, of type {str(found.type)!r}"
        return ""

    @contextlib.contextmanager
    def _undone(self, session: AnySession) -> Iterator[None]:
        try:
            yield
        finally:
            session.rollback()

    def _probe(self) -> Table:
        return Table(self.table.schema, f"e6_probe_{uuid.uuid4().hex[:16]}")

    def _lacks(self, cause: str) -> Error:
        return errors.make(
            Status.NOT_IMPLEMENTED,
            f"could not load into {self.address.shown!r}: {cause}",
            hint="without it rows and watermark cannot be one commit; load into files instead",
        )


_ORDER: Final = pa.field(_NUMBER, pa.int64())


def _any(session: Session) -> AnySession:
    assert isinstance(session, AnySession)  # noqa: S101 - made by `connect`
    return session


def _existing(column: dict[str, Any]) -> Existing:
    is_required = column.get("xdbc_nullable") == 0 and column.get("xdbc_column_def") is None
    return Existing(column["column_name"], column.get("xdbc_type_name") or "", is_required)


def _driver(name: str) -> tuple[str, str | None]:
    """Returns the library of a driver, and its entry point where it is not the usual one.

    Args:
        name: A Python package with a driver in it, or what the driver manager itself takes: a path, a manifest, a name.
    """
    if not name:
        raise errors.make(
            Status.INVALID_ARGUMENT,
            "could not open the destination: the address names no driver",
            hint="write adbc://adbc_driver_sqlite?uri=/path/to/file.db#table",
        )
    if re.fullmatch(r"adbc_driver_\w+", name):
        with contextlib.suppress(ImportError):
            package = import_module(name)
            path = getattr(package, "_driver_path", None) or getattr(package, "driver_path", None)
            if path is not None:
                return str(path()), "duckdb_adbc_init" if name == "adbc_driver_duckdb" else None
    return name, None
