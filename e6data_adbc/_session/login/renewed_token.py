"""Access tokens: what one is, and how one that ends is renewed in time, once for all threads."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
import re
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, Protocol

from e6data_adbc import errors
from e6data_adbc.options import DatabaseOptions, Secret

__all__ = ["Grant", "RenewedToken", "Waiting", "token_problem"]

_log = logging.getLogger("e6data_adbc.auth")

#: A token is renewed this long before it ends, as the public connector does, or at half its life if that is later.
_EARLY_SECONDS: Final = 60.0
#: So long before its end a token is no longer sent: the server reads its clock after the call has travelled.
_MARGIN_SECONDS: Final = 10.0
#: The pause after a renewal that failed while the token was still good.
_PAUSE_SECONDS: Final = 5.0
#: How long a token is used whose giver did not say how long it lives.
_UNTOLD_SECONDS: Final = 60.0

#: Whoever promises more is taken at this, about a year.
MAX_LIFETIME_SECONDS: Final = 2**25

_MAX_TOKEN: Final = 8 * 1024
_VISIBLE: Final = re.compile(r"[!-~]+")


class Waiting(Protocol):
    """What a wait needs of a `Scope`."""

    @property
    def is_cancelled(self) -> bool:
        """Whether the caller gave up."""
        ...

    def waking(self, wake: Callable[[], object]) -> AbstractContextManager[None]:
        """Calls *wake* when the caller gives up."""
        ...

    def check(self, verb: str) -> None:
        """Raises CANCELLED if the caller gave up."""
        ...


@dataclasses.dataclass(frozen=True)
class Grant:
    """An access token and how long it lives.

    Attributes:
        token: Visible ASCII, at most 8 KiB.
        lifetime: Seconds since before it was asked for; None where nobody said.
    """

    token: Secret
    lifetime: float | None = None


@dataclasses.dataclass(frozen=True)
class _Held:
    token: Secret
    renew_at: float
    unusable_at: float

    @staticmethod
    def of(grant: Grant, asked_at: float) -> _Held:
        life = grant.lifetime
        if life is None:
            end = asked_at + _UNTOLD_SECONDS
            return _Held(grant.token, end, end)
        return _Held(
            grant.token,
            asked_at + life - min(_EARLY_SECONDS, life / 2),
            asked_at + life - min(_MARGIN_SECONDS, life / 8),
        )


class _Flight:
    """One request for a token under way, on which any number of threads wait."""

    def __init__(self) -> None:
        self.is_done = False
        self.token: Secret | None = None
        self.error: errors.Error | None = None


class RenewedToken:
    """A token that is asked for when first needed and again before it ends; every method is for any thread.

    The request runs in a thread of its own, so that every caller waits within its own limits and can be cancelled,
    whatever the request is doing (resolving a name, for instance, cannot be interrupted), and so that a renewal ahead
    of time keeps nobody waiting.
    """

    def __init__(
        self, ask: Callable[[], Grant], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Makes the token without asking for it.

        Args:
            ask: Gets a new token; ends by itself in finite time, with an `errors.Error` if it fails.
            clock: Seconds since any moment.
        """
        self._ask = ask
        self._clock = clock
        # Guards the three below, and tells the end of a flight; never held over a request.
        self._changed = threading.Condition()
        self._held: _Held | None = None
        self._flight: _Flight | None = None
        self._pause_until = -math.inf

    def bearer(self, scope: Waiting, timeout: float) -> Secret:
        """Returns a token that is good to send.

        Args:
            scope: Cancels the wait.
            timeout: Bounds the wait, in seconds.

        Raises:
            Error: There is none to be had, the wait took too long, or the scope is cancelled.
        """
        with self._changed:
            now = self._clock()
            held = self._held
            if held is not None and now < held.renew_at:
                return held.token
            if held is not None and now < held.unusable_at:
                if self._flight is None and now >= self._pause_until:
                    self._start()
                return held.token
            flight = self._flight or self._start()
        return self._land(flight, scope, timeout)

    def renew(self, rejected: Secret, scope: Waiting, timeout: float) -> Secret | None:
        """Returns a token to try instead of *rejected*, asking for a new one only if there is none yet.

        Args:
            rejected: The token that the server refused.
            scope: Cancels the wait.
            timeout: Bounds the wait, in seconds.

        Returns:
            None if the new token is the same.

        Raises:
            Error: As `bearer`.
        """
        with self._changed:
            held = self._held
            if held is not None and held.token != rejected and self._clock() < held.unusable_at:
                return held.token
            flight = self._flight or self._start()
        token = self._land(flight, scope, timeout)
        return None if token == rejected else token

    def _start(self) -> _Flight:
        """Starts a request; the caller holds the lock and has seen that none is under way."""
        flight = _Flight()
        thread = threading.Thread(
            target=self._fly, args=(flight,), name="e6data-token", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as cause:  # too many threads, or the interpreter is shutting down
            flight.is_done = True
            flight.error = errors.make(
                errors.Status.INTERNAL, f"could not get an access token: {cause}"
            )
        else:
            self._flight = flight
        return flight

    def _fly(self, flight: _Flight) -> None:
        asked_at = self._clock()
        grant: Grant | None = None
        error: errors.Error | None = None
        try:
            grant = self._ask()
        except errors.Error as cause:
            error = cause
        except BaseException as cause:  # noqa: BLE001 - whoever waits has to be told
            # Without its text and its frames, which may hold the token.
            error = errors.make(
                errors.Status.INTERNAL,
                f"could not get an access token: internal error: {type(cause).__name__}",
            )
        with self._changed:
            if grant is not None:
                flight.token = grant.token
                self._held = _Held.of(grant, asked_at)
            flight.error = error
            flight.is_done = True
            self._flight = None
            now = self._clock()
            early = error is not None and self._held is not None and now < self._held.unusable_at
            if early:
                self._pause_until = now + _PAUSE_SECONDS
            self._changed.notify_all()
        if early:
            _log.warning("the access token was not renewed, the old one is still good: %s", error)

    def _land(self, flight: _Flight, scope: Waiting, timeout: float) -> Secret:
        """Returns the token that *flight* brings."""
        verb = "get an access token"
        with scope.waking(self._wake), self._changed:
            self._changed.wait_for(lambda: flight.is_done or scope.is_cancelled, timeout)
        scope.check(verb)
        if not flight.is_done:
            raise errors.make(
                errors.Status.TIMEOUT,
                f"could not {verb}: deadline of {timeout:g} s passed",
                hint=f"raise {DatabaseOptions.AUTHENTICATE_TIMEOUT.value}",
            )
        if flight.error is not None:
            error = copy.copy(flight.error)  # an exception belongs to one thread
            raise error from flight.error.__cause__
        assert flight.token is not None  # noqa: S101 - a flight ends with a token or an error
        return flight.token

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def token_problem(token: Secret) -> str | None:
    """Returns why *token* cannot be sent, without quoting it, or None if it can."""
    if not token.reveal():
        return "it is empty"
    if not _VISIBLE.fullmatch(token.reveal()):
        return "it has characters other than visible ASCII"
    if len(token.reveal()) > _MAX_TOKEN:
        return f"it is longer than {_MAX_TOKEN} characters, with {len(token.reveal())} of them"
    return None
