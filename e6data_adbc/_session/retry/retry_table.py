"""The retry table: one row per method of the wire, saying what may follow which failure.

Calls that consume (fetch) or submit (execute) are never repeated once the engine may have acted on them. "Unsent" means
that the channel was not ready, so that the call provably never left. `docs/connection.md` shows this table.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Final

from e6data_adbc._session.retry.failure import Failure
from e6data_adbc.options import DatabaseOptions

__all__ = ["MAX_TRIES", "NOT_USED", "OF_A_READ", "ROWS", "Cell", "Row", "Step", "row"]

#: How often a call is sent at most, where the same is sent again.
MAX_TRIES: Final = 4
#: How often a call that found no connection looks for one again: a server that restarts is back by then.
MAX_UNSENT: Final = 5


class Step(enum.Enum):
    """What a table cell asks for."""

    RETRY = "the same again after a pause"
    OTHER_COLOUR = "the other colour"
    RESUME = "resume the cluster, then once again"
    REFRESH = "sign in again, then once again"
    PREPARE_AGAIN = "a new prepare, the old query cleared"
    READ_STATUS = "read the status before anything else"
    SUCCEED = "as good as done"


@dataclasses.dataclass(frozen=True)
class Cell:
    """What to do after one kind of failure, and how often in one user call."""

    step: Step
    times: int


@dataclasses.dataclass(frozen=True)
class Row:
    """How one method is repeated.

    Attributes:
        effect: What a call does on the server.
        cells: What follows which failure; a failure without a cell is final.
        per_try: The seconds of one try; None where it may use all that is left.
        limit: The option that bounds all tries together; None where the resume limit does.
        doubt: What is done when nobody knows whether a call had its effect.
    """

    effect: str
    cells: Mapping[Failure, Cell]
    per_try: float | None
    limit: DatabaseOptions | None
    doubt: str

    def timeout(self, seconds_left: float) -> float:
        """Returns the deadline of the next try, in seconds from now."""
        return seconds_left if self.per_try is None else min(self.per_try, seconds_left)


def _cells(
    *failures: Failure, times: int = MAX_TRIES - 1, step: Step = Step.RETRY
) -> dict[Failure, Cell]:
    return dict.fromkeys(failures, Cell(step, times))


_F = Failure
_UNSENT: Final = _cells(_F.UNSENT, times=MAX_UNSENT)
#: A session may be lost again while it is being renewed; a token that is new and refused stays refused.
_REFRESH: Final = _cells(_F.EDGE_REFUSED, _F.UNAUTHENTICATED, step=Step.REFRESH, times=1) | _cells(
    _F.ACCESS_DENIED, step=Step.REFRESH, times=2
)
_OTHER_COLOUR: Final = _cells(_F.WRONG_COLOUR, step=Step.OTHER_COLOUR, times=2)
_RESUME: Final = _cells(_F.SUSPENDED, step=Step.RESUME, times=1)
_READ: Final = _UNSENT | _cells(_F.UNAVAILABLE, _F.DEADLINE, _F.LOST, _F.EXHAUSTED) | _REFRESH
_O = DatabaseOptions

_PREPARE: Final = Row(
    "makes a query, does not run it",
    _UNSENT
    | _cells(_F.EXHAUSTED)
    | _cells(_F.UNAVAILABLE, _F.LOST, times=2)
    | _OTHER_COLOUR
    | _RESUME
    | _REFRESH,
    None,
    _O.PREPARE_TIMEOUT,
    "an idle query may stay until the server drops it",
)
_EXECUTE: Final = Row(
    "runs the query",
    _UNSENT
    | _cells(
        *(_F.WRONG_COLOUR, _F.SUSPENDED, _F.EDGE_REFUSED, _F.ACCESS_DENIED),
        step=Step.PREPARE_AGAIN,
        times=1,
    )
    | _cells(
        *(_F.UNAVAILABLE, _F.DEADLINE, _F.LOST, _F.UNKNOWN),
        # Codes that a server may answer with after it acted; there are no words of the engine's that say it did not.
        *(_F.EXHAUSTED, _F.UNAUTHENTICATED),
        step=Step.READ_STATUS,
        times=1,
    ),
    None,
    _O.EXECUTE_TIMEOUT,
    "its status is read; its first row proves that it ran, anything else is an error with the query id",
)
#: What surely only reads may run a second time.
_EXECUTE_READ: Final = dataclasses.replace(
    _EXECUTE,
    effect="runs a query that surely only reads",
    cells={
        **_EXECUTE.cells,
        **_cells(_F.EXHAUSTED, _F.UNAUTHENTICATED, step=Step.PREPARE_AGAIN, times=1),
    },
)
#: A session or token is looked at before any row is handed out, so what was refused for it consumed nothing.
_FETCH: Final = Row(
    "hands out rows, once",
    _UNSENT | _REFRESH,
    None,
    _O.FETCH_TIMEOUT,
    "the result fails for good and says how many rows came",
)
_QUERY_READ: Final = Row("reads", _READ, 10.0, _O.METADATA_TIMEOUT, "asked again")
#: Before a query is executed, it may be left for another one as after a refused execute.
_PARAMETERS: Final = dataclasses.replace(
    _QUERY_READ,
    cells=_READ
    | _cells(
        *(_F.WRONG_COLOUR, _F.SUSPENDED, _F.EDGE_REFUSED, _F.UNAUTHENTICATED, _F.ACCESS_DENIED),
        step=Step.PREPARE_AGAIN,
        times=1,
    ),
)
_CATALOG_READ: Final = Row("reads", _READ | _OTHER_COLOUR, 30.0, _O.METADATA_TIMEOUT, "asked again")
_CLEAR: Final = Row(
    "frees the query",
    _UNSENT
    # Clearing twice does no harm, so a status that says nothing is worth another try, too; and so, once, is an answer
    # that may be a broken connection's, as INTERNAL is.
    | _cells(_F.UNAVAILABLE, _F.DEADLINE, _F.LOST, _F.EXHAUSTED, _F.UNKNOWN, times=2)
    | _cells(_F.ANSWERED, times=1)
    | _REFRESH
    # Where its deployment is gone or its cluster asleep, the query is gone, too.
    | _cells(_F.NOT_FOUND, _F.WRONG_COLOUR, _F.SUSPENDED, step=Step.SUCCEED, times=1),
    3.0,
    _O.CLEAR_TIMEOUT,
    "asked again; then logged and counted, never raised",
)
_CLUSTER_CHANGE: Final = Row(
    "starts or stops machines",
    _UNSENT
    | _OTHER_COLOUR
    | _cells(_F.UNAVAILABLE, _F.DEADLINE, _F.LOST, _F.UNKNOWN, step=Step.READ_STATUS, times=1),
    10.0,
    None,
    "the cluster's status is read",
)

#: Stands behind the name of a method in the row for statements that surely only read.
OF_A_READ: Final = " of a read"

#: Method of the wire, or `token` for the OAuth token endpoint → how it is repeated.
ROWS: Final[Mapping[str, Row]] = {
    "authenticate": Row(
        "makes a session",
        _UNSENT
        | _cells(_F.UNAVAILABLE, _F.DEADLINE, _F.LOST, _F.EXHAUSTED)
        | _OTHER_COLOUR
        | _RESUME,
        10.0,
        _O.AUTHENTICATE_TIMEOUT,
        "asked again; a spare session is waste, not harm",
    ),
    "identifyPlanner": Row(
        "may queue the query",
        _UNSENT | _cells(_F.UNAVAILABLE, _F.EXHAUSTED) | _REFRESH,
        10.0,
        _O.PREPARE_TIMEOUT,
        "asked again with the place in the queue",
    ),
    **dict.fromkeys(("prepareStatement", "prepareStatementV2"), _PREPARE),
    **dict.fromkeys(("executeStatement", "executeStatementV2"), _EXECUTE),
    **dict.fromkeys(
        (f"executeStatement{OF_A_READ}", f"executeStatementV2{OF_A_READ}"), _EXECUTE_READ
    ),
    "getResultMetadata": dataclasses.replace(_QUERY_READ, per_try=30.0),
    **dict.fromkeys(("getNextResultBatch", "getNextResultBatchV2"), _FETCH),
    "getDynamicParams": _PARAMETERS,
    **dict.fromkeys(("status", "explain", "explainAnalyze"), _QUERY_READ),
    **dict.fromkeys(
        (
            *("getCataloges", "getSchemaNames", "getSchemaNamesV2", "getTables", "getTablesV2"),
            *("getColumns", "getColumnsV2", "dryRun", "dryRunV2", "healthCheck"),
        ),
        _CATALOG_READ,
    ),
    **dict.fromkeys(("clear", "cancelQuery", "clearOrCancelQuery"), _CLEAR),
    "cluster status": Row(
        "reads",
        _READ | _OTHER_COLOUR,
        5.0,
        None,
        "asked again",
    ),
    "cluster resume": _CLUSTER_CHANGE,
    "cluster suspend": _CLUSTER_CHANGE,
    "token": Row(
        "reads",
        _UNSENT | _cells(_F.UNAVAILABLE, _F.EXHAUSTED),
        10.0,
        _O.AUTHENTICATE_TIMEOUT,
        "asked again",
    ),
}

#: Everything else on the wire: its effects are not known, so it is not repeated.
NOT_USED: Final = Row("unknown", {}, 30.0, _O.METADATA_TIMEOUT, "an error")


def row(method: str, *, only_reads: bool = False) -> Row:
    """Returns the row of a method.

    Args:
        method: The last part of its path, with `cluster ` before it for ClusterService.
        only_reads: Whether it is about a statement that surely only reads.
    """
    found = ROWS.get(method, NOT_USED)
    return ROWS.get(method + OF_A_READ, found) if only_reads else found
