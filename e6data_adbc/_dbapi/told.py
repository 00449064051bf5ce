"""What cursors tell of a query beside its rows."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final, NamedTuple

from e6data_adbc._dbapi.interrupts import call
from e6data_adbc._dbapi.shown import table_html
from e6data_adbc.options import StatementOptions

if TYPE_CHECKING:
    from adbc_driver_manager import AdbcStatement

__all__ = ["ASKS", "Analysis", "Plan", "Timings", "progress_of", "timings_of"]

#: While one of these is on, a statement gives one row about itself, and also a change gives rows.
ASKS: Final = (
    StatementOptions.EXPLAIN.value,
    StatementOptions.EXPLAIN_ANALYZE.value,
    StatementOptions.DRY_RUN.value,
)


class Timings(NamedTuple):
    """How the server ran a query."""

    #: Whether it answered from a cache.
    is_cached: bool
    #: How long it took to read and plan the query.
    parsing_milliseconds: int
    #: How long the query waited before it ran.
    queueing_milliseconds: int


def timings_of(statement: AdbcStatement) -> Timings:
    """Returns how the server ran the last query of *statement*, once it has told; Ctrl-C and `cancel` end the wait.

    Raises:
        ProgrammingError: It has not told (NOT_FOUND).
        OperationalError: The wait was cancelled, or took too long.
    """
    return call(
        lambda: Timings(
            statement.get_option(StatementOptions.IS_CACHED.value) == "true",
            statement.get_option_int(StatementOptions.PARSING_MILLISECONDS.value),
            statement.get_option_int(StatementOptions.QUEUEING_MILLISECONDS.value),
        ),
        statement.cancel,
    )


def progress_of(statement: AdbcStatement) -> tuple[int, int | None]:
    """Returns how many rows of the result were delivered, and how many the server announced, if it did."""
    delivered = statement.get_option_float(StatementOptions.PROGRESS.value)
    announced = statement.get_option_float(StatementOptions.MAX_PROGRESS.value)
    return int(delivered), int(announced) or None


class Plan(str):
    """The server's plan of a statement, as its text."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        """What notebooks show."""
        return f"<pre>{html.escape(self)}</pre>"


class Analysis(NamedTuple):
    """The plan of a statement that has run, and its times."""

    query_id: str
    #: The plan in the server's words.
    plan: str
    #: What the server says about the run, as JSON; which keys it has is the engine's affair.
    analysis: str
    #: As in `Timings`.
    is_cached: bool
    parsing_milliseconds: int
    queueing_milliseconds: int
    #: From sending the statement to its end, and the rows that it gave; None where the analysis lacks them.
    total_milliseconds: float | None
    row_count: int | None

    def _repr_html_(self) -> str:
        """What notebooks show: times, rows and the plan."""
        facts = {
            "total ms": self.total_milliseconds,
            "parsing ms": self.parsing_milliseconds,
            "queueing ms": self.queueing_milliseconds,
            "rows": self.row_count,
            "from the cache": "yes" if self.is_cached else "no",
        }
        known = {name: value for name, value in facts.items() if value is not None}
        shown = table_html(list(known), [[str(value) for value in known.values()]])
        return f"{shown}<pre>{html.escape(self.plan)}</pre>"
