"""The driver manager's connection and cursor without its thread for interrupts: Ctrl-C is `KeyboardInterrupt`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Literal

import pyarrow as pa
from adbc_driver_manager import StatementOptions as _Options
from adbc_driver_manager import dbapi as _manager
from pyarrow import dataset

from e6data_adbc import errors
from e6data_adbc._dbapi.interrupts import call, call_in_thread
from e6data_adbc._dbapi.option_texts import flaw_of, refused_text
from e6data_adbc._dbapi.pandas_frames import frame_table, is_frame
from e6data_adbc._dbapi.polars_frames import exportable
from e6data_adbc._dbapi.result import Result
from e6data_adbc._native import Reading
from e6data_adbc.options import StatementOptions

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from typing_extensions import Self

__all__ = ["Connection", "Cursor"]

#: What the manager calls ingestion's ways, and ADBC's values for them.
_MODES: Final = {
    "append": "adbc.ingest.mode.append",
    "create": "adbc.ingest.mode.create",
    "replace": "adbc.ingest.mode.replace",
    "create_append": "adbc.ingest.mode.create_append",
}


class Connection(_manager.Connection):
    """A connection whose reads of metadata can be interrupted."""

    def adbc_get_info(self) -> dict[str | int, Any]:
        """Returns facts about the server and the driver; see the driver manager's."""
        return call_in_thread(super().adbc_get_info, self._conn.cancel)

    def adbc_get_objects(self, **arguments: Any) -> pa.RecordBatchReader:
        """Returns catalogs, schemas, tables and columns; see the driver manager's."""
        inherited = super().adbc_get_objects
        return call_in_thread(lambda: inherited(**arguments), self._conn.cancel)

    def adbc_get_statistics(self, **arguments: Any) -> pa.RecordBatchReader:
        """Returns statistics of tables; see the driver manager's."""
        inherited = super().adbc_get_statistics
        return call_in_thread(lambda: inherited(**arguments), self._conn.cancel)

    def adbc_get_statistic_names(self) -> pa.RecordBatchReader:
        """Returns the names of the driver's own statistics; see the driver manager's."""
        return call_in_thread(super().adbc_get_statistic_names, self._conn.cancel)

    def adbc_get_table_schema(self, table_name: str, **arguments: Any) -> pa.Schema:
        """Returns the columns of a table; see the driver manager's."""
        inherited = super().adbc_get_table_schema
        return call_in_thread(lambda: inherited(table_name, **arguments), self._conn.cancel)

    def adbc_get_table_types(self) -> list[str]:
        """Returns the kinds of tables; see the driver manager's."""
        return call_in_thread(super().adbc_get_table_types, self._conn.cancel)


class Cursor(_manager.Cursor):
    """A cursor whose calls can be interrupted, and whose results lose no row."""

    def execute(self, operation: bytes | str, parameters: Any = None) -> Self:
        """Runs a statement; see the driver manager's."""
        self._clear()
        self._prepare_execute(operation, parameters)
        handle, self._rowcount = call(self._stmt.execute_query, self._stmt.cancel)
        self._take_result(handle)
        return self

    def executemany(self, operation: bytes | str, seq_of_parameters: Any) -> None:
        """Runs a statement once for each row of parameters; see the driver manager's."""
        self._clear()
        self._prepare(operation)
        if _is_arrow(seq_of_parameters):
            self._bind(seq_of_parameters)
        elif seq_of_parameters is not None:
            if not seq_of_parameters:
                return  # no row, nothing to run
            backend = self._conn._backend
            rows, by_name = backend.convert_executemany_parameters(seq_of_parameters)
            self._bind(rows)
            self._set_by_name(by_name=by_name)
        self._rowcount = call(self._stmt.execute_update, self._stmt.cancel)

    def executescript(self, operation: str) -> None:
        """Runs statements; see the driver manager's."""
        self._clear()
        self._last_query = None
        self._stmt.set_sql_query(operation)
        call(self._stmt.execute_update, self._stmt.cancel)

    def adbc_ingest(
        self,
        table_name: str,
        data: Any,
        mode: Literal["append", "create", "replace", "create_append"] = "create",
        *,
        catalog_name: str | None = None,
        db_schema_name: str | None = None,
        temporary: bool = False,
    ) -> int:
        """Writes Arrow data into a table and returns the number of rows; see the driver manager's."""
        self._clear()
        if mode not in _MODES:
            raise errors.make(
                errors.Status.INVALID_ARGUMENT,
                f"could not ingest: mode {mode!r} is none of {', '.join(_MODES)}",
            )
        options: dict[str, Any] = {
            _Options.INGEST_TARGET_TABLE.value: table_name,
            _Options.INGEST_MODE.value: _MODES[mode],
            _Options.INGEST_TARGET_CATALOG.value: catalog_name,
            _Options.INGEST_TARGET_DB_SCHEMA.value: db_schema_name,
            _Options.INGEST_TEMPORARY.value: "true" if temporary else "false",
        }
        self._stmt.set_options(
            **{key: value for key, value in options.items() if value is not None}
        )
        data = _arrow_data(data)
        _check_names(data)
        self._bind(data)
        self._last_query = None
        written: int = call(self._stmt.execute_update, self._stmt.cancel)
        return written

    def adbc_execute_partitions(
        self, operation: bytes | str, parameters: Any = None
    ) -> tuple[list[bytes], Any]:
        """Returns the partitions of a query and its schema; see the driver manager's."""
        self._clear()
        self._prepare_execute(operation, parameters)
        partitions, schema, self._rowcount = call(self._stmt.execute_partitions, self._stmt.cancel)
        if schema is None or not schema.address:
            return partitions, None
        return partitions, self._conn._backend.import_schema(schema)

    def adbc_execute_schema(self, operation: bytes | str, parameters: Any = None) -> pa.Schema:
        """Returns the schema of a query's result without running it; see the driver manager's."""
        self._clear()
        self._prepare_execute(operation, parameters)
        handle = call(self._stmt.execute_schema, self._stmt.cancel)
        schema: pa.Schema = self._conn._backend.import_schema(handle)
        return schema

    def adbc_prepare(self, operation: bytes | str) -> pa.Schema | None:
        """Prepares a statement and returns the schema of its parameters; see the driver manager's."""
        self._clear()
        self._prepare_execute(operation)
        try:
            handle = call(self._stmt.get_parameter_schema, self._stmt.cancel)
        except errors.NotSupportedError:
            return None
        schema: pa.Schema = self._conn._backend.import_schema(handle)
        return schema

    def adbc_read_partition(self, partition: bytes) -> None:
        """Makes a partition the result to fetch from; see the driver manager's."""
        self._clear()
        connection = self._conn._conn
        handle = call(lambda: connection.read_partition(partition), connection.cancel)
        self._rowcount = -1
        self._take_result(handle)

    def fetch_batch(self) -> pa.RecordBatch | None:
        """Returns the next record batch, or what fetched rows left of one; None at the end.

        Raises:
            ProgrammingError: Nothing was executed.
            Error: The query failed, or a fetch was interrupted.
        """
        batch: pa.RecordBatch | None = self._open_result("fetch a batch").read_batch()
        return batch

    # The manager's look at the result twice, and by the second time a signal handler or another thread may have closed
    # the cursor.

    def fetchone(self) -> tuple[Any, ...] | None:
        """Returns the next row, or None."""
        row: tuple[Any, ...] | None = self._open_result("fetch a row").fetchone()
        return row

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """Returns the next *size* rows, `arraysize` by default."""
        result = self._open_result("fetch rows")
        rows: list[tuple[Any, ...]] = result.fetchmany(self.arraysize if size is None else size)
        return rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Returns the rows that are left."""
        rows: list[tuple[Any, ...]] = self._open_result("fetch rows").fetchall()
        return rows

    def fetch_arrow_table(self) -> pa.Table:
        """Returns the rows that are left."""
        table: pa.Table = self._open_result("fetch the rows").fetch_arrow_table()
        return table

    def fetch_df(self) -> pd.DataFrame:
        """Returns the rows that are left."""
        frame: pd.DataFrame = self._open_result("fetch the rows").fetch_df()
        return frame

    def fetch_polars(self) -> pl.DataFrame:
        """Returns the rows that are left."""
        frame: pl.DataFrame = self._open_result("fetch the rows").fetch_polars()
        return frame

    def fetch_record_batch(self) -> pa.RecordBatchReader:
        """Returns a reader of the rows that are left."""
        reader: pa.RecordBatchReader = self._open_result("read the result").reader._reader
        return reader

    def fetch_arrow(self) -> Any:
        """Returns the rows that are left as an Arrow stream, which lives on its own; may be called once."""
        return self._open_result("fetch the stream").fetch_arrow()

    @property
    def description(self) -> list[tuple[Any, ...]] | None:
        """Name and type of each column, as sequences of seven (PEP 249); None where there is no result."""
        result: Any = self._results
        found: list[tuple[Any, ...]] | None = None if result is None else result.description
        return found

    @property
    def rownumber(self) -> int | None:
        """The rows of the result that were fetched; None where there is none."""
        result: Any = self._results
        return None if result is None else int(result.rownumber)

    def _open_result(self, verb: str) -> Any:
        result = self._results
        if result is None:
            why = "the cursor is closed" if self._closed else "nothing was executed"
            raise errors.make(errors.Status.INVALID_STATE, f"could not {verb}: {why}")
        return result

    def _clear(self) -> None:
        result, self._results = self._results, None
        if result is not None:
            result.close()

    def _take_result(self, handle: Any) -> None:
        """Takes the result of what was executed.

        Raises:
            OperationalError: The cursor was closed meanwhile (CANCELLED).
        """
        self._results = self._result(handle)
        if self._closed:
            self._clear()
            raise errors.make(
                errors.Status.CANCELLED,
                "could not execute the statement: the cursor was closed meanwhile",
            )

    def _fail_result(self, why: str) -> None:
        """Refuses every further fetch of the result, if there is one."""
        result: Any = self._results
        if result is not None:
            result.fail(why)

    def _prepare_execute(self, operation: bytes | str, parameters: Any = None) -> None:
        self._results = None
        self._prepare(operation)
        if _is_arrow(parameters):
            self._bind(parameters)
        elif parameters:
            self._bind(self._conn._backend.convert_bind_parameters(parameters))
            self._set_by_name(by_name=isinstance(parameters, dict))

    def _prepare(self, operation: bytes | str) -> None:
        if operation == self._last_query:
            return
        self._last_query = None  # until it is taken
        if isinstance(operation, bytes):
            self._stmt.set_substrait_plan(operation)
        else:
            self._stmt.set_sql_query(operation)
        # ADBC's own prepare would do no more: the server plans a text when it is executed.
        self._last_query = operation

    def _set_by_name(self, *, by_name: bool) -> None:
        if by_name != self._bind_by_name:
            key = _Options.BIND_BY_NAME.value
            self._stmt.set_options(**{key: "true" if by_name else "false"})
            self._bind_by_name = by_name

    def _result(self, handle: Any) -> Any:
        reading = Reading.opened()
        if reading is None:
            raise errors.make(errors.Status.INTERNAL, "could not read the result: it is not ours")
        statement = self._stmt

        def query_id() -> str | None:
            try:
                return str(statement.get_option(StatementOptions.QUERY_ID.value))
            except errors.Error:  # a partition's, or of a closed statement
                return None

        return Result(handle, reading, query_id)


def _is_arrow(data: Any) -> bool:
    return (
        hasattr(data, "__arrow_c_array__")
        or hasattr(data, "__arrow_c_stream__")
        or type(data).__name__ == "PyCapsule"
    )


def _check_names(data: Any) -> None:
    """Raises INVALID_ARGUMENT where C would cut the name of a column of *data*, as far as it tells them."""
    names = getattr(getattr(data, "schema", None), "names", ())
    for name in names() if callable(names) else names:  # Polars has a method
        if (flaw := flaw_of(name)) is not None:
            raise refused_text(f"ingest column {name!r}", flaw)


def _arrow_data(data: Any) -> Any:
    """Returns what can be bound of *data*: Arrow data, a data set, a frame, or batches.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, it is none of these.
        Error: What it holds cannot be ingested.
    """
    if isinstance(data, dataset.Dataset):
        return data.scanner().to_reader()
    if isinstance(data, dataset.Scanner):
        return data.to_reader()
    if is_frame(data):
        return frame_table(
            data, lambda name, _: lambda row: f"column {name!r} of row {row + 1}", index=True
        )
    if _is_arrow(data):
        return exportable(data)
    batches = list(data) if isinstance(data, Iterable) and not isinstance(data, str | bytes) else []
    if not batches or not all(isinstance(batch, pa.RecordBatch) for batch in batches):
        found = f"{type(data).__name__!r} holds no record batches"
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not ingest: {found}",
            hint="pass a table, a frame, a reader or a list of record batches; executemany takes rows of Python",
        )
    try:
        return pa.Table.from_batches(batches)
    except pa.ArrowInvalid as cause:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not ingest: the batches do not fit together: {cause}",
        ) from cause
