"""A statement that runs once for each row of its parameters, as one result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._driver.results.delegating_result import SuccessiveResult
from e6data_adbc._driver.results.rerun_query import open_rerunnable
from e6data_adbc._driver.workspace import Workspace
from e6data_adbc._sql.command import Command
from e6data_adbc._transport.scope import Scope

if TYPE_CHECKING:
    from e6data_adbc._native import Response, StreamStats

__all__ = ["RepeatedQuery"]


class RepeatedQuery(SuccessiveResult):
    """Queries one after the other, read as one; the next is opened when the previous one has ended.

    Threads: as `Query`. The first query decides the schema.
    """

    def __init__(
        self,
        workspace: Workspace,
        commands: Iterator[Command],
        scope: Scope,
    ) -> None:
        """Opens the first query.

        Args:
            workspace: A view, whose names and sessions the queries have.
            commands: The statement with each row's values, at least one.
            scope: Bounds the opening of the first query; its settings are those of the result.
        """
        self._commands = commands
        self._workspace = workspace
        super().__init__(scope)
        with scope.waking(self._scope.cancel):
            self.current = open_rerunnable(self._workspace, next(commands), self._scope)
        self.schema = self.current.schema
        self.options = self.current.options
        self.announced_rows = -1
        self._row = 1
        self._rows_seen = 0

    @property
    def is_open(self) -> bool:
        """Whether there may be more to read."""
        return not self._is_closed

    @property
    def rows_delivered(self) -> int:
        """The rows that the reader got so far, of all queries."""
        return self._stats.rows_delivered if self._stats is not None else 0

    @property
    def runs(self) -> int:
        """How often the statement has been started so far."""
        return self._row

    def attach(self, stats: StreamStats) -> None:
        """Takes the counters of the stream that reads this result."""
        self._stats = stats

    def next_response(self) -> Response | None:
        """Returns the next response of the current query or of the one after it, or None at the end; blocks.

        Raises:
            Error: As `Query.next_response` and opening a query.
            DataError: A query has another schema than the first, or ended before its announced number of rows.
        """
        while True:
            with self._scope.waking(self.current.cancel):
                response = self.current.next_response()
            if response is not None:
                self._count(response)
                return response
            self._check_rows()
            self.current.close()
            command = next(self._commands, None)
            if command is None:
                return None
            self._row += 1
            self._rows_seen = 0
            self._proceed_with(open_rerunnable(self._workspace, command, self._scope))
            self._check_schema()

    def _count(self, response: Response) -> None:
        # The stream checks the announced rows of one query; here it sees several, so we count.
        if self.current.announced_rows > 0:
            self._rows_seen += response.row_count

    def _check_rows(self) -> None:
        announced = self.current.announced_rows
        if self._rows_seen < announced and not self.options.allow_missing_rows:
            raise errors.make(
                errors.Status.INVALID_DATA,
                f"could not read the result for row {self._row} of the parameters:"
                f" {self._rows_seen} rows came of {announced} announced",
                query_id=self.query_id,
            )

    def _check_schema(self) -> None:
        schema = self.current.schema
        # Names may differ: a column without one is called after its expression, and that has the row's value in it.
        if len(schema) != len(self.schema) or not all(
            map(_are_compatible, schema.types, self.schema.types)
        ):
            raise errors.make(
                errors.Status.INVALID_DATA,
                f"could not join the result for row {self._row} of the parameters: its columns are"
                f" {schema.to_string(show_field_metadata=False)!r}, those of the first row"
                f" {self.schema.to_string(show_field_metadata=False)!r}",
                hint="cast the columns in the query",
                query_id=self.query_id,
            )


def _are_compatible(one: pa.DataType, first: pa.DataType) -> bool:
    # A decimal of another scale is converted exactly by the decoder, or refused there.
    return one == first or (pa.types.is_decimal(one) and pa.types.is_decimal(first))
