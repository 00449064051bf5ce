"""Faults drawn from a seed, with a log of which query each of them struck."""

from __future__ import annotations

import dataclasses
import random
import threading
import time
from typing import Final

from e6data_adbc._wire import e6x_engine_pb2 as pb
from e6data_adbc.local import LocalEngine, When
from e6data_adbc.local.faults import Fault

__all__ = ["Event", "Strike", "Weather"]

DENIED: Final = ("INTERNAL", "Access denied")
WRONG_COLOUR: Final = ("UNKNOWN", "status: 456")
SUSPENDED: Final = ("UNAVAILABLE", "status: 503, cluster is suspended")
GONE: Final = ("UNAVAILABLE", "the connection broke")
LATE: Final = ("DEADLINE_EXCEEDED", "Deadline Exceeded")
BUSY: Final = ("RESOURCE_EXHAUSTED", "rate limit exceeded")
UNKNOWN_TOKEN: Final = ("UNAUTHENTICATED", "authentication denied")
BROKEN: Final = ("INTERNAL", "internal error of the engine")

Blow = tuple[str, str]

#: What can happen to a call before the engine looks at it.
BEFORE: Final[dict[str, tuple[Blow, ...]]] = {
    "authenticate": (GONE, LATE, BUSY, SUSPENDED),
    "prepareStatementV2": (GONE, BUSY, DENIED, UNKNOWN_TOKEN, WRONG_COLOUR, SUSPENDED),
    "getDynamicParams": (GONE, LATE, BUSY, DENIED, UNKNOWN_TOKEN, WRONG_COLOUR, SUSPENDED),
    "executeStatementV2": (GONE, BUSY, DENIED, UNKNOWN_TOKEN, WRONG_COLOUR, SUSPENDED, BROKEN),
    "getResultMetadata": (GONE, LATE, BUSY, DENIED, UNKNOWN_TOKEN),
    "getNextResultBatch": (GONE, LATE, BUSY, DENIED, WRONG_COLOUR, BROKEN),
    "getNextResultBatchV2": (GONE, LATE, BUSY, DENIED, WRONG_COLOUR, BROKEN),
    "clearOrCancelQuery": (GONE, LATE, BUSY),
    "status": (GONE, LATE),
}
#: What can happen to its answer; `cut` loses the last byte of it.
CUT: Final[Blow] = ("cut", "the last byte is lost")
AFTER: Final[dict[str, tuple[Blow, ...]]] = {
    "authenticate": (GONE, LATE, CUT),
    "prepareStatementV2": (GONE, CUT),
    "getDynamicParams": (GONE, LATE, CUT),
    "executeStatementV2": (GONE, LATE),
    "getResultMetadata": (GONE, LATE, CUT),
    "getNextResultBatch": (GONE, LATE, CUT),
    "getNextResultBatchV2": (GONE, LATE, CUT),
    "clearOrCancelQuery": (GONE, LATE),
}
#: Changes of the engine that clients must not notice, and those that end what is under way.
SOFT: Final = ("switch, draining", "announce", "sessions end, draining")
HARD: Final = ("switch, abrupt", "sessions end", "restart", "suspend")


@dataclasses.dataclass(frozen=True)
class Strike:
    """One fault that struck."""

    at: float
    method: str
    when: When
    blow: Blow
    #: What the call was about: the query's id, or the text that was prepared.
    about: str


@dataclasses.dataclass(frozen=True)
class Event:
    """One change of the engine, from begin to end."""

    began: float
    ended: float
    name: str

    @property
    def is_hard(self) -> bool:
        """Whether it ends what is under way."""
        return self.name in HARD


class Weather:
    """Draws faults for an engine; any thread may call."""

    def __init__(
        self,
        engine: LocalEngine,
        seed: int,
        *,
        fault_rate: float,
        delay_rate: float,
        false_colours: bool,
    ):
        """Draws from *seed*; the rates are shares of calls, each side of the work on its own.

        With *false_colours* the colour that serves refuses calls as if it did not.
        """
        self._engine = engine
        self._random = random.Random(seed)
        self._fault_rate = fault_rate
        self._delay_rate = delay_rate
        self._false_colours = false_colours
        self._lock = threading.Lock()
        self._blowing = False
        self.strikes: list[Strike] = []
        self.events: list[Event] = []
        #: Queries whose id never reached a client, because the answer of their prepare was lost.
        self.orphans: set[str] = set()
        engine.faults.decide = self._decide

    def blow(self) -> None:
        """Begins."""
        self._blowing = True

    def calm(self) -> None:
        """Ends; what was drawn stays known."""
        self._blowing = False

    def event(self, name: str) -> None:
        """Changes the engine."""
        began = time.monotonic()
        match name:
            case "switch, draining":
                self._engine.switch(drain=True)
            case "switch, abrupt":
                self._engine.switch()
            case "announce":
                self._engine.switch(announce=True)
            case "sessions end, draining":
                self._engine.expire_sessions(drain=True)
            case "sessions end":
                self._engine.expire_sessions()
            case "restart":
                self._engine.restart()
            case "suspend":
                self._engine.suspend()
            case _:
                raise ValueError(name)
        with self._lock:
            self.events.append(Event(began, time.monotonic(), name))

    def _decide(self, method: str, when: When, request: bytes, response: bytes) -> Fault | None:
        blows = (BEFORE if when is When.BEFORE else AFTER).get(method)
        if not self._blowing or blows is None:
            return None
        if not self._false_colours and "getNext" not in method:
            blows = tuple(blow for blow in blows if blow != WRONG_COLOUR)
        with self._lock:
            draw = self._random.random()
            if draw < self._fault_rate:
                blow = self._random.choice(blows)
            elif draw < self._fault_rate + self._delay_rate:
                return Fault(method, when, seconds=self._random.choice((0.001, 0.005, 0.02)))
            else:
                return None
            self.strikes.append(
                Strike(time.monotonic(), method, when, blow, _subject(method, request))
            )
            if when is When.AFTER and method == "prepareStatementV2":
                self.orphans.add(pb.PrepareStatementResponse.FromString(response).queryId)
        return _fault(method, when, blow)


def _subject(method: str, request: bytes) -> str:
    if method == "authenticate":
        return ""
    if method == "prepareStatementV2":
        return pb.PrepareStatementV2Request.FromString(request).queryString
    # All the others have the query's id under the same number.
    kinds = {
        "getDynamicParams": pb.GetDynamicParamsRequest,
        "executeStatementV2": pb.ExecuteStatementV2Request,
        "getResultMetadata": pb.GetResultMetadataRequest,
        "clearOrCancelQuery": pb.ClearOrCancelQueryRequest,
        "status": pb.StatusRequest,
    }
    kind = kinds.get(method, pb.GetNextResultBatchRequest)
    return str(kind.FromString(request).queryId)  # type: ignore[attr-defined]


def _fault(method: str, when: When, blow: Blow) -> Fault:
    code, details = blow
    if code == "cut":
        return Fault(method, when, change=lambda data: data[:-1])
    pushback = 0.002 if code == "RESOURCE_EXHAUSTED" else None
    return Fault(method, when, code=code, details=details, pushback_seconds=pushback)
