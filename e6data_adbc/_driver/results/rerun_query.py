"""A query that only reads, run anew where its result was lost before anybody saw a part of it.

Without a word of the user's that is done for what is lost in the one exchange that opens a result: its metadata, and
the first fetch, which travels beside them. Reading metadata is repeated, and the fetch that is under way on the same
broken connection, or in the same lost session, must not take that promise back.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from e6data_adbc import errors
from e6data_adbc._driver.query.execution import AMBIGUOUS
from e6data_adbc._driver.query.open_query import open_query
from e6data_adbc._driver.query.query import Query
from e6data_adbc._driver.query.shortcut_query import ShortcutQuery, take_shortcut
from e6data_adbc._driver.results.delegating_result import SuccessiveResult
from e6data_adbc._driver.workspace import Workspace
from e6data_adbc._session.retry.decide import pause
from e6data_adbc._session.retry.effort import outcome_of
from e6data_adbc._session.retry.failure import Failure
from e6data_adbc._session.shortcut import Begun
from e6data_adbc._sql.command import Command
from e6data_adbc._sql.effect import is_surely_query
from e6data_adbc._transport import methods
from e6data_adbc._transport.scope import Scope
from e6data_adbc.options import OnLoss, StatementOptions

if TYPE_CHECKING:
    from e6data_adbc._native import Response, StreamStats

__all__ = ["RerunQuery", "open_rerunnable"]

_log = logging.getLogger("e6data_adbc.query")

#: How often a statement is run anew at most; and how often, under the option, for sessions that were lost: each of
#: them was good for a sign-in, a prepare and an execute.
MOST_RERUNS: Final = 2
MOST_LOST_SESSIONS: Final = 8

#: What a result is lost with, while the same statement may well work. A limit that passed is the user's word, and what
#: the engine answered it would answer again.
_LOSSES: Final = frozenset(
    {
        Failure.UNSENT,
        Failure.UNAVAILABLE,
        Failure.LOST,
        Failure.EXHAUSTED,
        Failure.EDGE_REFUSED,
        Failure.UNAUTHENTICATED,
        Failure.ACCESS_DENIED,
        Failure.WRONG_COLOUR,
        Failure.SUSPENDED,
        Failure.NOT_FOUND,
    }
)
_LOST_SESSIONS: Final = frozenset(
    {Failure.EDGE_REFUSED, Failure.UNAUTHENTICATED, Failure.ACCESS_DENIED}
)
#: What the connection or the session took with it, rather than the engine.
_OPENING_LOSSES: Final = _LOST_SESSIONS | {Failure.UNSENT, Failure.UNAVAILABLE, Failure.LOST}
#: The calls that only a query which was executed gets.
_READ: Final = frozenset(
    method.name for method in (methods.RESULT_METADATA, methods.FETCH, methods.FETCH_V2)
)
_EXECUTE: Final = frozenset(method.name for method in (methods.EXECUTE, methods.EXECUTE_V2))


def open_rerunnable(
    workspace: Workspace,
    command: Command,
    scope: Scope,
    *,
    kind: Callable[..., Query] = Query,
) -> ShortcutQuery | Query | RerunQuery:
    """Returns *command* running; as a `RerunQuery` if there is something left to lose.

    Arguments as `open_query`. What is run later has the names of *workspace* then: give a view.

    Raises:
        Error: As `open_query`, after the last run.
    """
    begun = None
    if kind is Query:
        taken = take_shortcut(workspace, command, scope)
        if isinstance(taken, ShortcutQuery):
            return taken
        begun = taken
    query = RerunQuery(workspace, command, scope, kind, begun)
    return query.current if query.current.whole is not None else query


class RerunQuery(SuccessiveResult):
    """A query that takes the place of one whose result was lost, until a response was handed out. Threads: as `Query`.

    All runs together have the time that one has: what `total_timeout_seconds` says, from the first prepare on. Under
    the option the first responses are held back, up to the bytes of one batch: until then nobody has seen a row.
    """

    current: Query

    def __init__(
        self,
        workspace: Workspace,
        command: Command,
        scope: Scope,
        kind: Callable[..., Query],
        begun: Begun | None = None,
    ) -> None:
        """Opens the query, which a shortcut may have *begun*; see `open_rerunnable`."""
        self._workspace = workspace
        self._sessions = workspace.sessions
        self._command = command
        self._kind = kind
        super().__init__(scope)
        self._begun = begun
        began = None if begun is None else begun.began
        self._effort = workspace.sessions.effort(self._scope, began=began)
        self._is_asked_for = scope.settings.get(StatementOptions.ON_LOSS) is OnLoss.RERUN_READS
        #: Whether the first fetch travels beside the metadata.
        self._fetches_ahead = int(scope.settings.fetch.prefetch_responses) > 0
        self._reruns = self._lost_sessions = 0
        #: The query that was lost last.
        self._lost_id: str | None = None
        #: What came and was not handed out yet, None being the end of the result.
        self._held: deque[Response | None] = deque()
        self._has_handed_out = False
        #: Rows that have to come yet, as far as the stream does not check that itself.
        self._missing = 0
        scope.add(self._scope.cancel)
        try:
            self.current = self._open()
        finally:
            scope.remove(self._scope.cancel)
        self.schema = self.current.schema
        self.options = self.current.options
        self.announced_rows = self.current.announced_rows

    def attach(self, stats: StreamStats) -> None:
        """Takes the counters of the stream that reads this result."""
        self._stats = stats
        self.current.attach(stats)

    def next_response(self) -> Response | None:
        """Returns the next response, or None at the end; blocks.

        Raises:
            Error: As `Query.next_response`, and nothing could be done about it; from the second response on nothing is.
        """
        while not self._has_handed_out:
            try:
                self._receive_first()
            except errors.Error as error:
                if self._may_rerun(self.current.loss or error):
                    self._held.clear()
                    self._rerun(error)
                    continue
                if not self._held:
                    raise
                # First what came before it; the query then says it again.
            self._has_handed_out = True
        is_held = self._held and not self._scope.is_cancelled
        response = self._held.popleft() if is_held else self.current.next_response()
        self._account(response)
        return response

    def course(self) -> object:
        """Returns how native code gets the responses from here on until `next_response` is called, or None."""
        if self._held or not self._has_handed_out or self._missing > 0:
            return None
        return self.current.course()

    # ---- running anew

    def _receive_first(self) -> None:
        """Receives what is handed out first."""
        limit = self.options.batch_bytes if self._is_asked_for else 0
        size = 0
        while True:
            response = self.current.next_response()
            self._held.append(response)
            if response is None:
                return
            size += response.nbytes
            if size > limit:
                return

    def _open(self) -> Query:
        while True:
            try:
                begun, self._begun = self._begun, None
                query = open_query(
                    *(self._workspace, self._command, self._effort), kind=self._kind, begun=begun
                )
            except errors.Error as error:
                if not self._may_rerun(error):
                    # One that was not prepared has no id; what the user asked about is the one that was lost.
                    named = (
                        error if self._lost_id is None else errors.about_query(error, self._lost_id)
                    )
                    if named is error:
                        raise
                    raise named from error.__cause__
                continue
            if query.loss is None or not self._may_rerun(query.loss):
                return query
            query.close()

    def _may_rerun(self, loss: errors.Error) -> bool:
        """Tells whether the statement is to be run anew after *loss*, for which it waits a little then."""
        state = self._sessions.state
        failure = _lost_by(loss, self._scope)
        is_lost_session = failure in _LOST_SESSIONS
        if (
            self._scope.is_cancelled
            or _is_ended_here(loss)
            or not self._is_covered(loss, failure)
            or not self._may_again(is_lost_session=is_lost_session)
            or self._effort.total_left <= 0
            or not is_surely_query(self._command.sql)
            # A session that ended says nothing about how much the endpoint can bear.
            or not (is_lost_session or state.budget.take())
        ):
            return False
        seconds = min(pause(self._reruns, state.rng), self._effort.total_left)
        self._lost_id = errors.query_id(loss)
        self._reruns += not is_lost_session
        self._lost_sessions += is_lost_session
        state.counters.count("queries_rerun")
        _log.warning("a result was lost before its first row, the statement runs anew: %s", loss)
        self._scope.pause(seconds)
        return not self._scope.is_cancelled

    def _is_covered(self, loss: errors.Error, failure: Failure | None) -> bool:
        """Tells whether *loss* is one after which the statement is run anew, with or without the option."""
        if self._is_asked_for:
            return failure is not None or errors.detail(loss, AMBIGUOUS) is not None
        is_of_exchange = errors.detail(loss, errors.RPC) in _READ
        return is_of_exchange and self._fetches_ahead and failure in _OPENING_LOSSES

    def _may_again(self, *, is_lost_session: bool) -> bool:
        if is_lost_session and self._is_asked_for:
            return self._lost_sessions < MOST_LOST_SESSIONS
        return self._reruns + (0 if self._is_asked_for else self._lost_sessions) < MOST_RERUNS

    def _rerun(self, error: errors.Error) -> None:
        """Puts another query in the place of the current one, whose *error* stands where the other does not fit.

        Raises:
            Error: It could not be opened, or has other columns or another number of rows.
        """
        self.current.close()
        query = self._open()
        # The reader knows both by now. How many rows there are the server may tell one time and not the other.
        has_changed = len({query.announced_rows, self.announced_rows} - {-1}) > 1
        if query.schema != self.schema or has_changed:
            query.close()
            raise error
        if self.announced_rows < 0:
            self._missing = max(query.announced_rows, 0)
        self._proceed_with(query)
        if self._stats is not None:
            query.attach(self._stats)

    def _account(self, response: Response | None) -> None:
        """Counts the rows that the stream does not, as it was opened before their number was known."""
        if self._missing <= 0:
            return
        if response is not None:
            self._missing -= response.row_count
        elif not self.options.allow_missing_rows:
            announced = self.current.announced_rows
            raise errors.make(
                errors.Status.INVALID_DATA,
                f"could not read the result of query {self.query_id!r}: the server announced {announced} rows and"
                f" ended after {announced - self._missing}",
                query_id=self.query_id,
            )


def _is_ended_here(loss: errors.Error) -> bool:
    """Tells whether this process ended the query, as a connection that closes ends all of its; no server said so."""
    return (
        loss.status_code in (errors.Status.CANCELLED, errors.Status.INVALID_STATE)
        and errors.detail(loss, errors.GRPC_CODE) is None
    )


def _lost_by(error: errors.Error, scope: Scope) -> Failure | None:
    """Returns how a result was lost which the statement may give the next time; None if *error* does not say so."""
    if errors.detail(error, AMBIGUOUS) is not None:
        return None
    failure = outcome_of(error, scope).failure
    # An execute is refused for its session before anything runs.
    lost = {_READ: _LOSSES, _EXECUTE: _LOST_SESSIONS}
    rpc = errors.detail(error, errors.RPC)
    return next((failure for names, some in lost.items() if rpc in names and failure in some), None)
