"""How a suspended cluster is brought back: two conversations that say what to do next, and do nothing themselves.

`resumption` is held once per endpoint at a time: it reads the cluster's status, resumes it once, and waits until it is
active. `recovery` is held by each caller whose call met the suspension: it takes part in the resumption, then has the
call repeated until the answer is another one. Both are generators of commands; each is answered with a `Reply`, which
carries the time. They end with `Done` or `Failed`, no later than their limit.
"""

from __future__ import annotations

import dataclasses
import enum
import random
from collections.abc import Generator
from typing import Final

from e6data_adbc._session.retry.failure import Failure

__all__ = [
    # Conversations
    "recovery",
    "resumption",
    # Commands
    "Activate",
    "CallResume",
    "CallStatus",
    "Command",
    "Done",
    "Failed",
    "Sleep",
    "TryAgain",
    "Why",
    # Answers
    "Reply",
]

#: The deadline of one status call and of one resume call, if so much is left.
STATUS_SECONDS: Final = 5.0
RESUME_SECONDS: Final = 10.0

#: Between two looks at the status: this, doubled up to that, give or take a fifth.
FIRST_POLL_SECONDS: Final = 0.5
LONGEST_POLL_SECONDS: Final = 5.0
_JITTER: Final = 0.2

#: A resume starts machines that cost money; a second one is not sent sooner than this, whatever the status says.
RESUME_PAUSE_SECONDS: Final = 60.0

#: After these the status may well be readable a moment later.
_PASSING: Final = (
    *(Failure.UNSENT, Failure.UNAVAILABLE, Failure.DEADLINE, Failure.EXHAUSTED),
    *(Failure.LOST, Failure.UNKNOWN, Failure.SUSPENDED, Failure.WRONG_COLOUR),
)
#: After these a resume may have worked.
_DOUBTFUL: Final = (Failure.UNAVAILABLE, Failure.DEADLINE, Failure.LOST, Failure.UNKNOWN)
#: The states of a cluster that is not active yet.
_ON_THE_WAY: Final = ("suspended", "resuming")


class Why(enum.Enum):
    """Why a cluster did not come back."""

    LIMIT = "it was not active in time"
    STILL_REFUSED = "it is active, but calls are still answered with 503"
    CLUSTER_FAILED = "it failed to resume"
    UNKNOWN_STATE = "its status is not one we know"
    REFUSED = "the cluster service refused the call"


@dataclasses.dataclass(frozen=True)
class CallStatus:
    """Read the cluster's status with this deadline; reply with `state` or `failure`."""

    timeout: float


@dataclasses.dataclass(frozen=True)
class CallResume:
    """Send a resume with this deadline and note the time; reply with `failure` if it failed."""

    timeout: float


@dataclasses.dataclass(frozen=True)
class Activate:
    """Hold the endpoint's resumption, or wait for the one under way, this long; reply with `ended`."""

    limit: float


@dataclasses.dataclass(frozen=True)
class TryAgain:
    """Repeat the call that met the suspension; reply only if it meets it again."""


@dataclasses.dataclass(frozen=True)
class Sleep:
    """Wait; reply with the time."""

    seconds: float


@dataclasses.dataclass(frozen=True)
class Done:
    """The cluster is active."""


@dataclasses.dataclass(frozen=True)
class Failed:
    """The cluster did not come back.

    Attributes:
        why: The reason.
        seen: The last status, or the last error where there was none.
    """

    why: Why
    seen: str

    def __str__(self) -> str:
        return f"{self.why.value}; last seen: {self.seen!r}"


Command = CallStatus | CallResume | Activate | TryAgain | Sleep | Done | Failed


@dataclasses.dataclass(frozen=True)
class Reply:
    """What came of a command.

    Attributes:
        now: Monotonic seconds, read after it.
        state: The status that was read.
        failure: How the call failed.
        text: What the server said with the failure.
        ended: How the resumption ended.
    """

    now: float
    state: str | None = None
    failure: Failure | None = None
    text: str = ""
    ended: Done | Failed | None = None


def resumption(
    *, limit: float, rng: random.Random, now: float, resumed_at: float | None = None
) -> Generator[Command, Reply, None]:
    """Yields what to do until the cluster is active.

    Args:
        limit: Seconds from *now*; no command reaches beyond it.
        rng: Spreads the polls.
        now: Monotonic seconds.
        resumed_at: When this process last sent the cluster a resume, if it did.
    """
    deadline = now + limit
    poll = FIRST_POLL_SECONDS
    seen = "nothing yet"
    may_be_lost = True  # of an earlier resume we do not know
    while now < deadline:
        reply = yield CallStatus(min(STATUS_SECONDS, deadline - now))
        now = reply.now
        if reply.failure is not None:
            seen = reply.text or reply.failure.value
            if reply.failure not in _PASSING:
                yield Failed(Why.REFUSED, seen)
                return
        else:
            seen = reply.state or ""
        match None if reply.failure is not None else seen.strip().lower():
            case None:
                pass
            case "active":
                yield Done()
                return
            case "failed":
                yield Failed(Why.CLUSTER_FAILED, seen)
                return
            case "resuming":
                may_be_lost = True  # if it is suspended later on, that is another suspension
            case "suspended":
                is_due = resumed_at is None or (
                    may_be_lost and now - resumed_at >= RESUME_PAUSE_SECONDS
                )
                if is_due and now < deadline:
                    sent_at = now
                    reply = yield CallResume(min(RESUME_SECONDS, deadline - now))
                    now = reply.now
                    if reply.failure is None or reply.failure in _DOUBTFUL:
                        resumed_at, may_be_lost = sent_at, reply.failure is not None
                        poll = FIRST_POLL_SECONDS
                        continue
                    seen = reply.text or reply.failure.value
                    if reply.failure not in _PASSING:
                        yield Failed(Why.REFUSED, seen)
                        return
            case _:
                yield Failed(Why.UNKNOWN_STATE, seen)
                return
        reply = yield Sleep(_pause(poll, deadline - now, rng))
        now = reply.now
        poll = min(2 * poll, LONGEST_POLL_SECONDS)
    yield Failed(Why.LIMIT, seen)


def recovery(*, limit: float, rng: random.Random, now: float) -> Generator[Command, Reply, None]:
    """Yields what to do until a call that met a suspension is answered otherwise.

    Args:
        limit: Seconds from *now*, for all of it.
        rng: Spreads the tries.
        now: Monotonic seconds.
    """
    deadline = now + limit
    poll = FIRST_POLL_SECONDS
    refusal: str | None = None
    while True:
        reply = yield Activate(max(deadline - now, 0.0))
        now = reply.now
        if isinstance(reply.ended, Failed):
            is_late = reply.ended.why is Why.LIMIT and reply.ended.seen not in _ON_THE_WAY
            if refusal is not None and is_late:
                # The time ran out between two refusals of an active cluster.
                yield Failed(Why.STILL_REFUSED, refusal)
            else:
                yield reply.ended
            return
        reply = yield TryAgain()
        now = reply.now
        refusal = reply.text or "active"
        if now >= deadline:
            yield Failed(Why.STILL_REFUSED, refusal)
            return
        # Routing follows the cluster's status with some delay.
        reply = yield Sleep(_pause(poll, deadline - now, rng))
        now = reply.now
        poll = min(2 * poll, LONGEST_POLL_SECONDS)


def _pause(poll: float, seconds_left: float, rng: random.Random) -> float:
    return max(min(poll * rng.uniform(1 - _JITTER, 1 + _JITTER), seconds_left), 0.0)
