"""The rows of one statement: fetched one by one, as frames, or by a reader, in any order, and each of them once."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._dbapi.interrupts import call
from e6data_adbc._dbapi.rows import Refused, Row, to_rows
from e6data_adbc._dbapi.streams import import_reader

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from e6data_adbc._native import Reading

__all__ = ["INTERRUPTED", "Result"]

T = TypeVar("T")

#: Rows that `fetchone` makes objects of at a time: as many as were asked for so far, up to this.
_MOST_AHEAD: Final = 1024
#: Why a result has failed whose fetch was left in the middle.
INTERRUPTED: Final = "a fetch was interrupted, and nobody can tell which of its rows arrived"


class Result:
    """The result that a cursor fetches from. One thread at a time may call it; any may `fail` or `close` it.

    A fetch takes its rows when it has made all of what it returns. Where a value has no Python object it takes none:
    rows are refused from then on, and the fetches of Arrow give them. After an interrupt nobody can tell which rows
    arrived, so every fetch is refused.

    Readers that were handed out share the stream: what a fetch read and did not take goes back into it.

    Attributes:
        rownumber: Rows that were fetched so far, without those of readers.
    """

    def __init__(self, handle: Any, reading: Reading, query_id: Callable[[], str | None]) -> None:
        """Takes over the stream that a statement gave.

        Args:
            handle: The driver manager's `ArrowArrayStreamHandle`.
            reading: The native side of the same result.
            query_id: Returns the server's id of the query, for errors.
        """
        self.rownumber = 0
        self._handle: Any = handle
        self._reader: Any = None
        self._is_closed = False
        #: Whether a fetch is under way, which has the rows below until it ends, also where the result is closed.
        self._is_fetching = False
        self._reading = reading
        self._query_id = query_id
        #: Batches that were read and not wholly taken, and how many rows of the first are.
        self._waiting: list[pa.RecordBatch] = []
        self._taken = 0
        #: The next rows, of the first batch, made ahead of their being taken; the last is the next.
        self._ahead: list[Row] = []
        self._is_shared = False
        #: Why every fetch, or every one of Python values, is refused.
        self._failure: str | None = None
        self._refusal: str | None = None
        self._pid = os.getpid()
        reading.keep(0)

    # ---- rows

    def fetchone(self) -> Row | None:
        """Returns the next row, or None at the end. DataError where it has a value that Python cannot hold."""
        return self._fetch("fetch a row", self._next_row, as_values=True)

    def fetchmany(self, size: int) -> list[Row]:
        """Returns the next *size* rows, fewer at the end. DataError as for `fetchone`."""
        return self._fetch("fetch rows", lambda: self._next_rows(size), as_values=True)

    def fetchall(self) -> list[Row]:
        """Returns the rows that are left. DataError as for `fetchone`."""
        return self._fetch("fetch rows", lambda: self._next_rows(None), as_values=True)

    def peek(self, most: int) -> tuple[list[str], list[list[Any]]]:
        """Returns the names of the columns and the next rows as text, which stay; none where they are shared or gone.

        Args:
            most: How many rows.
        """
        names = [str(entry[0]) for entry in self.description] if not self._is_closed else []
        if self._failure is not None or self._is_shared or not names:
            return names, []
        batch = self._fetch("look at the rows", lambda: self._glimpse(most))
        if batch is None:
            return names, []
        columns = [[_seen(value) for value in column] for column in batch.columns]
        return names, [list(row) for row in zip(*columns, strict=True)]

    # ---- Arrow

    def read_batch(self) -> pa.RecordBatch | None:
        """Returns what is left of the batch that rows were taken of, or the next one; None at the end."""
        return self._fetch("fetch a batch", self._next_batch)

    def fetch_arrow_table(self) -> pa.Table:
        """Returns the rows that are left."""
        return self._fetch("fetch the rows", lambda: self._all(lambda table: table))

    def fetch_df(self) -> pd.DataFrame:
        """Returns the rows that are left."""
        import pandas as pd  # before a row is read

        del pd
        return self._fetch("fetch the rows", lambda: self._all(lambda table: table.to_pandas()))

    def fetch_polars(self) -> pl.DataFrame:
        """Returns the rows that are left."""
        import polars as pl

        def frame(table: pa.Table) -> pl.DataFrame:
            return pl.DataFrame(table.to_reader())

        return self._fetch("fetch the rows", lambda: self._all(frame))

    @property
    def reader(self) -> Any:
        """A reader of the rows that are left, the driver manager's, which knows the status of a failure.

        It shares the stream with this result: what one reads the other does not.
        """
        return self._fetch("read the result", self._share)

    def fetch_arrow(self) -> Any:
        """Returns the rows that are left as an Arrow stream, which lives on its own; may be called once."""
        return self._fetch("fetch the stream", self._hand_over)

    # ---- what cursors ask

    @property
    def description(self) -> list[tuple[Any, ...]]:
        """Name and type of each column, as sequences of seven (PEP 249)."""
        schema = self._opened().schema if self._handle is None else pa.schema(self._handle)
        return [(field.name, field.type, None, None, None, None, None) for field in schema]

    def fail(self, why: str) -> None:
        """Refuses every further fetch, also those of the readers that were handed out, and ends the query."""
        self._failure = self._failure or why
        self._reading.fail(why)

    def close(self) -> None:
        """Drops the rows that are left and ends the query; a stream of `fetch_arrow` lives on."""
        # Before it looks: a reader that is being made is none yet, see `_opened`, and a fetch that has begun looks at
        # this before it ends.
        self._is_closed = True
        reader, self._reader = self._reader, None
        handle, self._handle = self._handle, None
        if not self._is_fetching:
            self._drop()
        if reader is not None:
            reader.close()
        elif handle is not None:
            handle.release()

    # ---- parts of fetching

    def _fetch(self, verb: str, make: Callable[[], T], *, as_values: bool = False) -> T:
        # Written so that no interrupt falls between the taking of rows and the `except`: no call is outside of it.
        try:
            self._is_fetching = True
            try:
                self._check(verb, as_values=as_values)
                made = make()
            finally:
                if self._is_shared and self._failure is None:
                    self._give_back()
                self._is_fetching = False
                if self._is_closed:
                    self._drop()
            if self._is_closed:  # by a signal handler in the midst of it, or by another thread
                raise self._closed_meanwhile(verb)
            return made
        except Refused as refused:
            raise self._refuse(verb, refused) from None
        except Exception:
            raise  # nothing was taken
        except BaseException:
            self._failure = self._failure or INTERRUPTED
            self._reading.fail(INTERRUPTED)
            raise

    def _drop(self) -> None:
        self._waiting, self._taken, self._ahead = [], 0, []

    def _closed_meanwhile(self, verb: str) -> errors.Error:
        return errors.make(
            errors.Status.CANCELLED,
            f"could not {verb}: the result was closed meanwhile",
            query_id=self._query_id(),
            hint="execute the statement again",
        )

    def _check(self, verb: str, *, as_values: bool) -> None:
        if self._is_closed:
            raise _gone()
        # Rows that are here are the parent's, which gives them; what is not here the stream refuses.
        if self._waiting and os.getpid() != self._pid:
            raise errors.make(
                errors.Status.INVALID_STATE,
                "could not use this result: it was opened before a fork",
                hint="reconnect in this process",
            )
        if self._failure is not None:
            raise errors.make(
                errors.Status.CANCELLED,
                f"could not {verb}: the result has failed: {self._failure}",
                query_id=self._query_id(),
                hint="execute the statement again",
            )
        if as_values and self._refusal is not None:
            raise errors.make(
                errors.Status.INVALID_STATE,
                f"could not {verb}: Python has no value for {self._refusal}",
                query_id=self._query_id(),
                hint="fetch_arrow_table() gives the rows that are left, that one among them",
            )

    def _refuse(self, verb: str, refused: Refused) -> errors.Error:
        row, column, kind = refused.cell
        place = f"column {column!r} of row {self.rownumber + row + 1}"
        self._refusal = place
        return errors.make(
            errors.Status.INVALID_DATA,
            f"could not {verb}: Python has no value for {place}, which is of type {kind} ({refused})",
            query_id=self._query_id(),
            sqlstate="22003",
            hint="fetch_arrow_table() holds it and gives the rows that are left; or cast the column to text",
        )

    def _glimpse(self, most: int) -> pa.RecordBatch | None:
        if not self._waiting and not self._read():
            return None
        return self._waiting[0].slice(self._taken, most)

    def _next_row(self) -> Row | None:
        if not self._ahead:
            self._look_ahead()
        if not self._ahead:
            return None
        row = self._ahead.pop()
        self._take(1)
        return row

    def _next_rows(self, size: int | None) -> list[Row]:
        self._ahead.clear()
        rows: list[Row] = []
        index, offset = 0, self._taken
        while size is None or len(rows) < size:
            if index == len(self._waiting) and not self._read():
                break
            batch = self._waiting[index]
            left = batch.num_rows - offset
            part = batch.slice(offset, left if size is None else min(left, size - len(rows)))
            try:
                rows += to_rows(part)
            except Refused as refused:
                row, column, kind = refused.cell
                cell = type(refused.cell)(len(rows) + row, column, kind)
                raise Refused(cell, str(refused)) from None
            index, offset = index + 1, 0
        self._take(len(rows))
        return rows

    def _look_ahead(self) -> None:
        if not self._waiting and not self._read():
            return
        # In steps that grow: who wants one row of many columns pays for one. A reader would have to get the rest back.
        size = 1 if self._is_shared else min(max(self.rownumber, 1), _MOST_AHEAD)
        try:
            rows = to_rows(self._waiting[0].slice(self._taken, size))
        except Refused as refused:
            if not refused.cell.row:
                raise
            rows = to_rows(self._waiting[0].slice(self._taken, refused.cell.row))
        rows.reverse()
        self._ahead = rows

    def _take(self, rows: int) -> None:
        """Counts *rows* as fetched; the batches that are done with are dropped."""
        self.rownumber += rows
        self._taken += rows
        done = 0
        while done < len(self._waiting) and self._taken >= self._waiting[done].num_rows:
            self._taken -= self._waiting[done].num_rows
            done += 1
        if done:
            del self._waiting[:done]
            self._reading.keep(self._left())

    def _left(self) -> int:
        return sum(batch.num_rows for batch in self._waiting) - self._taken

    def _next_batch(self) -> pa.RecordBatch | None:
        self._ahead.clear()
        if not self._waiting and not self._read():
            return None
        batch = self._waiting[0].slice(self._taken)
        self._take(batch.num_rows)
        self._refusal = None
        return batch

    def _all(self, make: Callable[[pa.Table], T]) -> T:
        schema = self._opened().schema
        self._ahead.clear()
        while self._read():
            pass
        batches = list(self._waiting)
        if batches:
            batches[0] = batches[0].slice(self._taken)
        made = make(pa.Table.from_batches(batches, schema))
        self._take(self._left())
        self._refusal = None
        return made

    def _share(self) -> Any:
        reader = self._opened()
        self._give_back()
        self._is_shared = True
        self._refusal = None
        return reader

    def _hand_over(self) -> Any:
        if self._handle is not None:
            stream, self._handle = self._handle, None
            self._reading.unread(0)  # keeps no rows for us
            return stream
        stream = self._opened()._reader
        self._give_back()
        self._reader = None
        return stream

    def _read(self) -> bool:
        """Reads the next batch that has rows; False at the end."""
        reader = self._opened()
        if self._is_shared:
            self._reading.keep(self._left())
        while True:
            try:
                batch = call(reader.read_next_batch, self._interrupt)
            except StopIteration:
                return False
            except errors.Error:
                self._drop()  # the stream fails from now on
                raise
            except (pa.ArrowException, OSError) as cause:
                raise errors.make(
                    errors.Status.INVALID_STATE,
                    f"could not fetch rows: the stream of the result refuses: {cause}",
                    query_id=self._query_id(),
                    hint="execute the statement again",
                ) from cause
            if batch.num_rows:
                self._waiting.append(batch)
                return True

    def _interrupt(self) -> None:
        self._reading.fail(INTERRUPTED)

    def _give_back(self) -> None:
        """Lets the stream give what was read and not taken."""
        left = self._left()
        self._drop()
        if not self._reading.unread(left) and left:
            self.fail("its stream was closed while rows were left")

    def _opened(self) -> Any:
        reader = self._reader
        if reader is None:
            handle, self._handle = self._handle, None
            if handle is None:
                raise _gone()
            reader = self._reader = import_reader(handle)
            if (
                self._is_closed
            ):  # meanwhile, by another thread or a signal handler, which found nothing to close
                self._reader = None
                reader.close()
                raise _gone()
        return reader


def _seen(value: Any) -> str | None:
    """Returns an Arrow scalar as text; as Arrow writes it where Python has no value for it."""
    try:
        found = value.as_py()
    except (ValueError, OverflowError):
        return str(value)
    return None if found is None else str(found)


def _gone() -> errors.Error:
    return errors.make(
        errors.Status.INVALID_STATE,
        "could not fetch: the result was closed, or its stream handed over",
    )
