"""For asyncio: connections and cursors whose calls are awaited; threads do the waiting.

>>> import asyncio, e6data_adbc.aio
>>> async def main():
...     async with e6data_adbc.aio.connect("e6data:local") as connection, connection.cursor() as cursor:
...         await cursor.execute("select 1 as one")
...         return (await cursor.fetch_arrow_table()).to_pydict()
>>> asyncio.run(main())
{'one': [1]}
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import html
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from e6data_adbc import dbapi
from e6data_adbc._hide_secrets import concealing

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from typing_extensions import Self

__all__ = ["Connection", "Cursor", "connect"]

T = TypeVar("T")

#: Between two cancellations of a call that has not ended: the first may have come before the call began.
_AGAIN_SECONDS: Final = 0.05


@concealing
def connect(uri: str | None = None, **options: Any) -> Connecting:
    """Returns what gives an open connection, by `async with` or `await`.

    Args:
        uri: As for `e6data_adbc.connect`.
        options: As for `e6data_adbc.dbapi.connect`.
    """
    return Connecting(functools.partial(dbapi.connect, uri, **options))


class _Thread:
    """A thread of its own for calls that block, one at a time; it starts with the first."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "e6data-aio")

    async def run(
        self,
        call: Callable[[], T],
        cancel: Callable[[], object] | None = None,
        lost: Callable[[], object] | None = None,
    ) -> T:
        """Returns what *call* returns. If the task is cancelled, *cancel* ends the call, and that is waited for.

        Args:
            call: Blocks.
            cancel: Makes it end, from another thread.
            lost: Told, when the call has ended, that nobody gets what it returned.
        """
        job = self._executor.submit(call)
        waiting = asyncio.wrap_future(job)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            if not job.cancel():  # it has begun
                while not waiting.done():
                    if cancel is not None:
                        with contextlib.suppress(dbapi.Error):  # too early, or too late
                            cancel()
                    # A second cancellation ends no wait: the call is told to end, and a closed one must not run on.
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.wait({waiting}, timeout=_AGAIN_SECONDS)
                waiting.exception()  # seen: the task is told of its cancellation instead
                if lost is not None:
                    lost()
            raise
        finally:
            # What the call raised is held by these, and leads here by its traceback.
            del job, waiting

    def end(self) -> None:
        """Ends the thread once its call has ended."""
        self._executor.shutdown(wait=False)


class Connecting:
    """A connection to be: `async with` opens and closes it, `await` opens it."""

    def __init__(self, open_it: Callable[[], dbapi.Connection]) -> None:
        self._open = open_it
        self._connection: Connection | None = None

    def __await__(self) -> Generator[Any, None, Connection]:
        return self._connect().__await__()

    async def __aenter__(self) -> Connection:
        self._connection = await self._connect()
        return self._connection

    async def __aexit__(self, *error: object) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _connect(self) -> Connection:
        thread = _Thread()
        try:
            return Connection(await thread.run(self._open), thread)
        except BaseException:
            thread.end()
            raise


class Connection:
    """An open connection; its cursors work beside each other.

    Attributes:
        blocking: The `e6data_adbc.dbapi.Connection` behind it.
    """

    def __init__(self, blocking: dbapi.Connection, thread: _Thread) -> None:
        self.blocking = blocking
        self._thread = thread

    def __repr__(self) -> str:
        return repr(self.blocking).replace("dbapi.Connection", "aio.Connection", 1)

    def cursor(self) -> Cursor:
        """Returns a new cursor, with a thread of its own once it works."""
        return Cursor(self.blocking.cursor())

    async def close(self) -> None:
        """Closes the connection and its cursors; waits until the server has freed their queries."""
        if self.blocking._closed:
            return
        try:
            await self._thread.run(self.blocking.close)
        finally:
            self._thread.end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


class Cursor:
    """Runs statements, one after another. A task that is cancelled in one of its calls ends the query on the server.

    Whatever the call had read by then is lost with it, so each further fetch is an error until a statement is executed.

    Attributes:
        blocking: The `e6data_adbc.dbapi.Cursor` behind it, for what needs no waiting: `description`, `rowcount`.
    """

    def __init__(self, blocking: dbapi.Cursor) -> None:
        self.blocking = blocking
        self._thread = _Thread()

    def __repr__(self) -> str:
        return repr(self.blocking).replace("dbapi.Cursor", "aio.Cursor", 1)

    def _repr_html_(self) -> str:
        """What notebooks show, of what has arrived."""
        return html.escape(repr(self))

    async def execute(self, sql: str, parameters: Any = None) -> Self:
        """Runs a statement until its first rows can be asked for; returns the cursor.

        Args:
            sql: One statement.
            parameters: Values for its places, as a sequence or a mapping.

        Raises:
            Error: As `e6data_adbc.dbapi.Cursor.execute`.
        """
        await self._run(self.blocking.execute, sql, parameters)
        return self

    async def executemany(self, sql: str, rows: Any) -> None:
        """Runs a statement once for each row of *rows*, sequences or Arrow data."""
        await self._run(self.blocking.executemany, sql, rows)

    async def explain(self, sql: str, parameters: Any = None) -> str:
        """Returns the plan of a statement; see `e6data_adbc.dbapi.Cursor.explain`, also for the next two."""
        return await self._run(self.blocking.explain, sql, parameters)

    async def explain_analyze(self, sql: str, parameters: Any = None) -> dbapi.Analysis:
        """Runs a statement, and returns its plan and its times."""
        return await self._run(self.blocking.explain_analyze, sql, parameters)

    async def dry_run(self, sql: str, parameters: Any = None) -> str:
        """Returns what the server's dry run says about a statement."""
        return await self._run(self.blocking.dry_run, sql, parameters)

    async def timings(self) -> dbapi.Timings:
        """Returns how the server ran the last query, whose rows were all fetched; see `dbapi.Cursor.timings`."""
        # The rows are here: a task that is cancelled takes none of them with it.
        return await self._thread.run(self.blocking.timings, self.blocking.adbc_cancel)

    async def fetchone(self) -> tuple[Any, ...] | None:
        """Returns the next row, or None."""
        return await self._run(self.blocking.fetchone)

    async def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """Returns the next *size* rows."""
        return await self._run(self.blocking.fetchmany, size)

    async def fetchall(self) -> list[tuple[Any, ...]]:
        """Returns the rows that are left."""
        return await self._run(self.blocking.fetchall)

    async def fetch_arrow_table(self) -> pa.Table:
        """Returns the rows that are left as a table."""
        return await self._run(self.blocking.fetch_arrow_table)

    async def fetch_df(self) -> pd.DataFrame:
        """Returns the rows that are left as a pandas frame."""
        return await self._run(self.blocking.fetch_df)

    async def fetch_polars(self) -> pl.DataFrame:
        """Returns the rows that are left as a Polars frame."""
        return await self._run(self.blocking.fetch_polars)

    async def batches(self) -> AsyncIterator[pa.RecordBatch]:
        """Yields the record batches of the result as they come; so does `async for` on the cursor. Constant memory."""
        while (batch := await self._run(self.blocking.fetch_batch)) is not None:
            yield batch

    def __aiter__(self) -> AsyncIterator[pa.RecordBatch]:
        return self.batches()

    async def close(self) -> None:
        """Ends the query, if it runs, and the cursor. A call of another task is ended, and raises CANCELLED."""
        closing = _Thread()  # the cursor's own may be in that call
        try:
            await closing.run(self.blocking.close)
        finally:
            closing.end()
            self._thread.end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _run(self, call: Callable[..., T], *arguments: Any) -> T:
        return await self._thread.run(
            functools.partial(call, *arguments),
            self.blocking.adbc_cancel,
            lambda: self.blocking._fail_result("the task that waited for it was cancelled"),
        )
