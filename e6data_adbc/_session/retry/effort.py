"""What one user call may still do about its failures: its time, its repetitions, its colours."""

from __future__ import annotations

import time

from e6data_adbc import errors
from e6data_adbc._session.colour.routes import Tries
from e6data_adbc._session.endpoint import EndpointState
from e6data_adbc._session.retry.decide import Decision, GiveUp, Outcome, Reason, Repeats
from e6data_adbc._session.retry.failure import Failure, classify
from e6data_adbc._session.retry.retry_table import NOT_USED, ROWS
from e6data_adbc._transport import failures
from e6data_adbc._transport.api import RpcFailure
from e6data_adbc._transport.methods import Method, Q, R
from e6data_adbc._transport.scope import Scope
from e6data_adbc.options import DatabaseOptions

__all__ = ["Effort", "outcome_of", "mark_final"]


class Effort:
    """The budget of one user call; belongs to the thread that makes the call.

    A user call is made of phases, preparing and executing for instance; each has the time of its own option, and all
    together have the total.

    Attributes:
        scope: Cancels it, and holds the options.
        limit: The option that ends the phase first: its own, or that of the whole.
    """

    def __init__(
        self,
        state: EndpointState,
        scope: Scope,
        seconds: float | None = None,
        limit: DatabaseOptions | None = None,
        began: float | None = None,
    ) -> None:
        """Starts the clock.

        Args:
            state: The endpoint.
            scope: Cancels it, and holds the options.
            seconds: The time for everything; that of the option for the total if it is None.
            limit: The option that *seconds* are of, if they are one's.
            began: When that began, by the monotonic clock; now if it is None.
        """
        self._state = state
        self.scope = scope
        self._repeats: Repeats | None = None
        self._tries: Tries | None = None
        total = scope.settings.rpc.total_timeout if seconds is None else seconds
        #: The option that bounds the whole; None where nobody can raise that.
        self._whole = DatabaseOptions.TOTAL_TIMEOUT if seconds is None else limit
        self._phase_limit = self.limit = self._whole or DatabaseOptions.TOTAL_TIMEOUT
        self._ends = self._phase_ends = (time.monotonic() if began is None else began) + total

    @property
    def repeats(self) -> Repeats:
        """What the phase has done about its failures."""
        if self._repeats is None:  # most calls do not fail
            self._repeats = Repeats(self._state.budget, self._state.rng)
        return self._repeats

    @property
    def tries(self) -> Tries:
        """The colours that the phase has tried."""
        if self._tries is None:
            self._tries = self._state.store.tries()
        return self._tries

    def within(self, scope: Scope) -> Effort:
        """Returns the same effort for a part of the work that *scope* cancels."""
        part = Effort.__new__(Effort)
        part.__dict__.update(self.__dict__)
        part.scope = scope
        return part

    def begin(self, method: Method[Q, R]) -> None:
        """Begins the phase of *method*: its time, its repetitions, its colours."""
        self._repeats = self._tries = None
        self._phase_limit = self.limit = method.limit
        self._phase_ends = time.monotonic() + self.scope.settings.get(method.limit)
        if self._whole is not None and self._ends < self._phase_ends:
            self.limit = self._whole

    def extend(self, seconds: float) -> None:
        """Gives the phase the time back that was spent on something with a limit of its own."""
        self._phase_ends += seconds
        self.limit = self._phase_limit
        if self._whole is not None and self._ends < self._phase_ends:
            self.limit = self._whole

    @property
    def seconds_left(self) -> float:
        """What is left of phase and total."""
        return min(self._phase_ends, self._ends) - time.monotonic()

    def limit_of(self, method: Method[Q, R]) -> DatabaseOptions:
        """Returns the option that ends a phase of *method*, were it to begin now."""
        own: float = self.scope.settings.get(method.limit)
        if self._whole is not None and self.total_left < own:
            return self._whole
        return method.limit

    @property
    def total_left(self) -> float:
        """What is left of the total."""
        return self._ends - time.monotonic()

    def most(self, method: Method[Q, R]) -> float:
        """Returns the longest that a try of *method* may take in a phase of its own, in seconds."""
        limit: float = self.scope.settings.get(method.limit)
        per_try = ROWS.get(method.name, NOT_USED).per_try
        return limit if per_try is None else min(per_try, limit)

    def timeout(self, method: Method[Q, R], *, verb: str, query_id: str | None = None) -> float:
        """Returns the deadline of the next try of *method*, in seconds.

        Raises:
            OperationalError: There is no time left for one (TIMEOUT); nothing was sent.
        """
        left = min(self._phase_ends, self._ends) - time.monotonic()
        if left <= 0:
            error = errors.make(
                errors.Status.TIMEOUT,
                f"could not {verb}: no time is left for it",
                hint=f"raise {self.limit.value}",
                query_id=query_id,
            )
            raise mark_final(failures.with_evidence(error, method), Failure.DEADLINE)
        per_try = ROWS.get(method.name, NOT_USED).per_try
        return left if per_try is None or per_try > left else per_try


def outcome_of(error: errors.Error, scope: Scope) -> Outcome:
    """Returns how the call behind *error* failed."""
    cause = error.__cause__
    if scope.is_cancelled:
        return Outcome(Failure.CANCELLED)
    if not isinstance(cause, RpcFailure) or cause.is_final:
        return Outcome(Failure.ANSWERED)
    signal = failures.signal(cause)
    failure = classify(
        cause.code.name,
        cause.text,
        signal=None if signal is None else signal.name,
        is_sent=failures.is_sent(cause),
    )
    return Outcome(failure, cause.pushback)


#: After these the same statement may well work later.
_PASSING = frozenset(
    {
        Failure.UNSENT,
        Failure.UNAVAILABLE,
        Failure.DEADLINE,
        Failure.EXHAUSTED,
        Failure.LOST,
        Failure.SUSPENDED,
        Failure.WRONG_COLOUR,
    }
)


def mark_final(
    error: errors.Error,
    failure: Failure,
    *,
    is_in_doubt: bool = False,
    decision: Decision | None = None,
) -> errors.Error:
    """Returns *error*, with a detail that tells whether the user may try again.

    Args:
        error: How the call failed.
        failure: The same, as the table knows it.
        is_in_doubt: Whether it may have had an effect.
        decision: What the table said; it is told where a repetition was all that was missing.
    """
    is_spent = isinstance(decision, GiveUp) and decision.reason is Reason.BUDGET
    return errors.amend(
        error,
        note=f"it was not sent again: {Reason.BUDGET.value}" if is_spent else "",
        is_retryable=failure in _PASSING and not is_in_doubt,
    )
