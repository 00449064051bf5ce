"""One connection to a SQL database, as the sinks use it: statements, a stream into a table, commit and rollback."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

import pyarrow as pa

from e6data_adbc._dbapi.interrupts import call_in_thread

__all__ = ["AdbcSession", "Session", "Table", "interruptible", "placed", "quoted"]

T = TypeVar("T")

#: A name in quotes, or the sign of a value; our own statements have no texts.
_NAME_OR_SIGN: Final = re.compile(r'("(?:[^"]|"")*")|\?')


def quoted(name: str) -> str:
    """Returns *name* as an identifier of standard SQL."""
    return '"' + name.replace('"', '""') + '"'


def placed(sql: str, sign: Callable[[int], str]) -> str:
    """Returns *sql* with `sign(n)` in place of the n-th `?`, from 1 on; those in names stay."""
    numbers = iter(range(1, sql.count("?") + 1))
    return _NAME_OR_SIGN.sub(lambda match: match[1] or sign(next(numbers)), sql)


def interruptible(cursor: Any, call: Callable[[], T]) -> T:
    """Returns what *call* returns, which calls the driver manager's *cursor*.

    Ctrl-C cancels it, and is raised when it has ended. The manager's own way drops an interrupt where the call ends by
    itself, and where the driver has no cancellation raises the error of that in its place.
    """
    return call_in_thread(call, cursor.adbc_cancel)


@dataclasses.dataclass(frozen=True)
class Table:
    """The name of a table.

    Attributes:
        schema: None for the one that the connection has.
        name: Without it.
        is_passing: Whether it is there for one transaction only.
    """

    schema: str | None
    name: str
    is_passing: bool = False

    @property
    def sql(self) -> str:
        """The name as SQL has it."""
        return ".".join(quoted(part) for part in (self.schema, self.name) if part)

    @property
    def shown(self) -> str:
        """The name as people read it."""
        return ".".join(part for part in (self.schema, self.name) if part)


class Session(Protocol):
    """A connection; the first statement after a commit begins a transaction."""

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Returns the rows of a query; `?` stands for each of *values*."""

    def run(self, sql: str, values: Sequence[Any] = ()) -> None:
        """Runs a statement; `?` stands for each of *values*."""

    def write(self, table: Table, reader: pa.RecordBatchReader) -> None:
        """Appends rows to the columns of their names."""

    def commit(self) -> None:
        """Makes the transaction last."""

    def rollback(self) -> None:
        """Undoes the transaction."""

    def close(self) -> None:
        """Ends the connection."""


class AdbcSession:
    """A session over a connection of the ADBC driver manager without autocommit."""

    def __init__(self, connection: Any, *, numbers_parameters: bool = False) -> None:
        """Takes over *connection*; *numbers_parameters* where it wants `$1` for `?`."""
        self._connection = connection
        self._numbers = numbers_parameters

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        with contextlib.closing(self._connection.cursor()) as cursor:

            def fetch() -> list[tuple[Any, ...]]:
                cursor.execute(self._text(sql, values), list(values) or None)
                return cursor.fetchall()  # type: ignore[no-any-return]

            return interruptible(cursor, fetch)

    def run(self, sql: str, values: Sequence[Any] = ()) -> None:
        """Runs a statement."""
        with contextlib.closing(self._connection.cursor()) as cursor:
            text = self._text(sql, values)
            interruptible(cursor, lambda: cursor.execute(text, list(values) or None))

    def write(self, table: Table, reader: pa.RecordBatchReader) -> None:
        """Appends rows through the driver's bulk ingestion."""
        with contextlib.closing(self._connection.cursor()) as cursor:
            interruptible(
                cursor,
                lambda: cursor.adbc_ingest(
                    table.name, reader, mode="append", db_schema_name=table.schema
                ),
            )

    def commit(self) -> None:
        """Makes the transaction last."""
        self._connection.commit()

    def rollback(self) -> None:
        """Undoes the transaction."""
        self._connection.rollback()

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def _text(self, sql: str, values: Sequence[Any]) -> str:
        # Without values the statement may be the caller's own in part, with a `?` in a text or as an operator.
        return placed(sql, "${}".format) if self._numbers and values else sql
