"""What follows a failed call: the function that reads the retry table.

Nothing here waits, reads a clock or calls; the caller does what the decision says.
"""

from __future__ import annotations

import dataclasses
import enum
import random
import threading
from typing import Final

from e6data_adbc._session.retry.failure import Failure
from e6data_adbc._session.retry.retry_table import MAX_TRIES, Cell, Row, Step

__all__ = [
    # What follows
    "Decision",
    "GiveUp",
    "OtherColour",
    "PrepareAgain",
    "ReadStatus",
    "Reason",
    "Refresh",
    "Resume",
    "RetryAfter",
    "Succeed",
    # Asking
    "Outcome",
    "Repeats",
    "RetryBudget",
    "decide",
    "pause",
]

#: The pause before a repetition is drawn between 0 and this, doubled with each one, up to that.
BASE_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0

#: The retry budget of an endpoint: sending again costs one token, a success brings a tenth.
BUDGET_TOKENS: Final = 10.0
TOKENS_PER_SUCCESS: Final = 0.1


class Reason(enum.Enum):
    """Why a failure is final."""

    NOT_REPEATABLE = "a repetition might do it twice or not help"
    TRIES = "it failed again and again"
    BUDGET = "too many calls to this endpoint failed of late"
    DEADLINE = "no time is left for another try"
    PUSHBACK = "the server asked not to try again"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A failed call.

    Attributes:
        failure: How it failed.
        pushback: The seconds that the server asks to wait; negative where it asks not to come back.
    """

    failure: Failure
    pushback: float | None = None


class RetryBudget:
    """The tokens of one endpoint, so that a dead one is not hammered; any thread may call anything.

    Attributes:
        tokens: How many are left.
    """

    def __init__(self) -> None:
        self.tokens = BUDGET_TOKENS
        self._lock = threading.RLock()

    def take(self) -> bool:
        """Takes a token for one repetition; False if there is none."""
        with self._lock:
            if self.tokens < 1.0:
                return False
            self.tokens -= 1.0
        return True

    def succeed(self) -> None:
        """Brings back a tenth of a token, for a call that succeeded."""
        with self._lock:
            self.tokens = min(self.tokens + TOKENS_PER_SUCCESS, BUDGET_TOKENS)


@dataclasses.dataclass(frozen=True)
class RetryAfter:
    """Send the same again after a pause."""

    seconds: float


@dataclasses.dataclass(frozen=True)
class OtherColour:
    """Report the mismatch, then send it to the next colour."""


@dataclasses.dataclass(frozen=True)
class Resume:
    """Have the cluster resumed, then send it again."""


@dataclasses.dataclass(frozen=True)
class Refresh:
    """Renew session or token, then send it again."""


@dataclasses.dataclass(frozen=True)
class PrepareAgain:
    """Clear the query, mend what *cause* names, wait, prepare the statement anew and execute that."""

    cause: Failure
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class ReadStatus:
    """The call may have had its effect: read the status on the same id."""


@dataclasses.dataclass(frozen=True)
class Succeed:
    """The failure says that there is nothing left to do."""


@dataclasses.dataclass(frozen=True)
class GiveUp:
    """The failure is final.

    Attributes:
        reason: Why.
        is_in_doubt: Whether the call may have had an effect that must not happen twice.
    """

    reason: Reason
    is_in_doubt: bool = False


Decision = (
    RetryAfter | OtherColour | Resume | Refresh | PrepareAgain | ReadStatus | Succeed | GiveUp
)

#: What was done so far about the failed calls of one user call, in order.
History = tuple[tuple[Row, Failure, Step], ...]


def pause(repetition: int, rng: random.Random) -> float:
    """Returns the seconds before a repetition, the first being 0: full jitter, so that clients spread."""
    ceiling = BASE_PAUSE_SECONDS * 2.0 ** min(repetition, 16)
    return rng.uniform(0.0, min(ceiling, LONGEST_PAUSE_SECONDS))


def decide(
    row: Row,
    history: History,
    outcome: Outcome,
    budget: RetryBudget,
    seconds_left: float,
    rng: random.Random,
) -> Decision:
    """Returns what follows a failed call; takes a token of *budget* for a repetition of the same call.

    Args:
        row: The row of the method.
        history: What was done before in this user call, for this method and others.
        outcome: The failure.
        budget: The endpoint's.
        seconds_left: Of the user call.
        rng: Draws the pause.
    """
    cell = row.cells.get(outcome.failure)
    if cell is None:
        return GiveUp(Reason.NOT_REPEATABLE)
    if cell.step is Step.SUCCEED:
        return Succeed()
    is_in_doubt = cell.step is Step.READ_STATUS
    if _is_spent(row, cell, outcome.failure, history):
        return GiveUp(Reason.TRIES, is_in_doubt)
    if seconds_left <= 0:
        return GiveUp(Reason.DEADLINE, is_in_doubt)
    match cell.step:
        case Step.OTHER_COLOUR:
            return OtherColour()
        case Step.RESUME:
            return Resume()
        case Step.REFRESH:
            return Refresh()
        case Step.READ_STATUS:
            return ReadStatus()
    is_limited = outcome.failure is Failure.EXHAUSTED
    if cell.step is Step.PREPARE_AGAIN and not is_limited:
        return PrepareAgain(outcome.failure)
    if outcome.pushback is not None and outcome.pushback < 0:
        return GiveUp(Reason.PUSHBACK)
    seconds = outcome.pushback
    if seconds is None:
        seconds = pause(len(_repeated(row, history)), rng)
    if seconds >= seconds_left:
        return GiveUp(Reason.DEADLINE)
    # A call that never left burdens nobody: gRPC itself spaces the attempts to connect.
    if outcome.failure is not Failure.UNSENT and not budget.take():
        return GiveUp(Reason.BUDGET)
    if cell.step is Step.PREPARE_AGAIN:
        return PrepareAgain(outcome.failure, seconds)
    return RetryAfter(seconds)


def _is_spent(row: Row, cell: Cell, failure: Failure, history: History) -> bool:
    if cell.step is Step.RETRY:
        past = _repeated(row, history)
        if failure is Failure.UNSENT:
            return past.count(failure) >= cell.times
        sent = [one for one in past if one is not Failure.UNSENT]
        return sent.count(failure) >= cell.times or len(sent) >= MAX_TRIES - 1
    count = 0
    for _, past_failure, step in history:
        if cell.step is not Step.REFRESH:
            count += step is cell.step
        elif step is Step.OTHER_COLOUR:
            count = 0  # there it is another session
        else:  # a session that is lost says nothing about credentials that are refused, nor the other way round
            count += step is cell.step and past_failure is failure
    return count >= cell.times


def _repeated(row: Row, history: History) -> list[Failure]:
    """Returns the failures after which the same call was sent again."""
    return [failure for past, failure, step in history if past is row and step is Step.RETRY]


class Repeats:
    """What one user call has done about its failures; belongs to the thread that makes it.

    Args:
        budget: The endpoint's.
        rng: Draws the pauses.
    """

    def __init__(self, budget: RetryBudget, rng: random.Random) -> None:
        self._budget = budget
        self._rng = rng
        self.history: History = ()

    def after(self, row: Row, outcome: Outcome, seconds_left: float) -> Decision:
        """Returns what follows the failed call of a method with *row*, and remembers it."""
        decision = decide(row, self.history, outcome, self._budget, seconds_left, self._rng)
        if not isinstance(decision, (GiveUp, Succeed)):
            step = row.cells[outcome.failure].step
            self.history = (*self.history, (row, outcome.failure, step))
        return decision

    def forget(self) -> None:
        """Takes the last failure back: it said nothing."""
        self.history = self.history[:-1]
