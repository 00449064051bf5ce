"""Preparing: the step that turns a text into a query on the server."""

from __future__ import annotations

from e6data_adbc import errors
from e6data_adbc._driver.query.query_handle import QueryHandle
from e6data_adbc._driver.workspace import Names, Workspace
from e6data_adbc._session.lease import Lease
from e6data_adbc._session.manager import SessionManager
from e6data_adbc._session.retry.effort import Effort
from e6data_adbc._sql.placeholders import strip_statement
from e6data_adbc._sql.query_tag import tagged
from e6data_adbc._transport import methods
from e6data_adbc._transport.headers import check_planner
from e6data_adbc._wire import e6x_engine_pb2 as wire

__all__ = ["prepare"]


def prepare(workspace: Workspace, sql: str, effort: Effort) -> QueryHandle:
    """Has the server plan *sql*; nothing runs yet.

    Args:
        workspace: Whose names and sessions the query has.
        sql: One statement; trailing semicolons, which the engine refuses, are taken off, and the tag of the option put
            before it.
        effort: Bounds it. A cancellation leaves no id, so there is nothing to clear.

    Raises:
        ProgrammingError: The server refuses the statement (INVALID_ARGUMENT).
        Error: The call failed.
    """
    sessions, names = workspace.sessions, workspace.names
    text = tagged(strip_statement(sql), effort.scope.settings)
    query_id = None
    try:
        query_id, lease = _ask(sessions, text, names, effort)
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


def _ask(sessions: SessionManager, sql: str, names: Names, effort: Effort) -> tuple[str, Lease]:
    """Returns id and place of the query, unchecked; the response, which holds a session id, stays in here."""
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
        )
    else:
        response, lease = sessions.call(
            methods.PREPARE,
            lambda session_id: wire.PrepareStatementRequest(
                sessionId=session_id, schema=schema, queryString=sql
            ),
            effort,
            verb=verb,
        )
    lease.planner = response.engineIP
    lease.move(response.sessionId)
    return response.queryId, lease
