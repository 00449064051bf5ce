"""The batches of one run of a scan: of one query, or of parts of it that are read side by side."""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from e6data_adbc import errors
from e6data_adbc._reader import BatchReader, Parameters
from e6data_adbc.options import StatementOptions

if TYPE_CHECKING:
    import pyarrow as pa
    from adbc_driver_manager.dbapi import Connection
    from typing_extensions import Self

__all__ = ["Begun", "Partitions", "read"]

#: Seconds between looks at the other side.
_LOOK: Final = 0.2


@dataclasses.dataclass(frozen=True)
class Partitions:
    """Into how many parts a query is cut, at most, and by which column."""

    column: str
    count: int

    @classmethod
    def of(cls, given: Any) -> Partitions:
        """Returns what a user wrote, `(column, count)`; ProgrammingError for anything else."""
        is_pair = isinstance(given, Sequence) and not isinstance(given, str) and len(given) == 2
        if is_pair and isinstance(given[0], str) and type(given[1]) is int and given[1] > 0:
            return cls(given[0], given[1])
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not scan in partitions: {given!r} is no pair of a column and a count",
            hint="write partitions=('order_id', 8)",
        )


class Begun(Iterator["pa.RecordBatch"]):
    """The batches of a query of which the first has been read already."""

    def __init__(self, batches: BatchReader | _SideBySide) -> None:
        """Takes over *batches*, and waits for the first; Error if the query failed before it."""
        self._batches = batches
        self._first: pa.RecordBatch | None = None
        try:
            self._first = next(batches, None)
        except BaseException:
            batches.close()
            raise

    def __next__(self) -> pa.RecordBatch:
        if self._first is None:
            return next(self._batches)
        first, self._first = self._first, None
        return first

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._batches.close()


class _SideBySide(Iterator["pa.RecordBatch"]):
    """The batches of partitions as they come, each partition read by a thread of its own."""

    def __init__(
        self, connection: Connection, tickets: Sequence[bytes], opened: contextlib.ExitStack
    ) -> None:
        self._opened = opened
        self._feed: queue.Queue[Any] = queue.Queue(maxsize=len(tickets))
        self._stop = threading.Event()
        self._running = len(tickets)
        self._cursors = [
            opened.enter_context(contextlib.closing(connection.cursor())) for _ in tickets
        ]
        self._threads = [
            threading.Thread(
                target=self._read, args=(cursor, ticket), name="e6data-partition", daemon=True
            )
            for cursor, ticket in zip(self._cursors, tickets, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def __next__(self) -> pa.RecordBatch:
        while self._running:
            try:
                item = self._feed.get(timeout=_LOOK)  # a signal is seen between two waits
            except queue.Empty:
                continue
            if item is None:
                self._running -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                return item  # type: ignore[no-any-return]
        raise StopIteration

    def close(self) -> None:
        """Ends all readers, on the server too."""
        self._stop.set()
        while any(thread.is_alive() for thread in self._threads):
            for cursor, thread in zip(self._cursors, self._threads, strict=True):
                if thread.is_alive():
                    with contextlib.suppress(errors.Error):  # it may be at its end
                        cursor.adbc_cancel()
            for thread in self._threads:
                thread.join(_LOOK)
        self._opened.close()

    def _read(self, cursor: Any, ticket: bytes) -> None:
        item: Any = None
        try:
            cursor.adbc_read_partition(ticket)
            results = cursor._results  # its reader knows the error behind a failure
            for batch in cursor.fetch_record_batch() if results is None else results.reader:
                if not self._put(batch):
                    return
        except Exception as error:  # noqa: BLE001 - handed to the caller
            item = error
        self._put(item)

    def _put(self, item: Any) -> bool:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._feed.put(item, timeout=_LOOK)
                return True
        return False


def read(
    split: Partitions,
    sql: str,
    params: Parameters | None,
    *,
    uri: str | None,
    connection: Connection | None,
    db_kwargs: Mapping[str, Any] | None,
    conn_kwargs: Mapping[str, Any] | None,
) -> Begun:
    """Returns the batches of *sql*, cut and read side by side; their order is none.

    Args:
        split: How it is cut.
        sql: Whose result has the column.
        params: Its values.
        uri: Where to connect without *connection*.
        connection: An open connection, which stays open.
        db_kwargs: Options of a database that is opened.
        conn_kwargs: Options of its connection.

    Raises:
        Error: The query could not be cut.
    """
    opened = contextlib.ExitStack()
    try:
        if connection is None:
            import e6data_adbc

            connection = e6data_adbc.connect(uri, db_kwargs=db_kwargs, conn_kwargs=conn_kwargs)
            opened.enter_context(contextlib.closing(connection))
        options = {
            StatementOptions.PARTITION_ON.value: split.column,
            StatementOptions.PARTITION_COUNT.value: str(split.count),
        }
        with contextlib.closing(connection.cursor(adbc_stmt_kwargs=options)) as cursor:
            values: Any = dict(params) if isinstance(params, Mapping) else params
            tickets, _ = cursor.adbc_execute_partitions(sql, values)
        side_by_side = _SideBySide(connection, tickets, opened)
    except BaseException:
        opened.close()
        raise
    return Begun(side_by_side)
