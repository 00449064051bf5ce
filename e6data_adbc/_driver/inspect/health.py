"""The health of a connection: whether a query gets through, and how long it takes."""

from __future__ import annotations

import json
import threading
import time
from typing import Final

from e6data_adbc import errors
from e6data_adbc._driver.query.open_query import open_query
from e6data_adbc._driver.query.query import Query
from e6data_adbc._driver.workspace import Workspace
from e6data_adbc._options.option_values import Settings
from e6data_adbc._sql.command import Command
from e6data_adbc._transport.scope import Scope
from e6data_adbc.options import DatabaseOptions

__all__ = ["read_health"]

_SQL: Final = "SELECT 1"
_VERB: Final = "check the connection"
#: Even when the time is up the query is given this to be cleared, in seconds.
_LEAST_PATIENCE: Final = 0.1


def read_health(workspace: Workspace) -> str:
    """Returns `{"state": "active", "strategy": colour, "latency_seconds": number}` after a query that got through.

    The query signs in where there is no session, and renews one that the server forgot; it never resumes the cluster.

    Raises:
        OperationalError: No answer came in the time of the option (TIMEOUT), the cluster is suspended or cannot be
            reached (IO), or the credentials are refused (UNAUTHENTICATED).
        ProgrammingError: The connection is closed.
    """
    settings = workspace.level.settings
    limit: float = settings.get(DatabaseOptions.HEALTH_TIMEOUT)
    bounded = settings.with_option(DatabaseOptions.AUTO_RESUME.value, "false")
    started = time.monotonic()
    with workspace.running(_VERB, bounded) as scope, workspace.cancellable(scope):
        is_late = threading.Event()
        # One bound over everything, whatever has limits of its own.
        timer = threading.Timer(limit, _end, (is_late, scope))
        timer.daemon = True
        timer.start()
        try:
            strategy = _ask(workspace, scope, bounded, started + limit)
        except errors.Error as error:
            if is_late.is_set() and error.status_code == errors.Status.CANCELLED:
                raise _late(limit) from error
            raise
        finally:
            timer.cancel()
    latency = round(time.monotonic() - started, 6)
    return json.dumps({"state": "active", "strategy": strategy, "latency_seconds": latency})


def _end(is_late: threading.Event, scope: Scope) -> None:
    is_late.set()
    scope.cancel()


def _ask(workspace: Workspace, scope: Scope, settings: Settings, deadline: float) -> str:
    """Returns the colour that answered a query."""
    query = open_query(workspace, Command(_SQL), workspace.sessions.effort(scope), kind=Query)
    try:
        with scope.waking(query.cancel):
            while query.next_response() is not None:
                pass
    finally:
        _close(query, settings, deadline)
    return query.lease.route.colour


def _close(query: Query, settings: Settings, deadline: float) -> None:
    left = max(deadline - time.monotonic(), _LEAST_PATIENCE)
    query.close(min(left, settings.rpc.clear_timeout))


def _late(limit: float) -> errors.Error:
    return errors.make(
        errors.Status.TIMEOUT,
        f"could not {_VERB}: no answer within {limit:g} s",
        hint=f"raise {DatabaseOptions.HEALTH_TIMEOUT.value}",
        sqlstate="HYT00",
    )
