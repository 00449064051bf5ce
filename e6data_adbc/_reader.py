"""The batches of one query, and the cursor and thread that keep them coming."""

from __future__ import annotations

import contextlib
import queue
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from e6data_adbc import errors

if TYPE_CHECKING:
    import pyarrow as pa
    from adbc_driver_manager.dbapi import Connection, Cursor
    from typing_extensions import Self

    from e6data_adbc._dbapi.direct import DirectCursor

__all__ = ["BatchReader", "Frames", "Parameters", "query"]

T = TypeVar("T")

#: Values for `?`, or for names.
Parameters = Sequence[Any] | Mapping[str, Any]

#: Seconds between looks at the other side. On some systems a signal is only seen between two waits.
_LOOK: Final = 0.2
#: Seconds that closing waits for a read which was told to stop.
_PATIENCE: Final = 15.0


class BatchReader(Iterator["pa.RecordBatch"]):
    """The record batches of a running query, in order; close it, or use it in `with`.

    A thread reads one batch ahead, so that the caller can be interrupted while the engine works, and works on a batch
    while the next is on its way. Closing before the end cancels the query on the server. One thread may iterate, any
    may `cancel`.
    """

    def __init__(
        self,
        cursor: Cursor | DirectCursor,
        *close_after: contextlib.AbstractContextManager[Any],
        at_end: Callable[[], object] = lambda: None,
    ) -> None:
        """Takes over *cursor*, on which a query was executed.

        Args:
            cursor: Closed with the last batch, or by `close`.
            close_after: What shall be closed after it.
            at_end: Called after the last batch, before the cursor is closed.
        """
        self._at_end = at_end
        # Not fetch_record_batch(): its reader loses the status and details of an error.
        results = cursor._results
        reader: Any = cursor.fetch_record_batch() if results is None else results.reader
        self.schema: pa.Schema = reader.schema
        #: Rows the server announced, or -1.
        self.announced_rows: int = cursor.rowcount
        self._cursor = cursor
        #: Why there is nothing more, unless the rows ended or `close` was called.
        self._failure: BaseException | None = None
        self._feed: queue.Queue[Any] = queue.Queue(maxsize=1)
        self._stop = threading.Event()
        thread = threading.Thread(
            target=_pump, args=(reader, self._feed, self._stop), name="e6data-batches", daemon=True
        )
        # Runs once: on close, when the last reference goes, or at exit.
        self._finalizer = weakref.finalize(
            self, _shut_down, cursor, close_after, thread, self._feed, self._stop
        )
        thread.start()

    def __next__(self) -> pa.RecordBatch:
        batch = self.poll(_LOOK)
        while batch is None:
            batch = self._look(_LOOK, has_waited=True)
        return batch

    def poll(self, seconds: float) -> pa.RecordBatch | None:
        """Returns the next batch, or None when none came within *seconds*.

        Raises:
            StopIteration: There are no more.
            Error: The query failed, or a call of this was interrupted, which may have lost a batch; it stays failed.
        """
        return self._look(seconds, has_waited=False)

    def _look(self, seconds: float, *, has_waited: bool) -> pa.RecordBatch | None:
        try:
            return self._poll(seconds, has_waited=has_waited)
        except Exception:
            raise  # no batch was lost
        except BaseException:
            self._failure = self._failure or errors.make(
                errors.Status.CANCELLED,
                "could not read the next batch: reading was interrupted, and a batch may be lost",
                hint="run the query again",
            )
            self.close()
            raise

    def _poll(self, seconds: float, *, has_waited: bool) -> pa.RecordBatch | None:
        if self._failure is not None:
            raise self._failure
        if not self._finalizer.alive:
            if not has_waited:
                raise StopIteration
            # By a signal handler, or another thread: the batch that was waited for would be missed.
            raise errors.make(
                errors.Status.CANCELLED,
                "could not read the next batch: the reader was closed meanwhile",
                hint="run the query again",
            )
        try:
            item = self._feed.get(timeout=seconds)
        except queue.Empty:
            return None
        if item is None:
            try:
                self._at_end()
            finally:
                self.close()
            raise StopIteration
        if isinstance(item, BaseException):
            self._failure = item
            self.close()
            raise item
        return item  # type: ignore[no-any-return]

    def cancel(self) -> None:
        """Tells the server to stop and returns at once; the next batch is then an error."""
        _cancel(self._cursor)

    def close(self) -> None:
        """Ends the query, on the server too, and closes the cursor; further calls do nothing."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Frames(Iterator[T], Generic[T]):
    """What a generator makes of batches; closing or dropping it ends the query, begun or not."""

    def __init__(self, batches: BatchReader, make: Callable[[BatchReader], Iterator[T]]) -> None:
        self._batches = batches
        self._frames = make(batches)
        self._closed = False
        self._failure: BaseException | None = None

    def __next__(self) -> T:
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise StopIteration
        try:
            return next(self._frames)
        except StopIteration:
            self.close()
            raise
        except Exception as error:
            self._failure = error
            self.close()
            raise
        except BaseException:
            self._failure = self._failure or errors.make(
                errors.Status.CANCELLED,
                "could not make the next frame: reading was interrupted, and rows may be lost",
                hint="run the query again",
            )
            self.close()
            raise

    def close(self) -> None:
        """Ends the query, on the server too; further calls do nothing."""
        self._closed = True
        self._batches.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def query(
    sql: str,
    uri: str | None = None,
    *,
    params: Parameters | None = None,
    connection: Connection | None = None,
    db_kwargs: Mapping[str, Any] | None = None,
    conn_kwargs: Mapping[str, Any] | None = None,
) -> BatchReader:
    """Returns the batches of *sql*, which is running when this returns.

    Args:
        sql: One statement.
        uri: Where to connect; a connection of its own is opened and closed with the batches. Without it and
            *connection*, `E6DATA_URI`.
        params: A sequence for `?`, or a mapping for `:name`.
        connection: An open connection to use instead; it stays open.
        db_kwargs: Options of the database, by key.
        conn_kwargs: Options of the connection, by key.

    Raises:
        Error: The arguments exclude each other, or the query could not be started.
    """
    values = _bound(params)
    if connection is not None and (uri is not None or db_kwargs or conn_kwargs):
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            "could not read: both a connection and a way to open one were given",
        )
    opened = contextlib.ExitStack()
    try:
        if connection is None:
            import e6data_adbc

            connection = e6data_adbc.connect(uri, db_kwargs=db_kwargs, conn_kwargs=conn_kwargs)
            opened.enter_context(contextlib.closing(connection))
        cursor = connection.cursor()
        opened.enter_context(contextlib.closing(cursor))
        cursor.execute(sql, values)
        return BatchReader(cursor, opened)
    except BaseException:
        opened.close()
        raise


def _bound(params: Parameters | None) -> list[Any] | dict[str, Any] | None:
    if params is None:
        return None
    if isinstance(params, Mapping):
        return dict(params)
    if isinstance(params, str | bytes) or not isinstance(params, Sequence):
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not bind parameters: {type(params).__name__!r} is neither a sequence nor a mapping of values",
        )
    return list(params)


def _pump(reader: Any, feed: queue.Queue[Any], stop: threading.Event) -> None:
    item: Any = None
    try:
        for batch in reader:
            if not _put(batch, feed, stop):
                return
    except Exception as error:  # noqa: BLE001 - handed to the caller
        item = error
    _put(item, feed, stop)


def _put(item: Any, feed: queue.Queue[Any], stop: threading.Event) -> bool:
    while not stop.is_set():
        with contextlib.suppress(queue.Full):
            feed.put(item, timeout=_LOOK)
            return True
    return False


def _cancel(cursor: Cursor | DirectCursor) -> None:
    with contextlib.suppress(errors.Error):  # nothing is running
        cursor.adbc_cancel()


def _shut_down(
    cursor: Cursor | DirectCursor,
    close_after: Sequence[contextlib.AbstractContextManager[Any]],
    thread: threading.Thread,
    feed: queue.Queue[Any],
    stop: threading.Event,
) -> None:
    # The garbage collector may run this in the thread itself, which then reads no further.
    is_reading = thread.is_alive if thread is not threading.current_thread() else lambda: False
    stop.set()
    try:
        with contextlib.suppress(queue.Empty):
            feed.get_nowait()
        if is_reading():
            thread.join(0.01)  # it may be at its end
        if is_reading():
            _cancel(cursor)
            thread.join(_PATIENCE)
    finally:  # this may be interrupted, too
        if not is_reading():  # a stream must not be released while it is being read: leak it
            cursor.close()
            for resource in close_after:
                resource.__exit__(None, None, None)
