"""What native code calls and reads by name: the seam between the compiled half of the driver and this one.

`native/driver` asks Python for these names by text, so no compiler sees them; `tests/driver/test_abc.py` holds its text
against the members here, both ways. All arguments go by position. Every call is made with the interpreter held and with
no lock of native code held, so a method may block, may let other threads run, and may call the driver anew.

An exception that has the members of `Failure` becomes the ADBC error with that status, a `KeyboardInterrupt` becomes
CANCELLED, and any other one INTERNAL with its type and text. Where a contract says that nobody can be told, an
exception goes to `sys.unraisablehook`, and after an interrupt the method is called again, three times at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from e6data_adbc._native import Response, StreamStats
    from e6data_adbc.options import OptionValue

__all__ = [
    # Objects
    "Database",
    "Connection",
    "Statement",
    # Results
    "ResultSource",
    "StreamLimits",
    "KnowsItsCourse",
    "KnowsItsMethod",
    "KnowsItsWhole",
    "KnowsWhatChanged",
    # Modules
    "DriverModule",
    "ErrorsModule",
    "ArrivedDataModule",
    # Values
    "ArrayExporter",
    "Failure",
    "SchemaExporter",
    "StreamExporter",
]


# ---- values


@runtime_checkable
class SchemaExporter(Protocol):
    """A schema, such as a `pyarrow.Schema`."""

    def __arrow_c_schema__(self) -> Any:
        """Returns a capsule `arrow_schema`, whose struct native code moves out."""
        ...


@runtime_checkable
class ArrayExporter(Protocol):
    """A record batch; only the codec's functions take one."""

    def __arrow_c_array__(self, requested_schema: Any = None, /) -> tuple[Any, Any]:
        """Returns capsules `arrow_schema` and `arrow_array`, whose structs native code moves out."""
        ...


@runtime_checkable
class StreamExporter(Protocol):
    """Rows, such as a `pyarrow.RecordBatchReader`."""

    def __arrow_c_stream__(self, requested_schema: Any = None, /) -> Any:
        """Returns a capsule `arrow_array_stream`, whose struct native code moves out and hands to the caller."""
        ...


@runtime_checkable
class Failure(Protocol):
    """An exception that says what it means in ADBC, as those of `errors` do. Read once, where it was caught."""

    @property
    def status_code(self) -> Any:
        """The ADBC status code, an `int`; one that ADBC does not have counts as UNKNOWN."""
        ...

    @property
    def sqlstate(self) -> str | None:
        """Five ASCII characters; anything else is left out."""
        ...

    @property
    def vendor_code(self) -> int | None:
        """A code of the server's; one beyond 32 bits is left out."""
        ...

    @property
    def details(self) -> Sequence[tuple[Any, Any]]:
        """More evidence, as key and value, each `str` or `bytes`."""
        ...


# ---- results


@runtime_checkable
class StreamLimits(Protocol):
    """The limits of one stream. Read once, when it is opened."""

    @property
    def queue_bytes(self) -> int:
        """Bytes that may wait: of responses to be decoded, and again of batches to be read."""
        ...

    @property
    def batch_rows(self) -> int:
        """Rows at which a batch is complete."""
        ...

    @property
    def batch_bytes(self) -> int:
        """Bytes at which a batch is complete."""
        ...

    @property
    def max_chunk_rows(self) -> int:
        """Rows beyond which a chunk is refused."""
        ...

    @property
    def max_chunk_bytes(self) -> int:
        """Decoded bytes beyond which a chunk is refused."""
        ...

    @property
    def allow_missing_rows(self) -> bool:
        """Whether a result may end before its announced number of rows."""
        ...

    @property
    def prefetch(self) -> int:
        """Responses that may wait to be decoded; 0 fetches only while a reader waits."""
        ...


@runtime_checkable
class ResultSource(Protocol):
    """A running query, as the source of a stream.

    The thread that executes reads the attributes and calls `attach`, once each, before any row. From then on a thread
    of native code owns the source: it calls `next_response`, one call at a time, and in the end `close`. Where the
    source is also a `KnowsItsWhole` and has its whole result, there is no such thread: neither of the two is called.

    Where the stream cannot be opened, the executing thread calls `cancel` and `close` instead.
    """

    @property
    def query_id(self) -> str:
        """The server's id of the query, which all errors of the stream name; "" if it has none."""
        ...

    @property
    def schema(self) -> Any:
        """The schema of every batch, a `SchemaExporter`."""
        ...

    @property
    def options(self) -> StreamLimits:
        """The limits of the stream."""
        ...

    @property
    def announced_rows(self) -> int:
        """The rows that the server says the result has; -1 where it is not known."""
        ...

    def attach(self, stats: StreamStats, /) -> None:
        """Takes the counters of the stream, which any thread may read at any time."""
        ...

    def next_response(self) -> Response | None:
        """Returns the next response, or None at the end; may block. The fetch thread only.

        Not called again after the end or an exception. One that is no `Exception`, such as an interrupt, has `cancel`
        called.
        """
        ...

    def cancel(self) -> None:
        """Makes a `next_response` that blocks raise soon; waits for nothing. Any thread; nobody can be told.

        Called when nobody wants the rows that are left: the reader has gone, or the statement was cancelled.
        """
        ...

    def close(self) -> None:
        """Gives the query back to the server, on every path; may block. Nobody can be told."""
        ...


@runtime_checkable
class KnowsItsMethod(Protocol):
    """A source that names the method of its calls in errors before the first response; others are taken for V1."""

    @property
    def rpc(self) -> str:
        """The method that fetches."""
        ...


@runtime_checkable
class KnowsItsCourse(Protocol):
    """A source whose responses may come without it, from native code."""

    def course(self) -> object:
        """Returns a `_native.Course`, or None. The fetch thread only, after each `next_response` that gave a response.

        Responses then come by the course until one is not usual; what that is, `next_response` finds out.
        """
        ...


@runtime_checkable
class KnowsItsWhole(Protocol):
    """A source whose result may be here when it is opened, so that no thread has to be started for it."""

    @property
    def whole(self) -> list[Response] | None:
        """The result, in one response or none; None if it has to be fetched. A source that has it closes itself."""
        ...


@runtime_checkable
class KnowsWhatChanged(Protocol):
    """A source that knows how many rows its statement changed."""

    @property
    def rows_affected(self) -> int | None:
        """The rows that were changed, -1 where nobody knows; None to report the announced rows instead."""
        ...


# ---- database, connection, statement


@runtime_checkable
class Statement(Protocol):
    """What an `AdbcStatement` does. The manager's rule is one thread at a time; only `cancel` and options differ."""

    def set_option(self, key: str, value: OptionValue, /) -> None:
        """Sets an option, None unsets it. Any thread, also while the statement runs."""
        ...

    def get_option(self, key: str, /) -> OptionValue:
        """Returns an option; None is answered with NOT_FOUND. Any thread, also while the statement runs."""
        ...

    def set_sql_query(self, sql: str, /) -> None:
        """Takes the text to run."""
        ...

    def set_substrait_plan(self, plan: bytes, /) -> None:
        """Takes a plan to run."""
        ...

    def prepare(self) -> None:
        """Prepares the text that was set; may block."""
        ...

    def bind(self, reader: Any, /) -> None:
        """Takes a `pyarrow.RecordBatchReader` of parameters, or of rows to ingest; the statement owns it then."""
        ...

    def get_parameter_schema(self) -> SchemaExporter:
        """Returns a field for each parameter."""
        ...

    def execute(self) -> ResultSource:
        """Returns the running result, which the stream owns; may block until its schema is known.

        The stream of an earlier execution was cancelled before.
        """
        ...

    def execute_update(self) -> int:
        """Runs the statement to its end; returns the rows that it changed, -1 where that is not known. Blocks.

        Called where nobody wants rows.
        """
        ...

    def execute_schema(self) -> SchemaExporter:
        """Returns the schema of the result without running the statement; may block."""
        ...

    def execute_partitions(self) -> tuple[SchemaExporter | None, list[bytes], int]:
        """Returns the schema, the partitions' tickets, and the rows, -1 where not known; may block."""
        ...

    def cancel(self) -> None:
        """Ends the call under way; waits for nothing. Any thread, at any time; the stream was stopped before.

        INVALID_STATE says that nothing runs; native code drops it where it has stopped something itself.
        """
        ...

    def close(self) -> None:
        """Ends a call under way; a result lives on. Any thread, once; nobody can be told."""
        ...


@runtime_checkable
class Connection(Protocol):
    """What an `AdbcConnection` does once it is initialised. Any thread may call any method; all may block but `cancel`.

    The arguments are those of ADBC's functions of the same names; NULL is None.
    """

    def set_option(self, key: str, value: OptionValue, /) -> None:
        """Sets an option, None unsets it. Those from before `Init` came to `Database.connect`."""
        ...

    def get_option(self, key: str, /) -> OptionValue:
        """Returns an option; None is answered with NOT_FOUND."""
        ...

    def statement(self) -> Statement:
        """Returns a new statement."""
        ...

    def get_info(self, codes: list[int] | None, /) -> StreamExporter:
        """Returns facts about vendor and driver, all of them for None."""
        ...

    def get_objects(
        self,
        depth: int,
        catalog: str | None,
        db_schema: str | None,
        table_name: str | None,
        table_type: list[str] | None,
        column_name: str | None,
        /,
    ) -> StreamExporter:
        """Returns what exists, nested as ADBC says."""
        ...

    def get_table_types(self) -> StreamExporter:
        """Returns the kinds of tables."""
        ...

    def get_table_schema(
        self, catalog: str | None, db_schema: str | None, table_name: str, /
    ) -> SchemaExporter:
        """Returns the schema of a table."""
        ...

    def get_statistics(
        self,
        catalog: str | None,
        db_schema: str | None,
        table_name: str | None,
        approximate: bool,  # noqa: FBT001 - ADBC's signature
        /,
    ) -> StreamExporter:
        """Returns what is known about the sizes of tables."""
        ...

    def get_statistic_names(self) -> StreamExporter:
        """Returns the statistics that ADBC does not name."""
        ...

    def read_partition(self, descriptor: bytes, /) -> ResultSource:
        """Returns the running result of a ticket, which the stream owns."""
        ...

    def commit(self) -> None:
        """Commits the transaction."""
        ...

    def rollback(self) -> None:
        """Rolls the transaction back."""
        ...

    def cancel(self) -> None:
        """Ends the connection's own calls under way; waits for nothing. Any thread, at any time."""
        ...

    def close(self) -> None:
        """Ends everything that is under way; may block. Any thread, once; nobody can be told."""
        ...


@runtime_checkable
class Database(Protocol):
    """What an `AdbcDatabase` does once it is initialised. Any thread may call any method."""

    def set_option(self, key: str, value: OptionValue, /) -> None:
        """Sets an option, None unsets it. Those from before `Init` came to `open_database`."""
        ...

    def get_option(self, key: str, /) -> OptionValue:
        """Returns an option; None is answered with NOT_FOUND."""
        ...

    def connect(self, options: dict[str, OptionValue], /) -> Connection:
        """Returns a connection with *options*; may block."""
        ...

    def close(self) -> None:
        """Ends the database and what is left of its connections; may block. Any thread, once; nobody can be told."""
        ...


# ---- modules


@runtime_checkable
class DriverModule(Protocol):
    """`e6data_adbc._driver`, where native code enters."""

    def open_database(self, options: Mapping[str, OptionValue], /) -> Database:
        """Returns the database that *options* describe; may block. The thread that initialises it."""
        ...


@runtime_checkable
class ErrorsModule(Protocol):
    """`e6data_adbc.errors`, which makes exceptions of native failures."""

    def from_driver(
        self,
        status: int,
        message: str,
        sqlstate: str | None,
        vendor_code: int | None,
        details: list[tuple[str, bytes]],
        /,
    ) -> BaseException:
        """Returns the exception that the driver manager would raise. Any thread; must not block."""
        ...


@runtime_checkable
class ArrivedDataModule(Protocol):
    """`e6data_adbc._driver.binding.arrived_data`, which reads what callers bind."""

    def reader_of_array(self, exported: ArrayExporter, /) -> Any:
        """Returns the `pyarrow.RecordBatchReader` over one array. The thread that binds."""
        ...
