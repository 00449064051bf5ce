"""Connection and cursor of the DB-API module: the driver manager's, with what PEP 249 wants beyond them."""

from __future__ import annotations

import contextlib
import sys
import warnings
import weakref
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from adbc_driver_manager import AdbcStatement
from adbc_driver_manager import dbapi as _manager

from e6data_adbc import errors
from e6data_adbc._dbapi import interruptible, interrupts, notebook, shown
from e6data_adbc._dbapi.handles import ConnectionHandle, StatementHandle
from e6data_adbc._dbapi.parameters import STYLES as PARAMETER_STYLES
from e6data_adbc._dbapi.parameters import of_many, of_one
from e6data_adbc._dbapi.result import INTERRUPTED
from e6data_adbc._dbapi.told import ASKS, Analysis, Plan, Timings, progress_of, timings_of
from e6data_adbc._sql.effect import Effect, effect_of, has_returning
from e6data_adbc.options import StatementOptions

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from typing_extensions import Self

__all__ = ["PARAMETER_STYLES", "Connection", "Cursor"]

T = TypeVar("T")

#: Polars takes Arrow only from classes of a package whose name begins so; in any other it reads rows without a word.
_MODULE: Final = "adbc_driver_e6data.dbapi"
#: Loaded in the kernels of notebooks.
_NOTEBOOK: Final = "ipykernel"


def _close_leaked(
    it: Any,
    warn: Callable[..., None] = warnings.warn,
    is_finalizing: Callable[[], bool] = sys.is_finalizing,
) -> None:
    """Closes what nobody refers to any more, and warns: until then it held something on the server."""
    if getattr(it, "_closed", True):  # or not made at all
        return
    try:
        warn(f"unclosed {it!r}", ResourceWarning, stacklevel=3, source=it)
    finally:  # the warning may be an error
        try:
            it._close()
        except Exception:
            # At exit what it needs may be gone, and so may whoever listens.
            if not is_finalizing():
                raise


class Connection(interruptible.Connection):
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
        #: Managers before 1.9 do not close them.
        self._open_cursors: weakref.WeakSet[Cursor] = weakref.WeakSet()
        #: Theirs: weak references are gone when a cycle is collected, and then the manager would try to close the
        #: connection before its statements, and fail.
        self._statements: set[AdbcStatement] = set()
        super().__init__(*arguments, **keywords)

    def __repr__(self) -> str:
        return shown.connection_text(self)

    @property
    def _handle(self) -> ConnectionHandle:
        assert isinstance(self._conn, ConnectionHandle)  # noqa: S101 - `connect` and `adbc_clone` make it
        return self._conn

    def cursor(self, *, adbc_stmt_kwargs: Mapping[str, Any] | None = None) -> Cursor:
        """Returns a new cursor.

        Args:
            adbc_stmt_kwargs: Options of its statement, by key.

        Raises:
            ProgrammingError: The connection is closed.
        """
        self._check_open("make a cursor")
        cursor = Cursor(self, adbc_stmt_kwargs)
        self._open_cursors.add(cursor)
        return cursor

    # A default, because at exit the names of the module may be gone.
    def __del__(self, _close_leaked: Callable[[Any], None] = _close_leaked) -> None:
        _close_leaked(self)

    def commit(self) -> None:
        """Does nothing: each statement commits itself. ProgrammingError if the connection is closed."""
        self._check_open("commit")
        super().commit()

    def rollback(self) -> None:
        """Does nothing, because there is nothing to roll back. ProgrammingError if the connection is closed."""
        self._check_open("roll back")
        super().rollback()

    def close(self) -> None:
        """Closes the cursors that are open, then the connection. ProgrammingError if it is closed (PEP 249).

        Calls under way in other threads are ended and waited for. From a signal handler inside a call of this thread
        the connection closes when that call, which fails, has ended.
        """
        self._check_open("close the connection")
        self._handle.end_loans()
        self._close()

    def _close(self) -> None:
        self._closed = True  # for other threads, which might do the same
        try:
            for cursor in list(self._open_cursors):
                with contextlib.suppress(Exception):  # its statement is closed below
                    cursor.close()
            for statement in list(self._statements):
                statement.close()
                self._statements.discard(statement)
            self._conn.close()
        except BaseException:
            self._closed = False
            raise
        self._db.close()

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
            ConnectionHandle(self._db._db, **options),
            options,
            autocommit=True,
            paramstyle=self._paramstyle,
        )

    def _check_open(self, verb: str) -> None:
        if self._closed:
            raise errors.make(
                errors.Status.INVALID_STATE, f"could not {verb}: the connection is closed"
            )


class Cursor(interruptible.Cursor):
    """Runs statements, one after another."""

    __module__ = _MODULE

    #: What the manager gives a new cursor, but for its connection and a statement, which it would open for nothing:
    #: known from the first one, as each version gives what it needs.
    _at_first: ClassVar[dict[str, Any] | None] = None

    _gives_rows = True

    def __init__(
        self,
        conn: _manager.Connection,
        adbc_stmt_kwargs: Mapping[str, Any] | None = None,
        *arguments: Any,
        **keywords: Any,
    ) -> None:
        """As the driver manager's."""

        def make() -> None:
            self._closed = True  # until there is a statement that may be closed at any moment
            self._begin(conn, arguments, keywords)
            self._stmt = StatementHandle(conn._conn)
            self._closed = False
            if isinstance(conn, Connection):
                conn._statements.add(self._stmt)

        try:
            # The manager counts a connection's statements, and counts wrong for ever where it is interrupted.
            interrupts.call(make)
            if adbc_stmt_kwargs:
                self._stmt.set_options(**adbc_stmt_kwargs)
        except BaseException:
            if not getattr(self, "_closed", True):
                self.close()
            raise

    def _begin(
        self, conn: _manager.Connection, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> None:
        """Gives the cursor what the manager's have at first, but for a statement."""
        is_plain = not arguments and not keywords
        if is_plain and Cursor._at_first is not None:
            self.__dict__.update(Cursor._at_first)
            self._conn = conn
            return
        super().__init__(conn, None, *arguments, **keywords)
        self._stmt.close()
        self._closed = True
        if is_plain:
            own = {"_conn", "_stmt"}
            Cursor._at_first = {key: vars(self)[key] for key in vars(self).keys() - own}

    # A default, because at exit the names of the module may be gone.
    def __del__(self, _close_leaked: Callable[[Any], None] = _close_leaked) -> None:
        _close_leaked(self)

    def close(self) -> None:
        """Ends the query, if it runs, and the cursor; may be called again.

        A call under way in another thread is ended and waited for; it raises CANCELLED. From a signal handler inside a
        call of this thread the cursor closes when that call, which fails, has ended.
        """
        if self._closed:
            return
        self._clear()
        self._stmt.close()
        self._clear()  # a call that has ended since may have left a result
        self._closed = True
        if isinstance(self._conn, Connection):
            self._conn._statements.discard(self._stmt)

    def _close(self) -> None:
        # Who has its reader reads on; without anybody, the reader goes here and ends the query.
        self._results = None
        self.close()

    def __repr__(self) -> str:
        return shown.cursor_text(self)

    def _repr_html_(self) -> str:
        """What notebooks show: the first rows, none of which is fetched by that."""
        return shown.cursor_html(self)

    def fetch_record_batch(self) -> pa.RecordBatchReader:
        """Returns a reader of the rows that are left. It ends with the cursor, unless nobody closes that."""
        reader = super().fetch_record_batch()
        if isinstance(self._conn, Connection):
            self._conn._handle.lend_to(reader)
        return reader

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
            operation, parameters = of_one(operation, parameters, self._style)
            self._gives_rows = (
                effect_of(operation) is not Effect.CHANGE
                or has_returning(operation)
                or any(self._stmt.get_option(key) == "true" for key in ASKS)
            )
        super().execute(operation, parameters)
        return self

    def executemany(self, operation: bytes | str, seq_of_parameters: Any) -> None:
        """Runs a statement once for each row of parameters, sequences or Arrow data.

        A plain `INSERT … VALUES` is sent with many rows a statement.
        """
        if isinstance(operation, str):
            operation, seq_of_parameters = of_many(operation, seq_of_parameters, self._style)
        super().executemany(operation, seq_of_parameters)

    @property
    def engine_address(self) -> str:
        """The engine that works on the last query. ProgrammingError (NOT_FOUND) where there is none."""
        return str(self._stmt.get_option(StatementOptions.ENGINE_ADDRESS.value))

    def progress(self) -> tuple[int, int | None]:
        """Returns how many rows of the result were delivered, and how many the server announced, if it did.

        Any thread may ask, also while another one is in a call of this cursor.
        """
        return progress_of(self._stmt)

    def timings(self) -> Timings:
        """Returns what the server said about how it ran the last query, whose rows were all fetched.

        The server is asked when the last row has come; this waits for its answer, as long as clearing may take.

        Raises:
            ProgrammingError: The option `adbc.e6data.statement.timings` was not on, or rows are left (NOT_FOUND).
            OperationalError: The wait was cancelled, or took too long.
        """
        return timings_of(self._stmt)

    def explain(self, operation: str, parameters: Any = None) -> Plan:
        """Returns the server's plan of a statement, as its text; the statement is not run.

        The result that the cursor had is dropped, here and in the next two.

        Args:
            operation: One statement.
            parameters: Its values, as for `execute`.

        Raises:
            ProgrammingError: The server refuses the statement.
        """
        return Plan(self._ask(StatementOptions.EXPLAIN, operation, parameters)["plan"])

    def explain_analyze(self, operation: str, parameters: Any = None) -> Analysis:
        """Runs a statement to its end, drops its rows, and returns its plan and its times.

        Args:
            operation: One statement; what it changes is changed.
            parameters: Its values, as for `execute`.

        Raises:
            ProgrammingError: The server refuses the statement.
        """
        return Analysis(**self._ask(StatementOptions.EXPLAIN_ANALYZE, operation, parameters))

    def dry_run(self, operation: str, parameters: Any = None) -> str:
        """Returns what the server's dry run says about a statement, a plan or a verdict; it is not run.

        Args:
            operation: One statement.
            parameters: Its values, as for `execute`.

        Raises:
            ProgrammingError: The server refuses the statement.
        """
        return str(self._ask(StatementOptions.DRY_RUN, operation, parameters)["plan"])

    def _ask(self, option: StatementOptions, operation: str, parameters: Any) -> dict[str, Any]:
        """Returns the one row that *operation* gives while *option* is on."""
        before = self._stmt.get_option(option.value)
        self._stmt.set_options(**{option.value: "true"})
        try:
            self.execute(operation, parameters)
            (row,) = self.fetch_arrow_table().to_pylist()
        finally:
            with contextlib.suppress(errors.Error):  # it was closed meanwhile, which the call says
                self._stmt.set_options(**{option.value: before})
        found: dict[str, Any] = row
        return found

    def adbc_execute_partitions(
        self, operation: bytes | str, parameters: Any = None
    ) -> tuple[list[bytes], Any]:
        """Returns the partitions of a query, for `adbc_read_partition` here or elsewhere, and the schema."""
        if isinstance(operation, str):
            operation, parameters = of_one(operation, parameters, self._style)
        partitions, schema = super().adbc_execute_partitions(operation, parameters)
        return partitions, schema

    def adbc_execute_schema(self, operation: bytes | str, parameters: Any = None) -> Any:
        """Returns the schema of a query's result; the query is not run."""
        if isinstance(operation, str):
            operation, parameters = of_one(operation, parameters, self._style)
        return super().adbc_execute_schema(operation, parameters)

    def adbc_read_partition(self, partition: bytes) -> None:
        """Makes a partition the result to fetch from. To end it while it is looked for, cancel the connection."""
        self._gives_rows = True
        super().adbc_read_partition(bytes(partition))  # the manager takes no other class

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
        return self._with_progress(super().fetchall)

    def fetch_arrow_table(self) -> pa.Table:
        """Returns the rows that are left."""
        return self._with_progress(super().fetch_arrow_table)

    def fetch_df(self) -> pd.DataFrame:
        """Returns the rows that are left."""
        return self._with_progress(super().fetch_df)

    def fetch_polars(self) -> pl.DataFrame:
        """Returns the rows that are left."""
        return self._with_progress(super().fetch_polars)

    def _with_progress(self, fetch: Callable[[], T]) -> T:
        """Returns what *fetch* returns, and shows how far it is in the kernels of notebooks."""
        # An interrupt in anything that comes after a fetch would lose its rows.
        if _NOTEBOOK not in sys.modules:
            return fetch()
        try:
            with notebook.showing_progress(self):
                return fetch()
        except Exception:
            raise
        except BaseException:
            self._fail_result(INTERRUPTED)
            raise

    @property
    def _style(self) -> str:
        connection = self._conn
        return connection._paramstyle if isinstance(connection, Connection) else "qmark"

    def _check_rows(self, verb: str) -> None:
        if self._results is not None and not self._gives_rows:
            raise errors.make(
                errors.Status.INVALID_STATE,
                f"could not {verb}: the last statement gives no rows",
                hint="rowcount has the number of rows that it changed, where the engine tells",
            )
