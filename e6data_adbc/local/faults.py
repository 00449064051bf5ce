"""Faults on command: which call fails, waits or answers garbage."""

from __future__ import annotations

import dataclasses
import enum
import threading
from collections.abc import Callable
from typing import Final

import grpc

from e6data_adbc.local.wire.refusal import Refusal

__all__ = ["Decide", "Fault", "Faults", "When"]

#: Stands for every method.
ANY: Final = "*"
#: Stands for the chunks that fetch responses carry.
CHUNK: Final = "chunk"
#: The names of the statuses with which a call can fail.
CODES: Final = frozenset(code.name for code in grpc.StatusCode if code is not grpc.StatusCode.OK)


class When(enum.Enum):
    """On which side of a call's work a fault strikes."""

    #: The engine has not looked at the request: nothing happened on the server.
    BEFORE = "before"
    #: The work is done, only the answer suffers: what was consumed stays consumed.
    AFTER = "after"


@dataclasses.dataclass(eq=False)
class Fault:
    """One planned fault; `remove` calls it off, `reached` is set when it strikes for the first time."""

    method: str
    when: When
    after: int = 0
    times: int | None = 1
    code: str | None = None
    details: str = ""
    pushback_seconds: float | None = None
    seconds: float | None = None
    gate: threading.Event | None = None
    change: Callable[[bytes], bytes] | None = None
    #: Calls of the method seen so far.
    seen: int = 0
    #: Calls that suffered so far.
    hits: int = 0
    reached: threading.Event = dataclasses.field(default_factory=threading.Event)
    removed: bool = False

    def remove(self) -> None:
        """Calls the fault off; a call that waits on it goes on."""
        self.removed = True


#: Decides about a fault call by call; see `Faults.decide`.
Decide = Callable[[str, When, bytes, bytes], "Fault | None"]


class Faults:
    """The plan of faults of one engine; any thread may use it.

    `after` is the number of calls of the method that pass unharmed first, `times` how many suffer then (None: all).
    Methods have their wire names, for instance `getNextResultBatch`; `*` means every method.
    """

    #: How often a waiting call looks whether it may go on, in seconds.
    POLL_SECONDS: Final = 0.02

    def __init__(self, methods: frozenset[str], stopping: threading.Event) -> None:
        self._methods = methods | {ANY, CHUNK}
        self._stopping = stopping
        self._lock = threading.Lock()
        self._plan: list[Fault] = []
        #: Asked at both sides of each call: method, side, request, and response (empty before the work). What it
        #: returns strikes besides what is planned. Any number of threads call it at a time.
        self.decide: Decide | None = None

    def fail(
        self,
        method: str,
        *,
        after: int = 0,
        times: int | None = 1,
        code: str = "UNAVAILABLE",
        details: str = "injected fault",
        when: When = When.BEFORE,
        pushback_seconds: float | None = None,
    ) -> Fault:
        """Makes calls of *method* end with the gRPC status *code* (its name, for instance `UNAVAILABLE`).

        *pushback_seconds* tells the client how long to wait before it tries again.
        """
        if code not in CODES:
            raise ValueError(f"there is no gRPC status {code!r}")
        return self._add(
            Fault(
                method,
                when,
                after,
                times,
                code=code,
                details=details,
                pushback_seconds=pushback_seconds,
            )
        )

    def delay(
        self,
        method: str,
        *,
        seconds: float | None = None,
        gate: threading.Event | None = None,
        after: int = 0,
        times: int | None = 1,
        when: When = When.BEFORE,
    ) -> Fault:
        """Makes calls of *method* wait for *seconds*, or until *gate* is set, or the client gave up."""
        if (seconds is None) == (gate is None):
            raise ValueError("a delay has either seconds or a gate")
        return self._add(Fault(method, when, after, times, seconds=seconds, gate=gate))

    def mutate(
        self,
        method: str,
        change: Callable[[bytes], bytes],
        *,
        after: int = 0,
        times: int | None = 1,
    ) -> Fault:
        """Sends `change(response)` in place of a response; the method `chunk` means each chunk of a fetch response."""
        return self._add(Fault(method, When.AFTER, after, times, change=change))

    def truncate(self, method: str, *, keep: int, after: int = 0, times: int | None = 1) -> Fault:
        """Sends only the first *keep* bytes of a response (or chunk); a negative number drops that many at the end."""
        return self.mutate(method, lambda data: data[:keep], after=after, times=times)

    @property
    def planned(self) -> list[Fault]:
        """The faults that were planned and not called off, spent ones included."""
        with self._lock:
            return [fault for fault in self._plan if not fault.removed]

    def clear(self) -> None:
        """Calls every fault off."""
        with self._lock:
            for fault in self._plan:
                fault.remove()
            self._plan.clear()

    def strike(
        self,
        method: str,
        when: When,
        response: bytes,
        is_active: Callable[[], bool],
        request: bytes = b"",
    ) -> bytes:
        """Applies what is planned for this call; returns the response to send.

        Raises:
            Refusal: The call shall fail.
        """
        due = self._due(method, when)
        if self.decide is not None and method != CHUNK:
            extra = self.decide(method, when, request, response)
            due += [] if extra is None else [extra]
        for fault in due:
            fault.reached.set()
            if fault.seconds is not None or fault.gate is not None:
                self._wait(fault, is_active)
            if fault.code is not None:
                raise Refusal(fault.code, fault.details, pushback_seconds=fault.pushback_seconds)
            if fault.change is not None:
                response = fault.change(response)
        return response

    def chunk(self, chunk: bytes) -> bytes:
        """Returns what to send in place of *chunk*."""
        if not self._plan:
            return chunk
        return self.strike(CHUNK, When.AFTER, chunk, lambda: True)

    def _add(self, fault: Fault) -> Fault:
        if fault.method not in self._methods:
            raise ValueError(f"there is no method {fault.method!r}")
        with self._lock:
            self._plan.append(fault)
        return fault

    def _due(self, method: str, when: When) -> list[Fault]:
        if not self._plan:
            return []
        due = []
        with self._lock:
            for fault in self._plan:
                named = fault.method == method or (fault.method == ANY and method != CHUNK)
                if not named or fault.when is not when or fault.removed:
                    continue
                fault.seen += 1
                if fault.seen <= fault.after:
                    continue
                if fault.times is None or fault.hits < fault.times:
                    fault.hits += 1
                    due.append(fault)
        return due

    def _wait(self, fault: Fault, is_active: Callable[[], bool]) -> None:
        gate = fault.gate or threading.Event()
        left = fault.seconds
        while not (fault.removed or self._stopping.is_set()) and is_active():
            pause = self.POLL_SECONDS if left is None else min(left, self.POLL_SECONDS)
            if pause <= 0 or gate.wait(pause):
                return
            if left is not None:
                left -= pause
