"""The values that a caller bound to a statement, and the statements that they make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._driver.binding.arrived_data import arrived
from e6data_adbc._driver.binding.value_rows import value_rows
from e6data_adbc._options.option_values import IngestSettings
from e6data_adbc._sql.command import Command
from e6data_adbc._sql.insert_values import Constant, InsertValues, insert_values
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

    def joined_commands(
        self, sql: str, *, by_name: bool, on_server: bool, limits: IngestSettings
    ) -> Iterator[Command]:
        """Yields *sql* with the values of many rows each, where it is a plain `INSERT … VALUES`; else as `commands`.

        Args:
            sql: The text with parameters.
            by_name: As for `commands`.
            on_server: As for `commands`.
            limits: How large a statement may be.

        Raises:
            ProgrammingError: As `commands`.
        """
        insert = None if on_server else insert_values(sql)
        row = None if insert is None else _row_of(insert, self._names, by_name=by_name)
        if insert is None or row is None:
            yield from self.commands(sql, by_name=by_name, on_server=on_server)
            return
        labels = _labels(insert, row)
        starts = [0]  # the number of the first row of each batch

        def batches() -> Iterator[pa.RecordBatch]:
            while (batch := self._first or next(self._batches, None)) is not None:
                self._first = None
                starts.append(starts[-1] + batch.num_rows)
                yield batch

        def place(batch: int, index: int, column: int) -> str:
            return f"{labels[column]} of row {starts[batch] + index + 1}"

        for text, number in value_rows(insert.head, batches(), row, place, limits):
            yield Command(insert.head + text, rows=number)

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


def _row_of(
    insert: InsertValues, names: Sequence[str], *, by_name: bool
) -> tuple[int | str, ...] | None:
    """Returns the row of *insert* with columns for parameters; None where the columns are not those of its text."""
    parameters = insert.parameters
    if not by_name or isinstance(parameters[0], int):
        order = {name: index for index, name in enumerate(dict.fromkeys(parameters))}
        if by_name or len(order) != len(names):
            return None
    else:
        order = {name: index for index, name in enumerate(names)}
        if len(order) != len(names) or not order.keys() >= set(parameters):
            return None
    return tuple(
        value.text if isinstance(value, Constant) else order[value] for value in insert.row
    )


def _labels(insert: InsertValues, row: Sequence[int | str]) -> dict[int, str]:
    """Returns what errors call the columns of *row*."""
    labels: dict[int, str] = {}
    for value, column in zip(insert.row, row, strict=True):
        if isinstance(column, int):
            name = f"{value!r}" if isinstance(value, str) else f"{column + 1}"
            labels[column] = f"parameter {name}"
    return labels
