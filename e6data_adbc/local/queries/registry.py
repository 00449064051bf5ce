"""The queries that the engine holds, and who may touch them."""

from __future__ import annotations

import collections
import threading
import time
import uuid
from collections.abc import Callable

from e6data_adbc.local.cluster.deployment import COLOURS
from e6data_adbc.local.cluster.sessions import Session
from e6data_adbc.local.ledger import Ledger
from e6data_adbc.local.queries.query import Query
from e6data_adbc.local.wire import refusal

__all__ = ["Queries"]


class Queries:
    """The living queries of one engine by id; any thread may call."""

    def __init__(self, ledger: Ledger, *, shared: bool) -> None:
        """Starts empty; *shared* lets every session of a user touch the user's queries."""
        self._ledger = ledger
        self._shared = shared
        self._lock = threading.Condition()
        self._queries: dict[str, Query] = {}
        #: How often the queries of a colour were dropped.
        self._drops: collections.Counter[str] = collections.Counter()

    @staticmethod
    def new_id() -> str:
        """Returns an id that no query has."""
        return str(uuid.uuid4())

    def drops(self, strategy: str) -> int:
        """Returns how often the queries of the colour *strategy* were dropped; for `add`."""
        with self._lock:
            return self._drops[strategy]

    def add(self, query: Query, drops: int) -> None:
        """Takes a prepared query in, unless those of its colour were dropped since they had been so *drops* times."""
        with self._lock:
            if self._drops[query.session.strategy] == drops:
                self._queries[query.query_id] = query
                return
        query.drop()

    def find(self, query_id: str, engine_ip: str, planner: str | None, session: Session) -> Query:
        """Returns the query that a call is about.

        Args:
            query_id: From the request.
            engine_ip: From the request.
            planner: The header `plannerip`.
            session: The caller's.

        Raises:
            Refusal: There is none, it is another session's, or the call went to another planner.
        """
        with self._lock:
            query = self._queries.get(query_id)
        if query is None:
            raise refusal.sql_error(f"Query {query_id} not found")
        same = query.session == session
        if self._shared:
            same = (query.session.user, query.session.strategy) == (session.user, session.strategy)
        if not same:
            raise refusal.access_denied()
        if engine_ip != query.engine_ip:
            raise refusal.sql_error(f"Query {query_id} is not on planner {engine_ip!r}")
        if planner is None and query.needs_planner_header:
            raise refusal.sql_error(f"the header plannerip is missing for query {query_id}")
        if planner is not None and planner != query.engine_ip:
            raise refusal.sql_error(f"planner {planner!r} does not have query {query_id}")
        return query

    def clear_again(self, query_id: str) -> bool:
        """Counts one more clear of a query that is gone; returns whether it ever existed."""
        record = self._ledger.query(query_id)
        with self._lock:
            if record is None or query_id in self._queries:
                return False
        self._ledger.add(record, clears=1)
        return True

    def remove(self, query: Query) -> None:
        """Forgets a query that was cleared."""
        with self._lock:
            self._queries.pop(query.query_id, None)
            self._lock.notify_all()

    def wait_until_none(self, seconds: float) -> bool:
        """Waits until every query was cleared, *seconds* at most; returns whether that is so."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._queries, seconds)

    def drop(self, strategy: str | None = None) -> None:
        """Drops the queries of the colour *strategy*, or all, those that are being prepared too."""
        with self._lock:
            self._drops.update(COLOURS if strategy is None else (strategy,))
        self._drop(lambda query: strategy in (None, query.session.strategy))

    def drop_of(self, session: Session) -> None:
        """Drops the queries of *session*."""
        self._drop(lambda query: query.session == session)

    def drop_expired(self) -> None:
        """Drops the queries whose time has passed."""
        now = time.monotonic()
        self._drop(lambda query: query.expires <= now)

    def interrupt(self) -> None:
        """Stops all running queries without waiting for them."""
        with self._lock:
            queries = list(self._queries.values())
        for query in queries:
            query.interrupt()

    def abandon(self, root: object) -> None:
        """Ends the results that are read from *root*, a DuckDB that broke, see `Query.abandon`."""
        with self._lock:
            queries = list(self._queries.values())
        for query in queries:
            query.abandon(root)

    def _drop(self, is_due: Callable[[Query], bool]) -> None:
        with self._lock:
            due = [query for query in self._queries.values() if is_due(query)]
            for query in due:
                del self._queries[query.query_id]
            self._lock.notify_all()
        for query in due:
            query.drop()
