"""Opening a query: prepared and executed, and once more where the server refused to execute it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from e6data_adbc import errors
from e6data_adbc._driver.binding.server_binding import TURN_OFF, Operand
from e6data_adbc._driver.query.acted import note_effect
from e6data_adbc._driver.query.execution import execute_method
from e6data_adbc._driver.query.prepare import prepare
from e6data_adbc._driver.query.query import Query
from e6data_adbc._session.manager import SessionManager, Undecided
from e6data_adbc._session.retry.decide import PrepareAgain
from e6data_adbc._session.retry.effort import Effort, mark_final
from e6data_adbc._session.retry.failure import Failure
from e6data_adbc._transport.observer import Watch
from e6data_adbc._transport.scope import Scope
from e6data_adbc.options import ConnectionOptions

__all__ = ["open_query"]

_log = logging.getLogger("e6data_adbc.query")


def open_query(
    sessions: SessionManager,
    sql: str,
    scope: Scope,
    *,
    catalog: str | None,
    db_schema: str | None,
    on_prepared: Callable[[Query], None],
    on_close: Callable[[Query], None],
    values: Sequence[Operand] = (),
    effort: Effort | None = None,
    kind: Callable[..., Query] | None = None,
) -> Query:
    """Returns *sql* running on the server, with its schema known; on any failure nothing of it is left there.

    Where the server refused to execute it, so that it cannot have run, it is prepared once more.

    Args:
        sessions: Who asks.
        sql: One statement.
        scope: Bounds all of it, and holds the settings of the result.
        catalog: Where unqualified schemas are looked up.
        db_schema: Where unqualified tables are looked up.
        on_prepared: Told as soon as the query has an id.
        on_close: Told once the query is off the server.
        values: What the server binds to the `?` of *sql*, which takes a catalog.
        effort: The budget, where the query has no new one.
        kind: Makes the query of the arguments that `Query` has, where it is more than one.

    Raises:
        ProgrammingError: A value does not fit its parameter, or there is no catalog to bind it with.
        Error: A call failed, or the result is of an unknown kind.
    """
    if values and not catalog:
        raise errors.make(
            errors.Status.INVALID_STATE,
            "could not bind parameters on the server: there is no current catalog, and only calls with one take values",
            hint=f"set {ConnectionOptions.CURRENT_CATALOG.value!r}, or {TURN_OFF}",
        )
    effort = sessions.effort(scope) if effort is None else effort.within(scope)
    watch = sessions.transport.observer.execution(scope.parent)
    try:
        with scope.beneath(watch.parent):
            query = _open(
                sessions,
                sql,
                effort,
                watch,
                catalog,
                db_schema,
                on_prepared,
                on_close,
                values,
                kind or Query,
            )
    except BaseException as error:
        watch.end(error)
        raise
    query.watch_with(watch)
    return query


def _open(
    sessions: SessionManager,
    sql: str,
    effort: Effort,
    watch: Watch,
    catalog: str | None,
    db_schema: str | None,
    on_prepared: Callable[[Query], None],
    on_close: Callable[[Query], None],
    values: Sequence[Operand],
    kind: Callable[..., Query],
) -> Query:
    scope = effort.scope
    for is_last in (False, True):
        prepared = prepare(sessions, sql, effort, catalog=catalog, db_schema=db_schema)
        query = kind(prepared, sessions, scope.settings, on_close, scope.parent)
        watch.note(query_id=query.query_id, strategy=query.lease.route.colour)
        try:
            on_prepared(query)
            with scope.waking(query.cancel):
                query.start(effort, values)
            return query
        except Undecided as undecided:
            query.close()
            if is_last:
                error = mark_final(undecided.error, Failure.ANSWERED)
                rpc = execute_method(prepared).name
                raise errors.complete(error, rpc=rpc, query_id=prepared.query_id) from None
            _prepare_again(sessions, query, undecided, effort)
        except errors.Error as error:
            query.close()
            note_effect(error, sql)
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
