"""Preparing: the step that turns a text into a query on the server."""

from __future__ import annotations

import dataclasses

from e6data_adbc import errors
from e6data_adbc._session.lease import Lease
from e6data_adbc._session.manager import SessionManager
from e6data_adbc._session.retry.effort import Effort
from e6data_adbc._sql.effect import is_surely_query
from e6data_adbc._sql.placeholders import strip_statement
from e6data_adbc._sql.query_tag import tagged
from e6data_adbc._transport import methods
from e6data_adbc._transport.headers import check_planner
from e6data_adbc._wire import e6x_engine_pb2 as wire

__all__ = ["Prepared", "prepare"]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A query that exists on the server: from here on somebody has to clear it.

    Attributes:
        query_id: The server's id.
        lease: What each of its calls keeps to, for its whole life.
        has_catalog: Whether it was prepared with a catalog, which decides the method that executes it.
        sql: What was prepared; None where somebody else did that.
    """

    query_id: str
    lease: Lease
    has_catalog: bool
    sql: str | None = None

    def may_change(self) -> bool:
        """Tells whether the statement may do more than read. It is found out anew each time, from the whole text."""
        return self.sql is not None and not is_surely_query(self.sql)

    @property
    def engine(self) -> str:
        """The planner that owns it, as the server named it."""
        return self.lease.planner or ""


def prepare(
    sessions: SessionManager,
    sql: str,
    effort: Effort,
    *,
    catalog: str | None,
    db_schema: str | None,
) -> Prepared:
    """Has the server plan *sql*; nothing runs yet.

    Args:
        sessions: Who asks.
        sql: One statement; trailing semicolons, which the engine refuses, are taken off, and the tag of the option put
            before it.
        effort: Bounds it. A cancellation leaves no id, so there is nothing to clear.
        catalog: Where unqualified schemas are looked up.
        db_schema: Where unqualified tables are looked up.

    Raises:
        ProgrammingError: The server refuses the statement (INVALID_ARGUMENT).
        Error: The call failed.
    """
    text = tagged(strip_statement(sql), effort.scope.settings)
    query_id = None
    try:
        prepared = _ask(sessions, text, effort, catalog, db_schema or "")
        query_id = prepared.query_id
        if not query_id:
            raise errors.make(
                errors.Status.INVALID_DATA,
                "could not prepare the statement: the server gave no query id",
            )
        check_planner(prepared.engine, query_id=query_id)
    except errors.Error as error:
        method = methods.PREPARE_V2 if catalog else methods.PREPARE
        errors.complete(error, rpc=method.name, query_id=query_id)
        raise
    sessions.state.counters.count("queries_prepared")
    return dataclasses.replace(prepared, sql=sql)


def _ask(
    sessions: SessionManager, sql: str, effort: Effort, catalog: str | None, schema: str
) -> Prepared:
    """Returns what the server says, unchecked; the response, which holds a session id, stays in here."""
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
    return Prepared(response.queryId, lease, bool(catalog))
