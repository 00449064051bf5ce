"""The result of a statement that changes something: run to its end, with the rows that it touched."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._driver.results.delegating_result import DelegatingResult, QueryResult
from e6data_adbc._driver.results.repeated_query import RepeatedQuery
from e6data_adbc._sql.effect import Effect, effect_of, has_returning

if TYPE_CHECKING:
    from e6data_adbc._native import Response

__all__ = ["UNKNOWN_ROWS", "ChangeResult", "run_to_end"]

#: What ADBC says where the number of rows is not known.
UNKNOWN_ROWS = -1


class ChangeResult(DelegatingResult):
    """A result that was read before anybody asked for it, so that the change is done and its mistakes are known.

    The engine's count is taken out of it: then there are no columns. Anything else, as the rows of RETURNING, is kept
    for the reader. Threads: as `Query`.
    """

    def __init__(self, result: QueryResult, sql: str) -> None:
        """Reads *result*, the running statement *sql*, to its end; blocks. A failure closes it.

        Raises:
            Error: The statement failed.
        """
        self.current = result
        self._responses: deque[Response] = deque()
        try:
            while (response := result.next_response()) is not None:
                self._responses.append(response)
            self.rows_affected = self._count(sql)
        except errors.Error as error:
            result.close()
            errors.complete(error, rpc=result.rpc, query_id=result.query_id)
            raise
        except BaseException:
            result.close()
            raise
        self.options = result.options
        self.schema = result.schema
        self.announced_rows = result.announced_rows
        if self.rows_affected != UNKNOWN_ROWS:
            self._responses.clear()
            self.schema = pa.schema([])
            self.announced_rows = UNKNOWN_ROWS

    def next_response(self) -> Response | None:
        """Returns the next response, or None at the end."""
        return self._responses.popleft() if self._responses else None

    def _count(self, sql: str) -> int:
        runs = self.current.runs if isinstance(self.current, RepeatedQuery) else 1
        return _sum_of_counts(list(self._responses), self.current.schema, sql, runs)


def run_to_end(query: QueryResult, sql: str) -> int:
    """Reads *query*, which runs *sql*, to its end; returns the rows that it changed, -1 where that is not known.

    The rows of a query are dropped as they come.

    Raises:
        Error: The statement failed.
    """
    is_change = effect_of(sql) is Effect.CHANGE
    first: Response | None = None
    responses = 0
    while (response := query.next_response()) is not None:
        first = first or (response if is_change else None)
        responses += 1
    if first is None or responses != 1:
        return UNKNOWN_ROWS
    try:
        return _sum_of_counts([first], query.schema, sql, 1)
    except errors.Error as error:
        errors.complete(error, rpc=query.rpc, query_id=query.query_id)
        raise


def _sum_of_counts(responses: list[Response], schema: pa.Schema, sql: str, runs: int) -> int:
    """Returns the sum of the engine's counts: one row of one whole number for each run, and nothing else."""
    from e6data_adbc import _native

    if len(schema) != 1 or not pa.types.is_integer(schema.types[0]) or has_returning(sql):
        return UNKNOWN_ROWS
    counts: list[int | None] = []
    try:
        for response in responses:
            if sum(rows for rows, _ in response.probe()) + len(counts) > runs:
                return UNKNOWN_ROWS
            for chunk in response.chunks():
                batch = pa.record_batch(_native.decode_chunk(chunk, schema))
                counts += batch.column(0).to_pylist() if batch.num_columns else []
    except _native.NativeDecodeError as error:
        raise errors.from_native(error, verb="read the number of changed rows") from error
    known = [count for count in counts if count is not None and count >= 0]
    return sum(known) if len(known) == runs else UNKNOWN_ROWS
