"""Opening a query: prepared and executed, and once more where the server refused to execute it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from e6data_adbc import errors
from e6data_adbc._driver.binding.server_binding import TURN_OFF
from e6data_adbc._driver.query.acted import note_effect
from e6data_adbc._driver.query.prepare import prepare
from e6data_adbc._driver.query.query import Query
from e6data_adbc._driver.query.query_handle import QueryHandle
from e6data_adbc._driver.workspace import Workspace
from e6data_adbc._session.manager import SessionManager, Undecided
from e6data_adbc._session.retry.decide import PrepareAgain
from e6data_adbc._session.retry.effort import Effort, mark_final
from e6data_adbc._session.retry.failure import Failure
from e6data_adbc._session.shortcut import Begun
from e6data_adbc._sql.command import Command
from e6data_adbc._transport.observer import IGNORED, Watch
from e6data_adbc._transport.scope import Scope
from e6data_adbc.options import ConnectionOptions

__all__ = ["open_query"]

_log = logging.getLogger("e6data_adbc.query")


#: A kind of query.
Q = TypeVar("Q", bound=Query)


def open_query(
    workspace: Workspace,
    command: Command,
    effort: Effort,
    *,
    kind: Callable[[QueryHandle, Workspace, Scope], Q],
    begun: Begun | None = None,
) -> Q:
    """Returns *command* running on the server, with its schema known; on any failure nothing of it is left there.

    Where the server refused to execute it, so that it cannot have run, it is prepared once more.

    Args:
        workspace: Whose names and sessions it has.
        command: One statement. The server binds values only in a catalog.
        effort: Bounds all of it; its scope holds the settings of the result.
        kind: `Query`, or what is more than one.
        begun: What a shortcut has done about it.

    Raises:
        ProgrammingError: A value does not fit its parameter, or there is no catalog to bind it with.
        Error: A call failed, or the result is of an unknown kind.
    """
    if command.values and not workspace.names.catalog:
        raise errors.make(
            errors.Status.INVALID_STATE,
            "could not bind parameters on the server: there is no current catalog, and only calls with one take values",
            hint=f"set {ConnectionOptions.CURRENT_CATALOG.value!r}, or {TURN_OFF}",
        )
    scope = effort.scope
    watch = workspace.sessions.transport.observer.execution(scope.parent)
    if watch is IGNORED:
        return _open(workspace, command, effort, kind, begun)
    try:
        with scope.beneath(watch.parent):
            query = _open(workspace, command, effort, kind, begun, watch)
    except BaseException as error:
        watch.end(error)
        raise
    query.watch_with(watch)
    return query


def _open(
    workspace: Workspace,
    command: Command,
    effort: Effort,
    kind: Callable[[QueryHandle, Workspace, Scope], Q],
    begun: Begun | None,
    watch: Watch = IGNORED,
) -> Q:
    sessions, scope = workspace.sessions, effort.scope
    for is_last in (False, True):
        handle = prepare(workspace, command.sql, effort, begun)
        opened, begun = None if begun is None else begun.opened, None
        query = kind(handle, workspace, scope)
        watch.note(query_id=query.query_id, strategy=query.lease.route.colour)
        try:
            workspace.add(query)
            scope.add(query.cancel)
            try:
                query.start(effort, command.values, opened)
            finally:
                scope.remove(query.cancel)
            return query
        except Undecided as undecided:
            query.close()
            if is_last:
                error = mark_final(undecided.error, Failure.ANSWERED)
                rpc = handle.execute_method.name
                raise errors.complete(error, rpc=rpc, query_id=handle.query_id) from None
            _prepare_again(sessions, query, undecided, effort)
        except errors.Error as error:
            query.close()
            note_effect(error, command.sql)
            raise
        except BaseException:
            query.close()
            raise
    raise AssertionError("the last round returns or raises")


def _prepare_again(
    sessions: SessionManager, query: Query, undecided: Undecided, effort: Effort
) -> None:
    """Makes the next prepare worth trying after *query* was refused."""
    decision = undecided.decision
    assert isinstance(decision, PrepareAgain)  # noqa: S101 - `Execution.run` has settled everything else
    _log.info("query %r was not executed, preparing again: %s", query.query_id, undecided.error)
    sessions.state.counters.count("queries_prepared_again")
    sessions.mend(undecided, decision.cause, query.lease, effort)
    effort.scope.pause(decision.seconds)
    effort.scope.check("execute the statement", query_id=query.query_id)
