"""The values that a caller bound to a statement, and the statements that they make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._driver.binding.arrived_data import arrived
from e6data_adbc._sql.command import Command
from e6data_adbc._sql.placeholders import bind_sql, split_off

__all__ = ["BoundParameters"]


class BoundParameters:
    """A stream of rows, each the parameters of one execution; it can be read once."""

    def __init__(self, reader: pa.RecordBatchReader) -> None:
        self.schema = reader.schema
        self._names = reader.schema.names
        self._batches = arrived(reader)
        self._first: pa.RecordBatch | None = None
        #: How many rows became commands.
        self._done = 0

    @property
    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows; they can be read once.

        Raises:
            ProgrammingError: While reading, INVALID_ARGUMENT: the rows cannot be read.
        """
        return self._batches

    def first_command(self, sql: str, *, by_name: bool, on_server: bool) -> Command:
        """Returns *sql* with the first row's values, without using it up; *sql* itself where there are no rows.

        Arguments as `commands`.

        Raises:
            ProgrammingError: The values do not fit the parameters.
        """
        while self._first is None or not self._first.num_rows:
            self._first = next(self._batches, None)
            if self._first is None:
                return Command(sql)
        return self._bind(sql, self._first, 0, by_name=by_name, on_server=on_server)

    def commands(self, sql: str, *, by_name: bool, on_server: bool) -> Iterator[Command]:
        """Yields *sql* with the values of each row.

        Args:
            sql: The text with parameters.
            by_name: Whether a column belongs to the named parameter of its name; else to the one at its position.
            on_server: Whether the server binds the values; else they are literals of the text.

        Raises:
            ProgrammingError: The values do not fit the parameters, or the rows cannot be read.
        """
        while (batch := self._first or next(self._batches, None)) is not None:
            self._first = None
            for row in range(batch.num_rows):
                yield self._bind(sql, batch, row, by_name=by_name, on_server=on_server)
                self._done += 1

    def _bind(
        self, sql: str, batch: pa.RecordBatch, row: int, *, by_name: bool, on_server: bool
    ) -> Command:
        values = [column[row] for column in batch.columns]
        number = self._done + 1 if self._done or batch.num_rows > 1 else None
        if not by_name:
            named: Any = values
        elif len(set(self._names)) == len(self._names):
            named = dict(zip(self._names, values, strict=True))
        else:
            twice = next(name for name in self._names if self._names.count(name) > 1)
            raise errors.make(
                errors.Status.INVALID_ARGUMENT,
                f"could not bind parameters by name: two columns are called {twice!r}",
            )
        if on_server:
            return split_off(sql, named, number)
        return Command(bind_sql(sql, named, number))
