"""The counters of one endpoint, which `adbc.e6data.connection.stats` shows."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final

__all__ = ["COUNTERS", "Counters"]

#: What is counted, by its name in `adbc.e6data.connection.stats`.
COUNTERS: Final = (
    "sign_ins",
    "session_renewals",
    "token_renewals",
    "retries",
    "resumes",
    "queries_prepared",
    "queries_prepared_again",
    "queries_rerun",
    "queries_cleared",
    "queries_uncleared",
    "queries_in_doubt",
    "results_incomplete",
    "colour_hints_taken",
    "colour_hints_written",
    "colour_hint_troubles",
)


class Counters:
    """How often what happened at one endpoint; any thread may call."""

    def __init__(self) -> None:
        self._counts = Counter(dict.fromkeys(COUNTERS, 0))
        self._lock = threading.RLock()

    def count(self, name: str) -> None:
        """Counts one more *name*, which is one of `COUNTERS`."""
        with self._lock:
            self._counts[name] += 1

    def read(self) -> dict[str, int]:
        """Returns all counts."""
        with self._lock:
            return dict(self._counts)
