"""Executing a prepared query: once, and what is known of it where the call got no answer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

from e6data_adbc import errors
from e6data_adbc._driver.binding.server_binding import answer
from e6data_adbc._driver.query.fetcher import INCOMPLETE, ROWS_DELIVERED
from e6data_adbc._driver.query.query_handle import QueryHandle
from e6data_adbc._session.manager import SessionManager, Undecided
from e6data_adbc._session.retry.decide import PrepareAgain, ReadStatus
from e6data_adbc._session.retry.effort import Effort
from e6data_adbc._sql.command import Operand
from e6data_adbc._transport import failures, methods
from e6data_adbc._transport.scope import Scope, cancelled
from e6data_adbc._transport.transport import PendingCall
from e6data_adbc.options import DatabaseOptions

__all__ = ["AMBIGUOUS", "Execution", "in_doubt_when_cancelled"]

_log = logging.getLogger("e6data_adbc.query")

#: The detail of an error after which nobody knows whether the statement ran.
AMBIGUOUS: Final = "e6data.ambiguous"

#: What an error about a doubt keeps of the failure that left it.
_KEPT: Final = frozenset({errors.RPC, errors.GRPC_CODE, INCOMPLETE, ROWS_DELIVERED})
_OPERATIONAL: Final = frozenset({errors.Status.IO, errors.Status.TIMEOUT, errors.Status.UNKNOWN})


class Execution:
    """The one execution of a query."""

    def __init__(self, handle: QueryHandle, sessions: SessionManager, scope: Scope) -> None:
        self._handle = handle
        self._sessions = sessions
        self._scope = scope
        self._verb = f"execute {handle.name}"
        #: The option that ended its execute, if one did.
        self._limit: DatabaseOptions | None = None

    def run(
        self, effort: Effort, values: Sequence[Operand], begun: PendingCall[Any] | None = None
    ) -> errors.Error | None:
        """Executes the query; returns what went wrong if nobody knows yet whether it runs, which only a row will tell.

        Args:
            effort: Bounds it.
            values: What the server binds to its parameters; only a query that was prepared with a catalog has any.
            begun: The execute, where that was sent before.

        Raises:
            ProgrammingError: A value does not fit its parameter.
            Undecided: It was not executed, and has to be prepared anew.
            Error: A call failed, or nobody can tell whether the query runs.
        """
        try:
            fields = {"params": self._bind(effort, values)} if values else None
            method = self._handle.execute_method
            self._handle.call(method, self._verb, effort, begun=begun, fields=fields)
        except Undecided as undecided:
            if isinstance(undecided.decision, PrepareAgain):
                raise
            if undecided.error.status_code == errors.Status.TIMEOUT:
                self._limit = effort.limit
            return self._settle(undecided, effort)
        return None

    def _bind(self, effort: Effort, values: Sequence[Operand]) -> Sequence[Any]:
        verb = f"read the parameters of {self._handle.name}"
        return answer(self._handle.call(methods.DYNAMIC_PARAMETERS, verb, effort).params, values)

    def _settle(self, undecided: Undecided, effort: Effort) -> errors.Error | None:
        """Finds out whether the query runs, after its execute got no answer; returns the doubt that is left.

        Raises:
            OperationalError: Nobody can tell.
        """
        failure = undecided.error
        _log.warning("nobody knows whether %s runs: %s", self._handle.name, failure)
        if not isinstance(undecided.decision, ReadStatus):
            raise self.in_doubt(failure) from failure
        try:
            verb = f"read the status of {self._handle.name}"
            self._handle.call(methods.STATUS, verb, effort)
        except (errors.Error, Undecided) as error:
            if self._scope.is_cancelled:
                raise in_doubt_when_cancelled(
                    cancelled(self._verb, query_id=self._handle.query_id)
                ) from error
            raise self.in_doubt(failure) from error
        # It is still there, and no more than that is known: an engine may call a query that was only prepared running
        # or finished, of 0 rows, of -1 or of as many as it expects. Only a started one hands out a row.
        return failure

    def in_doubt(self, failure: errors.Error) -> errors.Error:
        """Returns the error for a query that may or may not have run, after *failure* of its execute."""
        return self._ambiguous(failure, "nobody knows whether it runs or ran")

    def without_outcome(self, failure: errors.Error) -> errors.Error:
        """Returns the error for a change that was started, and whose outcome was lost with *failure*."""
        return self._ambiguous(failure, "it was started, and nobody knows what it did")

    def _ambiguous(self, failure: errors.Error, what: str) -> errors.Error:
        self._sessions.state.counters.count("queries_in_doubt")
        known = failure.status_code in _OPERATIONAL
        hint = "look it up by its id before running the statement again"
        if self._limit is not None:
            hint += f", and raise {self._limit.value} if it takes longer to start"
        return errors.make(
            failure.status_code if known else errors.Status.UNKNOWN,
            f"could not {self._verb}: {what};"
            f" {failures.server_text(failure) or 'the server gave no reason'}",
            hint=hint,
            query_id=self._handle.query_id,
            sqlstate="08007",
            vendor_code=failure.vendor_code,
            details=[
                (AMBIGUOUS, b"true"),
                (errors.RETRYABLE, b"false"),
                *(item for item in failure.details if item[0] in _KEPT),
            ],
        )


def in_doubt_when_cancelled(error: errors.Error) -> errors.Error:
    """Returns *error*, a cancellation while nobody knew whether the query ran, which says that, too."""
    return errors.amend(error, details=[(AMBIGUOUS, b"true")])
