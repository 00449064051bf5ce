"""Connection and cursor of the DB-API module: the driver manager's, with what PEP 249 wants beyond them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from adbc_driver_manager import AdbcConnection
from adbc_driver_manager import dbapi as _manager

from e6data_adbc import errors
from e6data_adbc._driver.effect import Effect, effect_of, has_returning
from e6data_adbc.options import StatementOptions

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["PARAMETER_STYLES", "Connection", "Cursor"]

#: How a text may write its parameters: `?` and `:name`, or `%s` and `%(name)s`.
PARAMETER_STYLES: Final = ("qmark", "pyformat")

#: Polars takes Arrow only from classes of a package whose name begins so; in any other it reads rows without a word.
_MODULE: Final = "adbc_driver_e6data.dbapi"
_PLACE: Final = re.compile(r"%(?:(?P<percent>%)|(?P<next>s)|\((?P<name>[^()]+)\)s)?")


class Connection(_manager.Connection):
    """An open connection. Threads may share it; each uses cursors of its own."""

    __module__ = _MODULE

    def __init__(self, *arguments: Any, paramstyle: str = "qmark", **keywords: Any) -> None:
        """As the driver manager's.

        Args:
            arguments: The manager's.
            paramstyle: One of `PARAMETER_STYLES`, for all cursors.
            keywords: The manager's.
        """
        self._paramstyle = paramstyle
        super().__init__(*arguments, **keywords)

    def cursor(self, *, adbc_stmt_kwargs: Mapping[str, Any] | None = None) -> Cursor:
        """Returns a new cursor.

        Args:
            adbc_stmt_kwargs: Options of its statement, by key.

        Raises:
            ProgrammingError: The connection is closed.
        """
        self._check_open("make a cursor")
        cursor = Cursor(self, adbc_stmt_kwargs)
        self._cursors.add(cursor)
        return cursor

    def commit(self) -> None:
        """Does nothing: each statement commits itself. ProgrammingError if the connection is closed."""
        self._check_open("commit")
        super().commit()

    def rollback(self) -> None:
        """Does nothing, because there is nothing to roll back. ProgrammingError if the connection is closed."""
        self._check_open("roll back")
        super().rollback()

    def close(self) -> None:
        """Closes the cursors that are open, then the connection. ProgrammingError if it is closed (PEP 249)."""
        self._check_open("close the connection")
        super().close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._closed:
            self.close()

    def adbc_clone(self) -> Self:
        """Returns another connection of the same database, with the same options; it costs no call."""
        self._check_open("clone the connection")
        options = dict(self._conn_kwargs or {})
        return type(self)(
            self._db,
            AdbcConnection(self._db._db, **options),
            options,
            autocommit=True,
            paramstyle=self._paramstyle,
        )

    def _check_open(self, verb: str) -> None:
        if self._closed:
            raise errors.make(
                errors.Status.INVALID_STATE, f"could not {verb}: the connection is closed"
            )


class Cursor(_manager.Cursor):
    """Runs statements, one after another."""

    __module__ = _MODULE

    _gives_rows = True

    @property
    def query_id(self) -> str:
        """The server's id of the last query. ProgrammingError (NOT_FOUND) where there is none."""
        return str(self._stmt.get_option(StatementOptions.QUERY_ID.value))

    @property
    def description(self) -> list[tuple[Any, ...]] | None:
        """Name and type of each column, as sequences of seven (PEP 249); None where the statement gives no rows."""
        return super().description if self._gives_rows else None

    def execute(self, operation: bytes | str, parameters: Any = None) -> Self:
        """Runs a statement; see the driver manager's. Under `pyformat` its places are `%s` or `%(name)s`."""
        if isinstance(operation, str):
            operation, parameters = self._in_place(operation, parameters)
            self._gives_rows = effect_of(operation) is not Effect.CHANGE or has_returning(operation)
        super().execute(operation, parameters)
        return self

    def executemany(self, operation: bytes | str, seq_of_parameters: Any) -> None:
        """Runs a statement once for each row of parameters, sequences or Arrow data."""
        if isinstance(operation, str) and self._style == "pyformat":
            rows = [self._in_place(operation, row) for row in seq_of_parameters]
            if not rows:
                return
            operation, seq_of_parameters = rows[0][0], [row for _, row in rows]
        super().executemany(operation, seq_of_parameters)

    def adbc_execute_partitions(
        self, operation: bytes | str, parameters: Any = None
    ) -> tuple[list[bytes], Any]:
        """Returns the partitions of a query, for `adbc_read_partition` here or elsewhere, and the schema."""
        if isinstance(operation, str):
            operation, parameters = self._in_place(operation, parameters)
        partitions, schema = super().adbc_execute_partitions(operation, parameters)
        return partitions, schema

    def adbc_read_partition(self, partition: bytes) -> None:
        """Makes a partition the result to fetch from. To end it while it is looked for, cancel the connection."""
        self._gives_rows = True
        super().adbc_read_partition(partition)

    def fetchone(self) -> tuple[Any, ...] | None:
        """Returns the next row, or None. ProgrammingError if the last statement gives no rows."""
        self._check_rows("fetch a row")
        return super().fetchone()

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """Returns the next *size* rows, `arraysize` by default. ProgrammingError as for `fetchone`."""
        self._check_rows("fetch rows")
        return super().fetchmany(size)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Returns the rows that are left. ProgrammingError as for `fetchone`."""
        self._check_rows("fetch rows")
        return super().fetchall()

    @property
    def _style(self) -> str:
        connection = self._conn
        return connection._paramstyle if isinstance(connection, Connection) else "qmark"

    def _in_place(self, operation: str, parameters: Any) -> tuple[str, Any]:
        """Returns *operation* with `?` for each place, and the values in that order, if the style is `pyformat`."""
        if parameters is None or self._style != "pyformat":
            return operation, parameters
        values: list[Any] = []
        left = iter(() if isinstance(parameters, Mapping) else parameters)

        def place(found: re.Match[str]) -> str:
            if found["percent"]:
                return "%"
            if found["name"] and isinstance(parameters, Mapping) and found["name"] in parameters:
                values.append(parameters[found["name"]])
            elif found["next"] and not isinstance(parameters, Mapping):
                values.append(next(left, _MISSING))
            else:
                values.append(_MISSING)
            if values[-1] is _MISSING:
                raise errors.make(
                    errors.Status.INVALID_ARGUMENT,
                    f"could not bind the parameters: there is no value for {found[0]!r}",
                    hint="write %% for a percent sign",
                )
            return "?"

        text = _PLACE.sub(place, operation)
        if next(left, _MISSING) is not _MISSING:
            raise errors.make(
                errors.Status.INVALID_ARGUMENT,
                f"could not bind the parameters: there are more values than the {len(values)} places",
            )
        return text, values or None

    def _check_rows(self, verb: str) -> None:
        if self._results is not None and not self._gives_rows:
            raise errors.make(
                errors.Status.INVALID_STATE,
                f"could not {verb}: the last statement gives no rows",
                hint="rowcount has the number of rows that it changed, where the engine tells",
            )


_MISSING: Final = object()
