"""Connection and cursor on the driver manager's low level, for short processes.

The manager's DB-API module imports pandas and Polars where they are installed, which costs more than a query; this
needs neither. It has the calls of the DB-API module that the command line uses, by the same names.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from adbc_driver_manager import GetObjectsDepth

from e6data_adbc import errors
from e6data_adbc._dbapi.handles import ConnectionHandle, StatementHandle
from e6data_adbc._dbapi.opening import open_database
from e6data_adbc._dbapi.option_texts import texts
from e6data_adbc._dbapi.told import Analysis, Timings, progress_of, timings_of
from e6data_adbc.options import StatementOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from typing_extensions import Self

__all__ = ["DirectConnection", "DirectCursor"]


class DirectConnection:
    """An open connection. Calls are not interruptible by themselves: whoever waits runs them in a thread."""

    def __init__(
        self,
        uri: str | None,
        *,
        db_kwargs: Mapping[str, Any] | None = None,
        conn_kwargs: Mapping[str, Any] | None = None,
        on_progress: Callable[[str], object] | None = None,
    ) -> None:
        """Opens it; see `e6data_adbc.connect`."""
        from e6data_adbc._session.login.hooks import HOOKS

        with HOOKS.offer(on_progress=on_progress) as hooks:
            self._database = open_database(uri, db_kwargs or {}, hooks)
        try:
            self.adbc_connection = ConnectionHandle(self._database, **texts(conn_kwargs or {}))
        except BaseException:
            self._database.close()
            raise

    def cursor(self, *, adbc_stmt_kwargs: Mapping[str, Any] | None = None) -> DirectCursor:
        """Returns a new cursor, with options of its statement by key."""
        return DirectCursor(self.adbc_connection, adbc_stmt_kwargs or {})

    def adbc_get_objects(
        self,
        *,
        depth: str = "all",
        catalog_filter: str | None = None,
        db_schema_filter: str | None = None,
        table_name_filter: str | None = None,
        column_name_filter: str | None = None,
    ) -> Any:
        """Returns a reader of catalogs, schemas, tables and columns; see the driver manager's."""
        from e6data_adbc._dbapi.streams import import_reader

        return import_reader(
            self.adbc_connection.get_objects(
                GetObjectsDepth[depth.upper()],
                catalog=catalog_filter,
                db_schema=db_schema_filter,
                table_name=table_name_filter,
                column_name=column_name_filter,
            )
        )

    def adbc_cancel(self) -> None:
        """Cancels what runs on the connection itself. `Error` (INVALID_STATE) if nothing does."""
        self.adbc_connection.cancel()

    def close(self) -> None:
        """Ends what runs, and closes; may be called again."""
        self.adbc_connection.end_loans()
        self.adbc_connection.close()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class DirectCursor:
    """Runs statements, one after another."""

    #: As cursors of the DB-API module have it; here a result is read by its reader alone.
    _results = None

    def __init__(self, connection: ConnectionHandle, options: Mapping[str, Any]) -> None:
        self._statement = StatementHandle(connection)
        #: Rows that the server announced or the statement changed; -1 where that is not known.
        self.rowcount = -1
        self._stream: Any = None
        self._reader: Any = None
        try:
            if options:
                self._statement.set_options(**options)
        except BaseException:
            self._statement.close()
            raise

    def execute(self, operation: str, parameters: Any = None) -> Self:
        """Runs a statement, with values for `?` in a sequence or for `:name` in a mapping."""
        self._drop()
        bound = None
        if parameters:
            from e6data_adbc._dbapi.parameters import of_one

            operation, bound = of_one(operation, parameters, "qmark")
        self._statement.set_sql_query(operation)
        if bound is not None:
            schema, row = bound.__arrow_c_array__()
            self._statement.bind(row, schema)
        self._stream, self.rowcount = self._statement.execute_query()
        return self

    def fetch_record_batch(self) -> Any:
        """Returns the reader of the rows, which raises this package's errors."""
        if self._reader is None:
            from e6data_adbc._dbapi.streams import import_reader

            stream, self._stream = self._stream, None
            self._reader = import_reader(stream)
        return self._reader

    def fetch_arrow_table(self) -> pa.Table:
        """Returns the rows that are left."""
        table: pa.Table = self.fetch_record_batch().read_all()
        return table

    @property
    def query_id(self) -> str:
        """The server's id of the last query. ProgrammingError (NOT_FOUND) where there is none."""
        return str(self._statement.get_option(StatementOptions.QUERY_ID.value))

    def timings(self) -> Timings:
        """Returns how the server ran the last query, whose rows were all read; needs the option for it."""
        return timings_of(self._statement)

    def progress(self) -> tuple[int, int | None]:
        """Returns how many rows of the result were delivered, and how many the server announced, if it did."""
        return progress_of(self._statement)

    def explain(self, operation: str, parameters: Any = None) -> str:
        """Returns the server's plan of a statement, which is not run."""
        return str(self._ask(StatementOptions.EXPLAIN, operation, parameters)["plan"])

    def explain_analyze(self, operation: str, parameters: Any = None) -> Analysis:
        """Runs a statement, drops its rows, and returns its plan and its times."""
        return Analysis(**self._ask(StatementOptions.EXPLAIN_ANALYZE, operation, parameters))

    def dry_run(self, operation: str, parameters: Any = None) -> str:
        """Returns what the server's dry run says about a statement, which is not run."""
        return str(self._ask(StatementOptions.DRY_RUN, operation, parameters)["plan"])

    def _ask(self, option: StatementOptions, operation: str, parameters: Any) -> dict[str, Any]:
        self._statement.set_options(**{option.value: "true"})
        try:
            self.execute(operation, parameters)
            (row,) = self.fetch_arrow_table().to_pylist()
        finally:
            with contextlib.suppress(errors.Error):  # it was closed meanwhile, which the call says
                self._statement.set_options(**{option.value: "false"})
        found: dict[str, Any] = row
        return found

    def adbc_cancel(self) -> None:
        """Cancels what runs, from any thread. `Error` (INVALID_STATE) if nothing does."""
        self._statement.cancel()

    def close(self) -> None:
        """Ends the query, if it runs, and the cursor; may be called again."""
        self._drop()
        self._statement.close()

    def _drop(self) -> None:
        reader, self._reader = self._reader, None
        stream, self._stream = self._stream, None
        if reader is not None:
            reader.close()
        elif stream is not None:
            stream.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
