"""Preparing: the step that turns a text into a query on the server."""

from __future__ import annotations

from e6data_adbc import errors
from e6data_adbc._driver.query.query_handle import QueryHandle
from e6data_adbc._driver.workspace import Workspace
from e6data_adbc._options.option_values import Settings
from e6data_adbc._session.lease import Lease
from e6data_adbc._session.retry.effort import Effort
from e6data_adbc._session.shortcut import Begun
from e6data_adbc._sql.placeholders import strip_statement
from e6data_adbc._sql.query_tag import tagged
from e6data_adbc._transport import methods
from e6data_adbc._transport.headers import check_planner
from e6data_adbc._wire import e6x_engine_pb2 as wire

__all__ = ["prepare", "sent_text"]


def prepare(
    workspace: Workspace, sql: str, effort: Effort, begun: Begun | None = None
) -> QueryHandle:
    """Has the server plan *sql*; nothing runs yet, unless it was *begun* by a shortcut.

    Args:
        workspace: Whose names and sessions the query has.
        sql: One statement; trailing semicolons, which the engine refuses, are taken off, and the tag of the option put
            before it.
        effort: Bounds it. A cancellation leaves no id, so there is nothing to clear.
        begun: What a shortcut has done about it.

    Raises:
        ProgrammingError: The server refuses the statement (INVALID_ARGUMENT).
        Error: The call failed.
    """
    sessions, names = workspace.sessions, workspace.names
    query_id = None
    try:
        if begun is not None and begun.opened.prepared is not None:
            lease = begun.lease
            lease.planner, query_id = begun.opened.prepared
        else:
            query_id, lease = _ask(workspace, sent_text(sql, effort.scope.settings), effort, begun)
        if not query_id:
            raise errors.make(
                errors.Status.INVALID_DATA,
                "could not prepare the statement: the server gave no query id",
            )
        check_planner(lease.planner or "", query_id=query_id)
    except errors.Error as error:
        method = methods.PREPARE_V2 if names.catalog else methods.PREPARE
        errors.complete(error, rpc=method.name, query_id=query_id)
        raise
    sessions.state.counters.count("queries_prepared")
    return QueryHandle(sessions, lease, query_id, sql=sql, has_catalog=bool(names.catalog))


def sent_text(sql: str, settings: Settings) -> str:
    """Returns *sql* as it is sent: without trailing semicolons, and with the tag that *settings* name."""
    return tagged(strip_statement(sql), settings)


def _ask(workspace: Workspace, sql: str, effort: Effort, begun: Begun | None) -> tuple[str, Lease]:
    """Returns id and place of the query, unchecked; the response, which holds a session id, stays in here."""
    sessions, names = workspace.sessions, workspace.names
    catalog, schema = names.catalog, names.db_schema or ""
    verb = "prepare the statement"
    if catalog:
        response, lease = sessions.call(
            methods.PREPARE_V2,
            lambda session_id: wire.PrepareStatementV2Request(
                sessionId=session_id, schema=schema, catalog=catalog, queryString=sql
            ),
            effort,
            verb=verb,
            begun=begun,
        )
    else:
        response, lease = sessions.call(
            methods.PREPARE,
            lambda session_id: wire.PrepareStatementRequest(
                sessionId=session_id, schema=schema, queryString=sql
            ),
            effort,
            verb=verb,
            begun=begun,
        )
    lease.planner = response.engineIP
    lease.move(response.sessionId)
    return response.queryId, lease
