"""What the server says about a statement in place of its rows: its plan, its times, its dry run."""

from __future__ import annotations

import enum
import json
import logging
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._driver.query.open_query import open_query
from e6data_adbc._driver.query.prepare import prepare
from e6data_adbc._driver.query.query import Query
from e6data_adbc._driver.results.local_result import LocalResult, schema_of
from e6data_adbc._driver.workspace import Workspace
from e6data_adbc._options.option_values import Settings
from e6data_adbc._session.retry.effort import Effort
from e6data_adbc._sql.command import Command, Operand
from e6data_adbc._sql.placeholders import strip_statement
from e6data_adbc._sql.query_tag import tagged
from e6data_adbc._transport import methods
from e6data_adbc._transport.api import Opened
from e6data_adbc._transport.scope import Scope
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.options import DatabaseOptions, StatementOptions

__all__ = ["Ask", "ask", "plan_schema"]

_log = logging.getLogger("e6data_adbc.query")


class Ask(enum.Enum):
    """What is asked for in place of the rows, by the option that asks for it."""

    EXPLAIN = StatementOptions.EXPLAIN.value
    ANALYZE = StatementOptions.EXPLAIN_ANALYZE.value
    DRY_RUN = StatementOptions.DRY_RUN.value


#: How a server may refuse to explain what has not run.
_NOT_YET: Final = frozenset(
    {errors.Status.INTERNAL, errors.Status.INVALID_ARGUMENT, errors.Status.INVALID_STATE}
)

#: The columns of the answers, each of one row.
_COLUMNS: Final[dict[Ask, dict[str, str]]] = {
    Ask.EXPLAIN: {"query_id": "STRING", "plan": "STRING"},
    Ask.ANALYZE: {
        "query_id": "STRING",
        "plan": "STRING",
        "analysis": "STRING",
        "is_cached": "BOOLEAN",
        "parsing_milliseconds": "LONG",
        "queueing_milliseconds": "LONG",
        "total_milliseconds": "DOUBLE",
        "row_count": "LONG",
    },
    Ask.DRY_RUN: {"plan": "STRING"},
}


def plan_schema(what: Ask, settings: Settings) -> pa.Schema:
    """Returns the schema of the answer to *what*."""
    return schema_of(_COLUMNS[what], settings)


def ask(what: Ask, workspace: Workspace, sql: str, scope: Scope) -> LocalResult:
    """Returns what the server says about a statement; only `Ask.ANALYZE` runs it, to its end.

    Args:
        what: The question.
        workspace: Whose names and sessions it has.
        sql: One statement, its parameters bound.
        scope: Bounds all of it.

    Raises:
        ProgrammingError: The server refuses the statement.
        Error: A call failed.
    """
    answer = {Ask.EXPLAIN: _explain, Ask.ANALYZE: _analyze, Ask.DRY_RUN: _dry_run}[what]
    row = answer(workspace, sql, scope)
    return LocalResult(_COLUMNS[what], [row], scope.settings, str(row.get("query_id", "")))


def _explain(workspace: Workspace, sql: str, scope: Scope) -> dict[str, Any]:
    sessions = workspace.sessions
    effort = sessions.effort(scope)
    query = Query(prepare(workspace, sql, effort), workspace, scope)
    try:
        workspace.add(query)
        with scope.waking(query.cancel):
            plan = query.explain(effort)
    finally:
        query.close()
    return {"query_id": query.query_id, "plan": plan}


def _analyze(workspace: Workspace, sql: str, scope: Scope) -> dict[str, Any]:
    sessions = workspace.sessions
    # Without fetching ahead no result is received, and cleared, before we have asked about it.
    on_demand = scope.settings.with_option(DatabaseOptions.PREFETCH_RESPONSES.value, 0)
    own = Scope(on_demand, scope.parent)
    with scope.waking(own.cancel):
        query = open_query(workspace, Command(sql), sessions.effort(own), kind=_ExplainedQuery)
        try:
            with own.waking(query.cancel):
                while query.next_response() is not None:
                    pass
                plan = query.plan
                if plan is None:
                    plan = query.explain(sessions.effort(own))
                told = query.analyze(sessions.effort(own))
        finally:
            query.close()
    times = _object(told.explainAnalyze)
    total, rows = times.get("total_query_time"), times.get("row_count_out")
    return {
        "query_id": query.query_id,
        "plan": plan,
        "analysis": told.explainAnalyze,
        "is_cached": told.isCached,
        "parsing_milliseconds": told.parsingTime,
        "queueing_milliseconds": told.queueingTime,
        "total_milliseconds": float(total) if isinstance(total, int | float) else None,
        "row_count": rows if type(rows) is int and abs(rows) < 2**63 else None,
    }


class _ExplainedQuery(Query):
    """A query whose plan is asked for before it runs. Threads: as `Query`."""

    #: None where the server refuses to explain what has not run.
    plan: str | None = None

    def start(
        self, effort: Effort, values: Sequence[Operand] = (), opened: Opened | None = None
    ) -> None:
        try:
            self.plan = self.explain(effort)
        except errors.Error as error:
            if error.status_code not in _NOT_YET:
                raise
            _log.info(
                "the plan of query %r is asked for again after its run: %s", self.query_id, error
            )
        super().start(effort, values, opened)


def _object(text: str) -> dict[str, Any]:
    """Returns the JSON object that *text* is, or an empty one: its form is the engine's affair."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _dry_run(workspace: Workspace, sql: str, scope: Scope) -> dict[str, Any]:
    sessions, catalog = workspace.sessions, workspace.names.catalog
    schema = workspace.names.db_schema or ""
    text = tagged(strip_statement(sql), scope.settings)
    effort, verb = sessions.effort(scope), "dry-run the statement"
    if catalog:
        response, _ = sessions.call(
            methods.DRY_RUN_V2,
            lambda session_id: wire.DryRunRequestV2(
                sessionId=session_id, schema=schema, queryString=text, catalog=catalog
            ),
            effort,
            verb=verb,
        )
    else:
        response, _ = sessions.call(
            methods.DRY_RUN,
            lambda session_id: wire.DryRunRequest(
                sessionId=session_id, schema=schema, queryString=text
            ),
            effort,
            verb=verb,
        )
    return {"plan": response.dryrunValue}
