"""Executing in partitions: a query's result as tickets."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._driver.inspect.execute_schema import read_schema
from e6data_adbc._driver.partitions import cutting, split
from e6data_adbc._driver.partitions.partitioning import (
    USUAL_COUNT,
    VERB,
    Partitioning,
)
from e6data_adbc._driver.partitions.shared_query import (
    UnreadQuery,
)
from e6data_adbc._driver.partitions.ticket import RunningResult, SubQuery
from e6data_adbc._driver.query.open_query import Q, open_query
from e6data_adbc._driver.query.query import Query
from e6data_adbc._driver.workspace import Workspace
from e6data_adbc._sql.command import Command
from e6data_adbc._sql.effect import Effect, cuts_rows, effect_of, is_surely_query
from e6data_adbc._sql.names import quoted_name
from e6data_adbc._sql.placeholders import strip_statement
from e6data_adbc._transport.scope import Scope
from e6data_adbc.errors import Status

__all__ = ["Made", "execute"]


class Made(NamedTuple):
    """A result in partitions.

    Attributes:
        schema: Of the rows.
        tickets: One for each partition.
        announced_rows: Of all partitions together, -1 where unknown.
        query: What runs already and belongs to its ticket from now on; None where the readers run their parts.
    """

    schema: pa.Schema
    tickets: list[bytes]
    announced_rows: int
    query: Query | None


def execute(workspace: Workspace, sql: str, how: Partitioning, scope: Scope) -> Made:
    """Returns the result of *sql* in partitions.

    Without a column the query runs when this returns, and its one ticket stands for its result, which belongs to the
    ticket from then on. With one, each ticket holds a query that its reader runs.

    Args:
        workspace: Whose names and sessions it has.
        sql: One statement, without parameters.
        how: How it is split.
        scope: Bounds all of it.

    Raises:
        ProgrammingError: The statement changes something, or cannot be split so (INVALID_ARGUMENT); or there is no key
            for tickets (INVALID_STATE).
        NotSupportedError: The column's type cannot be split by.
        Error: A call failed.
    """
    how.check()
    workspace.tickets.check()
    if how.column is None and not scope.settings.partition.defer_query:
        return _start(workspace, sql, scope)
    _require_query(sql)
    if how.column is None:
        schema, texts = _schema(workspace, sql, scope), [strip_statement(sql)]
    else:
        schema, texts = _split(workspace, sql, how.column, how, scope)
    issue = _issuer(workspace, schema, scope)
    return Made(schema, [issue(SubQuery(text)) for text in texts], -1, None)


def _require_query(sql: str) -> None:
    """Raises INVALID_ARGUMENT if running *sql* more than once might do harm."""
    if not is_surely_query(sql):
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not {VERB}: it would run more than once, and the text is not surely one query",
            hint="execute it",
        )


def _issuer(
    workspace: Workspace, schema: pa.Schema, scope: Scope
) -> Callable[[RunningResult | SubQuery], bytes]:
    return functools.partial(
        workspace.tickets.issue,
        schema=schema,
        **workspace.names._asdict(),
        lifetime=scope.settings.partition.lifetime,
    )


# ---- one result


def _start(workspace: Workspace, sql: str, scope: Scope) -> Made:
    """Starts the query and hands it over to the one ticket."""
    if effect_of(sql) is Effect.CHANGE:
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not {VERB}: the statement changes something, which has no partitions",
            hint="execute it",
        )
    query = _open(workspace, sql, scope, UnreadQuery)
    try:
        schema = query.schema
        if query.needs_rows:
            # Rows that were fetched here would be missing there, so another query tells what rows tell.
            _require_query(sql)
            schema = _schema(workspace, sql, scope)
        scope.check(VERB, query_id=query.query_id)
        work = RunningResult(
            query.query_id,
            query.lease.planner or "",
            query.lease.route.colour,
            workspace.tickets.owner,
            query.announced_rows,
        )
        ticket = _issuer(workspace, schema, scope)(work)
        workspace.hand_over(query, work, clears=scope.settings.partition.clear_unread)
    except BaseException:
        query.close()
        raise
    rows = query.announced_rows if query.announced_rows > 0 else -1
    return Made(schema, [ticket], rows, query)


def _schema(workspace: Workspace, sql: str, scope: Scope) -> pa.Schema:
    """Returns the schema of a query; where only its rows tell it, the query is run until they do."""
    try:
        return read_schema(workspace, sql, scope)
    except errors.NotSupportedError:
        query = _open(workspace, sql, scope, Query)
        query.close()
        return query.schema


def _open(workspace: Workspace, sql: str, scope: Scope, kind: type[Q]) -> Q:
    return open_query(workspace, Command(sql), workspace.sessions.effort(scope), kind=kind)


# ---- many queries


def _split(
    workspace: Workspace, sql: str, name: str, how: Partitioning, scope: Scope
) -> tuple[pa.Schema, list[str]]:
    """Returns the schema and the texts of the queries that *sql* is split into."""
    if cuts_rows(sql):
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not {VERB}: each of them would apply the query's LIMIT, OFFSET or FETCH to rows of its own",
            hint="if the query gives the same rows each time, write SELECT * FROM (…) around it",
        )
    # In lines of their own, so that a comment at the end hides no bracket.
    source = f"(\n{strip_statement(sql)}\n) AS partitioned"
    whole = f"SELECT * FROM {source}"  # noqa: S608 - the user's own text
    schema = _schema(workspace, whole, scope)
    field = _field(schema, name)
    column, kind = quoted_name(field.name, "column"), split.value_type(field)
    count = how.count or USUAL_COUNT
    if count == 1:
        return schema, [whole]
    spans = cutting.spans(workspace, cutting.Source(source, column, kind), how.bounds, count, scope)
    if not spans:
        return schema, [whole]
    conditions = [split.condition(column, span) for span in spans]
    return schema, [whole if text is None else f"{whole} WHERE {text}" for text in conditions]


def _field(schema: pa.Schema, name: str) -> pa.Field[Any]:
    exact = [field for field in schema if field.name == name]
    found = exact or [field for field in schema if field.name.lower() == name.lower()]
    if len(found) != 1:
        cause = "there is more than one such column" if found else "there is no such column"
        known = ", ".join(map(repr, schema.names[:20]))
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not split by column {name!r} of the result: {cause}; it has {known}",
        )
    return found[0]
