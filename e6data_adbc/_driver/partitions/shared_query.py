"""Queries that one side starts and another reads: the halves that `Query` has in one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from e6data_adbc import _schemas, errors
from e6data_adbc._driver.query.query import Query
from e6data_adbc._session.retry.effort import Effort
from e6data_adbc._transport import failures
from e6data_adbc._transport.failures import Signal
from e6data_adbc._transport.scope import Scope
from e6data_adbc.errors import Status
from e6data_adbc.options import DatabaseOptions, StatementOptions

if TYPE_CHECKING:
    from e6data_adbc._native import Response

__all__ = ["AgreedQuery", "ForeignQuery", "UnreadQuery", "result_is_gone"]

#: How an engine says that it does not know a query, where it has no code for that.
_UNKNOWN: Final = re.compile(
    r"not found|unknown|no such|does not exist|already (cleared|closed)", re.IGNORECASE
)


class UnreadQuery(Query):
    """A query that runs and of which nothing is fetched here. Threads: as `Query`."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.options = self.options._replace(prefetch=0)
        #: Whether only rows tell the schema, which is empty then.
        self.needs_rows = False

    def _prove_start(self) -> None:
        # Only a row would prove it, and the rows are its reader's.
        if self._doubt is not None:
            self._raise_verdict(self._doubt)

    def _find_schema(self, columns: list[_schemas.Column]) -> pa.Schema:
        self.needs_rows = _schemas.needs_first_chunk(columns)
        if self.needs_rows:
            return pa.schema([])
        return _schemas.result_schema(columns, layout=self._settings.result.layout)

    def clear(self, seconds: float) -> None:
        """Clears on the server what was left there, within *seconds*; never raises."""
        self._clear(self._sessions.effort(Scope(self._settings, self._parent), seconds))


class AgreedQuery(Query):
    """A query whose schema was decided before it ran. Threads: as `Query`."""

    def __init__(self, *arguments: Any, schema: pa.Schema) -> None:
        super().__init__(*arguments)
        self._agreed = schema

    def _find_schema(self, columns: list[_schemas.Column]) -> pa.Schema:
        _check_columns(columns, self._agreed)
        return self._agreed


class ForeignQuery(Query):
    """A query that another process has started, and that this one reads and clears. Threads: as `Query`."""

    #: Whether all of its rows came.
    _is_complete = False

    def take_over(self, effort: Effort, schema: pa.Schema, rows: int) -> None:
        """Finds the query on the server; nothing is fetched yet.

        Args:
            effort: Bounds it.
            schema: The columns that its ticket says.
            rows: How many rows its ticket announces, -1 where unknown.

        Raises:
            ProgrammingError: The server does not let us read it (UNAUTHORIZED), or has it no more (NOT_FOUND).
            DataError: It has other columns than *schema*.
            Error: The call failed.
        """
        try:
            announced, columns = self.read_metadata(effort)
        except errors.Error as error:
            raise self._refusal(error) from error
        _check_columns(columns, schema)
        self.schema = schema
        self.announced_rows = max(announced, rows)

    def next_response(self) -> Response | None:
        """Returns the next response, or None at the end; blocks.

        Raises:
            DataError: The rows that came are not all: somebody else reads the same result.
            Error: As `Query.next_response`.
        """
        response = super().next_response()
        if response is None and not self._is_complete:
            self._check_rows()
            self._is_complete = True
        return response

    def _check_rows(self) -> None:
        """Compares the rows that came with those of the whole result, which the server knows by now."""
        if self.options.allow_missing_rows:
            return
        try:
            total, _ = self.read_metadata(self._sessions.effort(self._scope))
        except errors.Error as error:
            if error.status_code == Status.CANCELLED:
                raise
            raise self._split(f"whether they are all cannot be found out: {error}") from error
        if total > 0 and total != self._fetcher.rows:
            raise self._split(f"the result has {total}")

    def _split(self, cause: str) -> errors.Error:
        return errors.make(
            Status.INVALID_DATA,
            f"could not read the partition: {self._fetcher.rows} rows came, and {cause}",
            hint="a result can be read by one reader only; execute the partitions again",
            query_id=self.query_id,
        )

    def _refusal(self, error: errors.Error) -> errors.Error:
        found = failures.signal(error)
        if found is Signal.ACCESS_DENIED:
            return errors.make(
                Status.UNAUTHORIZED,
                "could not read the partition: the server does not let this session read a result that another one"
                " has started",
                hint=f"set {StatementOptions.PARTITION_ON.value} or {DatabaseOptions.DEFER_QUERY.value}, so that each"
                " reader runs its part itself",
                query_id=self.query_id,
                sqlstate="42501",
            )
        is_unknown = error.status_code in (Status.INTERNAL, Status.INVALID_ARGUMENT) and (
            _UNKNOWN.search(failures.server_text(error)) is not None
        )
        if is_unknown or found in (Signal.UNKNOWN_QUERY, Signal.WRONG_STRATEGY):
            return result_is_gone(self.query_id, failures.server_text(error))
        return error


def result_is_gone(query_id: str, said: str) -> errors.Error:
    """Returns the error for a result that is no longer on the server, which *said* so."""
    return errors.make(
        Status.NOT_FOUND,
        f"could not read the partition: the server no longer has its result, it was read, cleared or dropped; the"
        f" server said {said!r}",
        hint="execute the partitions again",
        query_id=query_id,
    )


def _check_columns(columns: list[_schemas.Column], schema: pa.Schema) -> None:
    now = [(name, type_name) for name, type_name, _, _ in columns]
    then = [
        (field.name, (field.metadata or {}).get(_schemas.TYPE_KEY, b"").decode())
        for field in schema
    ]
    if now != then:
        shown = [", ".join(f"{name!r} {kind}" for name, kind in side) for side in (now, then)]
        raise errors.make(
            Status.INVALID_DATA,
            f"could not read the partition: its columns are {shown[0]}, and its ticket says {shown[1]}",
            hint="execute the partitions again",
        )
