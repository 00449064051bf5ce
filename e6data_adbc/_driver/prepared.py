"""Preparing: the step that turns a text into a query on the server."""

from __future__ import annotations

import dataclasses

from e6data_adbc import errors
from e6data_adbc._driver.parameters import strip_statement
from e6data_adbc._session.manager import SessionManager, newest_session_id
from e6data_adbc._transport import calls
from e6data_adbc._transport.headers import Headers, check_planner
from e6data_adbc._transport.scope import Scope
from e6data_adbc._wire import e6x_engine_pb2 as wire

__all__ = ["Prepared", "prepare"]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A query that exists on the server: from here on somebody has to clear it.

    Attributes:
        query_id: The server's id.
        engine: The planner that owns it, as the server named it.
        headers: What routes each of its calls, for its whole life.
        session_id: The session that may touch it.
        has_catalog: Whether it was prepared with a catalog, which decides the method that executes it.
    """

    query_id: str
    engine: str
    headers: Headers
    session_id: str = dataclasses.field(repr=False)
    has_catalog: bool


def prepare(
    sessions: SessionManager,
    sql: str,
    scope: Scope,
    *,
    catalog: str | None,
    db_schema: str | None,
) -> Prepared:
    """Has the server plan *sql*; nothing runs yet.

    Args:
        sessions: Who asks.
        sql: One statement; trailing semicolons, which the engine refuses, are taken off.
        scope: Bounds it. A cancellation leaves no id, so there is nothing to clear.
        catalog: Where unqualified schemas are looked up.
        db_schema: Where unqualified tables are looked up.

    Raises:
        ProgrammingError: The server refuses the statement (INVALID_ARGUMENT).
        Error: The call failed.
    """
    prepared = _ask(sessions, strip_statement(sql), scope, catalog, db_schema or "")
    if not prepared.query_id:
        raise errors.make(
            errors.Status.INVALID_DATA,
            "could not prepare the statement: the server gave no query id",
        )
    check_planner(prepared.engine, query_id=prepared.query_id)
    return prepared


def _ask(
    sessions: SessionManager, sql: str, scope: Scope, catalog: str | None, schema: str
) -> Prepared:
    """Returns what the server says, unchecked; the response, which holds a session id, stays in here."""
    verb = "prepare the statement"
    if catalog:
        response, session = sessions.call(
            calls.PREPARE_V2,
            lambda session_id: wire.PrepareStatementV2Request(
                sessionId=session_id, schema=schema, catalog=catalog, queryString=sql
            ),
            scope,
            verb=verb,
        )
    else:
        response, session = sessions.call(
            calls.PREPARE,
            lambda session_id: wire.PrepareStatementRequest(
                sessionId=session_id, schema=schema, queryString=sql
            ),
            scope,
            verb=verb,
        )
    return Prepared(
        query_id=response.queryId,
        engine=response.engineIP,
        headers=sessions.headers(session, response.engineIP),
        session_id=newest_session_id(session.session_id, response.sessionId),
        has_catalog=bool(catalog),
    )
