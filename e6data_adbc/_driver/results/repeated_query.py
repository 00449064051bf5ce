"""A statement that runs once for each row of its parameters, as one result."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._driver.query.query import Query
from e6data_adbc._driver.results.rerun_query import RerunQuery, open_rerunnable
from e6data_adbc._driver.workspace import Workspace
from e6data_adbc._sql.command import Command
from e6data_adbc._transport.scope import Scope, cancelled

if TYPE_CHECKING:
    from e6data_adbc._native import Response, StreamStats

__all__ = ["RepeatedQuery"]


class RepeatedQuery:
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
            workspace: Whose names, as they are now, and sessions the queries have.
            commands: The statement with each row's values, at least one.
            scope: Bounds the opening of the first query; its settings are those of the result.
        """
        self._commands = commands
        self._workspace = workspace.view()
        self._scope = Scope(scope.settings, scope.parent)
        with scope.waking(self._scope.cancel):
            self._current = open_rerunnable(self._workspace, next(commands), self._scope)
        self.schema = self._current.schema
        self.options = self._current.options
        self.announced_rows = -1
        self._row = 1
        self._rows_seen = 0
        self._stats: StreamStats | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def query_id(self) -> str:
        """The server's id of the query that runs now."""
        return self._current.query_id

    @property
    def rpc(self) -> str:
        """The method that fetches, for errors."""
        return self._current.rpc

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
            with self._scope.waking(self._current.cancel):
                response = self._current.next_response()
            if response is not None:
                self._count(response)
                return response
            self._check_rows()
            self._current.close()
            command = next(self._commands, None)
            if command is None:
                return None
            self._row += 1
            self._rows_seen = 0
            self._proceed_with(open_rerunnable(self._workspace, command, self._scope))
            self._check_schema()

    def cancel(self) -> None:
        """Ends what is under way, also the opening of a next query. Returns at once."""
        self._scope.cancel()

    def close(self, timeout: float | None = None) -> None:
        """Clears the current query and opens no other; never raises."""
        self._scope.cancel()
        with self._lock:
            self._is_closed = True
        self._current.close(timeout)

    def _proceed_with(self, query: Query | RerunQuery) -> None:
        with self._lock:
            is_late = self._is_closed
            if not is_late:
                self._current = query
        if is_late:  # closed while it was being opened
            query.close()
            raise cancelled("read the result", query_id=query.query_id)

    def _count(self, response: Response) -> None:
        # The stream checks the announced rows of one query; here it sees several, so we count.
        if self._current.announced_rows > 0:
            self._rows_seen += response.row_count

    def _check_rows(self) -> None:
        announced = self._current.announced_rows
        if self._rows_seen < announced and not self.options.allow_missing_rows:
            raise errors.make(
                errors.Status.INVALID_DATA,
                f"could not read the result for row {self._row} of the parameters:"
                f" {self._rows_seen} rows came of {announced} announced",
                query_id=self.query_id,
            )

    def _check_schema(self) -> None:
        schema = self._current.schema
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
