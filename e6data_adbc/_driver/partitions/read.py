"""Reading a partition: the result that a ticket stands for, in a session of our own."""

from __future__ import annotations

import functools
from typing import Final

from e6data_adbc import errors
from e6data_adbc._driver.partitions.narrowing import Narrowing
from e6data_adbc._driver.partitions.shared_query import (
    AgreedQuery,
    ForeignQuery,
    result_is_gone,
)
from e6data_adbc._driver.partitions.ticket import RunningResult, SubQuery, Ticket
from e6data_adbc._driver.query.query import Query
from e6data_adbc._driver.query.query_handle import QueryHandle
from e6data_adbc._driver.results.delegating_result import QueryResult
from e6data_adbc._driver.results.rerun_query import open_rerunnable
from e6data_adbc._driver.workspace import Names, Workspace
from e6data_adbc._session.colour.strategy import Colour, colour_of
from e6data_adbc._session.lease import Lease
from e6data_adbc._session.manager import SessionManager
from e6data_adbc._session.retry.effort import Effort
from e6data_adbc._sql.command import Command
from e6data_adbc._sql.effect import is_surely_query
from e6data_adbc._transport import failures
from e6data_adbc._transport.scope import Scope
from e6data_adbc.errors import Status

__all__ = ["read"]

_READ: Final = "read the partition"


def read(workspace: Workspace, descriptor: bytes, narrowing: Narrowing) -> QueryResult:
    """Returns the result of a ticket, running, in a session of our own.

    Args:
        workspace: Whose sessions it has.
        descriptor: The ticket.
        narrowing: The columns and rows of it that are wanted.

    Raises:
        Error: The ticket is not good, as `TicketIssuer.accept` says, or a call failed.
        ProgrammingError: Its result was read before, or runs and is to be narrowed (INVALID_STATE), is no longer on
            the server (NOT_FOUND), or may not be read by this session (UNAUTHORIZED).
        DataError: The columns have changed since.
    """
    with (
        workspace.running(_READ, workspace.level.settings) as scope,
        workspace.cancellable(scope),
    ):
        ticket = narrowing.of(workspace.tickets.accept(descriptor))
        if isinstance(ticket.work, RunningResult):
            return _take_over(workspace, ticket, ticket.work, scope)
        return _run(workspace, ticket, ticket.work, scope)


def _run(workspace: Workspace, ticket: Ticket, work: SubQuery, scope: Scope) -> QueryResult:
    if workspace.is_read_only and not is_surely_query(work.sql):
        raise errors.make(
            Status.INVALID_STATE,
            f"could not {_READ}: the connection is read-only and its text is not surely one query",
        )

    names = Names(ticket.catalog, ticket.db_schema)
    kind = functools.partial(AgreedQuery, schema=ticket.schema)
    return open_rerunnable(workspace.view(names), Command(work.sql), scope, kind=kind)


def _take_over(workspace: Workspace, ticket: Ticket, work: RunningResult, scope: Scope) -> Query:
    sessions, tickets = workspace.sessions, workspace.tickets
    colour = colour_of(work.colour)
    if colour is None:
        raise errors.make(
            Status.INVALID_DATA,
            f"could not {_READ}: its result is on an unknown deployment, {work.colour!r}",
        )
    if not tickets.claim(work, ticket.expires):
        raise errors.make(
            Status.INVALID_STATE,
            f"could not {_READ}: its result was read before, or is being read",
            hint="a result can be read once; execute the partitions again",
            query_id=work.query_id,
        )
    watch = sessions.transport.observer.execution(scope.parent)
    watch.note(query_id=work.query_id, strategy=colour)
    query: ForeignQuery | None = None
    try:
        with scope.beneath(watch.parent):
            effort = sessions.effort(scope)
            lease = _adopt(sessions, colour, work, effort)
            query = ForeignQuery(QueryHandle(sessions, lease, work.query_id), workspace, scope)
            workspace.add(query)
            with scope.waking(query.cancel):
                query.take_over(effort, ticket.schema, work.rows)
    except BaseException as error:
        # Nothing of it was consumed: it stays what it was, and so does the ticket.
        if query is not None:
            query.leave()
        tickets.give_back(work)
        watch.end(error)
        raise
    query.watch_with(watch)
    return query


def _adopt(sessions: SessionManager, colour: Colour, work: RunningResult, effort: Effort) -> Lease:
    try:
        return sessions.adopt(colour, work.engine, effort)
    except errors.Error as error:
        if failures.signal(error) is failures.Signal.WRONG_STRATEGY:
            raise result_is_gone(work.query_id, failures.server_text(error)) from error
        raise errors.about_query(error, work.query_id) from error.__cause__
