"""What the engine did, for tests that compare a client's story with the server's."""

from __future__ import annotations

import collections
import dataclasses
import threading
import time
from typing import Any

__all__ = ["Ledger", "QueryRecord"]


@dataclasses.dataclass
class QueryRecord:
    """The life of one query as the engine saw it; it outlives the query."""

    query_id: str
    sql: str
    strategy: str
    prepares: int = 1
    executes: int = 0
    #: Fetch calls that were answered.
    fetches: int = 0
    #: Chunks handed out, without end markers, and the rows in them.
    chunks: int = 0
    rows: int = 0
    #: The end of the result was told.
    ended: bool = False
    cancels: int = 0
    #: clear and clearOrCancelQuery calls, also repeated ones.
    clears: int = 0
    #: The engine dropped it without being asked: lifetime, switch, suspension, stop.
    dropped: bool = False
    error: str | None = None

    @property
    def is_open(self) -> bool:
        """True while the engine still holds the query."""
        return self.clears == 0 and not self.dropped


class Ledger:
    """Counters per method and per query; any thread may read at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: collections.Counter[str] = collections.Counter()
        self._refused: collections.Counter[tuple[str, str, str]] = collections.Counter()
        self._unlimited: collections.Counter[str] = collections.Counter()
        self._queries: dict[str, QueryRecord] = {}
        self._answers = self._bytes = self._reopened = 0
        self._began = time.monotonic()

    @property
    def calls(self) -> collections.Counter[str]:
        """A copy of the number of calls per method, refused ones included."""
        with self._lock:
            return self._calls.copy()

    @property
    def refused(self) -> collections.Counter[tuple[str, str, str]]:
        """A copy of the number of refused calls per method, code name and text."""
        with self._lock:
            return self._refused.copy()

    @property
    def without_deadline(self) -> collections.Counter[str]:
        """A copy of the number of calls per method that came without a deadline."""
        with self._lock:
            return self._unlimited.copy()

    @property
    def reopened(self) -> int:
        """How often DuckDB broke and was opened again."""
        with self._lock:
            return self._reopened

    @property
    def queries(self) -> list[QueryRecord]:
        """The queries in the order in which they were prepared."""
        with self._lock:
            return list(self._queries.values())

    @property
    def open_queries(self) -> list[QueryRecord]:
        """The queries that were neither cleared nor dropped."""
        return [record for record in self.queries if record.is_open]

    @property
    def last(self) -> QueryRecord:
        """The query prepared last."""
        return self.queries[-1]

    def summary(self, last: int) -> dict[str, Any]:
        """Returns everything as plain values, with the records of the *last* queries."""
        queries = self.queries
        return {
            "calls": dict(sorted(self.calls.items())),
            "refused": [
                {"method": method, "code": code, "details": details, "count": count}
                for (method, code, details), count in sorted(self.refused.items())
            ],
            "prepared": len(queries),
            "executed": sum(record.executes for record in queries),
            "executed_twice": sum(record.executes > 1 for record in queries),
            "reopened": self.reopened,
            "open": sum(record.is_open for record in queries),
            "last": [dataclasses.asdict(record) for record in queries[-last:] if last > 0],
        }

    def metrics(self) -> dict[str, float]:
        """Returns counters since the start, as numbers by name; those of a method are `calls.<method>`."""
        queries = self.queries
        with self._lock:
            refused = collections.Counter[str]()
            for (_, code, _), count in self._refused.items():
                refused[code] += count
            return {
                "uptime_seconds": time.monotonic() - self._began,
                "calls": sum(self._calls.values()),
                "answers": self._answers,
                "answered_bytes": self._bytes,
                "reopened": self._reopened,
                "queries": len(queries),
                "queries_open": sum(record.is_open for record in queries),
                "queries_executed": sum(record.executes for record in queries),
                "queries_failed": sum(record.error is not None for record in queries),
                "queries_cancelled": sum(record.cancels > 0 for record in queries),
                "queries_dropped": sum(record.dropped for record in queries),
                "chunks": sum(record.chunks for record in queries),
                "rows": sum(record.rows for record in queries),
                **{f"calls.{method}": count for method, count in sorted(self._calls.items())},
                **{f"refused.{code}": count for code, count in sorted(refused.items())},
            }

    def query(self, query_id: str) -> QueryRecord | None:
        """Returns the record of *query_id*, or None if there never was one."""
        with self._lock:
            return self._queries.get(query_id)

    def count_call(self, method: str, *, has_deadline: bool = True) -> None:
        """Counts a call that arrived."""
        with self._lock:
            self._calls[method] += 1
            if not has_deadline:
                self._unlimited[method] += 1

    def count_reopening(self) -> None:
        """Counts a DuckDB that broke and was opened again."""
        with self._lock:
            self._reopened += 1

    def count_answer(self, size: int) -> None:
        """Counts an answer of *size* bytes."""
        with self._lock:
            self._answers += 1
            self._bytes += size

    def count_refusal(self, method: str, code: str, details: str) -> None:
        """Counts a call that was refused."""
        with self._lock:
            self._refused[method, code, details] += 1

    def prepared(self, record: QueryRecord) -> None:
        """Begins the record of a query."""
        with self._lock:
            self._queries[record.query_id] = record

    def add(
        self,
        record: QueryRecord,
        *,
        executes: int = 0,
        fetches: int = 0,
        chunks: int = 0,
        rows: int = 0,
        cancels: int = 0,
        clears: int = 0,
    ) -> None:
        """Adds to the counters of *record*."""
        with self._lock:
            record.executes += executes
            record.fetches += fetches
            record.chunks += chunks
            record.rows += rows
            record.cancels += cancels
            record.clears += clears
