"""Results that stand for others: what a statement needs of any result, and the base of those that pass it on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from e6data_adbc._driver.abc import KnowsItsMethod, ResultSource
from e6data_adbc._transport.scope import Scope, cancelled

if TYPE_CHECKING:
    from e6data_adbc._native import StreamStats

__all__ = ["DelegatingResult", "QueryResult", "SuccessiveResult"]


class QueryResult(ResultSource, KnowsItsMethod, Protocol):
    """A running result, which native code reads and a statement watches."""

    @property
    def is_open(self) -> bool:
        """Whether the server still holds it for us."""
        ...

    @property
    def rows_delivered(self) -> int:
        """The rows that the reader got so far."""
        ...

    def close(self, timeout: float | None = None) -> None:
        """Clears it on the server, within *timeout* seconds or those of the option; never raises."""
        ...


class DelegatingResult:
    """A result that stands for another one and passes on to it what it does not do itself. Threads: as `Query`.

    Attributes:
        current: The result that it stands for now.
    """

    current: QueryResult

    @property
    def query_id(self) -> str:
        """The server's id of the query that runs now, or ran last."""
        return self.current.query_id

    @property
    def rpc(self) -> str:
        """The method that fetches, for errors."""
        return self.current.rpc

    @property
    def is_open(self) -> bool:
        """Whether the server still holds a query for us."""
        return self.current.is_open

    @property
    def rows_delivered(self) -> int:
        """The rows that the reader got so far."""
        return self.current.rows_delivered

    def attach(self, stats: StreamStats) -> None:
        """Takes the counters of the stream that reads this result."""
        self.current.attach(stats)

    def cancel(self) -> None:
        """Ends what is under way. Returns at once."""
        self.current.cancel()

    def close(self, timeout: float | None = None) -> None:
        """Clears the query on the server; never raises."""
        self.current.close(timeout)


class SuccessiveResult(DelegatingResult):
    """A result that stands for one query after another. Each is opened in its scope, which `cancel` ends."""

    def __init__(self, scope: Scope) -> None:
        """Opens nothing yet; its own scope has the settings and the parent of *scope*."""
        self._scope = Scope(scope.settings, scope.parent)
        self._is_closed = False
        self._stats: StreamStats | None = None

    def cancel(self) -> None:
        """Ends what is under way, and opens nothing anew. Returns at once."""
        self._scope.cancel()
        self.current.cancel()

    def close(self, timeout: float | None = None) -> None:
        """Clears the query on the server and opens no other; never raises."""
        self._scope.cancel()
        # Said before it looks, so that a query which takes the other's place too late for that sees it.
        self._is_closed = True
        self.current.close(timeout)

    def _proceed_with(self, query: QueryResult) -> None:
        """Puts *query* in the place of the current one; if it was closed meanwhile, ends it and raises CANCELLED."""
        self.current = query
        if self._is_closed:
            query.close()
            raise cancelled("read the result", query_id=query.query_id)
