"""The asynchronous dialect `e6data+adbc_async`, on `e6data_adbc.aio`: awaited inside SQLAlchemy's greenlets."""

from __future__ import annotations

import asyncio
import collections
import functools
from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sqlalchemy import pool
from sqlalchemy.engine import Connection
from sqlalchemy.util.concurrency import await_only

from e6data_adbc import aio, dbapi
from e6data_adbc.sqlalchemy.dialect import Dialect
from e6data_adbc.sqlalchemy.execution import ExecutionContext

if TYPE_CHECKING:
    from typing_extensions import Self

try:
    from sqlalchemy.engine import AdaptedConnection
except ImportError:  # 1.4
    from sqlalchemy.engine.interfaces import AdaptedConnection

__all__ = ["AsyncDialect"]


def _wait(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return await_only(coroutine)


class _Cursor:
    """A cursor whose calls wait in the greenlet. Its rows are all read by `execute`, so that any code may take them."""

    server_side = False

    def __init__(self, cursor: aio.Cursor) -> None:
        self._cursor = cursor
        self._rows: collections.deque[Any] = collections.deque()
        self.arraysize = 1

    @property
    def description(self) -> Any:
        return self._cursor.blocking.description

    @property
    def rowcount(self) -> int:
        return int(self._cursor.blocking.rowcount)

    @property
    def query_id(self) -> str:
        return self._cursor.blocking.query_id

    @property
    def lastrowid(self) -> None:
        return None

    def adbc_cancel(self) -> None:
        """Cancels what runs; any thread or task may."""
        self._cursor.blocking.adbc_cancel()

    def execute(self, statement: str, parameters: Any = None) -> Self:
        _wait(self._execute(statement, parameters))
        return self

    async def _execute(self, statement: str, parameters: Any) -> None:
        self._rows.clear()
        await self._cursor.execute(statement, parameters)
        if not self.server_side and self.description is not None:
            self._rows.extend(await self._cursor.fetchall())

    def executemany(self, statement: str, rows: Any) -> None:
        self._rows.clear()
        _wait(self._cursor.executemany(statement, rows))

    def fetchone(self) -> Any:
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        count = min(len(self._rows), self.arraysize if size is None else size)
        return [self._rows.popleft() for _ in range(count)]

    def fetchall(self) -> list[Any]:
        rows = list(self._rows)
        self._rows.clear()
        return rows

    def setinputsizes(self, *sizes: Any) -> None:
        """Does nothing, as PEP 249 permits."""

    def close(self) -> None:
        # Without waiting: SQLAlchemy closes cursors outside of its greenlets too. What ends here is a finished result.
        self._rows.clear()
        self._cursor.blocking.close()
        self._cursor._thread.end()

    async def _async_soft_close(self) -> None:
        """Does nothing: `close` waits for nobody."""


class _StreamCursor(_Cursor):
    """A cursor that reads rows as they are asked for, by the asynchronous result."""

    server_side = True

    def fetchone(self) -> Any:
        return _wait(self._cursor.fetchone())

    def fetchmany(self, size: int | None = None) -> list[Any]:
        rows: list[Any] = _wait(self._cursor.fetchmany(size))
        return rows

    def fetchall(self) -> list[Any]:
        rows: list[Any] = _wait(self._cursor.fetchall())
        return rows

    def close(self) -> None:
        try:
            _wait(self._cursor.close())
        except Exception as error:
            if type(error).__name__ != "MissingGreenlet":
                raise
            super().close()


class _Connection(AdaptedConnection):
    """A connection of `e6data_adbc.aio` in the shape of the DB-API."""

    def __init__(self, connection: aio.Connection) -> None:
        self._connection: Any = connection
        self.dbapi = dbapi

    def cursor(
        self,
        server_side: bool = False,  # noqa: FBT001, FBT002 - SQLAlchemy's call
        adbc_stmt_kwargs: Any = None,
    ) -> _Cursor:
        kind = _StreamCursor if server_side else _Cursor
        return kind(aio.Cursor(self._connection.blocking.cursor(adbc_stmt_kwargs=adbc_stmt_kwargs)))

    def commit(self) -> None:
        """Does nothing: each statement has committed itself."""

    def rollback(self) -> None:
        """Does nothing: there is nothing to roll back."""

    def close(self) -> None:
        if not self._connection.blocking._closed:
            self._connection.blocking.close()
        self._connection._thread.end()

    terminate = close


class AsyncExecutionContext(ExecutionContext):
    """Runs a statement, with rows as they come where the result is a stream."""

    def create_server_side_cursor(self) -> Any:
        """Returns a cursor that streams."""
        from e6data_adbc.sqlalchemy.execution import statement_options

        options = statement_options(self.execution_options)
        return self._dbapi_connection.cursor(server_side=True, adbc_stmt_kwargs=options)


class AsyncDialect(Dialect):
    """e6data, by ADBC, for `create_async_engine`."""

    driver = "adbc_async"
    is_async = True
    supports_statement_cache = True
    supports_server_side_cursors = True
    execution_ctx_cls = AsyncExecutionContext
    poolclass = pool.AsyncAdaptedQueuePool

    @classmethod
    def get_pool_class(cls, url: Any) -> Any:
        """Returns the pool whose waits are the loop's."""
        del url
        return pool.AsyncAdaptedQueuePool

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        """Returns the module that has the errors, `e6data_adbc.dbapi`."""
        return dbapi

    def connect(self, *arguments: Any, **keywords: Any) -> Any:
        """Returns a connection of the engine's one database."""
        open_it = functools.partial(self._database.connect, arguments, keywords)
        if (creator := keywords.pop("async_creator_fn", None)) is not None:
            return _Connection(_wait(creator(*arguments, **keywords)))
        return _Connection(_wait(_opened(open_it)))

    def get_driver_connection(self, connection: Any) -> Any:
        """Returns the connection of `e6data_adbc.aio`."""
        return connection._connection

    def on_driver(self, connection: Any, call: Callable[[Any], Any]) -> Any:
        """Returns what *call* returns; a thread waits for it."""
        inner = _adapted(connection)._connection
        return _wait(asyncio.get_running_loop().run_in_executor(None, call, inner.blocking))  # type: ignore[arg-type]

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Asks whether a query gets through; a suspended cluster is resumed."""
        cursor = dbapi_connection.cursor()
        try:
            cursor.execute("SELECT 1")
        finally:
            cursor.close()
        return True

    def do_terminate(self, dbapi_connection: Any) -> None:
        """Closes a connection that nobody waits for."""
        dbapi_connection.close()


async def _opened(open_it: Callable[[], Any]) -> aio.Connection:
    return await aio.Connecting(open_it)


def _adapted(connection: Any) -> Any:
    inner: Any = connection.connection if isinstance(connection, Connection) else connection
    return getattr(inner, "dbapi_connection", inner)
